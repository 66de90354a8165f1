# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot tests once more, with the example as a Debian 12."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import REPO, make_image


@pytest.mark.root
@pytest.mark.slow
def test_debian_12_boots_under_both_firmwares() -> None:
    output = REPO / "build" / "hello-debian-12"
    run = make_image(DISTRO="debian-12", OUTPUT=str(output))
    assert run.returncode == 0, run.output[-4000:]
    boot = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/boot"], cwd=REPO, stdin=subprocess.DEVNULL, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "FORGE_IMAGE_DIR": str(output), "FORGE_IMAGE_BLUEPRINT": str(REPO / "examples" / "hello-debian.toml"),
             "FORGE_BOOT_LOGS": str(REPO / "build" / "boot-12")},
    )
    assert boot.returncode == 0 and "skipped" not in boot.stdout, boot.stdout[-6000:]
