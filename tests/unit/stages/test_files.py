# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""mkdir, copy, ln, truncate, chmod, chown, dd: wrong input, and trees with hostile links."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


class TestMkdir:
    def test_follows_absolute_links_inside_the_tree(self, load, arguments, tree, outside) -> None:
        (tree / "var").symlink_to(outside)
        options = {"paths": [{"path": "/var/x", "parents": True}]}
        assert load("mkdir").main(arguments(options=options)) == 0
        assert listing(outside) == []
        assert (Path(f"{tree}{outside}") / "x").is_dir()

    def test_cannot_climb_out(self, load, arguments, tree) -> None:
        load("mkdir").main(arguments(options={"paths": [{"path": "tree:///../../x"}]}))
        assert (tree / "x").is_dir()

    def test_makes_directories_on_a_mount(self, load, arguments, tree, outside) -> None:
        options = {"paths": [{"path": "mount://boot/efi/EFI", "parents": True, "mode": 0o700}]}
        load("mkdir").main(arguments(options=options, mounts={"boot": {"path": str(outside)}}))
        assert stat.S_IMODE((outside / "efi/EFI").stat().st_mode) == 0o700
        assert listing(tree) == []

    def test_a_slash_at_the_end_is_fine(self, load, arguments, tree) -> None:
        load("mkdir").main(arguments(options={"paths": [{"path": "/a/"}, {"path": "tree:///b/c/", "parents": True}]}))
        assert listing(tree) == ["a", "b", "b/c"]

    def test_an_existing_file_is_no_directory(self, load, arguments, tree) -> None:
        (tree / "a").touch()
        with pytest.raises(FileExistsError):
            load("mkdir").main(arguments(options={"paths": [{"path": "/a"}]}))


class TestCopy:
    def copy(self, load, arguments, source: str, target: str, **item) -> None:
        options = {"paths": [{"from": source, "to": target, **item}]}
        args = arguments(options=options)
        assert load("copy").main(args, options) == 0

    def test_refuses_to_write_through_a_link_that_leaves_the_tree(self, load, arguments, tree, outside) -> None:
        (tree / "a").write_text("new")
        (outside / "victim").write_text("old")
        (tree / "link").symlink_to(outside / "victim")
        with pytest.raises(ValueError, match="to: tree:///link is a link that leaves its root"):
            self.copy(load, arguments, "tree:///a", "tree:///link")
        assert (outside / "victim").read_text() == "old"

    def test_replaces_such_a_link_if_told_to(self, load, arguments, tree, outside) -> None:
        (tree / "a").write_text("new")
        (outside / "victim").write_text("old")
        (tree / "link").symlink_to(outside / "victim")
        self.copy(load, arguments, "tree:///a", "tree:///link", remove_destination=True)
        assert (tree / "link").read_text() == "new"
        assert not (tree / "link").is_symlink()
        assert (outside / "victim").read_text() == "old"

    def test_looks_up_directories_inside_the_tree(self, load, arguments, tree, outside) -> None:
        (tree / "a").write_text("new")
        (tree / "dir").symlink_to(outside)
        Path(f"{tree}{outside}").mkdir(parents=True)
        self.copy(load, arguments, "tree:///a", "tree:///dir/a")
        self.copy(load, arguments, "tree:///a", "tree:///dir/")
        assert listing(outside) == []
        assert (Path(f"{tree}{outside}") / "a").read_text() == "new"

    def test_keeps_modes_times_and_links(self, load, arguments, tree) -> None:
        (tree / "s/d").mkdir(parents=True)
        (tree / "s/d/f").write_text("x")
        (tree / "s/d/l").symlink_to("/nowhere")
        os.chmod(tree / "s/d/f", 0o640)
        os.utime(tree / "s/d/f", (1000, 1000))
        self.copy(load, arguments, "tree:///s", "tree:///t")
        status = (tree / "t/d/f").stat()
        assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o640, 1000)
        assert os.readlink(tree / "t/d/l") == "/nowhere"

    def test_fails_for_a_missing_source(self, load, arguments) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            self.copy(load, arguments, "tree:///none", "tree:///b")

    def test_fails_for_an_unknown_mount(self, load, arguments) -> None:
        with pytest.raises(ValueError, match="Unknown mount 'root'"):
            self.copy(load, arguments, "tree:///a", "mount://root/b")


class TestLn:
    def test_makes_links(self, load, arguments, tree) -> None:
        (tree / "f").write_text("x")
        options = {
            "paths": [
                {"target": "/etc/x", "link_name": "tree:///sym", "symbolic": True},
                {"target": str(tree / "f"), "link_name": "tree:///hard"},
            ]
        }
        assert load("ln").main(arguments(options=options), options) == 0
        assert os.readlink(tree / "sym") == "/etc/x"
        assert (tree / "hard").stat().st_ino == (tree / "f").stat().st_ino

    def test_puts_the_link_inside_the_tree(self, load, arguments, tree, outside) -> None:
        (tree / "d").symlink_to(outside)
        Path(f"{tree}{outside}").mkdir(parents=True)
        options = {"paths": [{"target": "x", "link_name": "tree:///d/l", "symbolic": True}]}
        load("ln").main(arguments(options=options), options)
        assert listing(outside) == []
        assert os.path.islink(f"{tree}{outside}/l")


class TestTruncate:
    def test_stays_inside_the_tree(self, load, tree, outside) -> None:
        (tree / "l").symlink_to(outside / "x")
        Path(f"{tree}{outside}").mkdir(parents=True)
        load("truncate").main(str(tree), {"filename": "l", "size": "4K"})
        load("truncate").main(str(tree), {"filename": "../../y", "size": "1"})
        assert listing(outside) == []
        assert Path(f"{tree}{outside}/x").stat().st_size == 4096
        assert (tree / "y").stat().st_size == 1

    def test_adds_a_hole(self, load, tree) -> None:
        load("truncate").main(str(tree), {"filename": "disk", "size": "1G"})
        assert (tree / "disk").stat().st_size == 1 << 30
        assert (tree / "disk").stat().st_blocks == 0


class TestChmod:
    @pytest.mark.parametrize("mode", ["--reference=/etc/passwd", "-R", "", "rwx", "0999", "u+x -R", "u+x,"])
    def test_refuses_what_is_no_mode(self, load, tree, mode) -> None:
        (tree / "f").touch()
        with pytest.raises(ValueError, match=r"items./f.mode must be octal or symbolic"):
            load("chmod").main(str(tree), {"items": {"/f": {"mode": mode}}})

    @pytest.mark.parametrize(
        ("mode", "result"),
        [("0600", 0o600), ("2755", 0o2755), ("a-x", 0o644), ("-x", 0o644), ("u=rwX,go=", 0o700), ("g+s,o=u", 0o2757)],
    )
    def test_takes_modes_as_chmod_does(self, load, tree, mode, result) -> None:
        (tree / "f").touch()
        os.chmod(tree / "f", 0o755)
        load("chmod").main(str(tree), {"items": {"/f": {"mode": mode}}})
        assert stat.S_IMODE((tree / "f").stat().st_mode) == result

    def test_follows_links_inside_the_tree(self, load, tree, outside) -> None:
        (outside / "f").touch(mode=0o644)
        (tree / "l").symlink_to(outside / "f")
        with pytest.raises(ValueError, match="path /l not in tree"):
            load("chmod").main(str(tree), {"items": {"/l": {"mode": "0777"}}})
        assert stat.S_IMODE((outside / "f").stat().st_mode) == 0o644


class TestChown:
    @pytest.mark.parametrize(
        ("item", "operand"),
        [
            ({"user": 0}, "0"),
            ({"user": "a.b", "group": 5}, "a.b:5"),
            ({"group": "sudo"}, ":sudo"),
            ({"user": 1000.0, "group": 0}, "1000:0"),
        ],
    )
    def test_spells_owners_for_chown(self, load, item, operand) -> None:
        assert load("chown").owner(item) == operand

    def test_runs_the_trees_own_program(self, load, monkeypatch) -> None:
        calls = []
        monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: calls.append((command, kwargs)))
        load("chown").main("/tree", {"items": {"/a": {"user": "x", "recursive": True}}})
        assert calls == [(["/usr/sbin/chroot", "/tree", "chown", "x", "--recursive", "--", "/a"], {"check": True})]


class TestDd:
    def test_copies_a_range_into_a_file(self, load, arguments, tree) -> None:
        (tree / "src").write_bytes(b"0123456789")
        (tree / "dst").write_bytes(b"abcdef")
        options = {"src": "tree:///src", "dst": "dst", "src_offset": 3, "count": 2}
        assert load("dd").main(arguments(options=options), options) == 0
        assert (tree / "dst").read_bytes() == b"34cdef"

    def test_writes_inside_the_tree_only(self, load, arguments, tree, outside) -> None:
        (tree / "src").write_bytes(b"x")
        (outside / "f").write_bytes(b"y")
        (tree / "l").symlink_to(outside / "f")
        Path(f"{tree}{outside}").mkdir(parents=True)
        options = {"src": "tree:///src", "dst": "/l", "count": 1}
        load("dd").main(arguments(options=options), options)
        assert (outside / "f").read_bytes() == b"y"
