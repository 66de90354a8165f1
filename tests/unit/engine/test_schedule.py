# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines at the same time: what is told and what comes out is what one after the other would have given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from osbuild import schedule
from osbuild.monitor import BaseMonitor
from osbuild.results import PipelineResult

REPO = Path(__file__).resolve().parents[3]

SAY = """#!/usr/bin/python3
import os
import sys
import osbuild.api
args = osbuild.api.arguments()
os.write(1, args["options"]["name"].encode() + b"\\n")
osbuild.api.metadata({"name": args["options"]["name"]})
sys.exit(args["options"]["fail"])
"""
META = {"summary": "Say", "description": ["For tests"], "schema_2": {"options": {"type": "object"}}}


class Heard(BaseMonitor):
    def __init__(self) -> None:
        super().__init__(1)
        self.messages: list[str] = []
        self.times: list[float | None] = []

    def log(self, message: str, origin: str | None = None) -> None:
        self.messages.append(message)
        self.times.append(self.at)


def pipeline(name: str, *stages: str, needs: tuple[str, ...] = ()) -> Any:
    ids = [SimpleNamespace(id=each) for each in (*stages, name)]
    return SimpleNamespace(name=name, id=name, stages=ids, needs=needs)


class Builds:
    """Builds that wait for each other as told, and what was going on at the same time."""

    def __init__(self, wait: dict[str, Callable[[], object]] | None = None, fail: tuple[str, ...] = ()) -> None:
        self.wait = wait or {}
        self.fail = fail
        self.started = {name: threading.Event() for name in "abcd"}
        self.ended = {name: threading.Event() for name in "abcd"}
        self.order: list[str] = []
        self.cancelled: list[str] = []
        self.most = 0
        self._busy = 0
        self._lock = threading.Lock()

    def __call__(self, pipeline: Any, monitor: Any, job: schedule.Job) -> PipelineResult:
        name = pipeline.name
        with self._lock:
            self._busy += 1
            self.most = max(self.most, self._busy)
            self.order.append(name)
        self.started[name].set()
        monitor.log(f"{name} starts")
        try:
            job.running(lambda: self.cancelled.append(name))
            self.wait.get(name, lambda: None)()
            job.running(None)
            job.check()
        finally:
            with self._lock:
                self._busy -= 1
            self.ended[name].set()
        if name in self.fail:
            monitor.log(f"{name} fails")
            return PipelineResult(name, success=False)
        monitor.log(f"{name} ends")
        return PipelineResult(name)

    def run(self, *pipelines: Any, jobs: int = 2) -> tuple[list[tuple[str, bool]], Heard]:
        monitor = Heard()
        results = schedule.run(pipelines, lambda each: each.needs, self, monitor, jobs)
        return [(each.name, result.success) for each, result in results], monitor


def test_what_does_not_need_each_other_runs_at_once_and_is_told_in_order() -> None:
    builds = Builds()
    # Each waits for the other: one after the other they would never end.
    builds.wait = {"a": lambda: builds.ended["b"].wait(30), "b": lambda: builds.started["a"].wait(30)}
    results, monitor = builds.run(pipeline("a"), pipeline("b"))
    assert results == [("a", True), ("b", True)]
    assert monitor.messages == ["a starts", "a ends", "b starts", "b ends"]
    # What was held back is told with the time at which it happened.
    assert all(isinstance(when, float) for when in monitor.times[2:])
    assert monitor.at is None


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_no_more_than_that_many(jobs: int) -> None:
    builds = Builds()
    assert builds.run(*(pipeline(name) for name in "abcd"), jobs=jobs)[0] == [(name, True) for name in "abcd"]
    assert builds.most <= jobs


def test_what_is_needed_comes_first() -> None:
    builds = Builds()
    builds.wait = {"a": lambda: builds.started["c"].wait(30)}
    results, _ignored = builds.run(pipeline("a"), pipeline("b", needs=("a",)), pipeline("c"))
    assert [name for name, _ignored in results] == ["a", "b", "c"]
    assert builds.order.index("b") == 2


def test_what_begins_alike_is_not_built_twice() -> None:
    builds = Builds()
    assert builds.run(pipeline("a", "same"), pipeline("b", "same"))[1].messages[1] == "a ends"
    assert builds.most == 1


def test_after_a_failure_nothing_counts_that_comes_later() -> None:
    builds = Builds(fail=("a",))
    builds.wait = {"a": lambda: builds.started["b"].wait(30), "b": lambda: builds.ended["a"].wait(30)}
    results, monitor = builds.run(pipeline("a"), pipeline("b"), pipeline("c"))
    assert results == [("a", False)]
    assert monitor.messages == ["a starts", "a fails"]


def test_what_comes_before_a_failure_is_finished() -> None:
    builds = Builds(fail=("b",))
    builds.wait = {"a": lambda: builds.ended["b"].wait(30)}
    results, monitor = builds.run(pipeline("a"), pipeline("b"), pipeline("c"))
    assert results == [("a", True), ("b", False)]
    assert monitor.messages == ["a starts", "a ends", "b starts", "b fails"]


def test_what_runs_for_nothing_is_killed() -> None:
    builds = Builds(fail=("a",))
    killed = threading.Event()
    builds.wait = {"a": lambda: builds.started["b"].wait(30), "b": lambda: killed.wait(30)}

    def build(each: Any, monitor: Any, job: schedule.Job) -> PipelineResult:
        running = job.running
        job.running = lambda kill: running(killed.set if kill and each.name == "b" else kill)  # type: ignore[method-assign]
        return builds(each, monitor, job)

    done = schedule.run([pipeline("a"), pipeline("b")], lambda each: (), build, Heard(), 2)
    assert [(each.name, result.success) for each, result in done] == [("a", False)]
    assert killed.is_set()


def test_an_error_is_raised_in_its_turn() -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    builds = Builds({"b": fail})
    builds.wait["a"] = lambda: builds.ended["b"].wait(30)
    monitor = Heard()
    with pytest.raises(RuntimeError, match="broken"):
        schedule.run([pipeline("a"), pipeline("b")], lambda each: (), builds, monitor, 2)
    assert monitor.messages == ["a starts", "a ends", "b starts"]


def records(tmp_path: Path, jobs: str, *, fail: bool) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the whole engine tells of three pipelines, and its result."""
    libdir = tmp_path / "lib"
    if not libdir.exists():
        (libdir / "stages").mkdir(parents=True)
        (libdir / "osbuild").mkdir()
        for name in ("sources", "inputs", "devices", "mounts", "runners", "schemas"):
            (libdir / name).symlink_to(REPO / "engine" / name)
        (libdir / "stages" / "org.osbuild.say").write_text(SAY)
        (libdir / "stages" / "org.osbuild.say").chmod(0o755)
        (libdir / "stages" / "org.osbuild.say.meta.json").write_text(json.dumps(META))
    pipelines = [
        {
            "name": name,
            "stages": [
                {"type": "org.osbuild.say", "options": {"name": f"{name}{number}", "fail": fail and name == "b"}}
                for number in range(3)
            ],
        }
        for name in "abc"
    ]
    command = [
        sys.executable,
        "-m",
        "osbuild",
        "--libdir",
        str(libdir),
        "--store",
        str(tmp_path / f"store{jobs}{fail}"),
    ]
    command += ["--rundir", str(tmp_path / "run"), "--output-directory", str(tmp_path / f"out{jobs}{fail}"), "--json"]
    command += ["--export", "a", "--export", "b", "--export", "c", "--monitor", "JSONSeqMonitor", "--monitor-fd", "2"]
    result = subprocess.run(
        [*command, "--jobs", jobs, "-"],
        env={**os.environ, "PYTHONPATH": str(REPO / "engine")},
        input=json.dumps({"version": "2", "pipelines": pipelines}),
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(record) for record in result.stderr.split("\x1e") if record]
    for record in told:
        assert record.pop("timestamp") > 0
        assert record.pop("duration", 1) > 0
    return told, json.loads(result.stdout)


@pytest.mark.root
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
@pytest.mark.parametrize("fail", [False, True])
def test_a_build_tells_the_same_for_any_number_of_jobs(tmp_path: Path, fail: bool) -> None:
    told, result = records(tmp_path, "1", fail=fail)
    assert result["success"] is not fail
    assert records(tmp_path, "3", fail=fail) == (told, result)


def test_default_is_bounded_by_processors() -> None:
    assert 1 <= schedule.default_jobs() <= len(os.sched_getaffinity(0))
