# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Packages that a disk's file systems, volumes and containers take: in the system, and in the build root."""

from __future__ import annotations

from .definition import Definition
from .wishes import wanted_partitions

_SYSTEM = {"xfs": "xfsprogs", "btrfs": "btrfs-progs", "lvm": "lvm2"}


def _kinds(definition: Definition) -> set[str]:
    found: set[str] = set()
    for one in wanted_partitions(definition):
        found.add(one.type)
        if one.type == "plain":
            found.add(one.fs_type)
        found.update(volume.fs_type for volume in one.logical_volumes)
    return found


def storage_packages(definition: Definition) -> list[str]:
    """What the system needs to find, check and mount its file systems."""
    if not definition.image_type.disk:
        return []
    debian = definition.customizations.debian
    result = [_SYSTEM[kind] for kind in sorted(_kinds(definition)) if kind in _SYSTEM]
    if debian.encryption:
        result.append("cryptsetup-initramfs")
    if debian.verity:
        result.append("cryptsetup-bin")
    return result


def storage_build_packages(definition: Definition) -> list[str]:
    """What the build root needs to make them."""
    if not definition.image_type.disk:
        return []
    debian = definition.customizations.debian
    result = [_SYSTEM[kind] for kind in sorted(_kinds(definition)) if kind in _SYSTEM]
    if debian.encryption or debian.verity:
        result.append("cryptsetup-bin")
    return result
