# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What writes grub.cfg on a Debian system that OSTree updates.

libostree calls grub-mkconfig when it writes boot entries (sysroot.bootloader=grub2). Debian's own looks for kernels in
/boot and probes devices, and knows nothing of deployments. This program makes menu entries of the boot entries.
"""

from __future__ import annotations

PROGRAM = "/usr/sbin/grub-mkconfig"
#: Where Debian's own is kept.
DIVERTED = "/usr/sbin/grub-mkconfig.debian"
DROPINS = "/etc/default/grub.d"

#: Shell of Debian's essential packages: it also runs while an image is built, where there are no devices.
GENERATOR = r"""#!/bin/sh
# Write grub's configuration from the boot entries of OSTree: grub-mkconfig -o FILE
#
# libostree calls this program whenever boot entries change. FILE is grub.cfg in the directory /boot/loader.N that
# becomes /boot/loader afterwards; the entries lie beside it. Settings: GRUB_TIMEOUT and GRUB_SERIAL_COMMAND in
# /etc/default/grub and /etc/default/grub.d/*.cfg.
#
# The first menu entry is the default deployment, the second the one to fall back to. Counting of failed starts, by
# variables in /boot/grub/grubenv (grub-editenv(1)):
#   boot_counter  1..9: how often the first entry may still be tried; grub takes one off at each start.
#                 0: used up, grub starts the second entry. Anything else, or unset: no counting.
#   boot_success  1: the first entry is known to be good, no counting. grub only reads it.
# Who updates sets boot_counter=N boot_success=0 before the restart; who finds the new system healthy sets
# boot_success=1 and unsets boot_counter.
set -eu
export LC_ALL=C

output=
while [ $# -gt 0 ]; do
    case "$1" in
        -o | --output) output=${2:?"$1 needs a file name"} && shift ;;
        --output=*) output=${1#*=} ;;
        -*) ;;
    esac
    shift
done
[ -z "$output" ] || exec >"$output"

entries=/boot/loader/entries
if [ -n "$output" ] && [ -d "${output%/*}/entries" ]; then
    entries=${output%/*}/entries
fi

GRUB_TIMEOUT=1
GRUB_SERIAL_COMMAND=
for file in /etc/default/grub /etc/default/grub.d/*.cfg; do
    # shellcheck source=/dev/null
    [ ! -r "$file" ] || . "$file"
done

# Where /boot is a directory of the root file system, which the repository's configuration says: older versions of
# libostree do not know that key.
prefix=
while read -r line; do
    [ "$line" != bootprefix=true ] || prefix=/boot
done </ostree/repo/config

place() {
    case "$1" in
        /boot/*) printf '%s' "$1" ;;
        *) printf '%s' "$prefix$1" ;;
    esac
}

cat <<EOF
# Written by $0 from the boot entries of OSTree, anew with every deployment.
# Settings belong in /etc/default/grub.d; what boot_counter does is told in that program.

set timeout=$GRUB_TIMEOUT
set default=0
set fallback=1
EOF
if [ -n "$GRUB_SERIAL_COMMAND" ]; then
    # A machine may have no serial port: then the command fails, and only the console is used.
    cat <<EOF
if $GRUB_SERIAL_COMMAND; then
    terminal_input console serial
    terminal_output console serial
fi
EOF
fi
cat <<'EOF'
if [ -s $prefix/grubenv ]; then
    load_env boot_counter boot_success
fi
if [ "$boot_success" != 1 ]; then
    if [ "$boot_counter" = 0 ]; then
        echo "The first entry did not start: starting the second."
        set default=1
    fi
    set less=0
    set counted=
    for number in 1 2 3 4 5 6 7 8 9; do
        if [ "$boot_counter" = "$number" ]; then
            set counted=$less
        fi
        set less=$number
    done
    if [ -n "$counted" ]; then
        set boot_counter=$counted
        save_env boot_counter
    fi
fi
EOF

# The boot loader specification sorts by version, newest first.
for file in "$entries"/*.conf; do
    [ -e "$file" ] || continue
    version=0
    while read -r key value; do
        [ "$key" != version ] || version=$value
    done <"$file"
    printf '%s %s\n' "$version" "$file"
done | sort -k 1,1nr | while read -r version file; do
    title='' kernel='' initrds='' options='' tree=''
    while read -r key value; do
        case "$key" in
            title) title=$value ;;
            linux) kernel=$(place "$value") ;;
            initrd) initrds="$initrds $(place "$value")" ;;
            devicetree) tree=$(place "$value") ;;
            options) options=$value ;;
        esac
    done <"$file"
    [ -n "$kernel" ] || continue
    name=${file##*/}
    title=$(printf '%s' "${title:-$name}" | sed "s/'/'\\\\''/g")
    # Quotes are grub's as well; these characters have a meaning that is only grub's.
    options=$(printf '%s' "$options" | sed 's/[\\$;&|<>{}#]/\\&/g')
    printf "\nmenuentry '%s' --class gnu-linux --class os --id '%s' {\n" "$title" "${name%.conf}"
    printf '    linux %s %s\n' "$kernel" "$options"
    [ -z "$initrds" ] || printf '    initrd%s\n' "$initrds"
    [ -z "$tree" ] || printf '    devicetree %s\n' "$tree"
    printf '}\n'
done
"""
