# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are trees are used: unpacked, mounted, run."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import DISTROS, Built

pytestmark = [pytest.mark.root, pytest.mark.slow]
VERSIONS = {"debian-12": "12", "debian-13": "13"}


def inside(root: Path, *command: str) -> str:
    """What a program of the tree prints, run with the tree as its root."""
    return subprocess.run(["chroot", root, *command], check=True, capture_output=True, text=True).stdout


def is_the_system(root: Path, distro: str) -> None:
    assert inside(root, "hello") == "Hello, world!\n"
    release = inside(root, "cat", "/etc/os-release")
    assert f'VERSION_ID="{VERSIONS[distro]}"' in release.splitlines()
    assert inside(root, "dpkg", "--audit") == ""
    assert "install ok installed" in inside(root, "dpkg-query", "-W", "-f", "${Status}", "hello")
    assert (root / "etc/machine-id").read_text() == ""
    assert not (root / "etc/resolv.conf").exists(), "nothing of the building host may be in it"
    assert not list((root / "dev").iterdir())


@contextmanager
def mounted(image: Path, target: Path) -> Iterator[Path]:
    target.mkdir()
    subprocess.run(["mount", "-o", "loop,ro", image, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)
        target.rmdir()


@pytest.fixture(params=DISTROS)
def distro(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(("image_type", "suffix"), [("tar", "zst"), ("tar-gzip", "gz"), ("tar-xz", "xz")])
def test_an_archive_is_unpacked_and_its_programs_run(
    built: Built, distro: str, tmp_path: Path, image_type: str, suffix: str
) -> None:
    archive = built(image_type, distro) / f"root.tar.{suffix}"
    subprocess.run(["tar", "-C", tmp_path, "--numeric-owner", "-xf", archive], check=True)
    is_the_system(tmp_path, distro)
    shutil.rmtree(tmp_path)


def test_a_directory_is_a_root(built: Built, distro: str) -> None:
    is_the_system(built("directory", distro) / "os", distro)


@pytest.mark.parametrize("image_type", ["squashfs", "erofs"])
def test_a_read_only_file_system_is_mounted_and_its_programs_run(
    built: Built, distro: str, tmp_path: Path, image_type: str
) -> None:
    with mounted(built(image_type, distro) / f"root.{image_type}", tmp_path / "root") as root:
        is_the_system(root, distro)


@pytest.mark.skipif(not (shutil.which("podman") and shutil.which("runc")), reason="podman or runc is not installed")
def test_a_container_is_imported_and_run(built: Built, distro: str, tmp_path: Path) -> None:
    archive = built("oci", distro) / "container.tar"
    shown = subprocess.run(["skopeo", "inspect", "--config", f"oci-archive:{archive}"], check=True, capture_output=True)
    config = json.loads(shown.stdout)
    assert config["architecture"] == "amd64" and config["config"]["Cmd"] == ["/bin/bash"]
    # podman takes no longer path than 50 characters for its run-time files.
    run_root = tempfile.mkdtemp(dir="/run")
    podman = ["podman", "--root", tmp_path / "storage", "--runroot", run_root, "--storage-driver", "vfs",
              "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"]  # fmt: skip
    try:
        loaded = subprocess.run([*podman, "load", "-q", "-i", archive], check=True, capture_output=True, text=True).stdout
        image = loaded.strip().rsplit(" ", 1)[-1]
        run = subprocess.run(
            # Limits that may be set where root itself may not raise them.
            [*podman, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
             image, "sh", "-c", "hello; dpkg --audit"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert run.stdout == "Hello, world!\n"
    finally:
        subprocess.run([*podman, "system", "reset", "--force"], check=False, capture_output=True)
        shutil.rmtree(run_root, ignore_errors=True)


def test_a_distribution_for_wsl_has_what_windows_looks_for(built: Built, distro: str, tmp_path: Path) -> None:
    image = built("wsl", distro) / "image.wsl"
    with tarfile.open(image, "r:gz") as archive:
        names = archive.getnames()
        assert not any(name.startswith("./") for name in names), "Windows' importer wants plain names"
        settings = archive.extractfile("etc/wsl.conf")
        assert settings and "systemd=true" in settings.read().decode().replace(" ", "").lower()
        assert {"etc/wsl-distribution.conf", "usr/lib/systemd/systemd", "etc/passwd"} <= set(names)
        assert not any(name.startswith("boot/vmlinuz") for name in names)
    subprocess.run(["tar", "-C", tmp_path, "--numeric-owner", "-xf", image], check=True)
    is_the_system(tmp_path, distro)
    shutil.rmtree(tmp_path)
