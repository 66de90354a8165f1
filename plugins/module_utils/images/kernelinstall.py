# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What keeps the EFI partition up to date on the running system, where no grub does: kernel-install(8) and its settings."""

from __future__ import annotations

from ..manifest import Stage
from .definition import Definition
from .kernelargs import kernel_arguments
from .layout import Layout
from .systemfile import SystemFile

#: What names of boot entries begin with; not the machine id, which the image does not have yet.
TOKEN = "debian"

_LAYOUT = "layout=uki\n"
# The firmware starts only this name, so the newest kernel has to be there (UEFI specification, 3.5.1.1).
_FALLBACK = """#!/bin/sh
# kernel-install(8) plugin: the firmware boots the unified kernel image that was installed last.
set -eu
[ "$1" = add ] || exit 0
image="$KERNEL_INSTALL_BOOT_ROOT/EFI/Linux/$KERNEL_INSTALL_ENTRY_TOKEN-$2.efi"
[ -e "$image" ] || exit 0
for loader in "$KERNEL_INSTALL_BOOT_ROOT"/EFI/BOOT/BOOT*.EFI; do
    [ -e "$loader" ] || continue
    cp "$image" "$loader.new"
    mv "$loader.new" "$loader"
done
"""


def kernel_install_files(definition: Definition) -> list[SystemFile]:
    """Settings that follow from the boot loader alone."""
    if not definition.image_type.disk or definition.boot_loader == "grub":
        return []
    result = [SystemFile("/etc/kernel/entry-token", f"{TOKEN}\n")]
    if definition.boot_loader == "uki":
        result.append(SystemFile("/etc/kernel/install.conf", _LAYOUT))
        result.append(SystemFile("/etc/kernel/install.d/95-firmware-default.install", _FALLBACK, "0755"))
    return result


def command_line_stage(definition: Definition, layout: Layout) -> Stage:
    """The kernel's command line, for kernels that are installed later."""
    root = layout.root
    options = "ro"
    if root.subvolume:
        options = f"rootflags=subvol={root.subvolume} ro"
    return Stage(
        "org.osbuild.kernel-cmdline",
        {"root_fs_uuid": root.fs_id, "kernel_opts": f"{options} {kernel_arguments(definition)}"},
    )
