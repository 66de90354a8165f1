# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Inodes are changed by the library as debugfs would change them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.forge import ext2fs

START = 1 << 20

pytestmark = pytest.mark.skipif(shutil.which("mke2fs") is None, reason="e2fsprogs is not installed")


def made(place: Path, *options: str) -> Path:
    tree, image = place / "tree", place / "image"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder/file").write_text("content")
    (tree / "link").symlink_to("folder/file")
    command = ["mke2fs", "-q", "-F", "-t", "ext4", *options, "-d", str(tree), "-E", f"offset={START}", str(image), "16M"]
    subprocess.run(command, check=True)
    return image


def seen(image: Path, path: str) -> str:
    command = ["debugfs", "-R", f"stat {path}", f"{image}?offset={START}"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf8", env={**os.environ, "TZ": "UTC"}).stdout


@pytest.mark.parametrize("epoch", [0, 1700000000, (1 << 31) + 5, (1 << 33) + 7])
def test_times_of_all_files_and_fields_of_the_root(tmp_path: Path, epoch: int) -> None:
    image = made(tmp_path)
    root = os.stat_result((0o40711, 0, 0, 2, 70000, 1, 4096, 1, 1600000000, 1))
    before = dict(os.environ)
    with ext2fs.Filesystem(str(image), START, 1700000000) as filesystem:
        filesystem.settle(root, epoch)
    assert dict(os.environ) == before
    for path in ("/", "/folder", "/folder/file", "/link"):
        lines = seen(image, path).splitlines()
        for name in ("atime", "ctime"):
            (found,) = (line.split()[1] for line in lines if line.strip().startswith(f"{name}:"))
            low, high = (int(part, 16) for part in found.split(":"))
            assert low == epoch & 0xFFFFFFFF
            assert (low - (1 << 32 if low >> 31 else 0)) + ((high & 3) << 32) == epoch
    top = seen(image, "/")
    assert "Mode:  0711" in top and "User: 70000" in top and "Group:     1" in top and "mtime: 0x5f5e1000" in top
    subprocess.run(["e2fsck", "-fn", f"{image}?offset={START}"], check=True, capture_output=True)


def test_small_inodes_have_room_for_32_bits(tmp_path: Path) -> None:
    image = made(tmp_path, "-I", "128")
    with ext2fs.Filesystem(str(image), START, 1) as filesystem:
        filesystem.settle(os.stat(tmp_path), 1700000000)
    assert "atime: 0x6553f100" in seen(image, "/folder/file")
    subprocess.run(["e2fsck", "-fn", f"{image}?offset={START}"], check=True, capture_output=True)


def test_what_is_no_file_system_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(START * 2))
    with pytest.raises(OSError, match="libext2fs cannot open the new file system: its error [0-9]"):
        ext2fs.Filesystem(str(image), START, 1)
