# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same lock, built twice in fresh stores, gives the same image, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.playbook import ansible_playbook
from tests.tree.compare import Entry, read_tree

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("hello_image")]

PLAYBOOK = Path(__file__).parent / "build.yml"
LINUX_ROOT = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
BLUEPRINT = {
    "name": "twice",
    "version": "1.0.0",
    "packages": [{"name": "openssh-server"}],
    "customizations": {
        "hostname": "twice",
        "kernel": {"name": "linux-image-cloud-amd64"},
        "user": [{"name": "ops", "password": "not a secret", "groups": ["sudo"]}],
        "files": [{"path": "/etc/motd", "data": "the same again\n"}],
    },
}


@contextmanager
def mounted_root(image: Path, mountpoint: Path) -> Iterator[Path]:
    """Mount the root partition of a raw image, read-only, through a loop device at its offset."""
    table = json.loads(subprocess.run(["sfdisk", "--json", str(image)], capture_output=True, check=True).stdout)
    (root,) = (part for part in table["partitiontable"]["partitions"] if part["type"] == LINUX_ROOT)
    offset, size = root["start"] * 512, root["size"] * 512
    mountpoint.mkdir()
    subprocess.run(["mount", "-o", f"ro,noload,loop,offset={offset},sizelimit={size}", str(image), str(mountpoint)], check=True)
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", str(mountpoint)], check=True)
        mountpoint.rmdir()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # In memory where there is room: two stores with build roots and trees are deleted again at once.
    memory = Path("/dev/shm")
    free = os.statvfs(memory)
    place = memory / f"forge-twice-{os.getpid()}" if free.f_bavail * free.f_frsize > 8 << 30 else tmp_path_factory.mktemp("twice")
    place.mkdir(exist_ok=True)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def twice(scratch: Path) -> list[Path]:
    """Output directories of two builds; the second starts from the first one's lock file."""
    outputs = []
    for number in ("first", "second"):
        output = scratch / number
        output.mkdir()
        if outputs:
            shutil.copy(outputs[0] / "lock.json", output / "lock.json")
        store = scratch / f"store-{number}"
        run = ansible_playbook(PLAYBOOK, options={
            "blueprint": BLUEPRINT, "distribution": "debian-13", "architecture": "amd64", "image_type": "raw",
            "output_directory": str(output), "store": str(store), "install": True,
        })
        assert run.returncode == 0, run.output[-4000:]
        shutil.rmtree(store)
        outputs.append(output)
    return outputs


def listing(output: Path, mountpoint: Path) -> dict[str, Entry]:
    with mounted_root(output / "disk.raw", mountpoint) as root:
        return read_tree(root)


def test_tree_listings_are_equal(twice: list[Path], tmp_path: Path) -> None:
    first, second = (listing(output, tmp_path / "root") for output in twice)
    assert len(first) > 5000
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()


def test_raw_images_are_identical(twice: list[Path]) -> None:
    digests = set()
    for output in twice:
        with (output / "disk.raw").open("rb") as file:
            digests.add(hashlib.file_digest(file, "sha256").hexdigest())
    assert len(digests) == 1


def test_lock_files_and_manifests_are_identical(twice: list[Path]) -> None:
    for name in ("lock.json", "manifest.json"):
        first, second = ((output / name).read_bytes() for output in twice)
        assert first == second, name
