# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What the initial ram disk has to know of the disk beyond what the packages put into it (initramfs-tools(7))."""

from __future__ import annotations

from collections.abc import Iterable

from ..manifest import Stage
from .definition import Definition

_PREREQUISITES = """#!/bin/sh
set -eu
if [ "${1:-}" = prereqs ]; then
    exit 0
fi
"""

_VERITY_HOOK = (
    _PREREQUISITES
    + """. /usr/share/initramfs-tools/hook-functions
copy_exec /usr/sbin/veritysetup
manual_add_modules dm_verity overlay
"""
)

# The names of the two partitions and the hash come by the kernel's command line, which the signed image carries.
_VERITY_OPEN = (
    _PREREQUISITES
    + """. /scripts/functions
data='' hashes='' root='' one='' two=''
for word in $(cat /proc/cmdline); do
    case "$word" in
        verity.data=*) data="${word#*=}" ;;
        verity.hash=*) hashes="${word#*=}" ;;
        roothash=*) root="${word#*=}" ;;
    esac
done
[ -n "$root" ] || panic "the kernel's command line has no roothash="
modprobe -q dm_verity || true
wait_for_udev 10
# No seq(1): the smallest of initial ram disks has none.
tries=0
while [ "$tries" -lt 120 ]; do
    one=$(resolve_device "$data") && two=$(resolve_device "$hashes") && [ -b "$one" ] && [ -b "$two" ] && break
    tries=$((tries + 1))
    sleep 1
done
veritysetup open "$one" root "$two" "$root" || panic "the root file system does not match its hash"
"""
)

# Nothing can be written to a verified file system: changes go to memory, and are gone with the next boot.
_VERITY_OVERLAY = (
    _PREREQUISITES
    + """. /scripts/functions
modprobe -q overlay || true
mkdir -p /run/root-verified /run/root-changes
mount -n -o move "$rootmnt" /run/root-verified
mount -n -t tmpfs -o mode=0755 root-changes /run/root-changes
mkdir /run/root-changes/upper /run/root-changes/work
mount -n -t overlay -o lowerdir=/run/root-verified,upperdir=/run/root-changes/upper,workdir=/run/root-changes/work \\
    root "$rootmnt"
"""
)


def initramfs_stage(definition: Definition) -> Iterable[Stage]:
    """A new initial ram disk, where what it is made from was written only after the packages."""
    debian = definition.customizations.debian
    if not definition.image_type.disk or not (debian.verity or debian.encryption):
        return
    options: dict[str, object] = {"run": True, "generator": "initramfs-tools"}
    if debian.verity:
        options["initramfs-tools"] = {
            "hooks": [{"name": "verity", "content": _VERITY_HOOK}],
            "scripts": [
                {"name": "verity", "phase": "local-top", "content": _VERITY_OPEN},
                {"name": "changes-in-memory", "phase": "local-bottom", "content": _VERITY_OVERLAY},
            ],
        }
    yield Stage("org.osbuild.debian.initramfs", options)
