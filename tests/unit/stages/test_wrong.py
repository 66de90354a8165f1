# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stage refuses: options that it does not have or lacks, and trees and inputs that are not what it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild import meta as engine_meta

REPO = Path(__file__).parents[3]
STAGES = sorted(path.name.removesuffix(".meta.json") for path in (REPO / "stages").glob("org.osbuild.*.meta.json"))
# Upstream's schemas of these take options of any name, and the one of a value of any type.
OPEN = {
    f"org.osbuild.{name}"
    for name in ("buildstamp", "discinfo", "dracut", "lvm2.create", "lvm2.metadata", "noop", "ostree", "ostree.os-init")
}
UNTYPED = {"org.osbuild.ostree.selinux"}
UUID = "11111111-2222-3333-4444-555555555555"
MIB = 1 << 20


@pytest.fixture(scope="module")
def index() -> engine_meta.Index:
    return engine_meta.Index(REPO / "engine")


def schema_of(name: str) -> dict[str, Any]:
    found = json.loads((REPO / "stages" / f"{name}.meta.json").read_text())
    return dict(found["schema_2"].get("options", {}) if "schema_2" in found else found["schema"])


@pytest.mark.parametrize("name", [name for name in STAGES if name not in OPEN])
def test_an_option_that_a_stage_does_not_have_is_refused(index, name) -> None:
    result = index.get_schema("Stage", name, "2").validate({"type": name, "options": {"no such option": 1}})
    assert not result.valid
    assert any("no such option" in error.message for error in result.errors)


@pytest.mark.parametrize("name", [name for name in STAGES if schema_of(name).get("required")])
def test_an_option_that_must_be_given_is_named(index, name) -> None:
    result = index.get_schema("Stage", name, "2").validate({"type": name, "options": {}})
    messages = [error.message for error in result.errors]
    for option in schema_of(name)["required"]:
        assert any(repr(option) in message for message in messages), messages


@pytest.mark.parametrize("name", [name for name in STAGES if schema_of(name).get("properties") and name not in UNTYPED])
def test_a_value_of_another_type_is_refused(index, name) -> None:
    # No option is ever null.
    options = dict.fromkeys(schema_of(name)["properties"])
    assert not index.get_schema("Stage", name, "2").validate({"type": name, "options": options}).valid


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("createaddrsize", {"initrd": "/missing", "addrsize": "/a"}, FileNotFoundError),
        ("debian.keyboard", {"layout": 'de"; id'}, ValueError),
        ("debian.timezone", {"zone": "../x"}, ValueError),
        ("fstab", {"filesystems": []}, FileNotFoundError),
        ("grub2.inst", {"filename": "/d", "platform": "i386-pc", "core": {}, "prefix": {"path": "/"}}, KeyError),
        ("keymap", {"keymap": "../x"}, ValueError),
        ("sshd.config", {"config": {"PermitRootLogin": False}}, FileNotFoundError),
        ("sysctld", {"filename": "a.conf", "config": [{"key": "a", "value": "b"}]}, FileNotFoundError),
        ("test", {"script": "a\nb"}, ValueError),
        ("timezone", {"zone": "No/Such"}, ValueError),
        ("tmpfilesd", {"filename": "a.conf", "config": [{"type": "d", "path": "/x"}]}, FileNotFoundError),
    ],
)
def test_an_empty_tree_stays_empty(load, tree, name, options, error) -> None:
    stage = load(name)
    with pytest.raises(error):
        stage.main(str(tree), options["script"] if name == "test" else options)
    assert os.listdir(tree) == []


@pytest.mark.parametrize("size", ["", "x", "1Q"])
def test_truncate_wants_a_size(load, tree, size) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        load("truncate").main(str(tree), {"filename": "f", "size": size})
    assert not (tree / "f").exists() or not (tree / "f").stat().st_size


def test_dd_wants_a_source(load, tree, arguments) -> None:
    options = {"src": "tree:///missing", "dst": "f", "count": 1}
    with pytest.raises(subprocess.CalledProcessError):
        load("dd").main(arguments(options=options), options)
    assert os.listdir(tree) == []


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"target": "x", "link_name": "tree:///f", "symbolic": True}, FileExistsError),
        ({"target": "/no/such/file", "link_name": "tree:///l"}, FileNotFoundError),
        ({"target": "x", "link_name": "mount://m/l", "symbolic": True}, ValueError),
    ],
)
def test_ln_makes_no_link_over_a_file_to_nothing_or_nowhere(load, tree, arguments, item, error) -> None:
    (tree / "f").write_text("keep")
    options = {"paths": [item]}
    with pytest.raises(error):
        load("ln").main(arguments(options=options), options)
    assert [path.name for path in tree.iterdir()] == ["f"] and (tree / "f").read_text() == "keep"


@pytest.mark.root
def test_chown_wants_a_path_of_the_tree(load, tree, outside) -> None:
    (outside / "f").touch()
    with pytest.raises(subprocess.CalledProcessError):
        load("chown").main(str(tree), {"items": {f"/..{outside}/f": {"user": 4000}}})
    assert (outside / "f").stat().st_uid == 0


def test_a_unit_of_systemd_that_is_a_file_where_its_directory_must_be(load, tree) -> None:
    (tree / "usr/lib/systemd/system").mkdir(parents=True)
    (tree / "usr/lib/systemd/system/a.service.d").write_text("keep")
    with pytest.raises(FileExistsError):
        load("systemd.unit").main(str(tree), {"unit": "a.service", "dropin": "b.conf", "config": {}})
    assert (tree / "usr/lib/systemd/system/a.service.d").read_text() == "keep"


class TestDiskTooSmall:
    """A tree of 3 MiB, and an image with room for a part of it."""

    SIZE = 2 * MIB

    @pytest.fixture
    def image(self, tree: Path) -> Path:
        path = tree / "disk.img"
        path.write_bytes(b"\xaa" * 4 * MIB)
        return path

    @pytest.fixture
    def source(self, tmp_path: Path) -> dict[str, Any]:
        place = tmp_path / "system"
        place.mkdir()
        (place / "f").write_bytes(os.urandom(3 * MIB))
        return {"tree": {"path": str(place)}}

    @pytest.mark.skipif(shutil.which("mke2fs") is None, reason="e2fsprogs is not installed")
    def test_ext4_fails_and_writes_nothing_beside_its_partition(self, load, tree, image, source) -> None:
        options = {"filename": "disk.img", "start": MIB // 512, "size": self.SIZE // 512, "uuid": UUID}
        with pytest.raises(ValueError, match="size: the partition has 2 MiB, the files alone take"):
            load("debian.ext4").main(str(tree), source, options, {"source-epoch": 0})
        content = image.read_bytes()
        assert len(content) == 4 * MIB
        assert content[:MIB] == content[3 * MIB :] == b"\xaa" * MIB

    @pytest.mark.skipif(shutil.which("mcopy") is None, reason="mtools is not installed")
    def test_so_does_an_efi_system_partition(self, load, tree, image, source) -> None:
        options = {
            "filename": "disk.img", "start": MIB // 512, "size": self.SIZE // 512, "volume-id": "ABCD1234",
            "paths": [{"from": "/f", "to": "/f"}],
        }  # fmt: skip
        with pytest.raises(ValueError, match="size: the partition has 2 MiB, the files alone take"):
            load("debian.esp").main(str(tree), source, options, {"source-epoch": 0})
        content = image.read_bytes()
        assert content[:MIB] == content[3 * MIB :] == b"\xaa" * MIB

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("debian.btrfs", {"uuid": UUID}),
            ("debian.ext4", {"uuid": UUID}),
            ("debian.esp", {"volume-id": "ABCD1234"}),
            ("debian.swap", {"uuid": UUID}),
            ("debian.xfs", {"uuid": UUID}),
        ],
    )
    def test_a_partition_that_ends_after_the_image_is_refused(self, load, tree, image, source, name, options) -> None:
        given = {"filename": "disk.img", "start": MIB // 512, "size": 4 * MIB // 512, **options}
        stage = load(name)
        with pytest.raises(ValueError, match="size: the partition would end at"):
            stage.main(str(tree), given) if name == "debian.swap" else stage.main(str(tree), source, given, {"source-epoch": 0})
        assert image.read_bytes() == b"\xaa" * 4 * MIB
