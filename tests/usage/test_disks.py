# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks in formats of other hypervisors are read back: the same partitions and the same system are in them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import DISTROS, Built

pytestmark = [pytest.mark.root, pytest.mark.slow]
SECTOR = 512
ROOT = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"


@pytest.fixture(params=DISTROS)
def distro(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def info(image: Path) -> dict[str, object]:
    shown = subprocess.run(["qemu-img", "info", "--output=json", image], check=True, capture_output=True).stdout
    return dict(json.loads(shown))


def holds_the_system(raw: Path) -> None:
    """The raw disk has our partitions, and a sound ext4 root with the program that was asked for."""
    shown = subprocess.run(["sfdisk", "--json", raw], check=True, capture_output=True).stdout
    partitions = json.loads(shown)["partitiontable"]["partitions"]
    assert [one["name"] for one in partitions] == ["bios", "esp", "root"]
    root = next(one for one in partitions if one["type"] == ROOT)
    offset = root["start"] * SECTOR
    subprocess.run(["e2fsck", "-fn", f"{raw}?offset={offset}"], check=True, capture_output=True)
    listed = subprocess.run(
        ["debugfs", "-R", "stat /usr/bin/hello", f"{raw}?offset={offset}"], check=True, capture_output=True, text=True
    ).stdout
    assert "Type: regular" in listed


@pytest.mark.parametrize(
    ("image_type", "filename", "format"),
    [("vmdk", "disk.vmdk", "vmdk"), ("vhd", "disk.vhd", "vpc"), ("vhdx", "disk.vhdx", "vhdx"), ("vdi", "disk.vdi", "vdi")],
)
def test_a_disk_of_another_format_is_read_back(
    built: Built, distro: str, tmp_path: Path, image_type: str, filename: str, format: str
) -> None:
    image = built(image_type, distro) / filename
    # A fixed VHD is told by its last sector, which qemu-img looks at only when it is asked for.
    raw = tmp_path / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-f", format, "-O", "raw", image, raw], check=True)
    assert raw.stat().st_size % 2**20 == 0, "Azure takes whole MiB only"
    holds_the_system(raw)
    if image_type == "vmdk":
        assert info(image)["format-specific"]["data"]["create-type"] == "streamOptimized"  # type: ignore[index]
    if image_type == "vhd":
        assert image.stat().st_size == raw.stat().st_size + SECTOR, "fixed size: the disk and a footer"


def test_an_appliance_describes_the_disk_it_holds(built: Built, distro: str, tmp_path: Path) -> None:
    image = built("ova", distro) / "image.ova"
    with tarfile.open(image) as archive:
        assert archive.getnames()[0] == "image.ovf"
    subprocess.run(["tar", "-C", tmp_path, "-xf", image], check=True)
    manifest = (tmp_path / "image.mf").read_text()
    for name in ("image.ovf", "image.vmdk"):
        digest = subprocess.run(["sha256sum", tmp_path / name], check=True, capture_output=True, text=True).stdout.split()[0]
        assert f"({name})= {digest}" in manifest.replace(") =", ")=")
    raw = tmp_path / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", tmp_path / "image.vmdk", raw], check=True)
    holds_the_system(raw)


def test_the_archive_for_google_holds_the_disk_alone(built: Built, distro: str, tmp_path: Path) -> None:
    with tarfile.open(built("gce", distro) / "image.tar.gz") as archive:
        assert archive.getnames() == ["disk.raw"]
    subprocess.run(["tar", "-C", tmp_path, "-xzSf", built("gce", distro) / "image.tar.gz"], check=True)
    holds_the_system(tmp_path / "disk.raw")
