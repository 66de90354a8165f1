# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From the three ways a blueprint speaks of partitions to one: a list of those it wants, in order.

``customizations.disk`` is that list; ``filesystem`` is one partition for each, ``partitioning_mode`` puts them into
one volume group or one btrfs. What has to be there and is missing (a root, a /boot that grub can read) is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..blueprint import Disk, DiskPartition, LogicalVolume, Subvolume
from .definition import Definition

# Where grub finds kernels if the root is nothing it reads.
_BOOT = DiskPartition(mountpoint="/boot")
_GROUP = "rootvg"


def _logical(mountpoint: str, minsize: int) -> LogicalVolume:
    name = mountpoint.strip("/").replace("/", "_") or "root"
    return LogicalVolume(f"{name}lv", minsize, mountpoint)


def _by_mode(definition: Definition) -> list[DiskPartition]:
    sizes = {one.mountpoint: one.minsize for one in definition.customizations.filesystem}
    mode = definition.customizations.partitioning_mode
    if mode == "auto-lvm":
        mode = "lvm" if set(sizes) - {"/", "/boot"} else "raw"
    boot = [replace(_BOOT, minsize=sizes.pop("/boot"))] if "/boot" in sizes else []
    sizes.setdefault("/", 0)
    if mode == "lvm":
        volumes = tuple(_logical(path, sizes[path]) for path in sorted(sizes))
        return [*boot, DiskPartition("lvm", name=_GROUP, logical_volumes=volumes)]
    if mode == "btrfs":
        subvolumes = tuple(Subvolume(path.strip("/").replace("/", "-") or "root", path) for path in sorted(sizes))
        return [*boot, DiskPartition("btrfs", minsize=sum(sizes.values()), subvolumes=subvolumes)]
    root = DiskPartition(minsize=sizes.pop("/"), mountpoint="/")
    # The root's number is the first, its place the last, so that it can grow.
    others = [DiskPartition(minsize=sizes[path], mountpoint=path) for path in sorted(sizes)]
    return [root, *sorted([*boot, *others], key=lambda one: one.mountpoint)]


def _with_root(disk: Disk) -> list[DiskPartition]:
    wanted = list(disk.partitions)
    if any("/" in one.mountpoints for one in wanted):
        return wanted
    for number, one in enumerate(wanted):
        # A group or volume that holds other file systems holds the root too.
        if one.type == "lvm":
            wanted[number] = replace(one, logical_volumes=(*one.logical_volumes, _logical("/", 0)))
            return wanted
        if one.type == "btrfs":
            wanted[number] = replace(one, subvolumes=(*one.subvolumes, Subvolume("root", "/")))
            return wanted
    return [*wanted, DiskPartition(mountpoint="/")]


def holds_root(partition: DiskPartition) -> bool:
    return "/" in partition.mountpoints


def root_partition(wanted: Iterable[DiskPartition]) -> DiskPartition:
    """The partition of *wanted* that holds the root file system; there always is one."""
    [root] = (one for one in wanted if holds_root(one))
    return root


def grub_reads(definition: Definition, partition: DiskPartition) -> bool:
    """Whether a kernel on the root file system is found by Debian's signed grub."""
    return partition.type == "plain" and not definition.customizations.debian.encryption


def wanted_partitions(definition: Definition) -> Sequence[DiskPartition]:
    """The partitions beside those for firmware, in the order of their numbers."""
    disk = definition.customizations.disk
    wanted = _with_root(disk) if disk is not None else _by_mode(definition)
    root = root_partition(wanted)
    own_boot = any("/boot" in one.mountpoints for one in wanted)
    if definition.boot_loader == "grub" and not own_boot and not grub_reads(definition, root):
        wanted.insert(0, _BOOT)
    return wanted
