# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-test integration`, one target after the other, on this host and with the real engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TARGETS = sorted(
    path.name for path in (REPO / "tests" / "integration" / "targets").iterdir() if not path.name.startswith("setup_")
)


@pytest.mark.root
@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str) -> None:
    # ansible-test wants to see a path of the form ansible_collections/NAMESPACE/NAME: the checkout is bind-mounted there, in
    # a mount namespace of its own.
    home = REPO / "build" / "test" / "integration-home"
    mountpoint = REPO / "build" / "test" / "integration" / "ansible_collections" / "debian_forge" / "osbuild"
    for path in (home, mountpoint):
        path.mkdir(parents=True, exist_ok=True)
    script = 'mount --bind "$1" "$2"; cd "$2"; shift 2; exec "$@"'
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(Path(sys.executable).parent / "ansible-test"), "integration", "--local", "--python", version]
    command += ["--color", "no", "--allow-destructive"]
    private = ["unshare", "--mount", "--propagation", "private"]
    result = subprocess.run(
        [*private, "sh", "-ec", script, "integration", str(REPO), str(mountpoint), *command, target],
        env={**{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode:
        pytest.fail(f"target {target}:\n{result.stdout[-12000:]}\n{result.stderr[-4000:]}", pytrace=False)
