# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that are killed at any moment, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from osbuild.util import mountinfo
from osbuild.util.fsentry import disk_usage

from tests.conftest import REPO

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
# Seconds in which the kernel and the services of a killed engine must have let go of everything.
RELEASE = 60
# Attempts at a build before it may complete.
ATTEMPTS = 3


def manifest(variant: int) -> dict[str, Any]:
    """Two pipelines with a loop device, a mount, inputs of both kinds and five checkpoints, other ids for each variant."""
    disk = {"disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img"}}}
    root = [{"name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/"}]
    image = {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:image"]}}
    file = {"hello": {"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [HELLO]}}
    return {
        "version": "2",
        "pipelines": [
            {
                "name": "image",
                "stages": [
                    {"type": "org.osbuild.mkdir", "options": {"paths": [{"path": f"/variant-{variant}"}]}},
                    {"type": "org.osbuild.truncate", "options": {"filename": "disk.img", "size": "16777216"}},
                    {"type": "org.osbuild.mkfs.ext4", "devices": {"device": disk["disk"]},
                     "options": {"uuid": "0f3a3b9e-4d0c-4b6e-9b0e-000000000000"}},
                ],
            },
            {
                "name": "tree", "source-epoch": 1700000000,
                "stages": [
                    {"type": "org.osbuild.copy", "inputs": image, "options": {"paths": [{"from": "input://tree/", "to": "tree:///"}]}},
                    {"type": "org.osbuild.copy", "inputs": file, "devices": disk, "mounts": root,
                     "options": {"paths": [{"from": f"input://hello/{HELLO}", "to": "mount://root/hello"}]}},
                    {"type": "org.osbuild.copy", "inputs": file,
                     "options": {"paths": [{"from": f"input://hello/{HELLO}", "to": "tree:///hello"}]}},
                ],
            },
        ],
        "sources": {"org.osbuild.inline": {"items": {HELLO: {"encoding": "base64", "data": "aGVsbG8="}}}},
    }  # fmt: skip


CHECKPOINTS = ("image", "tree", "org.osbuild.truncate", "org.osbuild.copy")


class Chaos:
    """One store in `base`, in which engines are started, and killed."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.store = base / "store"
        self.known: set[str] = set()

    def start(self, variant: int) -> subprocess.Popen[bytes]:
        path = self.base / "manifest.json"
        path.write_text(json.dumps(manifest(variant)))
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "osbuild", "--libdir", str(REPO / "engine"), "--store", str(self.store)),
                *("--rundir", str(self.base / "run"), "--output-directory", str(self.base / "out"), "--export", "tree"),
                *(word for name in CHECKPOINTS for word in ("--checkpoint", name)),
                *("--cache-max-size", "unlimited", "--json", str(path)),
            ],
            # Services inherit the name, so that they are found if they outlive the engine.
            env={**os.environ, "PYTHONPATH": str(REPO / "engine"), "FORGE_CHAOS": str(self.base)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def complete(self, variant: int) -> None:
        """Build to the end, and find nothing wrong."""
        process = self.start(variant)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err.decode(errors="replace") + out.decode(errors="replace")
        assert json.loads(out)["success"] is True
        self.check_objects()
        self.check_clean()

    def kill(self, variant: int, after: float) -> bool:
        """Kill a build after so many seconds; False if it had ended."""
        process = self.start(variant)
        time.sleep(after)
        killed = process.poll() is None
        # The engine alone; what it has started must notice.
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=RELEASE)
        # A sandbox that was just being made may wait for ever; the next run ends it. All else goes by itself.
        wait_for(lambda: self.services() == [], "services are left")
        assert mountinfo.mounts_below(self.base) == []
        self.check_objects()
        return killed

    def check_objects(self) -> None:
        """What was committed once is still there."""
        found = {path.name for path in self.store.glob("objects/*") if not path.name.startswith("uuid-")}
        assert self.known <= found, f"lost: {self.known - found}"
        self.known = found

    def check_clean(self) -> None:
        """Nothing is left but objects and downloads, and these are sound and counted to the byte."""
        for folder in ("stage", "tmp"):
            assert os.listdir(self.store / folder) == []
        assert os.listdir(self.base / "run") == []
        assert mountinfo.mounts_below(self.base) == []
        wait_for(lambda: self.loops() == [], "loop devices are left")
        assert self.processes() == []
        command = [str(REPO / "engine" / "bin" / "forge-store"), "--store", str(self.store), "--json", "verify"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(result.stdout)
        assert (report["problems"], report["leftovers"], result.returncode) == ([], [], 0)
        sizes = 0
        for entry in (self.store / "objects").iterdir():
            size = json.loads((entry / "object.info").read_text())["size"]
            now = disk_usage(str(entry / "data"))
            assert size == now, f"{entry.name}: {size} bytes recorded, {now} there"
            sizes += size
        assert int((self.store / "cache.size").read_text()) == sizes

    def services(self) -> list[str]:
        return [each for each in self.processes() if "bwrap" not in each]

    def loops(self) -> list[str]:
        """Loop devices bound to files below the base."""
        found = []
        for path in Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                if str(self.base) in path.read_text():
                    found.append(str(path))
            except OSError:  # freed meanwhile
                continue
        return found

    def processes(self) -> list[str]:
        """Processes that were started by an engine here: services by their environment, sandboxes by their arguments."""
        mark = str(self.base).encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
                # The sandbox shows what it has mounted of the store even where neither says anything.
                text += (path / "mountinfo").read_bytes()
            except OSError:
                continue
            if mark in text and int(path.name) != os.getpid():
                found.append(f"{path.name}: {(path / 'cmdline').read_bytes()!r}" if path.exists() else path.name)
        return found

    def exported(self) -> dict[str, str]:
        """Names and digests of what the last build has exported; a file system is new each time, so only its name."""
        tree = self.base / "out" / "tree"
        return {
            str(path.relative_to(tree)): "" if path.is_dir() or path.suffix == ".img" else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(tree.rglob("*"))
        }


def run(kills: int, seed: int) -> None:
    """Kill `kills` builds at random moments, and complete each manifest after some attempts on it.

    In memory: ext4 allocates late, so that a file may have a block more than when its size was recorded.
    """
    with tempfile.TemporaryDirectory(prefix="forge-chaos-", dir="/dev/shm") as base:
        _run(Path(base), kills, seed)


def _run(base: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    chaos = Chaos(base)
    began = time.monotonic()
    chaos.complete(-1)
    duration = time.monotonic() - began
    expected = {name.replace("variant--1", "variant"): digest for name, digest in chaos.exported().items()}
    killed = attempts = 0
    while killed < kills:
        variant = attempts // ATTEMPTS
        # What survives in the store makes the next attempt shorter, so some kills come too late and do not count; the moments
        # follow the machine's speed, which changes.
        hit = chaos.kill(variant, rng.uniform(0, duration))
        killed += hit
        attempts += 1
        duration *= 1.1 if hit else 0.8
        assert attempts < 10 * kills + 10, "the builds end before they can be killed"
        if attempts % ATTEMPTS == 0 or killed == kills:
            subprocess.run(["rm", "-rf", "--", str(base / "out")], check=True)
            chaos.complete(variant)
            found = {name.replace(f"variant-{variant}", "variant"): digest for name, digest in chaos.exported().items()}
            assert found == expected


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + RELEASE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
