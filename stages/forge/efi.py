# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Debian's signed boot chain for UEFI: where its parts are in a tree, and where firmware looks for them."""

from __future__ import annotations

import os

from . import intree

# Debian architecture -> (suffix of EFI file names, grub's platform)
EFI = {
    "amd64": ("x64", "x86_64-efi"),
    "i386": ("ia32", "i386-efi"),
    "arm64": ("aa64", "arm64-efi"),
}


def boot_files(architecture):
    """Debian's signed boot chain: place in the tree -> place on the partition (UEFI specification 3.5.1.1)."""
    suffix, platform = EFI[architecture]
    return [
        (f"/usr/lib/shim/shim{suffix}.efi.signed", f"EFI/BOOT/BOOT{suffix.upper()}.EFI"),
        (f"/usr/lib/shim/mm{suffix}.efi.signed", f"EFI/BOOT/mm{suffix}.efi"),
        (f"/usr/lib/grub/{platform}-signed/grub{suffix}.efi.signed", f"EFI/BOOT/grub{suffix}.efi"),
    ]


def grub_config(grub):
    """What the signed grub reads first: find the file system of the system, and go on with the configuration there."""
    prefix = grub.get("prefix", "/boot/grub")
    return f"search.fs_uuid {grub['fs-uuid']} root\nset prefix=($root)'{prefix}'\nconfigfile $prefix/grub.cfg\n"


def locate(root, path):
    """The file `path` of the tree, with links followed inside the tree like the running system would."""
    place = intree.resolve(root, path)
    if not os.path.isfile(place):
        raise FileNotFoundError(f"the tree has no file {path}; is the package that ships it installed?")
    return place
