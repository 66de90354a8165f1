# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Debian hosts for tests: a base tree made by mmdebstrap, booted by systemd-nspawn(1), entered by nsenter(1)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

BASE_PACKAGES = ("systemd", "systemd-sysv", "dbus", "ca-certificates", "iproute2", "procps")


def make_tree(suite: str, tree: Path, *packages: str) -> None:
    """Write a bootable minimal Debian of `suite`, from the host's own mirrors, to `tree`."""
    tree.mkdir(parents=True)
    archive = tree.with_suffix(".tar")
    include = ",".join([*BASE_PACKAGES, *packages])
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", suite, str(archive)], check=True)
    subprocess.run(["tar", "-C", str(tree), "-xf", str(archive), "--exclude=./dev/*"], check=True)
    archive.unlink()
    # What a tester's machine trusts and where its pip looks is the site's matter, and the guest's too.
    for name in ("etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if (Path("/") / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path("/") / name, tree / name)


class Host:
    """A booted tree that shares the machine's network. `binds`: host folder -> read-only path inside."""

    def __init__(self, name: str, tree: Path, binds: dict[Path, str] | None = None, scratch: str | None = None) -> None:
        self.name, self.tree, self.binds, self.scratch = name, tree, binds or {}, scratch
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def __enter__(self) -> Self:
        argv = ["systemd-nspawn", "-q", "-D", str(self.tree), "-M", self.name, "--keep-unit", "--register=no", "--boot",
                "--link-journal=no", "--console=pipe", "--resolv-conf=copy-host",
                # A host that shares the machine's network loses it, and bubblewrap could not set up its own loopback.
                "--capability=CAP_NET_ADMIN"]
        argv += [f"--bind-ro={source}:{target}" for source, target in self.binds.items()]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=(self.tree.parent / f"{self.name}.console").open("wb"), stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                self.leader = int(children[0])
                if self.run("systemctl is-system-running --wait", check=False).stdout.strip() in ("running", "degraded"):
                    return self
            time.sleep(0.5)
        raise RuntimeError(f"{self.name} did not boot")

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        assert self.process is not None
        if self.leader:
            os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd's way to ask init for a power-off
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def run(self, command: str, *, check: bool = True, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside; output and errors come back as one text."""
        argv = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-p", "-n", "-C", "--", "/usr/bin/env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "sh", "-c", command]
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=timeout, check=False)
        if check and result.returncode:
            raise RuntimeError(f"{self.name}: {command!r} ended with {result.returncode}:\n{result.stdout[-4000:]}")
        return result
