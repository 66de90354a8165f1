# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build host in an emulated machine, whose kernel has what a container's often lacks: device mapper, LVM, vfat, partition nodes.

Everything goes in and out by a second disk, an ext4 file system: engine, stages, a store filled on this machine, the commands
to run, and what became of each. The machine runs them without anybody logging in, and switches itself off.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.boot import machine
from tests.conftest import REPO

RUNNER = Path(__file__).with_name("guest_jobs.py")
# What the role build_host installs beside packages and engine.
RULES = next((REPO / "roles" / "build_host" / "files").glob("*.rules"))
LABEL = "forge-work"
# Where the second disk is mounted in the guest.
MOUNTED = "/srv/work"
# What the disk has for the guest to write to.
ROOM = 16 * 1024**3

PACKAGES = (
    "linux-image-amd64", "python3", "python3-jsonschema", "bubblewrap", "lvm2", "cryptsetup-bin", "dosfstools", "mtools",
    "btrfs-progs", "xfsprogs", "e2fsprogs", "fdisk", "gdisk", "parted", "qemu-utils", "systemd-boot-efi", "systemd-boot",
)  # fmt: skip
# To the kernel's log, as the jobs' own words: a terminal is hung up when somebody may log in on it.
OFF = "sh -c 'echo \"<2>forge-guest: off\" >/dev/kmsg; exec systemctl poweroff --no-block'"
UNIT = f"""
[Unit]
Description=Commands of a test
Requires=dev-vdb.device
After=dev-vdb.device

[Service]
Type=oneshot
ExecStart=mkdir -p {MOUNTED}
ExecStart=mount -L {LABEL} {MOUNTED}
ExecStart=-python3 {MOUNTED}/{RUNNER.name} {MOUNTED}
ExecStart=umount {MOUNTED}
ExecStopPost={OFF}

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Job:
    """A command for the guest, run as root in the folder of its results; times in seconds, slow as emulation is."""

    name: str
    argv: tuple[str, ...]
    timeout: int = 1800


@dataclass(frozen=True)
class Done:
    """What became of a job. *left*: devices and mounts that it did not take away."""

    status: int
    seconds: float
    left: tuple[str, ...]
    stdout: str
    stderr: str
    folder: Path

    def document(self) -> dict[str, Any]:
        """The engine's result, of a job that ran it with ``--json``."""
        return dict(json.loads(self.stdout))


def blueprint() -> dict[str, Any]:
    """The guest's system."""
    return {
        "name": "guest",
        "packages": [{"name": name} for name in PACKAGES],
        "customizations": {
            "hostname": "guest",
            "kernel": {"append": "mitigations=off"},
            "files": [
                {"path": "/etc/systemd/system/forge-guest.service", "data": UNIT},
                {"path": f"/etc/udev/rules.d/{RULES.name}", "data": RULES.read_text()},
            ],
            "services": {"enabled": ["forge-guest"]},
        },
    }


def engine_job(name: str, manifest: str, export: str, timeout: int = 1800) -> Job:
    """A build with the embedded engine: *manifest* is a path on the second disk; the tree lands in the job's folder."""
    argv = ["/usr/bin/env", f"PYTHONPATH={MOUNTED}/engine", "/usr/bin/python3", "-m", "osbuild", "--libdir", f"{MOUNTED}/engine",
            "--store", f"{MOUNTED}/store", "--cache-max-size", "unlimited", "--json", "--output-directory", "out", "--export", export,
            f"{MOUNTED}/{manifest}"]  # fmt: skip
    return Job(name, tuple(argv), timeout)


def compile_job() -> Job:
    """Spares the other jobs to translate the engine's modules anew each time: stages see them read-only."""
    return Job("compiled", ("/usr/bin/python3", "-m", "compileall", "-q", f"{MOUNTED}/engine/osbuild", f"{MOUNTED}/stages/forge"))


def fill(work: Path, jobs: Sequence[Job]) -> None:
    """Put engine, stages and what is to be done beside what is in *work* already: ``store``, manifests and other data."""
    for name in ("engine", "stages"):
        shutil.rmtree(work / name, ignore_errors=True)
        shutil.copytree(REPO / name, work / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(RUNNER, work / RUNNER.name)
    (work / "jobs.json").write_text(json.dumps([{"name": one.name, "argv": one.argv, "timeout": one.timeout} for one in jobs]))


def make_disk(work: Path, disk: Path) -> None:
    """Write *work* to the ext4 file system *disk*."""
    used = int(subprocess.run(["du", "-s", "-B1", work], check=True, capture_output=True, text=True).stdout.split()[0])
    disk.unlink(missing_ok=True)
    with disk.open("wb") as file:
        file.truncate(used * 5 // 4 + ROOM)
    options = ["-q", "-F", "-L", LABEL, "-O", "^has_journal", "-E", "root_owner=0:0", "-d", str(work)]
    subprocess.run(["mke2fs", "-t", "ext4", *options, str(disk)], check=True, capture_output=True)


@contextlib.contextmanager
def mounted(disk: Path, at: Path) -> Iterator[Path]:
    """Mount the second disk read-only."""
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-o", "loop,ro", disk, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def run(image: Path, disk: Path, scratch: Path, jobs: Sequence[Job], log: Path) -> None:
    """Boot *image* with the second disk, and wait until the jobs are done and the machine is off."""
    with machine.boot(image, "bios", scratch, memory=3072, log=log, disks=[disk]) as console:
        console.expect(r"forge-guest: begin", 1200)
        for one in jobs:
            console.expect(rf"forge-guest: {one.name}: .*", one.timeout + 300)
        console.expect(r"forge-guest: off", 300)
        console.wait(300)


def collect(disk: Path, scratch: Path, target: Path, jobs: Sequence[Job]) -> Mapping[str, Done]:
    """Copy the results to *target*."""
    with mounted(disk, scratch / "mounted") as place:
        subprocess.run(["cp", "-a", "--sparse=always", f"{place}/results/.", target], check=True)
    found = {}
    for one in jobs:
        folder = target / one.name
        state = json.loads((folder / "state.json").read_text())
        out, err = ((folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))
        found[one.name] = Done(state["status"], state["seconds"], tuple(state["left"]), out, err, folder)
    return found


def missing() -> str:
    """Names what this machine lacks for the guest; empty when nothing is missing."""
    lacks = [tool for tool in (machine.QEMU, "qemu-img", "mke2fs", "bwrap") if shutil.which(tool) is None]
    lacks += [path for path in ("/dev/loop-control",) if not os.path.exists(path)]
    return ", ".join(lacks)
