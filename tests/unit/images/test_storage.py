# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks with volume groups, btrfs, LUKS, dm-verity and tables of one's own: layout, packages and stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import (
    make_manifest,
    package_sets,
    plan_layout,
)

from .conftest import make_package

REPO = Path(__file__).resolve().parents[3]
MIB = 1024**2
GIB = 1024**3
PACKAGES = (make_package("base-files"),)
KEY = {"key_file": "/etc/keys/disk", "key_checksum": "sha256:" + "a" * 64}

LVM = {"type": "lvm", "name": "vg", "logical_volumes": [{"mountpoint": "/", "minsize": 2 * GIB}, {"mountpoint": "/home"}]}
BTRFS = {"type": "btrfs", "subvolumes": [{"name": "@", "mountpoint": "/"}, {"name": "@home", "mountpoint": "/home"}]}
LAYOUTS: dict[str, dict[str, Any]] = {
    "filesystem": {"filesystem": [{"mountpoint": "/", "minsize": 3 * GIB}, {"mountpoint": "/home", "minsize": GIB}]},
    "xfs and swap": {"disk": {"partitions": [{"fs_type": "swap"}, {"mountpoint": "/", "fs_type": "xfs"}]}},
    "lvm": {"disk": {"partitions": [LVM]}},
    "btrfs": {"disk": {"partitions": [BTRFS]}},
    "dos": {"disk": {"type": "dos", "partitions": [{"mountpoint": "/"}, {"mountpoint": "/srv"}]}},
    "lvm mode": {"partitioning_mode": "lvm", "filesystem": [{"mountpoint": "/var", "minsize": GIB}]},
    "btrfs mode": {"partitioning_mode": "btrfs"},
    "encrypted": {"debian": {"encryption": KEY}},
    "encrypted btrfs": {"disk": {"partitions": [BTRFS]}, "debian": {"encryption": KEY}},
    "encrypted lvm": {"disk": {"partitions": [LVM]}, "debian": {"encryption": KEY}},
}
every_layout = pytest.mark.parametrize("customizations", LAYOUTS.values(), ids=LAYOUTS)


@pytest.fixture
def stages(define, resolve):
    """Stages of a pipeline, by default the one with the disk."""

    def make(customizations, pipeline="image", **options):
        definition = define(customizations, image_type=options.pop("image_type", "raw"), **options)
        document = make_manifest(definition, resolve(definition)).to_dict()
        return next(one for one in document["pipelines"] if one["name"] == pipeline)["stages"]

    return make


def names(found):
    return [one["type"].removeprefix("org.osbuild.") for one in found]


@every_layout
def test_partitions_do_not_overlap_and_what_can_grow_is_last(define, customizations):
    layout = plan_layout(define(customizations, image_type="raw"), PACKAGES)
    by_place = sorted(layout.partitions, key=lambda one: one.start)
    for one, other in zip(by_place, by_place[1:], strict=False):
        assert one.start + one.size <= other.start
    assert by_place[0].start >= MIB and all(one.start % MIB == 0 == one.size % MIB for one in by_place)
    assert layout.size - (by_place[-1].start + by_place[-1].size) >= 34 * 512
    assert by_place[-1] is layout.root.partition
    assert layout == plan_layout(define(customizations, image_type="raw"), PACKAGES)


@pytest.mark.parametrize(
    ("layout", "grows"),
    [("filesystem", True), ("btrfs", True), ("lvm", False), ("lvm mode", False), ("dos", False), ("encrypted", False),
     ("encrypted lvm", False), ("encrypted btrfs", False)],
)  # fmt: skip
def test_only_a_partition_that_is_there_is_to_be_enlarged(define, resolve, layout, grows):
    definition = define(LAYOUTS[layout], image_type="raw")
    system = next(one for one in make_manifest(definition, resolve(definition)).to_dict()["pipelines"] if one["name"] == "os")
    files = next(one["options"]["files"] for one in system["stages"] if one["type"] == "org.osbuild.debian.files")
    assert ("/etc/repart.d/50-root.conf" in [one["path"] for one in files]) == grows


@every_layout
def test_grub_finds_kernels_on_a_file_system_that_it_reads(define, customizations):
    layout = plan_layout(define(customizations, image_type="raw"), PACKAGES)
    assert layout.boot.partition.loop_free and not layout.boot.volume
    assert layout.esp is not None


@every_layout
def test_volumes_fit_into_what_holds_them(define, customizations):
    for one in plan_layout(define(customizations, image_type="raw"), PACKAGES).partitions:
        header = 16 * MIB if one.luks else 0
        if one.group:
            assert sum(volume.size for volume in one.volumes) + header < one.size


def test_numbers_follow_the_blueprint_and_ids_can_be_given(define):
    uuid = "11111111-2222-4333-8444-555555555555"
    wanted = [{"mountpoint": "/srv", "part_uuid": uuid}, {"mountpoint": "/"}, {"mountpoint": "/data"}]
    layout = plan_layout(define({"disk": {"partitions": wanted}}, image_type="raw"), PACKAGES)
    assert [one.mountpoint for one in layout.partitions] == ["", "/boot/efi", "/srv", "/", "/data"]
    assert layout.at("/srv").partition.uuid == uuid


def test_a_disk_is_as_big_as_it_shall_be_at_least(define):
    layout = plan_layout(define({"disk": {"minsize": 20 * GIB, "partitions": [{"mountpoint": "/"}]}}), PACKAGES)
    assert layout.size == 20 * GIB and layout.root.partition.size > 19 * GIB


@pytest.mark.parametrize(
    ("layout", "system", "build"),
    [
        ("xfs and swap", "xfsprogs", "xfsprogs"),
        ("lvm", "lvm2", "lvm2"),
        ("btrfs", "btrfs-progs", "btrfs-progs"),
        ("encrypted", "cryptsetup-initramfs", "cryptsetup-bin"),
    ],
)
def test_tools_come_along(define, layout, system, build):
    sets = package_sets(define(LAYOUTS[layout], image_type="raw"))
    assert system in sets["os"].include and build in sets["build"].include
    plain = package_sets(define({}, image_type="raw"))
    assert system not in plain["os"].include and build not in plain["build"].include


def test_plain_file_systems_take_no_device(stages):
    found = stages(LAYOUTS["xfs and swap"])
    assert names(found) == ["debian.disk", "debian.swap", "debian.xfs", "debian.esp", "grub2.inst"] or names(found) == [
        "debian.disk", "debian.xfs", "debian.swap", "debian.esp", "grub2.inst"]  # fmt: skip
    assert not any(one.get("devices") for one in found)


def test_a_volume_group_is_made_filled_and_named(stages):
    found = stages(LAYOUTS["lvm"])
    assert names(found) == [
        "debian.disk", "lvm2.create", "lvm2.metadata", "mkfs.ext4", "mkfs.ext4", "mkfs.ext4", "copy", "debian.esp", "grub2.inst",
    ]  # fmt: skip
    copy = next(one for one in found if one["type"] == "org.osbuild.copy")
    targets = [one["target"] for one in copy["mounts"]]
    assert targets == ["/", "/boot", "/home"], "parents first"
    loops = [json.dumps(one["options"]) for one in copy["devices"].values() if one["type"] == "org.osbuild.loopback"]
    assert len(loops) == len(set(loops)) == 2, "the group is opened once, and /boot"
    volumes = next(one for one in found if one["type"] == "org.osbuild.lvm2.create")["options"]["volumes"]
    assert [one["name"] for one in volumes] == ["rootlv", "homelv"]


def test_btrfs_subvolumes_are_written_by_one_stage(stages):
    found = stages(LAYOUTS["btrfs"])
    assert names(found) == ["debian.disk", "debian.btrfs", "debian.ext4", "debian.esp", "grub2.inst"]
    assert found[1]["options"]["subvolumes"] == [{"name": "@", "source": "/"}, {"name": "@home", "source": "/home"}]
    assert found[1]["options"]["exclude"] == ["/boot"], "a file system of its own"


@pytest.mark.parametrize("name", ["btrfs", "encrypted btrfs"])
def test_the_kernel_is_told_which_subvolume_is_the_root(stages, name):
    found = stages(LAYOUTS[name], "os")
    grub = next(one for one in found if one["type"] == "org.osbuild.debian.grub")["options"]
    assert grub["root-subvolume"] == "@"
    assert "boot-subvolume" not in grub, "/boot is a file system of its own"
    assert "root-subvolume" not in next(one for one in stages({}, "os") if one["type"] == "org.osbuild.debian.grub")["options"]


def test_btrfs_in_a_container_takes_devices_and_mounts_each_from_the_same(stages):
    found = stages({**LAYOUTS["btrfs"], "debian": {"encryption": KEY}})
    assert names(found)[:5] == ["debian.disk", "luks2.format", "mkfs.btrfs", "mkfs.ext4", "btrfs.subvol"]
    copy = next(one for one in found if one["type"] == "org.osbuild.copy")
    assert [(one["target"], one.get("options", {}).get("subvol")) for one in copy["mounts"]] == [
        ("/", "@"), ("/boot", None), ("/home", "@home")]  # fmt: skip
    assert copy["mounts"][0]["source"] == copy["mounts"][2]["source"]


def test_the_users_key_is_in_no_manifest(define, resolve, stages):
    found = stages(LAYOUTS["encrypted"])
    assert names(found)[1] == "luks2.format"
    key = next(one for one in found if one["type"] == "org.osbuild.debian.luks-key")
    assert list(key["inputs"]["key"]["references"]) == [KEY["key_checksum"]]
    definition = define(LAYOUTS["encrypted"], image_type="raw")
    document = make_manifest(definition, resolve(definition)).to_dict()
    assert document["sources"]["org.osbuild.curl"]["items"][KEY["key_checksum"]] == "file:///etc/keys/disk"
    tab = next(s for p in document["pipelines"] for s in p["stages"] if s["type"] == "org.osbuild.crypttab")
    assert tab["options"]["volumes"][0]["volume"] == "root"


def test_only_the_users_key_is_derived_at_a_cost(stages):
    found = {one["type"]: one["options"]["pbkdf"]["method"] for one in stages(LAYOUTS["encrypted"]) if "pbkdf" in one.get("options", {})}
    assert found == {"org.osbuild.luks2.format": "pbkdf2", "org.osbuild.debian.luks-key": "argon2id"}


def test_no_two_volumes_of_a_group_have_the_same_label(define):
    volumes = [*LVM["logical_volumes"], {"name": "swap", "fs_type": "swap", "minsize": GIB}]
    layout = plan_layout(define({"disk": {"partitions": [{**LVM, "logical_volumes": volumes}]}}, image_type="raw"), PACKAGES)
    assert [one.label for one in layout.root.partition.volumes] == ["root", "home", "swap"]


def test_fstab_mounts_subvolumes_and_swap(define, resolve):
    definition = define({"disk": {"partitions": [{"fs_type": "swap"}, BTRFS]}}, image_type="raw")
    document = make_manifest(definition, resolve(definition)).to_dict()
    system = next(one for one in document["pipelines"] if one["name"] == "os")["stages"]
    entries = next(one for one in system if one["type"] == "org.osbuild.fstab")["options"]["filesystems"]
    by_path = {one["path"]: one for one in entries}
    assert by_path["/home"]["options"] == "subvol=@home" and by_path["/"]["passno"] == 0
    assert by_path["none"]["vfs_type"] == "swap"
    assert [one["path"] for one in entries][:2] == ["/", "/boot"]


def test_a_verified_root_carries_its_hash_in_the_kernel_image(define, stages):
    customizations = {"debian": {"verity": True}}
    layout = plan_layout(define(customizations, image_type="uki"), PACKAGES)
    by_place = sorted(layout.partitions, key=lambda one: one.start)
    assert by_place[-2:] == [layout.root.partition, layout.hashes]
    assert layout.hashes.size * 126 > layout.root.partition.size
    found = stages(customizations, image_type="uki")
    assert names(found) == ["debian.disk", "debian.ext4", "debian.verity", "debian.uki"]
    assert "root=/dev/mapper/root" in found[-1]["options"]["kernel-opts"]


@pytest.mark.parametrize(
    ("customizations", "image_type", "message"),
    [
        ({"debian": {"verity": True}}, "raw", "verity needs a kernel image that carries the root hash"),
        ({"debian": {"verity": True}, "disk": {"partitions": [LVM]}}, "uki", "verity protects a plain ext4 root"),
        ({"disk": {"type": "dos", "partitions": [{"mountpoint": f"/data/{n}"} for n in range(3)]}}, "raw", "at most 4"),
    ],
)
def test_what_excludes_one_another_is_refused(define, customizations, image_type, message):
    with pytest.raises(ImageError, match=message):
        plan_layout(define(customizations, image_type=image_type), PACKAGES)


@pytest.mark.parametrize(
    ("customizations", "image_type"),
    [*((one, "raw") for one in LAYOUTS.values()), ({"debian": {"verity": True}}, "uki"),
     ({"debian": {"boot_loader": "systemd-boot"}}, "qcow2")],
    ids=[*LAYOUTS, "verity", "systemd-boot"],
)  # fmt: skip
def test_the_engine_finds_nothing_to_object_to(define, resolve, customizations, image_type):
    from osbuild.formats import v2
    from osbuild.meta import Index

    definition = define(customizations, image_type=image_type)
    result = v2.validate(make_manifest(definition, resolve(definition)).to_dict(), Index(REPO / "engine"))
    assert result.valid, [error.as_dict() for error in result]
