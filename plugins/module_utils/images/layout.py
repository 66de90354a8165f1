# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What is where on a disk, as data; :mod:`.partitioning` decides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SECTOR = 512
MIB = 1024 * 1024
GIB = 1024 * MIB

# GPT partition types (UEFI specification, Discoverable Partitions Specification).
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
# Extra file systems are generic Linux data: fstab says where they go, not their type.
LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
LVM = "E6D6D379-F507-44C2-A23C-238F2A3DF928"
LUKS = "CA7D7CCB-63ED-4C53-861C-1742536059CC"
XBOOTLDR = "BC13C2FF-59E6-4262-A352-B275FD6F7172"

# Types of a dos disk.
DOS_ESP, DOS_SWAP, DOS_LINUX, DOS_LVM = "ef", "82", "83", "8e"


@dataclass(frozen=True)
class Volume:
    """A file system or swap space that is no partition itself: a logical volume, or a btrfs subvolume.

    :param size: bytes; 0 for a subvolume, which has none.
    """

    name: str
    size: int
    mountpoint: str
    filesystem: str
    fs_id: str
    label: str = ""


@dataclass(frozen=True)
class Partition:
    """One partition; *start* and *size* in bytes.

    :param mountpoint: where the system mounts it; empty for what is not mounted itself.
    :param filesystem: ``ext4``, ``xfs``, ``vfat``, ``btrfs``, ``swap``, ``lvm``, ``verity`` (hashes) or empty.
    :param fs_id: UUID of the file system, for vfat the eight hex digits of its serial number.
    :param label: of the file system.
    :param group: name of the volume group on it.
    :param volumes: of the group, or subvolumes of btrfs.
    :param luks: UUID of the LUKS container around its content; empty where there is none.
    """

    name: str
    type: str
    uuid: str
    start: int
    size: int
    mountpoint: str = ""
    filesystem: str = ""
    fs_id: str = ""
    label: str = ""
    group: str = ""
    volumes: tuple[Volume, ...] = ()
    luks: str = ""

    @property
    def first_sector(self) -> int:
        return self.start // SECTOR

    @property
    def sectors(self) -> int:
        return self.size // SECTOR

    @property
    def loop_free(self) -> bool:
        """Whether a stage can write its content into the image file without a device that the engine sets up."""
        return not self.luks and not self.group

    def mounts(self) -> Iterator[Mount]:
        """What the system mounts or swaps on, of this partition."""
        for one in self.volumes:
            volume, subvolume = (one.name, "") if self.group else ("", one.name)
            yield Mount(one.mountpoint, one.filesystem, one.fs_id, self, volume, subvolume, one.label)
        if self.mountpoint or self.filesystem == "swap":
            yield Mount(self.mountpoint, self.filesystem, self.fs_id, self, label=self.label)


@dataclass(frozen=True)
class Mount:
    """A file system of the disk, or its swap space (without *mountpoint*), and what it lies on."""

    mountpoint: str
    filesystem: str
    fs_id: str
    partition: Partition
    volume: str = ""
    subvolume: str = ""
    label: str = ""


@dataclass(frozen=True)
class Layout:
    """A disk of *size* bytes; *partitions* in the order of their numbers, which is not that of their places.

    :param label: kind of partition table, ``gpt`` or ``dos``.
    """

    uuid: str
    size: int
    partitions: tuple[Partition, ...]
    label: str = "gpt"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Everything that is mounted or swapped on, parents before what is mounted below them."""
        found = (mount for partition in self.partitions for mount in partition.mounts())
        return tuple(sorted(found, key=lambda one: (one.mountpoint == "", one.mountpoint)))

    def at(self, mountpoint: str) -> Mount | None:
        """What is mounted at exactly *mountpoint*."""
        return next((one for one in self.mounts if one.mountpoint == mountpoint), None)

    @property
    def root(self) -> Mount:
        return next(one for one in self.mounts if one.mountpoint == "/")

    @property
    def boot(self) -> Mount:
        """What holds /boot: a file system of its own, or the root."""
        return self.at("/boot") or self.root

    @property
    def bios(self) -> Partition | None:
        return next((one for one in self.partitions if one.type == BIOS_BOOT), None)

    @property
    def esp(self) -> Partition | None:
        return next((one for one in self.partitions if one.mountpoint == "/boot/efi"), None)

    @property
    def hashes(self) -> Partition | None:
        """The partition with the hashes of dm-verity."""
        return next((one for one in self.partitions if one.filesystem == "verity"), None)

    @property
    def loop_free(self) -> bool:
        """Whether the whole disk can be written without devices that the engine sets up."""
        return all(one.loop_free for one in self.partitions)

    def number(self, partition: Partition) -> int:
        """Its number, from 1."""
        return self.partitions.index(partition) + 1
