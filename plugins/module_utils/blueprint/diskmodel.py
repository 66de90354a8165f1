# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.disk]`` as plain frozen data. Sizes are minimal sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FsType = Literal["ext4", "xfs", "vfat", "swap"]


@dataclass(frozen=True)
class LogicalVolume:
    """``mountpoint`` is empty for swap."""

    name: str
    minsize: int = 0
    mountpoint: str = ""
    fs_type: FsType = "ext4"
    label: str = ""


@dataclass(frozen=True)
class Subvolume:
    name: str
    mountpoint: str


@dataclass(frozen=True)
class DiskPartition:
    """One partition; which of the other fields count depends on ``type``.

    plain: ``mountpoint`` (empty for swap), ``fs_type``, ``label``; lvm: ``name`` of the group (empty: one is made up)
    and ``logical_volumes``; btrfs: ``subvolumes``. ``part_type`` is a GPT type, or two hex digits for dos; empty
    means the usual one.
    """

    type: Literal["plain", "lvm", "btrfs"] = "plain"
    minsize: int = 0
    part_type: str = ""
    part_label: str = ""
    part_uuid: str = ""
    mountpoint: str = ""
    fs_type: FsType = "ext4"
    label: str = ""
    name: str = ""
    logical_volumes: tuple[LogicalVolume, ...] = ()
    subvolumes: tuple[Subvolume, ...] = ()

    @property
    def mountpoints(self) -> tuple[str, ...]:
        """Everything that is mounted from it."""
        inner = [one.mountpoint for one in self.logical_volumes] + [one.mountpoint for one in self.subvolumes]
        return tuple(one for one in (self.mountpoint, *inner) if one)


@dataclass(frozen=True)
class Disk:
    """``start_offset``: bytes in front of the first partition, 0 for the usual 1 MiB."""

    type: Literal["gpt", "dos"] = "gpt"
    minsize: int = 0
    start_offset: int = 0
    partitions: tuple[DiskPartition, ...] = ()
