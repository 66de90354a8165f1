# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The partitions of a disk: sizes and places, decided before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..packages import Package
from .definition import Definition

SECTOR = 512
MIB = 1024 * 1024
GIB = 1024 * MIB

# GPT partition types (UEFI specification, Discoverable Partitions Specification).
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
# Extra file systems are generic Linux data: fstab says where they go, not their type.
LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

_FIRST = 1 * MIB
_BIOS_SIZE = 1 * MIB
_ESP_END = 128 * MIB
# For the backup of the partition table, rounded up to keep everything aligned.
_TAIL = 1 * MIB

_DEFAULT_ROOT = 2 * GIB
_BOOT_MINIMUM = 512 * MIB
# What appears only while building: initial ram disks, module indices, grub's modules, caches, the journal.
_EXTRA = 512 * MIB
# Share of a file system that holds data; the rest is tables, reserved blocks and slack in each file's last block.
_USABLE = 0.80


@dataclass(frozen=True)
class Partition:
    """One partition; *start* and *size* in bytes.

    :param mountpoint: where the system mounts it; empty for the BIOS boot partition.
    :param filesystem: ``ext4``, ``vfat`` or empty.
    :param fs_id: UUID of the file system, for vfat the eight hex digits of its serial number.
    """

    name: str
    type: str
    uuid: str
    start: int
    size: int
    mountpoint: str = ""
    filesystem: str = ""
    fs_id: str = ""

    @property
    def first_sector(self) -> int:
        return self.start // SECTOR

    @property
    def sectors(self) -> int:
        return self.size // SECTOR


@dataclass(frozen=True)
class Layout:
    """A disk of *size* bytes; *partitions* in the order of their numbers, which is not that of their places."""

    uuid: str
    size: int
    partitions: tuple[Partition, ...]

    def at(self, mountpoint: str) -> Partition | None:
        """The partition mounted at exactly *mountpoint*."""
        return next((one for one in self.partitions if one.mountpoint == mountpoint), None)

    @property
    def root(self) -> Partition:
        return next(one for one in self.partitions if one.mountpoint == "/")

    @property
    def boot(self) -> Partition:
        """The partition that holds /boot: one of its own, or the root."""
        return self.at("/boot") or self.root

    @property
    def bios(self) -> Partition | None:
        return next((one for one in self.partitions if one.type == BIOS_BOOT), None)

    @property
    def esp(self) -> Partition | None:
        return next((one for one in self.partitions if one.type == ESP), None)

    def number(self, partition: Partition) -> int:
        """Its number, from 1."""
        return self.partitions.index(partition) + 1


def round_up(size: int, unit: int) -> int:
    """The smallest multiple of *unit* that is not below *size*."""
    return -(-size // unit) * unit


def content_size(packages: Iterable[Package], extra: int = 0) -> int:
    """Bytes that a file system needs for the packages and *extra* bytes of files.

    From Installed-Size (deb-control(5)); a package that has none counts four times its compressed size.
    """
    installed = sum(package.installed_size * 1024 or package.size * 4 for package in packages)
    return round_up(int((installed + extra) / _USABLE) + _EXTRA, MIB)


def plan_layout(definition: Definition, packages: Iterable[Package]) -> Layout:
    """Where everything goes. Sizes wished for are minimal sizes; the content always fits.

    The root is the last on the disk, so that it can grow into a bigger one.
    """
    boot = definition.architecture.boot_loader
    wishes = {one.mountpoint: one.minsize for one in definition.customizations.filesystem}
    content = content_size(packages, sum(len(file.data) for file in definition.customizations.files))

    numbered: list[Partition] = []
    place = _FIRST
    if boot.bios:
        numbered.append(Partition("bios", BIOS_BOOT, definition.uuid("partition bios"), place, _BIOS_SIZE))
        place += _BIOS_SIZE
    numbered.append(
        Partition(
            "esp",
            ESP,
            definition.uuid("partition esp"),
            place,
            _ESP_END - place,
            "/boot/efi",
            "vfat",
            definition.volume_id("filesystem esp"),
        )
    )
    place = _ESP_END

    extras: list[Partition] = []
    for mountpoint in sorted(set(wishes) - {"/"}):
        size = round_up(max(wishes[mountpoint], _minimum(mountpoint, content)), MIB)
        extras.append(
            Partition(
                mountpoint.strip("/").replace("/", "-")[:36],
                LINUX_DATA,
                definition.uuid(f"partition {mountpoint}"),
                place,
                size,
                mountpoint,
                "ext4",
                definition.uuid(f"filesystem {mountpoint}"),
            )
        )
        place += size

    size = round_up(max(wishes.get("/", _DEFAULT_ROOT), content), MIB)
    total = place + size + _TAIL
    if "/" not in wishes:
        # Nobody asked for a size: then one that reads well, and the root takes the rest.
        total = round_up(total, GIB)
        size = total - _TAIL - place
    numbered.append(
        Partition(
            "root",
            boot.root_type,
            definition.uuid("partition /"),
            place,
            size,
            "/",
            "ext4",
            definition.uuid("filesystem /"),
        )
    )
    return Layout(definition.uuid("disk"), total, (*numbered, *extras))


def _minimum(mountpoint: str, content: int) -> int:
    """The least that a file system of its own needs, since packages may put their files there."""
    if mountpoint == "/usr":
        return content
    if mountpoint == "/boot":
        return _BOOT_MINIMUM
    if mountpoint in ("/var", "/var/lib", "/var/cache"):
        # The package database and lists; installed files hardly ever.
        return _EXTRA
    if mountpoint in ("/opt", "/srv"):
        return 256 * MIB
    return 64 * MIB
