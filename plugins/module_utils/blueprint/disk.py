# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.disk]``: a partition table of one's own. Source: osbuild-composer's blueprint reference."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from .describe import YES, Row, section
from .diskmodel import Disk, DiskPartition, FsType, LogicalVolume, Subvolume
from .fields import Table, is_integer, kind, show
from .paths import mountpoint_problem
from .sizes import parse_size

_LABELS: tuple[Literal["gpt", "dos"], ...] = ("gpt", "dos")
_TYPES = ("plain", "lvm", "btrfs")
_FS_TYPES: tuple[FsType, ...] = get_args(FsType)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DOS_TYPE = re.compile(r"[0-9A-Fa-f]{2}")
# lvm(8), "Valid names"; btrfs takes any file name.
_VOLUME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")
_SUBVOLUME = re.compile(r"(?!\.{1,2}$)[^/\x00-\x1f\x7f\s,]{1,255}")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]*")
_LONGEST_LABEL = {"ext4": 16, "xfs": 12, "vfat": 11, "swap": 15}
_PLAIN_ONLY = ("/boot", "/boot/efi")
_DOS_PRIMARY = 4
_SECTOR = 512

_FS_KEYS: tuple[Row, ...] = (
    ("mountpoint", YES, "as of `filesystem`, and /boot/efi", "Where it is mounted; swap is nowhere."),
    ("fs_type", YES, ", ".join(f"`{one}`" for one in _FS_TYPES), "By default ext4; vfat is for /boot/efi."),
    ("label", YES, "text", "Label of the file system."),
    ("minsize", YES, "bytes or `10 GiB`", "Its least size."),
)
FIELDS = (
    *section(
        "customizations.disk",
        ("type", YES, "`gpt`, `dos`", "Partition table; a dos disk has at most 4 partitions."),
        ("minsize", YES, "bytes or `10 GiB`", "Least size of the disk."),
        ("start_offset", YES, "bytes or `8 MiB`", "Room in front of the first partition."),
        ("sector_size", YES, "512", "Others are refused."),
    ),
    *section(
        "customizations.disk.partitions[]",
        ("type", YES, "`plain`, `lvm`, `btrfs`", "What is in the partition."),
        *_FS_KEYS,
        ("part_type", YES, "UUID, or two hex digits on a dos disk", "Type of the partition."),
        ("part_label", YES, "text up to 36 characters", "Name in a GPT."),
        ("part_uuid", YES, "UUID", "Id in a GPT."),
        ("name", YES, "name as in lvm(8)", "Volume group, for lvm."),
        ("subvolumes[].name", YES, "file name", "Subvolume, for btrfs."),
        ("subvolumes[].mountpoint", YES, "as of `filesystem`", "Where it is mounted."),
    ),
    *section(
        "customizations.disk.partitions[].logical_volumes[]",
        ("name", YES, "name as in lvm(8)", "By default made of the mount point."),
        *_FS_KEYS,
    ),
)


def read_size(table: Table, key: str, default: int | None = None) -> int:
    """A number of bytes or a size with its unit; without *default* it has to be there."""
    value = table.take(key)
    if value is None and default is not None:
        return default
    value = table.required(key, value)
    size = parse_size(value) if isinstance(value, str) else value
    if not is_integer(size) or size <= 0:
        raise table.error(key, f"must be a positive number of bytes or a size such as '10 GiB', found {kind(value)}")
    return size


def read_disk(table: Table | None) -> Disk | None:
    if table is None:
        return None
    type_ = table.choice("type", _LABELS) or "gpt"
    sector = table.integer("sector_size", _SECTOR, 4096)
    if sector not in (None, _SECTOR):
        raise table.error("sector_size", f"{sector} is not supported; disks are made with sectors of {_SECTOR} bytes")
    disk = Disk(
        type=type_,
        minsize=read_size(table, "minsize", 0),
        start_offset=read_size(table, "start_offset", 0),
        partitions=tuple(_partition(item, type_) for item in table.tables("partitions")),
    )
    table.close()
    _check(table, disk)
    return disk


def _partition(table: Table, label: str) -> DiskPartition:
    type_ = table.choice("type", _TYPES) or "plain"
    values: dict[str, Any] = {"type": type_, "minsize": read_size(table, "minsize", 0)}
    if label == "dos":
        values["part_type"] = table.text("part_type", _DOS_TYPE, "two hex digits, as on any dos disk") or ""
        for key in ("part_label", "part_uuid"):
            if table.take(key):
                raise table.error(key, "a partition of a dos disk has none; use type 'gpt'")
    else:
        values["part_type"] = table.text("part_type", _UUID, "a UUID, the partition type of a GPT") or ""
        values["part_label"] = table.text("part_label", _LABEL, "text without control characters", longest=36) or ""
        values["part_uuid"] = table.text("part_uuid", _UUID, "a UUID") or ""
    if type_ == "plain":
        values |= _filesystem(table)
    elif type_ == "lvm":
        values["name"] = table.text("name", _VOLUME, "a name as in lvm(8)") or ""
        volumes = tuple(_logical_volume(item, number) for number, item in enumerate(table.tables("logical_volumes")))
        if not volumes:
            raise table.error("logical_volumes", "is required: at least one logical volume")
        names = [one.name for one in volumes]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise table.error(f"logical_volumes[{number}].name", f"{show(name)} is given twice")
        values["logical_volumes"] = volumes
    else:
        values["subvolumes"] = tuple(_subvolume(item) for item in table.tables("subvolumes"))
        if not values["subvolumes"]:
            raise table.error("subvolumes", "is required: at least one subvolume")
    table.close()
    return DiskPartition(**values)


def _filesystem(table: Table) -> dict[str, Any]:
    fs_type = table.choice("fs_type", _FS_TYPES) or "ext4"
    label = table.text("label", _LABEL, "text without control characters", longest=_LONGEST_LABEL[fs_type]) or ""
    mountpoint = table.text("mountpoint") or ""
    if fs_type == "swap":
        if mountpoint:
            raise table.error("mountpoint", "swap is mounted nowhere")
    else:
        _mountpoint(table, mountpoint)
        if fs_type == "vfat" and mountpoint != "/boot/efi":
            raise table.error("fs_type", f"vfat cannot hold {mountpoint}; only /boot/efi is vfat")
        if fs_type != "vfat" and mountpoint == "/boot/efi":
            raise table.error("fs_type", f"{fs_type} cannot be read by firmware; /boot/efi is vfat")
    return {"fs_type": fs_type, "label": label, "mountpoint": mountpoint}


def _mountpoint(table: Table, mountpoint: str) -> None:
    if not mountpoint:
        raise table.error("mountpoint", "is required")
    problem = None if mountpoint == "/boot/efi" else mountpoint_problem(mountpoint)
    if problem:
        raise table.error("mountpoint", f"{show(mountpoint)} {problem}")


def _logical_volume(table: Table, number: int) -> LogicalVolume:
    made_up = table.text("name", _VOLUME, "a name as in lvm(8)")
    values = _filesystem(table)
    if values["mountpoint"] in _PLAIN_ONLY:
        raise table.error("mountpoint", f"{values['mountpoint']} must be a partition of type plain")
    usual = values["mountpoint"].strip("/").replace("/", "_") or ("swap" if values["fs_type"] == "swap" else "root")
    found = LogicalVolume(name=made_up or f"{usual}lv", minsize=read_size(table, "minsize", 0), **values)
    table.close()
    return found


def _subvolume(table: Table) -> Subvolume:
    name = table.required("name", table.text("name", _SUBVOLUME, "one file name without blanks and commas"))
    mountpoint = table.text("mountpoint") or ""
    _mountpoint(table, mountpoint)
    if mountpoint in _PLAIN_ONLY:
        raise table.error("mountpoint", f"{mountpoint} must be a partition of type plain")
    table.close()
    return Subvolume(name, mountpoint)


def _check(table: Table, disk: Disk) -> None:
    kinds: list[str] = [one.type for one in disk.partitions]
    for type_, what in (("lvm", "volume group"), ("btrfs", "btrfs volume")):
        if kinds.count(type_) > 1:
            raise table.error("partitions", f"{kinds.count(type_)} partitions are of type {type_}; one {what} is possible")
    if "lvm" in kinds and "btrfs" in kinds:
        raise table.error("partitions", "lvm and btrfs exclude one another")
    seen: dict[str, int] = {}
    for number, partition in enumerate(disk.partitions):
        for mountpoint in partition.mountpoints:
            if mountpoint in seen:
                raise table.error(
                    f"partitions[{number}]", f"mount point '{mountpoint}' is given twice (first in partitions[{seen[mountpoint]}])"
                )
            seen[mountpoint] = number
        names = [one.name for one in partition.subvolumes]
        for name in names:
            if names.count(name) > 1:
                raise table.error(f"partitions[{number}].subvolumes", f"the name {show(name)} is given twice")
    if disk.type == "dos" and len(disk.partitions) > _DOS_PRIMARY:
        raise table.error("partitions", f"there are {len(disk.partitions)}; a dos disk has at most {_DOS_PRIMARY}, use type 'gpt'")
