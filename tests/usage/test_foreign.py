# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image for another architecture: built in a native build root, its own programs by qemu-user."""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import DISTROS, Built

FORMATS = Path("/proc/sys/fs/binfmt_misc")
RULE = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
EM_AARCH64 = 183  # elf(5)

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine runs programs for arm64 itself"),
    pytest.mark.skipif(not RULE.exists(), reason="qemu-user-static, with its binfmt.d rule for arm64, is not installed"),
]


@pytest.fixture(scope="module")
def emulation() -> Iterator[None]:
    """Programs for arm64 run; what the host did not have is taken away again."""
    with contextlib.ExitStack() as stack:
        if not (FORMATS / "register").exists():
            mounted = subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", FORMATS], check=False, capture_output=True)
            if mounted.returncode:
                pytest.skip("this kernel registers no binary formats (binfmt_misc)")
            stack.callback(subprocess.run, ["umount", FORMATS], check=True)
        if not any("qemu-aarch64" in path.name for path in FORMATS.iterdir()):
            (FORMATS / "register").write_text(RULE.read_text().strip())
            stack.callback((FORMATS / "qemu-aarch64").write_text, "-1")
        yield


@pytest.mark.parametrize("distro", DISTROS[-1:])
def test_an_arm64_system_is_built_and_runs(built: Built, emulation: None, distro: str, tmp_path: Path) -> None:
    folder = built("tar", distro, name="arm64", ARCH="arm64")
    subprocess.run(["tar", "-C", tmp_path, "--numeric-owner", "-xf", folder / "root.tar.zst"], check=True)
    header = (tmp_path / "usr/bin/hello").read_bytes()[:20]
    assert int.from_bytes(header[18:20], "little") == EM_AARCH64
    lock = json.loads((folder / "lock.json").read_text())
    assert {one["architecture"] for one in lock["sets"]["build"]} <= {"amd64", "all"}, "the tools are not emulated"
    assert {one["architecture"] for one in lock["sets"]["os"]} <= {"arm64", "all"}
    run = subprocess.run(["chroot", tmp_path, "hello"], check=True, capture_output=True, text=True)
    assert run.stdout == "Hello, world!\n"
    audit = subprocess.run(["chroot", tmp_path, "dpkg", "--audit"], check=True, capture_output=True, text=True)
    assert audit.stdout == ""
    shutil.rmtree(tmp_path)
