# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from osbuild.util import checksum, path


@pytest.mark.parametrize(
    ("root", "parts", "expected"),
    [
        ("/tree", ["/etc", "x"], "/tree/etc/x"),
        ("/tree", ["//etc//x/"], "/tree/etc/x"),
        ("tree", ["a"], "/tree/a"),
        ("/", ["/a"], "/a"),
        ("/tree", [], "/tree"),
    ],
)
def test_join_abs_appends_absolute_parts(root: str, parts: list[str], expected: str) -> None:
    assert path.join_abs(root, *parts) == expected


def test_in_tree_compares_text_and_existence(tmp_path: Path) -> None:
    tree = str(tmp_path)
    assert path.in_tree(f"{tree}/none", tree)
    assert not path.in_tree(f"{tree}/none", tree, must_exist=True)
    assert path.in_tree(f"{tree}/.", tree, must_exist=True)
    assert not path.in_tree(f"{tree}/../other", tree)


def test_resolve_in_never_leaves_the_root(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    for name, target in (("abs", "/boot/x"), ("rel", "boot/../boot/x"), ("up", "../../../etc"), ("a", "b"), ("b", "a")):
        (tmp_path / name).symlink_to(target)
    root = str(tmp_path)
    for name, expected in (
        ("/", ""), ("", ""), ("/boot//x/", "/boot/x"), ("abs", "/boot/x"), ("rel", "/boot/x"), ("up/passwd", "/etc/passwd"),
        ("../../boot", "/boot"), ("abs/../y", "/boot/y"), ("none/../y", "/y"),
    ):  # fmt: skip
        assert path.resolve_in(root, name).rstrip("/") == root + expected
    with pytest.raises(OSError, match="symbolic links"):
        path.resolve_in(root, "a")


def test_ensure_glob_counts_matches(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).touch()
    assert len(path.ensure_glob(f"{tmp_path}/*", 2)) == 2
    assert path.ensure_glob("*", root_dir=tmp_path)
    with pytest.raises(ValueError, match="No matches for"):
        path.ensure_glob(f"{tmp_path}/c*")
    with pytest.raises(ValueError, match=r"does not match expected \(1\)"):
        path.ensure_glob(f"{tmp_path}/*", 1)


def test_clamp_mtime_touches_only_newer_entries(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "sub" / "new"
    new.parent.mkdir()
    for file in (old, new):
        file.touch()
    link = tmp_path / "link"
    link.symlink_to("old")
    os.utime(old, (100, 100))
    path.clamp_mtime(tmp_path, 1000, 500)
    assert [p.lstat().st_mtime for p in (old, new, new.parent, link, tmp_path)] == [100, 500, 500, 500, 500]


def test_clamp_mtime_takes_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    path.clamp_mtime(file, 0, 42)
    assert file.stat().st_mtime == 42


@pytest.mark.parametrize("size", [0, 1, 32768, 1_000_003])
def test_digest_covers_the_whole_file(tmp_path: Path, size: int) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"\x5a" * size)
    digest = hashlib.sha256(b"\x5a" * size).hexdigest()
    assert checksum.hexdigest_file(file, "sha256") == digest
    assert checksum.verify_file(file, f"sha256:{digest}")
    assert not checksum.verify_file(file, f"sha256:{digest.upper()}")
    with pytest.raises(ValueError):
        checksum.verify_file(file, digest)
    with pytest.raises(ValueError):
        checksum.hexdigest_file(file, "nope")
