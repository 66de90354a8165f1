# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks, file systems and archives: commands, wrong input, reproducible archives."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stages.forge import inputs

DEVICES = {"device": {"path": "/dev/loop7"}}
UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def commands(monkeypatch) -> list[tuple[list[str], dict[str, Any]]]:
    """Commands are noted instead of run."""
    seen: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: seen.append((command, kwargs)))
    return seen


def files_input(directory: Path, **files: bytes) -> dict[str, Any]:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return {"path": str(directory), "data": {"files": {name: {} for name in files}}}


@pytest.mark.parametrize("count", [0, 2])
def test_an_input_must_hold_one_file(tmp_path, count) -> None:
    entry = files_input(tmp_path / "i", **{f"f{number}": b"" for number in range(count)})
    with pytest.raises(ValueError, match=rf"inputs.file must hold exactly one file, found {count}"):
        inputs.single_file({"file": entry}, "file")


class TestMkfs:
    @pytest.mark.parametrize(
        ("stage", "options", "expected"),
        [
            ("mkfs.ext4", {"uuid": UUID}, ["mkfs.ext4", "-U", UUID]),
            ("mkfs.ext4", {"uuid": UUID, "label": "r"}, ["mkfs.ext4", "-U", UUID, "-L", "r"]),
            ("mkfs.ext4", {"uuid": UUID, "verity": True}, ["mkfs.ext4", "-U", UUID, "-O", "verity"]),
            ("mkfs.ext4", {"uuid": UUID, "orphan_file": False}, ["mkfs.ext4", "-U", UUID, "-O", "^orphan_file"]),
            (
                "mkfs.ext4",
                {"uuid": UUID, "lazy_init": False},
                ["mkfs.ext4", "-U", UUID, "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            ),
            ("mkfs.fat", {"volid": "1"}, ["mkfs.fat", "-I", "-i", "1"]),
            (
                "mkfs.fat",
                {"volid": "1", "label": "E", "fat-size": 32, "geometry": {"heads": 2, "sectors-per-track": 3}},
                ["mkfs.fat", "-I", "-i", "1", "-n", "E", "-F", "32", "-g", "2/3"],
            ),
            ("mkfs.xfs", {"uuid": UUID, "agcount": 2}, ["mkfs.xfs", "-m", f"uuid={UUID}", "-d", "agcount=2"]),
            ("mkfs.btrfs", {"uuid": UUID, "metadata": "dup"}, ["mkfs.btrfs", "-U", UUID, "-m", "dup"]),
            ("mkswap", {"uuid": UUID, "label": "s"}, ["mkswap", "--uuid", UUID, "--label", "s"]),
        ],
    )
    def test_options_become_arguments(self, load, commands, stage, options, expected) -> None:
        load(stage).main(DEVICES, options)
        assert [command for command, _ignored in commands] == [[*expected, "/dev/loop7"]]

    def test_a_source_epoch_fixes_the_hash_seed(self, load, commands, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
        load("mkfs.ext4").main(DEVICES, {"uuid": UUID})
        assert f"hash_seed={UUID}" in commands[0][0]

    @pytest.mark.parametrize("stage", ["mkfs.ext4", "mkfs.fat", "mkfs.xfs", "mkfs.btrfs", "mkswap", "sfdisk"])
    def test_a_stage_without_device_fails(self, load, commands, stage) -> None:
        with pytest.raises(KeyError, match="device"):
            load(stage).main({}, {"uuid": UUID, "volid": "1", "label": "gpt", "partitions": [{}]})
        assert commands == []


class TestSfdisk:
    def script(self, load, commands, partitions, label="gpt") -> list[str]:
        load("sfdisk").main(DEVICES, {"label": label, "uuid": UUID, "partitions": partitions})
        return commands[0][1]["input"].splitlines()

    def test_writes_a_script(self, load, commands) -> None:
        partitions = [
            {"start": 2048, "size": 10, "type": "T", "uuid": "U", "name": "root fs", "attrs": [2, 60], "partnum": 3},
            {},
        ]
        assert self.script(load, commands, partitions) == [
            "label: gpt",
            f"label-id: {UUID}",
            "",
            '3: start=2048, size=10, type=T, uuid=U, name="root fs", attrs="LegacyBIOSBootable,GUID:60"',
            ",",
        ]

    def test_mbr_is_dos(self, load, commands) -> None:
        script = self.script(load, commands, [{"type": "83", "bootable": True}], label="mbr")
        assert script[0] == "label: dos"
        assert script[-1] == "type=83, bootable"

    @pytest.mark.parametrize("options", [{}, {"partitions": []}])
    def test_a_table_needs_partitions(self, load, commands, options) -> None:
        with pytest.raises(ValueError, match="partitions must list at least one partition"):
            load("sfdisk").main(DEVICES, {"label": "gpt", "uuid": UUID, **options})
        assert commands == []

    def test_reserved_attributes_are_refused(self, load, commands) -> None:
        with pytest.raises(ValueError, match="partitions.attrs must be 0, 1, 2 or 48 to 63, found 5"):
            self.script(load, commands, [{"attrs": [5]}])

    def test_a_name_cannot_add_to_the_script(self, load, commands) -> None:
        with pytest.raises(ValueError, match="partitions.name must have no quotes"):
            self.script(load, commands, [{"name": 'a", type="x'}])


class TestTar:
    @pytest.fixture
    def source(self, tmp_path) -> dict[str, Any]:
        root = tmp_path / "source"
        (root / "d").mkdir(parents=True)
        for name in ("z", "a", "d/x"):
            (root / name).write_text(name)
        return {"tree": {"path": str(root)}}

    def pack(self, load, source, tree, **options) -> Path:
        assert load("tar").main(source, str(tree), {"filename": "o.tar", **options}) == 0
        return tree / "o.tar"

    def test_a_source_epoch_makes_equal_archives(self, load, source, tree, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000")
        first = self.pack(load, source, tree).read_bytes()
        root = Path(source["tree"]["path"])
        for name in ("a", "d", "z"):
            os.utime(root / name, (2000000, 3000000))
        (root / "a").rename(root / "b")
        (root / "b").rename(root / "a")
        assert self.pack(load, source, tree).read_bytes() == first
        with tarfile.open(tree / "o.tar") as archive:
            assert [member.name for member in archive] == [".", "./a", "./d", "./d/x", "./z"]
            assert {member.mtime for member in archive} == {1000000}

    def test_a_source_epoch_works_without_pax_headers(self, load, source, tree, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000")
        self.pack(load, source, tree, acls=False, selinux=False, xattrs=False)
        with tarfile.open(tree / "o.tar") as archive:
            assert not any(member.pax_headers for member in archive)

    def test_the_root_can_be_left_out(self, load, source, tree) -> None:
        with tarfile.open(self.pack(load, source, tree, **{"root-node": "omit"})) as archive:
            assert [member.name for member in archive] == ["a", "d", "d/x", "z"]

    def test_numeric_owner_and_transform(self, load, source, tree) -> None:
        path = self.pack(load, source, tree, **{"numeric-owner": True, "transform": "s,^,p/,", "paths": ["a"]})
        with tarfile.open(path) as archive:
            member = archive.next()
            assert member is not None
            assert (member.name, member.uname) == ("p/a", "")

    def test_a_name_is_no_option(self, load, source, tree) -> None:
        (Path(source["tree"]["path"]) / "--exclude=a").touch()
        with tarfile.open(self.pack(load, source, tree, **{"root-node": "omit"})) as archive:
            assert [member.name for member in archive] == ["--exclude=a", "a", "d", "d/x", "z"]

    def test_a_missing_path_fails(self, load, source, tree) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            self.pack(load, source, tree, paths=["none"])


class TestUntarAndGzip:
    def test_untar_stays_below_its_directory(self, load, tree, outside, tmp_path) -> None:
        archive = tmp_path / "a.tar"
        with tarfile.open(archive, "w") as tar:
            link = tarfile.TarInfo("evil")
            link.type, link.linkname = tarfile.SYMTYPE, str(outside)
            tar.addfile(link)
            tar.addfile(tarfile.TarInfo("evil/x"))
        entry = files_input(tmp_path / "i", file=archive.read_bytes())
        with pytest.raises(subprocess.CalledProcessError):
            load("untar").main(str(tree), {"file": entry}, {})
        assert list(outside.iterdir()) == []

    def test_gzip_is_reproducible(self, load, tree, tmp_path) -> None:
        entry = files_input(tmp_path / "i", file=b"data" * 100)
        load("gzip").main({"file": entry}, str(tree), {"filename": "a.gz", "level": 9})
        first = (tree / "a.gz").read_bytes()
        os.utime(tmp_path / "i/file", (5, 5))
        load("gzip").main({"file": entry}, str(tree), {"filename": "a.gz", "level": 9})
        assert (tree / "a.gz").read_bytes() == first
        assert gzip.decompress(first) == b"data" * 100


class TestQemu:
    @pytest.mark.parametrize(
        ("image", "expected"),
        [
            ({"type": "qcow2"}, ["-O", "qcow2", "-c"]),
            ({"type": "qcow2", "compression": False, "compat": "0.10"}, ["-O", "qcow2", "-o", "compat=0.10"]),
            ({"type": "vmdk", "subformat": "streamOptimized"}, ["-O", "vmdk", "-c", "-o", "subformat=streamOptimized"]),
            ({"type": "vdi"}, ["-O", "vdi"]),
            ({"type": "vpc"}, ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
            (
                {"type": "vpc", "subformat": "dynamic", "force_size": False},
                ["-O", "vpc", "-o", "subformat=dynamic,force_size=off"],
            ),
        ],
    )
    def test_formats_become_arguments(self, load, commands, tree, tmp_path, image, expected) -> None:
        entry = files_input(tmp_path / "i", disk=b"")
        load("qemu").main({"image": entry}, str(tree), {"filename": "o", "format": image})
        assert commands[0][0] == ["qemu-img", "convert", *expected, f"{tmp_path}/i/disk", f"{tree}/o"]

    def test_an_option_cannot_bring_others_along(self, load, commands, tree, tmp_path) -> None:
        entry = files_input(tmp_path / "i", disk=b"")
        image = {"type": "qcow2", "compat": "1.1,backing_file=/etc/shadow"}
        with pytest.raises(ValueError, match="format.compat must have no comma"):
            load("qemu").main({"image": entry}, str(tree), {"filename": "o", "format": image})
        assert commands == []


def test_a_file_must_fit_the_device(load, arguments, commands, tmp_path, monkeypatch) -> None:
    module = load("write-device")
    monkeypatch.setattr(module, "device_size", lambda device: 1 << 20)
    entry = files_input(tmp_path / "i", small=b"x", large=bytes((1 << 20) + 1))
    args = arguments(inputs={"f": entry}, devices=DEVICES)
    with pytest.raises(ValueError, match="File too large"):
        module.main(args, DEVICES, {"from": "input://f/large"})
    assert commands == []
    assert module.main(args, DEVICES, {"from": "input://f/small"}) == 0
    assert f"of={DEVICES['device']['path']}" in commands[0][0]


class TestReadOnlyFileSystems:
    @pytest.mark.parametrize(
        ("compression", "expected"),
        [
            ({"method": "zstd", "level": 9}, ["-comp", "zstd", "-Xcompression-level", "9"]),
            ({"method": "xz", "options": {"bcj": "x86"}}, ["-comp", "xz", "-Xbcj", "x86"]),
        ],
    )
    def test_levels_become_arguments(self, load, arguments, commands, tmp_path, compression, expected) -> None:
        args = arguments(inputs={"tree": {"path": str(tmp_path)}}, options={"filename": "o", "compression": compression})
        assert load("squashfs").main(args) == 0
        assert commands[0][0][3:] == expected

    @pytest.mark.parametrize(
        ("compression", "message"),
        [
            ({"method": "zstd", "level": 23}, "compression.level is 23; for zstd it is 1 to 22"),
            ({"method": "xz", "level": 1}, "method xz has no levels; gzip and zstd have"),
        ],
    )
    def test_levels_that_do_not_exist_are_refused(self, load, arguments, commands, tmp_path, compression, message) -> None:
        args = arguments(inputs={"tree": {"path": str(tmp_path)}}, options={"filename": "o", "compression": compression})
        with pytest.raises(ValueError, match=message):
            load("squashfs").main(args)
        assert commands == []

    @pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="erofs-utils is not installed")
    def test_an_erofs_with_a_given_uuid_is_reproducible(self, load, arguments, tree, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        source = tmp_path / "source"
        source.mkdir()
        (source / "file").write_text("content")
        contents = []
        for name in ("one", "two"):
            args = arguments(inputs={"tree": {"path": str(source)}}, options={"filename": name, "uuid": UUID})
            assert load("erofs").main(args) == 0
            contents.append((tree / name).read_bytes())
        assert contents[0] == contents[1] and bytes.fromhex(UUID.replace("-", "")) in contents[0][:2048]
