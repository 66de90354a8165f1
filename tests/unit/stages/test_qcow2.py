# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""qcow2 by our own hands, read back by qemu-img."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.forge import qcow2, zstd

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")

CLUSTER = qcow2.CLUSTER


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# (size of the disk, what is written where)
DISKS = {
    "empty": (1 << 20, {}),
    "no size": (0, {}),
    "one sector": (512, {0: b"x" * 512}),
    "odd sector": (3 * CLUSTER + 512, {3 * CLUSTER: b"end" * 100}),
    "noise": (8 << 20, {0: noise(5 << 20)}),
    "text": (8 << 20, {CLUSTER - 7: b"some text " * 200_000}),
    "mixed": (40 << 20, {n * 3 * CLUSTER: noise(CLUSTER) + b"text" * 9000 for n in range(200)}),
    "far apart": (3 << 30, {0: b"first", 1 << 30: b"middle", (3 << 30) - 512: b"last"}),
}


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    size, contents = DISKS[request.param]
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(size)
        for at, data in contents.items():
            file.seek(at)
            file.write(data)
    return path


def files_input(directory: Path, disk: bytes) -> dict[str, Any]:
    directory.mkdir()
    (directory / "disk").write_bytes(disk)
    return {"path": str(directory), "data": {"files": {"disk": {}}}}


def qemu_img(*words: str | Path) -> str:
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True).stdout


def test_qemu_reads_the_same_disk_and_finds_nothing_wrong(disk: Path, tmp_path: Path) -> None:
    target = tmp_path / "disk.qcow2"
    qcow2.convert(str(disk), str(target), zstd.Zstd(), jobs=3)
    assert "No errors" in qemu_img("check", target)
    qemu_img("compare", "-f", "raw", "-F", "qcow2", disk, target)
    info = json.loads(qemu_img("info", "--output=json", target))
    assert info["virtual-size"] == disk.stat().st_size
    assert info["format-specific"]["data"]["compression-type"] == "zstd"
    assert info["format-specific"]["data"]["corrupt"] is False


def test_processors_do_not_change_the_file(disk: Path, tmp_path: Path) -> None:
    for jobs in (1, 4):
        qcow2.convert(str(disk), str(tmp_path / f"{jobs}"), zstd.Zstd(), jobs=jobs)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "4").read_bytes()


def test_the_image_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"text" * 500_000 + bytes(1 << 20) + noise(1 << 20))
    qcow2.convert(str(tmp_path / "raw"), str(tmp_path / "q"), zstd.Zstd())
    subprocess.run(
        ["qemu-io", "-c", "write -P 7 60000 100000", "-c", "write -P 8 1500000 64k", str(tmp_path / "q")],
        check=True,
        capture_output=True,
    )
    assert "No errors" in qemu_img("check", tmp_path / "q")
    qemu_img("convert", "-O", "raw", tmp_path / "q", tmp_path / "back")
    assert (tmp_path / "back").read_bytes()[60000:160000] == b"\7" * 100000


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512))
    (tmp_path / "q").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        qcow2.convert(str(tmp_path / "raw"), str(tmp_path / "q"), zstd.Zstd())
    assert not (tmp_path / "elsewhere").exists()


class TestStage:
    IMAGE = {"type": "qcow2", "compression_type": "zstd"}

    def run(self, load, tree, entry, **image) -> Path:
        load("qemu").main({"image": entry}, str(tree), {"filename": "o", "format": {**self.IMAGE, **image}})
        return tree / "o"

    def test_a_raw_disk(self, load, tree, tmp_path) -> None:
        made = self.run(load, tree, files_input(tmp_path / "i", disk=noise(CLUSTER) + b"text" * CLUSTER))
        assert (
            json.loads(qemu_img("info", "--output=json", made))["format-specific"]["data"]["compression-type"] == "zstd"
        )
        qemu_img("compare", tmp_path / "i/disk", made)

    @pytest.mark.parametrize("library", [True, False])
    def test_another_format_or_a_missing_library_is_left_to_qemu(
        self, load, tree, tmp_path, monkeypatch, library: bool
    ) -> None:
        entry = files_input(tmp_path / "i", disk=b"text" * CLUSTER)
        if library:
            qemu_img("convert", "-f", "raw", "-O", "vmdk", tmp_path / "i/disk", tmp_path / "vmdk")
            shutil.move(tmp_path / "vmdk", tmp_path / "i/disk")
        else:
            monkeypatch.setattr(zstd, "_LIBRARY", "libnosuch.so.1")
        monkeypatch.setattr(qcow2, "_Writer", None)
        made = self.run(load, tree, entry)
        assert (
            json.loads(qemu_img("info", "--output=json", made))["format-specific"]["data"]["compression-type"] == "zstd"
        )
        qemu_img("compare", tmp_path / "i/disk", made)

    def test_the_old_format_has_no_zstd(self, load, tree, tmp_path) -> None:
        with pytest.raises(ValueError, match=r"zstd needs format\.compat 1\.1, found '0\.10'"):
            self.run(load, tree, files_input(tmp_path / "i", disk=b"x" * 512), compat="0.10")
        assert list(tree.iterdir()) == []
