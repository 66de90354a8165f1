# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes engine, stages' helpers and the collection importable, and finds the shared conformance data."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parent.parent


def link_tree(repo: Path = REPO) -> Path:
    """Return the folder to put on the import path so that `ansible_collections.debian_forge.osbuild` is this checkout."""
    root = repo / "build" / "collections"
    link = root / "ansible_collections" / "debian_forge" / "osbuild"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(repo)
        except FileExistsError:  # another test process was first
            pass
    return root


for _path in (link_tree(), REPO / "engine"):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))


def shared_dir() -> Path:
    """Return the folder with contract and conformance data: $FORGE_SHARED, or `shared` beside the checkout."""
    return Path(os.environ.get("FORGE_SHARED") or REPO.parent / "shared")


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of recorded cases; skips where it is not there."""
    path = shared_dir() / "conformance"
    if not path.is_dir():
        pytest.skip(f"no conformance data at {path}: set FORGE_SHARED to the folder that holds conformance/")
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root (mounts, chroot, loop devices)")


@dataclass(frozen=True)
class HelloImage:
    """What `make image` left."""

    directory: Path
    output: str


def make_image(**variables: str) -> Any:
    """Run `make image` with the given make variables; returns a tests.playbook.Run."""
    from tests.playbook import Run

    words = [f"{name}={value}" for name, value in variables.items()]
    result = subprocess.run(["make", "--no-print-directory", "image", *words], cwd=REPO, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Run(result.returncode, result.stdout)


@pytest.fixture(scope="session")
def hello_image() -> HelloImage:
    """The image of examples/hello-debian.toml, built by `make image` as a user would, once for all tests."""
    run = make_image()
    assert run.returncode == 0, f"make image failed:\n{run.output[-6000:]}"
    return HelloImage(REPO / "build" / "hello-debian", run.output)
