# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run playbooks as a user does, and look at what a build may have left behind on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import REPO

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook."""

    returncode: int
    output: str

    @property
    def changed(self) -> int:
        return int(self.output.rsplit("changed=", 1)[1].split()[0])


def ansible_playbook(playbook: str | Path, *options: str, **variables: Any) -> Run:
    """Run a playbook on this host; `variables` become extra variables."""
    result = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(playbook), "-e", json.dumps(variables), *options],
        cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"), "ANSIBLE_HOME": str(REPO / "build" / "ansible"),
             "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"},
    )
    return Run(result.returncode, result.stdout)


def host_state(*places: str | Path) -> set[str]:
    """Mounts, attached loop devices and running programs of this host that have to do with its build files or `places`."""
    needles = ["debian-forge", *map(str, places)]
    mounts = {f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines()}
    loops = {
        f"loop {path.parent.parent.name} {path.read_text().strip()}" for path in Path("/sys/block").glob("loop*/loop/backing_file")
    }
    processes = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if any(program in words for program in ("osbuild", "bwrap", "supervisor.py")):
            processes.add(f"process {path.parent.name} {words[:2000]}")
    return {line for line in mounts | loops | processes if any(needle in line for needle in needles)}
