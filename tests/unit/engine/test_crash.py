# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the whole engine leaves behind: nothing after a run, nothing lasting after being killed, nothing of others touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import mountinfo

REPO = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="the kernel has no loop devices here"),
]

# Does what its options say.
STAGE = """#!/usr/bin/python3
import os, subprocess, sys, time
import osbuild.api
args = osbuild.api.arguments()
print("started", flush=True)
if args["options"].get("image"):
    with open(args["tree"] + "/image", "wb") as f:
        f.truncate(64 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", args["tree"] + "/image"], check=True)
if args["options"].get("write"):
    open(args["tree"] + "/" + args["options"]["write"], "w").close()
time.sleep(args["options"].get("sleep", 0))
sys.exit(args["options"].get("exit", 0))
"""
META = {
    "summary": "Sleep",
    "description": ["For tests"],
    "schema_2": {
        "options": {"type": "object"},
        "inputs": {"type": "object"},
        "devices": {"type": "object"},
        "mounts": {"type": "array"},
    },
}
BUSY = {
    "type": "org.osbuild.sleep",
    "inputs": {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:image"]}},
    "devices": {"disk": {"type": "org.osbuild.loopback", "options": {"filename": "image"}}},
    "mounts": [{"name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/"}],
}


@pytest.fixture
def libdir(tmp_path: Path) -> Path:
    path = tmp_path / "lib"
    (path / "stages").mkdir(parents=True)
    (path / "osbuild").mkdir()
    for name in ("sources", "inputs", "devices", "mounts", "runners", "schemas"):
        (path / name).symlink_to(REPO / "engine" / name)
    (path / "stages" / "org.osbuild.sleep").write_text(STAGE)
    (path / "stages" / "org.osbuild.sleep").chmod(0o755)
    (path / "stages" / "org.osbuild.sleep.meta.json").write_text(json.dumps(META))
    return path


class Engine:
    """Starts engines on one store."""

    def __init__(self, libdir: Path, tmp_path: Path) -> None:
        self.libdir = libdir
        self.base = tmp_path
        self.count = 0

    def start(self, *stages: dict[str, Any], checkpoint: bool = False) -> subprocess.Popen[str]:
        self.count += 1
        manifest = self.base / f"manifest{self.count}.json"
        image = {"name": "image", "stages": [{"type": "org.osbuild.sleep", "options": {"image": True}}]}
        tree = {"name": "tree", "stages": [*image["stages"], *stages]}
        manifest.write_text(json.dumps({"version": "2", "pipelines": [image, tree]}))
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "osbuild", "--libdir", str(self.libdir), "--store", str(self.base / "store")),
                *("--rundir", str(self.base / "run"), "--output-directory", str(self.base / f"out{self.count}")),
                *("--export", "tree", "--cache-max-size", "1GiB", "--json"),
                *(["--checkpoint", "tree", "--checkpoint", "image"] if checkpoint else []),
                *("--monitor", "LogMonitor", "--monitor-fd", "2", str(manifest)),
            ],
            env={**os.environ, "PYTHONPATH": str(REPO / "engine")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *stages: dict[str, Any], checkpoint: bool = False) -> dict[str, Any]:
        process = self.start(*stages, checkpoint=checkpoint)
        out, err = process.communicate(timeout=120)
        assert out, err
        result: dict[str, Any] = json.loads(out)
        return result

    def loops(self) -> list[str]:
        """Loop devices bound to files of the store."""
        found = []
        for path in Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                if str(self.base) in path.read_text():
                    found.append(str(path))
            except OSError:  # freed meanwhile
                continue
        return found

    def assert_clean(self) -> None:
        store = self.base / "store"
        assert os.listdir(store / "stage") == []
        assert os.listdir(store / "tmp") == []
        assert [name for name in os.listdir(store / "objects") if name.startswith("uuid-")] == []
        assert os.listdir(self.base / "run") == []
        assert mountinfo.mounts_below(self.base) == []
        assert self.loops() == []


@pytest.fixture
def engine(libdir: Path, tmp_path: Path) -> Engine:
    return Engine(libdir, tmp_path)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def until_busy(process: subprocess.Popen[str], stages: int = 2) -> None:
    """Read until that many stages run; in the second one devices and mounts are in use."""
    assert process.stderr is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    started = 0
    while started < stages:
        line = process.stderr.readline()
        assert line, "the engine ended early"
        started += line.strip() == "started"
    watchdog.cancel()


def busy(**options: Any) -> dict[str, Any]:
    return {**BUSY, "options": options}


def test_nothing_is_left_after_success_and_failure(engine: Engine) -> None:
    assert engine.run(busy(write="a"))["success"] is True
    engine.assert_clean()
    assert engine.run(busy(exit=3))["success"] is False
    engine.assert_clean()
    broken = {**BUSY, "mounts": [{**BUSY["mounts"][0], "partition": 7}]}  # type: ignore[index]
    result = engine.run(broken)
    assert result["success"] is False
    assert result["error"]["details"]["stage"]["type"] == "org.osbuild.sleep"
    engine.assert_clean()


def test_a_killed_engine_leaves_nothing_that_the_next_does_not_clear(engine: Engine) -> None:
    process = engine.start(busy(sleep=600))
    until_busy(process)
    assert engine.loops() != []
    process.kill()
    process.wait()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    # The kernel and the services release what they hold; no mount may be left for anybody to unmount.
    wait_for(lambda: engine.loops() == [], "a loop device is left")
    assert mountinfo.mounts_below(engine.base) == []
    assert os.listdir(engine.base / "store" / "stage") != []
    assert engine.run(busy(write="b"))["success"] is True
    engine.assert_clean()


def test_termination_cleans_up_at_once(engine: Engine) -> None:
    process = engine.start(busy(sleep=600))
    until_busy(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    engine.assert_clean()


def test_engines_share_a_store(engine: Engine) -> None:
    """Three at once, one of them killed: the others are not disturbed, and what is kept is counted once."""
    victim = engine.start(busy(sleep=600))
    until_busy(victim)
    one = engine.start(busy(write="same", sleep=2), checkpoint=True)
    two = engine.start(busy(write="same", sleep=2), checkpoint=True)
    # Whichever is later may take the first stage from the other.
    until_busy(one, stages=1)
    victim.kill()
    victim.communicate()
    # Starts while one and two are in the middle of their work, and clears the victim's leftovers.
    three = engine.run(busy(write="other"))
    for process in (one, two):
        out, err = process.communicate(timeout=120)
        assert json.loads(out)["success"] is True, err
    assert three["success"] is True
    for number in (2, 3, 4):
        assert (engine.base / f"out{number}" / "tree" / "image").exists()
    engine.assert_clean()
    objects = engine.base / "store" / "objects"
    sizes = [json.loads((path / "object.info").read_text())["size"] for path in objects.iterdir()]
    assert len(sizes) == 2
    assert int((engine.base / "store" / "cache.size").read_text()) == sum(sizes)


def test_mounts_of_a_dead_foreign_engine_go_and_their_sources_stay(engine: Engine) -> None:
    """Other engines mount in the host's namespace, where this one, having its own, cannot unmount."""
    assert engine.run(busy(write="a"))["success"] is True
    host = engine.base / "host"
    (host / "below").mkdir(parents=True)
    (host / "below" / "file").write_text("keep")
    tmp = engine.base / "store" / "tmp"
    root, point = tmp / "hostab12cd34", tmp / "buildroot-tmp-ab12cd34" / "inputs" / "tree"
    (root / "usr").mkdir(parents=True)
    point.mkdir(parents=True)
    for words in (["--bind", root, root], ["--rbind", host, root / "usr"], ["-o", "remount,bind,ro", root], ["--bind", host, point]):
        subprocess.run(["mount", *words], check=True)
    try:
        assert engine.run(busy(write="b"))["success"] is True
        engine.assert_clean()
    finally:
        mountinfo.unmount_below(tmp)
    assert (host / "below" / "file").read_text() == "keep"
