# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables of one's own: ``customizations.disk``, ``partitioning_mode``, encryption."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import (
    Blueprint,
    Disk,
    DiskPartition,
    LogicalVolume,
    Subvolume,
    load,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError

GIB = 1024**3
KEY = {"key_file": "/etc/keys/disk", "key_checksum": "sha256:" + "0" * 64}


def read(**customizations: Any) -> Blueprint:
    return load({"name": "x", "customizations": customizations})


def disk(*partitions: dict[str, Any], **more: Any) -> Disk | None:
    return read(disk={"partitions": list(partitions), **more}).customizations.disk


def test_all_kinds_of_partitions() -> None:
    found = disk(
        {"minsize": "2 GiB", "mountpoint": "/data", "fs_type": "xfs", "label": "data", "part_label": "the data"},
        {"fs_type": "swap", "minsize": GIB},
        {"type": "lvm", "name": "vg", "minsize": "9 GiB", "logical_volumes": [
            {"mountpoint": "/", "minsize": "3 GiB"}, {"name": "logs", "mountpoint": "/var/log", "fs_type": "xfs"}]},
        minsize="20 GiB", start_offset="8 MiB",
    )  # fmt: skip
    assert found == Disk(
        "gpt", 20 * GIB, 8 * 1024**2,
        (
            DiskPartition(minsize=2 * GIB, mountpoint="/data", fs_type="xfs", label="data", part_label="the data"),
            DiskPartition(minsize=GIB, fs_type="swap"),
            DiskPartition("lvm", 9 * GIB, name="vg", logical_volumes=(
                LogicalVolume("rootlv", 3 * GIB, "/"), LogicalVolume("logs", 0, "/var/log", "xfs"))),
        ),
    )  # fmt: skip


def test_btrfs_subvolumes() -> None:
    found = disk({"type": "btrfs", "subvolumes": [{"name": "@", "mountpoint": "/"}, {"name": "@home", "mountpoint": "/home"}]})
    assert found is not None
    assert found.partitions[0].subvolumes == (Subvolume("@", "/"), Subvolume("@home", "/home"))


@pytest.mark.parametrize(
    ("partitions", "more", "message"),
    [
        ([{"mountpoint": "/", "fs_type": "ext9"}], {}, r"partitions\[0\].fs_type: 'ext9' is not one of ext4, xfs, vfat, swap"),
        ([{"mountpoint": "/proc"}], {}, r"partitions\[0\].mountpoint: '/proc' is not allowed"),
        ([{"mountpoint": "/a/../b"}], {}, "must be canonical"),
        ([{}], {}, r"partitions\[0\].mountpoint: is required"),
        ([{"mountpoint": "/"}, {"mountpoint": "/"}], {}, r"partitions\[1\]: mount point '/' is given twice"),
        ([{"fs_type": "swap", "mountpoint": "/data"}], {}, "swap is mounted nowhere"),
        ([{"fs_type": "vfat", "mountpoint": "/data"}], {}, "vfat cannot hold /data"),
        ([{"mountpoint": "/boot/efi"}], {}, "ext4 cannot be read by firmware"),
        ([{"type": "zfs"}], {}, r"partitions\[0\].type: 'zfs' is not one of plain, lvm, btrfs"),
        ([{"type": "lvm"}], {}, "logical_volumes: is required"),
        ([{"type": "btrfs", "subvolumes": []}], {}, "subvolumes: is required"),
        ([{"type": "lvm", "logical_volumes": [{"mountpoint": "/boot"}]}], {}, "/boot must be a partition of type plain"),
        ([{"type": "lvm", "logical_volumes": [{"mountpoint": "/", "name": "../x"}]}], {}, "name: '../x' is not allowed"),
        ([{"type": "btrfs", "subvolumes": [{"name": "a/b", "mountpoint": "/"}]}], {}, "name: 'a/b' is not allowed"),
        ([{"type": "lvm", "logical_volumes": [{"mountpoint": "/"}]}, {"type": "btrfs", "subvolumes": [
            {"name": "x", "mountpoint": "/srv"}]}], {}, "lvm and btrfs exclude one another"),
        ([{"mountpoint": "/", "part_label": "x" * 37}], {}, "at most 36 are allowed"),
        ([{"mountpoint": "/", "part_type": "83"}], {}, "part_type: '83' is not allowed; must be a UUID"),
        ([{"mountpoint": "/", "part_type": "zz"}], {"type": "dos"}, "must be two hex digits"),
        ([{"mountpoint": "/", "part_label": "x"}], {"type": "dos"}, "a partition of a dos disk has none"),
        ([{"mountpoint": f"/data/{n}"} for n in range(5)], {"type": "dos"}, "a dos disk has at most 4"),
        ([{"mountpoint": "/", "minsize": "much"}], {}, "must be a positive number of bytes"),
        ([], {"type": "mac"}, "disk.type: 'mac' is not one of gpt, dos"),
        ([], {"sector_size": 4096}, "sector_size: 4096 is not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(partitions: list[Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(BlueprintError, match=message):
        disk(*partitions, **more)


@pytest.mark.parametrize("other", [{"filesystem": [{"mountpoint": "/", "minsize": GIB}]}, {"partitioning_mode": "lvm"}])
def test_a_disk_excludes_the_other_ways_to_say_it(other: dict[str, Any]) -> None:
    with pytest.raises(BlueprintError, match="customizations.disk and .* exclude one another"):
        read(disk={"partitions": [{"mountpoint": "/"}]}, **other)


def test_modes() -> None:
    assert read(partitioning_mode="auto-lvm").customizations.partitioning_mode == "auto-lvm"
    with pytest.raises(BlueprintError, match="partitioning_mode: 'zfs' is not one of raw, lvm, auto-lvm, btrfs"):
        read(partitioning_mode="zfs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_file": "keys/disk"}, "key_file: 'keys/disk' must be an absolute path"),
        ({"key_checksum": "md5:0"}, "key_checksum: 'md5:0' is not allowed"),
        ({"key_checksum": None}, "key_checksum: is required"),
    ],
)
def test_a_key_is_named_by_path_and_checksum(change: dict[str, Any], message: str) -> None:
    encryption = read(debian={"encryption": KEY}).customizations.debian.encryption
    assert encryption is not None and encryption.key_file == "/etc/keys/disk"
    with pytest.raises(BlueprintError, match=message):
        read(debian={"encryption": {**KEY, **change}})
