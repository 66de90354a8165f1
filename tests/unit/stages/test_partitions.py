# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that write XFS, Btrfs, swap space and hash trees into a part of an image file; and what they share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MIB = 1024**2
SECTORS = MIB // 512
UUID = "11111111-2222-3333-4444-555555555555"
EPOCH = 1_700_000_000


def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def attach(image: Path | str, start: int, size: int, *more: str) -> str:
    command = ["losetup", "--find", "--show", "--offset", str(start), "--sizelimit", str(size), *more, str(image)]
    made = subprocess.run(command, capture_output=True, encoding="utf8", check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    return made.stdout.strip()


@contextlib.contextmanager
def loop_device(image: str, start: int, size: int) -> Iterator[str]:
    """What the engine gives a stage in its sandbox."""
    device = attach(image, start, size)
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.forge import partition

    monkeypatch.setattr(partition, "loop_device", loop_device)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A tree of all the kinds of files that a system has, and names that tools stumble over."""
    root = tmp_path / "system"
    for name in ("etc", "home/jane", "var/log", "usr/bin", "proc"):
        (root / name).mkdir(parents=True)
    (root / "etc/host name (1)").write_text("test\n")
    (root / "etc/ümlaut\n").write_text("")
    (root / "usr/bin/tool").write_bytes(b"\x7fELF" * 5000)
    (root / "usr/bin/tool").chmod(0o4755)
    os.link(root / "usr/bin/tool", root / "usr/bin/same")
    os.link(root / "usr/bin/tool", root / "home/jane/same")
    (root / "bin").symlink_to("usr/bin")
    (root / "home/jane/note").write_text("hello\n")
    (root / "var/log/old").write_text("log\n")
    os.mkfifo(root / "usr/fifo")
    with contextlib.suppress(OSError):
        os.setxattr(root / "usr/bin/tool", "user.note", b"\0\x01binary")
    os.chown(root / "home/jane", 1000, 1001)
    os.chmod(root / "home", 0o1711)
    os.chmod(root, 0o751)
    for number, path in enumerate([root, *sorted(root.rglob("*"))]):
        os.utime(path, (EPOCH + number, EPOCH + number), follow_symlinks=False)
    return root


def listing(root: Path, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """All that a file system must keep, by path."""
    found: dict[str, Any] = {}
    inodes: dict[int, list[str]] = {}
    for path in [root, *root.rglob("*")]:
        name = str(path.relative_to(root))
        if any(name.startswith(f"{each}/") for each in without):
            continue
        status = path.lstat()
        content = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            inodes.setdefault(status.st_ino, []).append(name)
        attributes = {each: os.getxattr(path, each, follow_symlinks=False) for each in os.listxattr(path, follow_symlinks=False)}
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, int(status.st_mtime), content, attributes)
    found["links"] = sorted(sorted(names) for names in inodes.values() if len(names) > 1)
    return found


def blank(tree: Path, size: int) -> Path:
    """An image that is not empty, so that it shows what was written over."""
    path = tree / "disk.img"
    with path.open("wb") as file:
        for _mib in range(size):
            file.write(b"\xa5" * MIB)
    return path


@contextlib.contextmanager
def mounted(image: Path, size: int, kind: str, options: str = "") -> Iterator[Path]:
    device = attach(image, MIB, size * MIB, "--read-only")
    target = image.parent / "mounted"
    target.mkdir()
    try:
        subprocess.run(["mount", "-t", kind, "-o", f"ro{options}", device, target], check=True)
        try:
            yield target
        finally:
            subprocess.run(["umount", target], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
        target.rmdir()


def untouched_around(image: Path, size: int) -> bool:
    with image.open("rb") as file:
        head = file.read(MIB)
        file.seek((1 + size) * MIB)
        tail = file.read()
    return head == b"\xa5" * MIB and tail == b"\xa5" * len(tail)


def write(load, name: str, tree: Path, system: Path, size: int, **more: object) -> None:
    options = {"filename": "disk.img", "start": SECTORS, "size": size * SECTORS, "uuid": UUID, "label": "root", **more}
    assert load(name).main(str(tree), {"tree": {"path": str(system)}}, options, {"source-epoch": EPOCH}) == 0


def superblock(image: Path, size: int) -> dict[str, str]:
    device = attach(image, MIB, size * MIB, "--read-only")
    try:
        shown = subprocess.run(["blkid", "-p", "-o", "export", device], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    return dict(line.split("=", 1) for line in shown.splitlines())


XFS, BTRFS = 300, 120


@pytest.mark.root
@tool("mkfs.xfs")
class TestXfs:
    def test_all_of_the_tree_is_kept(self, load, loops, tree, system):
        image = blank(tree, XFS + 2)
        write(load, "debian.xfs", tree, system, XFS)
        with mounted(image, XFS, "xfs", ",nouuid") as target:
            assert listing(target) == listing(system)
        assert untouched_around(image, XFS)
        found = superblock(image, XFS)
        assert (found["TYPE"], found["UUID"], found["LABEL"]) == ("xfs", UUID, "root")

    def test_mount_points_stay_empty(self, load, loops, tree, system):
        image = blank(tree, XFS + 2)
        write(load, "debian.xfs", tree, system, XFS, exclude=["/home", "/var/log"])
        with mounted(image, XFS, "xfs", ",nouuid") as target:
            ours, theirs = listing(target, ("links",)), listing(system, ("home", "var/log"))
            assert ours == theirs
        assert (system / "home/jane/note").exists()

    def test_a_partition_too_small_for_the_tree_is_told_in_numbers(self, load, loops, tree, system):
        blank(tree, XFS + 2)
        (system / "usr/big").write_bytes(os.urandom(XFS * MIB))
        with pytest.raises(ValueError, match=f"size: the partition has {XFS} MiB, the files alone take {XFS + 1} MiB"):
            write(load, "debian.xfs", tree, system, XFS)
        assert str(tree) not in Path("/proc/self/mountinfo").read_text()

    def test_without_loop_devices_it_says_what_else_works(self, load, tree, system):
        blank(tree, 2)
        with pytest.raises(RuntimeError, match="XFS can be filled on a loop device only: .*; use ext4 or Btrfs"):
            write(load, "debian.xfs", tree, system, 1)


SUBVOLUMES = [
    {"name": "@", "source": "/", "default": True},
    {"name": "@home", "source": "/home"},
    {"name": "@log", "source": "/var/log", "read-only": True},
]


@pytest.mark.root
@tool("mkfs.btrfs")
class TestBtrfs:
    def test_all_of_the_tree_is_kept(self, load, loops, tree, system):
        image = blank(tree, BTRFS + 2)
        write(load, "debian.btrfs", tree, system, BTRFS)
        with mounted(image, BTRFS, "btrfs") as target:
            assert listing(target) == listing(system)
        assert untouched_around(image, BTRFS)
        found = superblock(image, BTRFS)
        assert (found["TYPE"], found["UUID"], found["LABEL"]) == ("btrfs", UUID, "root")
        assert [path.name for path in tree.iterdir()] == ["disk.img"]

    def test_subvolumes_share_the_tree(self, load, loops, tree, system):
        image = blank(tree, BTRFS + 2)
        write(load, "debian.btrfs", tree, system, BTRFS, subvolumes=SUBVOLUMES, exclude=["/etc"])
        with mounted(image, BTRFS, "btrfs") as target:  # the default one
            assert listing(target) == listing(system, ("home", "var/log", "etc"))
        with mounted(image, BTRFS, "btrfs", ",subvol=@home") as target:
            assert listing(target) == listing(system / "home")
        with mounted(image, BTRFS, "btrfs", ",subvolid=5") as target:
            assert {path.name for path in target.iterdir()} == {"@", "@home", "@log"}
            listed = subprocess.run(["btrfs", "subvolume", "list", "-r", target], check=True, capture_output=True, text=True).stdout
            assert [line.rsplit(" ", 1)[1] for line in listed.splitlines()] == ["@log"]

    def test_a_partition_too_small_for_the_tree_is_told_in_numbers(self, load, loops, tree, system):
        blank(tree, BTRFS + 2)
        (system / "usr/big").write_bytes(os.urandom(BTRFS * MIB))
        with pytest.raises(ValueError, match=f"size: the partition has {BTRFS} MiB, the files alone take {BTRFS + 1} MiB"):
            write(load, "debian.btrfs", tree, system, BTRFS)
        assert str(tree) not in Path("/proc/self/mountinfo").read_text()

    def test_the_file_system_is_sound(self, load, loops, tree, system):
        image = blank(tree, BTRFS + 2)
        write(load, "debian.btrfs", tree, system, BTRFS, subvolumes=SUBVOLUMES)
        device = attach(image, MIB, BTRFS * MIB, "--read-only")
        try:
            subprocess.run(["btrfs", "check", "--readonly", device], check=True, capture_output=True)
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"subvolumes": SUBVOLUMES, "source": "/home"}, "source cannot be given together with subvolumes"),
            ({"subvolumes": [*SUBVOLUMES, {"name": "@", "source": "/etc"}]}, "subvolumes.name must differ"),
            ({"subvolumes": [*SUBVOLUMES, {"name": "@x", "source": "/home/"}]}, "subvolumes.source must differ"),
            ({"subvolumes": [*SUBVOLUMES, {"name": "@x", "source": "/etc", "default": True}]}, "one subvolume only"),
            ({"subvolumes": [{"name": "a", "source": "/bin"}]}, "/bin is a symbolic link in the tree"),
            ({"subvolumes": [{"name": "a", "source": "/none"}]}, "the tree has no directory /none"),
        ],
    )
    def test_subvolumes_that_cannot_be_are_refused(self, load, tree, system, options, words):
        image = blank(tree, BTRFS + 2)
        with pytest.raises(ValueError, match=words):
            write(load, "debian.btrfs", tree, system, BTRFS, **options)
        assert untouched_around(image, 0)

    def test_the_tool_is_told_of_the_subvolumes(self, load, tree, system, monkeypatch):
        """The way of btrfs-progs 6.12 and newer, whatever is installed here."""
        stage = load("debian.btrfs")
        seen: dict[str, Any] = {}

        def run(argv, package, env):
            seen["argv"] = argv
            top = Path(argv[argv.index("--rootdir") + 1])
            seen["top"] = {path.name for path in top.iterdir()}
            seen["home"] = listing(top / "@home") == listing(system / "home")
            seen["root"] = listing(top / "@") == listing(system, ("home", "var/log"))

        monkeypatch.setattr(stage, "fills_well", lambda: True)
        monkeypatch.setattr(stage.program, "run", run)
        blank(tree, 4)
        write(lambda name: stage, "debian.btrfs", tree, system, 2, subvolumes=SUBVOLUMES)
        argv = seen["argv"]
        assert [argv[place + 1] for place, word in enumerate(argv) if word == "--subvol"] == ["default:@", "rw:@home", "ro:@log"]
        assert (seen["top"], seen["home"], seen["root"]) == ({"@", "@home", "@log"}, True, True)

    def test_device_nodes_are_refused_where_the_tool_would_break_them(self, load, tree, system, monkeypatch):
        stage = load("debian.btrfs")
        monkeypatch.setattr(stage, "fills_well", lambda: True)
        os.mknod(system / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        image = blank(tree, 4)
        with pytest.raises(ValueError, match="the tree has a device node at /null"):
            write(lambda name: stage, "debian.btrfs", tree, system, 2)
        assert untouched_around(image, 0)

    def test_an_old_tool_needs_loop_devices(self, load, tree, system, monkeypatch):
        stage = load("debian.btrfs")
        monkeypatch.setattr(stage, "fills_well", lambda: False)
        blank(tree, 4)
        with pytest.raises(RuntimeError, match="without loop devices this takes btrfs-progs 6.12"):
            write(lambda name: stage, "debian.btrfs", tree, system, 2)


FITS = {"filename": "disk.img", "start": SECTORS, "size": SECTORS, "uuid": UUID}
PLACES: list[tuple[str, dict[str, Any], str]] = [
    ("size", {"size": 9 * SECTORS}, "size: the partition would end at byte"),
    ("missing", {"filename": "none.img"}, "filename must name an image file of the tree"),
    ("climbs", {"filename": "../outside/disk.img"}, "filename must name an image file of the tree"),
    ("link", {"filename": "link.img"}, "filename must name an image file of the tree"),
]


@pytest.mark.parametrize("name", ["debian.xfs", "debian.btrfs", "debian.ext4", "debian.swap"])
@pytest.mark.parametrize(("change", "words"), [each[1:] for each in PLACES], ids=[each[0] for each in PLACES])
def test_the_place_must_be_in_an_image_of_the_tree(load, tree, outside, system, name, change, words):
    image = blank(tree, 4)
    (outside / "disk.img").write_bytes(image.read_bytes())
    (tree / "link.img").symlink_to(outside / "disk.img")
    inputs, options = {"tree": {"path": str(system)}}, {**FITS, **change}
    arguments = (str(tree), options) if name == "debian.swap" else (str(tree), inputs, options, {})
    with pytest.raises(ValueError, match=words):
        load(name).main(*arguments)
    assert untouched_around(image, 0) and untouched_around(outside / "disk.img", 0)


@tool("mkswap")
class TestSwap:
    def test_it_is_where_it_was_asked_for(self, load, tree):
        image = blank(tree, 6)
        contents = []
        for _again in range(2):
            load("debian.swap").main(str(tree), {**FITS, "size": 4 * SECTORS, "label": "swap"})
            contents.append(image.read_bytes())
        assert contents[0] == contents[1] and untouched_around(image, 4)
        alone = tree / "alone"
        alone.write_bytes(contents[0][MIB : 5 * MIB])
        shown = subprocess.run(["blkid", "-p", "-o", "export", alone], check=True, capture_output=True, text=True).stdout
        assert {"TYPE=swap", "LABEL=swap", f"UUID={UUID}"} <= set(shown.split())
        assert not any(contents[0][MIB + 8192 : 5 * MIB]), "nothing of what was there before is left"


def verity_options(**more: object) -> dict[str, object]:
    data, hashes = {"start": SECTORS, "size": 5 * SECTORS}, {"start": 7 * SECTORS, "size": SECTORS}
    return {"filename": "disk.img", "data": data, "hash": hashes, "uuid": UUID, "root-hash-file": "/hash", **more}


class TestVerity:
    @tool("veritysetup")
    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"salt": "", "block-size": 1024},
            {"salt": "00ff" * 128, "algorithm": "sha512"},
            {"data": {"start": SECTORS, "size": 8}},
            {"data": {"start": SECTORS, "size": 16}},
            {"data": {"start": SECTORS, "size": 8 * 128}},
            {"data": {"start": SECTORS, "size": 8 * 129}},
        ],
    )
    def test_veritysetup_finds_it_right(self, load, tree, tmp_path, more):
        image = tree / "disk.img"
        with image.open("wb") as file:
            file.write(os.urandom(2 * MIB))
            file.truncate(9 * MIB)  # holes
            file.seek(4 * MIB + 700)
            file.write(os.urandom(5000))
        options = verity_options(**more)
        found = load("debian.verity").main(str(tree), options)
        assert (tree / "hash").read_text() == found["root-hash"]
        content = image.read_bytes()
        data, hashes = tmp_path / "data", tmp_path / "hashes"
        data.write_bytes(content[MIB : MIB + options["data"]["size"] * 512])
        hashes.write_bytes(content[7 * MIB : 7 * MIB + found["hash-size"]])
        subprocess.run(["veritysetup", "verify", data, hashes, found["root-hash"]], check=True)
        assert not any(content[7 * MIB + found["hash-size"] :])
        damaged = bytearray(data.read_bytes())
        damaged[-1] ^= 1
        data.write_bytes(damaged)
        bad = subprocess.run(["veritysetup", "verify", data, hashes, found["root-hash"]], capture_output=True, check=False)
        assert bad.returncode

    def test_equal_content_gives_equal_hashes_with_and_without_holes(self, load, tree):
        results = []
        for sparse in (True, False):
            with (tree / "disk.img").open("wb") as file:
                if not sparse:
                    file.write(bytes(9 * MIB))
                file.truncate(9 * MIB)
            results.append(load("debian.verity").main(str(tree), verity_options()))
        assert results[0] == results[1]

    def test_the_hash_stays_in_the_tree(self, load, tree, outside):
        blank(tree, 9)
        (tree / "hash").symlink_to(outside / "hash")
        with pytest.raises(FileNotFoundError):
            load("debian.verity").main(str(tree), verity_options())
        assert not list(outside.iterdir())

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"hash": {"start": 3 * SECTORS, "size": SECTORS}}, "data and hash must not overlap"),
            ({"hash": {"start": 7 * SECTORS, "size": 16}}, "hash.size: the hash tree takes"),
            ({"hash": {"start": 9 * SECTORS, "size": 16}}, "hash.size: the partition would end"),
            ({"data": {"start": SECTORS, "size": 9}}, "data.size must be a multiple of the block size"),
            ({"data": {"start": SECTORS, "size": 99 * SECTORS}}, "data.size: the partition would end"),
            ({"filename": "none.img"}, "filename must name an image file"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, load, tree, more, words):
        image = blank(tree, 9)
        with pytest.raises(ValueError, match=words):
            load("debian.verity").main(str(tree), verity_options(**more))
        assert untouched_around(image, 0) and not (tree / "hash").exists()


@pytest.mark.root
def test_no_view_is_left_when_one_cannot_be_made(load, tree, system):
    blank(tree, 4)
    with pytest.raises(ValueError, match="exclude: /bin is not a directory|symbolic link"):
        write(load, "debian.ext4", tree, system, 2, exclude=["/home", "/bin"])
    assert "tree-view-" not in Path("/proc/self/mountinfo").read_text()
    assert (system / "home/jane/note").exists()
