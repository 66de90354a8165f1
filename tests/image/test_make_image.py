# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make image`: what it leaves, and that it does nothing the second time."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import HelloImage, make_image
from tests.playbook import ansible_playbook, host_state

pytestmark = pytest.mark.root


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_image_and_reports_are_there_and_agree(hello_image: HelloImage) -> None:
    directory = hello_image.directory
    record = json.loads((directory / "record.json").read_text())
    files = {file["path"]: file for file in record["files"]}
    assert "disk.qcow2" in files
    for name, file in files.items():
        assert (directory / name).stat().st_size == file["size"]
        assert sha256(directory / name) == file["sha256"]
    lock = json.loads((directory / "lock.json").read_text())
    packages = [package for packages in lock["sets"].values() for package in packages]
    assert len(packages) > 200
    lines = (directory / "lock.json").read_text().splitlines()
    assert sum('"version"' in line and '"name"' in line for line in lines) == len(packages)
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["version"] == "2"
    pinned = manifest["sources"]["org.osbuild.curl"]["items"]
    assert {f"sha256:{package['sha256']}" for package in packages} == set(pinned)
    # Trees that the store had already are not built again and not in the log; the image itself always is.
    log = (directory / "build.log").read_text()
    ran = set(re.findall(r"^-- (\S+): (\S+) \(", log, re.MULTILINE))
    assert ("qcow2", "org.osbuild.qemu") in ran
    assert ran <= {(pipeline["name"], stage["type"]) for pipeline in manifest["pipelines"] for stage in pipeline["stages"]}


def test_image_is_a_clean_qcow2(hello_image: HelloImage) -> None:
    info = subprocess.run(["qemu-img", "check", "--output=json", str(hello_image.directory / "disk.qcow2")],
                          capture_output=True, text=True, check=True)
    assert json.loads(info.stdout)["check-errors"] == 0


def test_second_run_changes_nothing(hello_image: HelloImage) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in hello_image.directory.iterdir()}
    state = host_state()
    started = time.monotonic()
    run = make_image()
    print(f"make image, repeated: {time.monotonic() - started:.1f} s")
    assert run.returncode == 0, run.output[-3000:]
    assert run.changed == 0
    assert {path.name: path.stat().st_mtime_ns for path in hello_image.directory.iterdir()} == before
    assert host_state() == state


def test_check_mode_plans_another_package_and_writes_nothing(hello_image: HelloImage, repo: Path, tmp_path: Path) -> None:
    blueprint = tmp_path / "hello.toml"
    blueprint.write_text((repo / "examples" / "hello-debian.toml").read_text() + '\n[[packages]]\nname = "figlet"\n')
    before = {path.name: path.stat().st_mtime_ns for path in hello_image.directory.iterdir()}
    run = ansible_playbook("debian_forge.osbuild.build_image", "--check", "--diff", "--tags", "build",
                           blueprint=str(blueprint), distribution="debian-13", image_type="qcow2", output=str(hello_image.directory))
    assert run.returncode == 0, run.output[-3000:]
    assert run.changed == 1
    assert any(line.startswith("+figlet ") for line in run.output.splitlines()), run.output[-3000:]
    assert {path.name: path.stat().st_mtime_ns for path in hello_image.directory.iterdir()} == before


def test_altered_image_is_noticed_and_built_again_from_the_store(hello_image: HelloImage) -> None:
    disk = hello_image.directory / "disk.qcow2"
    digest = sha256(disk)
    with disk.open("ab") as file:
        file.write(b"altered")
    run = make_image()
    assert run.returncode == 0, run.output[-3000:]
    assert run.changed == 1
    assert sha256(disk) == digest
