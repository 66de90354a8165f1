# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Sizes and places of a disk's partitions, decided before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..blueprint import Disk, DiskPartition
from ..errors import ImageError
from ..packages import Package
from .definition import Definition
from .layout import (
    BIOS_BOOT,
    DOS_ESP,
    DOS_LINUX,
    DOS_LVM,
    DOS_SWAP,
    ESP,
    GIB,
    LINUX_DATA,
    LUKS,
    LVM,
    MIB,
    SWAP,
    Layout,
    Partition,
    Volume,
)
from .wishes import holds_root, root_partition, wanted_partitions

_FIRST = 1 * MIB
_BIOS_SIZE = 1 * MIB
_ESP_END = 128 * MIB
# Kernels and initial ram disks are on it, two of each while one is replaced.
_ESP_KERNELS = 512 * MIB
# For the backup of the partition table, rounded up to keep everything aligned.
_TAIL = 1 * MIB

_DEFAULT_ROOT = 2 * GIB
_DEFAULT_SWAP = 1 * GIB
_BOOT_MINIMUM = 512 * MIB
# mkfs.xfs(8) makes none that is smaller.
_XFS_MINIMUM = 300 * MIB
# What appears only while building: initial ram disks, module indices, grub's modules, caches, the journal.
_EXTRA = 512 * MIB
# Share of a file system that holds data; the rest is tables, reserved blocks and slack in each file's last block.
_USABLE = 0.80
_EXTENT = 4 * MIB
# Metadata of a volume group, header of a LUKS container.
_LVM_HEADER = 4 * MIB
_LUKS_HEADER = 16 * MIB
_LABELS = {"ext4": 16, "xfs": 12, "btrfs": 255, "swap": 12}


def round_up(size: int, unit: int) -> int:
    """The smallest multiple of *unit* that is not below *size*."""
    return -(-size // unit) * unit


def content_size(packages: Iterable[Package], extra: int = 0) -> int:
    """Bytes that a file system needs for the packages and *extra* bytes of files.

    From Installed-Size (deb-control(5)); a package that has none counts four times its compressed size.
    """
    installed = sum(package.installed_size * 1024 or package.size * 4 for package in packages)
    return round_up(int((installed + extra) / _USABLE) + _EXTRA, MIB)


def _minimum(mountpoint: str, filesystem: str, content: int) -> int:
    """The least that a file system of its own needs, since packages may put their files there."""
    floor = _XFS_MINIMUM if filesystem == "xfs" else 64 * MIB
    if filesystem == "swap":
        return _DEFAULT_SWAP
    if mountpoint in ("/", "/usr"):
        return max(content, floor)
    if mountpoint == "/boot":
        return _BOOT_MINIMUM
    if mountpoint in ("/var", "/var/lib", "/var/cache"):
        # The package database and lists; installed files hardly ever.
        return _EXTRA
    if mountpoint in ("/opt", "/srv"):
        return 256 * MIB
    return floor


def _wanted_size(wish: int, mountpoint: str, filesystem: str, content: int) -> int:
    if filesystem == "swap":
        return wish or _DEFAULT_SWAP
    default = _DEFAULT_ROOT if mountpoint == "/" and not wish else 0
    return max(wish, default, _minimum(mountpoint, filesystem, content))


def _role(partition: DiskPartition, number: int) -> str:
    """A name for the partition that stays the same when others come and go."""
    if partition.type != "plain":
        return partition.type
    return partition.mountpoint or f"{partition.fs_type} {number}"


def _name(partition: DiskPartition) -> str:
    if partition.part_label:
        return partition.part_label
    if partition.type != "plain" or partition.mountpoint == "/":
        return "root" if holds_root(partition) else partition.type
    return (partition.mountpoint.strip("/").replace("/", "-") or partition.fs_type)[:36]


class _Planner:
    """Turns wishes into partitions without a place, then places them."""

    def __init__(self, definition: Definition, content: int) -> None:
        self.definition = definition
        self.content = content
        self.disk = definition.customizations.disk or Disk()
        self.dos = self.disk.type == "dos"
        self.encrypt = definition.customizations.debian.encryption is not None

    def _type(self, partition: DiskPartition) -> str:
        if partition.part_type:
            return partition.part_type.upper() if not self.dos else partition.part_type.lower()
        root = holds_root(partition)
        if partition.type == "lvm":
            usual, dos = (LUKS if root and self.encrypt else LVM), DOS_LVM
        elif partition.fs_type == "swap":
            usual, dos = SWAP, DOS_SWAP
        elif partition.mountpoint == "/boot/efi":
            usual, dos = ESP, DOS_ESP
        elif root:
            # An encrypted root is not to be found by its type, which would promise a file system.
            usual = LUKS if self.encrypt else self.definition.architecture.boot_loader.root_type
            dos = DOS_LINUX
        else:
            usual, dos = LINUX_DATA, DOS_LINUX
        return dos if self.dos else usual

    def _volumes(self, partition: DiskPartition) -> tuple[Volume, ...]:
        found = []
        for one in partition.logical_volumes:
            size = round_up(_wanted_size(one.minsize, one.mountpoint, one.fs_type, self.content), _EXTENT)
            role = f"filesystem {one.mountpoint or one.name}"
            # Swap space has no place, only the volume a name.
            place = one.mountpoint.strip("/").replace("/", "-") or ("root" if one.mountpoint else one.name)
            label = one.label or place[: _LABELS[one.fs_type]]
            found.append(Volume(one.name, size, one.mountpoint, one.fs_type, self.definition.uuid(role), label))
        shared = self.definition.uuid("filesystem btrfs")
        found += [Volume(one.name, 0, one.mountpoint, "btrfs", shared) for one in partition.subvolumes]
        return tuple(found)

    def partition(self, wish: DiskPartition, number: int) -> Partition:
        """The partition for a wish; its place is still to be found."""
        role = _role(wish, number)
        uuid = wish.part_uuid.lower() or self.definition.uuid(f"partition {role}")
        name = _name(wish)
        volumes = self._volumes(wish)
        values: dict[str, object] = {}
        if wish.type == "lvm":
            size = sum(one.size for one in volumes) + _LVM_HEADER
            values = {"filesystem": "lvm", "group": wish.name or "rootvg"}
        elif wish.type == "btrfs":
            size = max(self.content, _DEFAULT_ROOT if not wish.minsize else 0)
            values = {"filesystem": "btrfs", "fs_id": self.definition.uuid("filesystem btrfs"), "label": name[:255]}
        elif wish.fs_type == "vfat":
            size = _ESP_KERNELS if self.definition.boot_loader != "grub" else _ESP_END - _FIRST
            values = {"filesystem": "vfat", "fs_id": self.definition.volume_id("filesystem esp"), "mountpoint": wish.mountpoint}
            values["label"] = wish.label or "ESP"
        else:
            size = _wanted_size(wish.minsize, wish.mountpoint, wish.fs_type, self.content)
            label = wish.label or name[: _LABELS[wish.fs_type]]
            values = {"filesystem": wish.fs_type, "fs_id": self.definition.uuid(f"filesystem {role}"), "label": label}
            values["mountpoint"] = wish.mountpoint
        size = max(size, wish.minsize)
        if self.encrypt and holds_root(wish):
            size += _LUKS_HEADER
            values["luks"] = self.definition.uuid("luks")
        return Partition(name, self._type(wish), uuid, 0, round_up(size, MIB), volumes=volumes, **values)  # type: ignore[arg-type]


def _check(definition: Definition, wanted: Iterable[DiskPartition]) -> None:
    debian = definition.customizations.debian
    if not debian.verity:
        return
    root = root_partition(wanted)
    if definition.boot_loader != "uki":
        raise ImageError(
            f"customizations.debian.verity needs a kernel image that carries the root hash, but the boot loader is "
            f"{definition.boot_loader}; use image type uki or customizations.debian.boot_loader uki"
        )
    if root.type != "plain" or root.fs_type != "ext4" or debian.encryption:
        raise ImageError("customizations.debian.verity protects a plain ext4 root; it excludes lvm, btrfs, xfs and encryption")
    if definition.customizations.disk and definition.customizations.disk.type == "dos":
        raise ImageError("customizations.debian.verity needs customizations.disk.type gpt")


def _firmware(definition: Definition, planner: _Planner, wanted: Iterable[DiskPartition]) -> list[Partition]:
    """Partitions for firmware that the blueprint does not bring itself; all machines of the architecture shall boot."""
    boot = definition.architecture.boot_loader
    result: list[Partition] = []
    grub = definition.boot_loader == "grub"
    if boot.bios and grub and not planner.dos:
        result.append(Partition("bios", BIOS_BOOT, definition.uuid("partition bios"), 0, _BIOS_SIZE))
    if not any("/boot/efi" in one.mountpoints for one in wanted):
        esp = planner.partition(DiskPartition(mountpoint="/boot/efi", fs_type="vfat"), 0)
        # In front of it are 1 MiB and, where there is one, the BIOS boot partition.
        size = _ESP_END - _FIRST - sum(one.size for one in result) if grub else esp.size
        result.append(replace(esp, name="esp", uuid=definition.uuid("partition esp"), size=size))
    return result


def _place(partitions: list[Partition], root: Partition, first: int, tail: tuple[Partition, ...]) -> tuple[list[Partition], int]:
    """Places one after the other, the root and *tail* last; returns them in the order given, and the end in bytes."""
    place = first
    placed: dict[str, Partition] = {}
    ordered = [one for one in partitions if one.uuid != root.uuid and one not in tail] + [root, *tail]
    for one in ordered:
        placed[one.uuid] = replace(one, start=place)
        place += one.size
    return [placed[one.uuid] for one in partitions], place


def plan_layout(definition: Definition, packages: Iterable[Package]) -> Layout:
    """Where everything goes. Sizes wished for are minimal sizes; the content always fits.

    What holds the root is the last on the disk, so that it can grow into a bigger one.

    :raises ImageError: wishes that exclude one another.
    """
    wanted = wanted_partitions(definition)
    _check(definition, wanted)
    content = content_size(packages, sum(len(file.data) for file in definition.customizations.files))
    if definition.image_type.ostree:
        # The next commit is there beside this one before the machine starts it.
        content *= 2
    planner = _Planner(definition, content)
    disk = planner.disk
    partitions = _firmware(definition, planner, wanted)
    partitions += [planner.partition(wish, number) for number, wish in enumerate(wanted)]
    if planner.dos and len(partitions) > 4:
        raise ImageError(
            f"customizations.disk.partitions: {len(partitions)} partitions are needed with those for booting, "
            "but a dos disk has at most 4; use type gpt"
        )
    root = next(one for one in partitions if any(mount.mountpoint == "/" for mount in one.mounts()))

    tail: tuple[Partition, ...] = ()
    if definition.customizations.debian.verity:
        tail = (_hashes(definition, root),)
        partitions += tail
    first = max(_FIRST, round_up(disk.start_offset, MIB))
    rest = first + sum(one.size for one in partitions if one is not root) + _TAIL
    sized = any(holds_root(one) and one.minsize for one in wanted) or any(
        one.minsize for wish in wanted if holds_root(wish) for one in wish.logical_volumes
    )
    total = max(rest + root.size, round_up(disk.minsize, MIB))
    if not sized and not tail:
        # Nobody asked for a size: then one that reads well, and the root takes the rest.
        total = round_up(total, GIB)
    grown = replace(root, size=total - rest)
    partitions = [grown if one is root else one for one in partitions]
    placed, _end = _place(partitions, grown, first, tail)
    return Layout(definition.uuid("disk"), total, tuple(placed), disk.type)


def _hashes(definition: Definition, root: Partition) -> Partition:
    # One hash of 32 bytes for each block of 4 KiB, and those of the hashes: below 1/126.
    size = round_up(root.size // 64 + MIB, MIB)
    type_ = definition.architecture.boot_loader.verity_type
    fs_id = definition.uuid("filesystem verity")
    return Partition("root-verity", type_, definition.uuid("partition verity"), 0, size, filesystem="verity", fs_id=fs_id)
