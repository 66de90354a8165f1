# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and places of partitions."""

from __future__ import annotations

import uuid

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import plan_layout

from .conftest import make_package

MIB = 1024**2
GIB = 1024**3
PACKAGES = (make_package("base-files"),)


def filesystem(**sizes):
    return {"filesystem": [{"mountpoint": path.replace("_", "/"), "minsize": size} for path, size in sizes.items()]}


@pytest.mark.parametrize(
    "customizations",
    [{}, filesystem(_=5 * GIB), filesystem(_home=GIB, _var=2 * GIB, _var_log=GIB), filesystem(_boot=GIB)],
)
def test_partitions_are_aligned_do_not_overlap_and_leave_room_for_both_tables(define, customizations):
    layout = plan_layout(define(customizations), PACKAGES)
    by_place = sorted(layout.partitions, key=lambda one: one.start)
    assert by_place[0].start >= MIB
    for one, other in zip(by_place, by_place[1:], strict=False):
        assert one.start + one.size <= other.start
    assert layout.size - (by_place[-1].start + by_place[-1].size) >= 34 * 512
    assert all(one.start % MIB == 0 and one.size % MIB == 0 for one in layout.partitions)
    assert layout.size % MIB == 0
    assert by_place[-1] is layout.root.partition, "only the last partition can grow"


def test_disks_of_amd64_boot_under_bios_and_uefi_and_those_of_arm64_under_uefi(define):
    amd64 = plan_layout(define(), PACKAGES)
    assert [one.name for one in amd64.partitions] == ["bios", "esp", "root"]
    assert amd64.bios.size == MIB and 64 * MIB <= amd64.esp.size <= 200 * MIB
    arm64 = plan_layout(define(architecture="arm64"), PACKAGES)
    assert [one.name for one in arm64.partitions] == ["esp", "root"]
    assert arm64.root.partition.type != amd64.root.partition.type


def test_without_a_wish_the_disk_is_whole_gibibytes(define):
    layout = plan_layout(define(), PACKAGES)
    assert layout.size == 3 * GIB
    assert layout.root.partition.size >= 2 * GIB


def test_wished_sizes_are_minimal_sizes(define):
    layout = plan_layout(define(filesystem(_=3 * GIB + 1, _home=GIB)), PACKAGES)
    assert layout.root.partition.size == 3 * GIB + MIB
    assert layout.at("/home").partition.size == GIB


def test_the_content_always_fits(define):
    big = tuple(make_package(f"big{number}", installed_size=1024**2) for number in range(4))
    layout = plan_layout(define(filesystem(_=1 * GIB)), big)
    assert layout.root.partition.size > 4 * GIB


def test_packages_without_a_known_size_are_estimated(define):
    unknown = (make_package("huge", installed_size=0, size=2 * GIB),)
    assert plan_layout(define(), unknown).root.partition.size > 8 * GIB


def test_an_extra_file_system_has_room_for_what_packages_put_there(define):
    layout = plan_layout(define(filesystem(_boot=1024, _usr=1024)), PACKAGES)
    assert layout.at("/boot").partition.size >= 512 * MIB
    assert layout.at("/usr").partition.size >= 512 * MIB
    assert layout.boot == layout.at("/boot")


def test_ids_depend_on_the_definition_alone_and_are_all_different(define):
    first, again = (plan_layout(define(filesystem(_home=GIB)), PACKAGES) for _ignored in range(2))
    assert first == again
    ids = [first.uuid, *(one.uuid for one in first.partitions), *(one.fs_id for one in first.partitions if one.fs_id)]
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(one).version == 5 for one in ids if len(one) == 36)
    other = plan_layout(define({**filesystem(_home=GIB), "hostname": "other"}), PACKAGES)
    assert other.uuid != first.uuid


def test_the_form_of_an_image_does_not_change_its_ids(define):
    assert plan_layout(define(image_type="raw"), PACKAGES).uuid == plan_layout(define(), PACKAGES).uuid
