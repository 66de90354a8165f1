# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A tree that is not in memory is read ahead; one that is costs a look."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from osbuild.util import readahead

SIZE = 256 << 10


def in_memory(path: Path) -> bool:
    """Whether the end of a file is."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(1)], SIZE - 1, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for name in ("a/b/one", "a/two", "c/three", "four"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    (top / "empty").touch()
    (top / "away").symlink_to("/etc/passwd")
    os.mkfifo(top / "pipe")
    return top


def files(top: Path) -> list[Path]:
    return [path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink() and path.stat().st_size]


@pytest.fixture
def missing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Files that are not in memory, all of them; a test may take some away."""
    names = set(files(tree))
    monkeypatch.setattr(readahead, "_in_memory", lambda path: Path(path) not in names if Path(path).stat().st_size else None)
    return names


def read(top: Path) -> readahead.ReadAhead:
    thread = readahead.ReadAhead(str(top))
    thread.start()
    thread.join()
    return thread


@pytest.mark.root
def test_a_new_mount_is_read_into_memory(tree: Path, tmp_path: Path) -> None:
    (tree / "pipe").unlink()
    image, target = tmp_path / "image", tmp_path / "target"
    target.mkdir()
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "16M"], check=True)
    subprocess.run(["mount", "-o", "loop", image, target], check=True)
    try:
        assert read(target).asked == 4 * SIZE
        # The kernel was asked, and may take its time.
        wanted, deadline = files(target), time.monotonic() + 30
        while not all(in_memory(path) for path in wanted):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert read(target).asked == 0
    finally:
        subprocess.run(["umount", target], check=True)


def test_all_files_are_read_and_nothing_else(tree: Path, missing: set[Path]) -> None:
    assert read(tree).asked == 4 * SIZE


def test_what_is_in_memory_is_not_read(tree: Path, missing: set[Path]) -> None:
    missing.clear()
    assert read(tree).asked == 0


def test_a_few_that_are_missing_are_no_reason(tree: Path, missing: set[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readahead, "_MISSING", 2)
    missing.intersection_update(files(tree)[:1])
    assert read(tree).asked == 0
    missing.update(files(tree)[:2])
    assert read(tree).asked == 4 * SIZE


def test_no_more_than_half_of_the_memory(tree: Path, missing: set[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readahead, "available", lambda: 3 * SIZE)
    # The file that goes beyond is the last.
    assert read(tree).asked == 2 * SIZE


def test_ends_when_it_is_stopped(tree: Path, missing: set[Path]) -> None:
    thread = readahead.ReadAhead(str(tree))
    thread.stop()
    thread.start()
    thread.join()
    assert thread.asked == 0


def test_a_tree_that_is_gone_is_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert read(tmp_path / "gone").asked == 0
    assert capfd.readouterr().err == ""
