# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Pipelines at the same time, told as if they had been built one after the other.

Each pipeline reports to a queue of its own. The first that is not done yet is shown as it goes, the others are held back until
it is their turn: what a monitor hears, and the results, are the same for any number of jobs. So is what a failure means: what
comes after a pipeline that failed was not built.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .monitor import BaseMonitor
    from .pipeline import Pipeline
    from .results import PipelineResult

# What a stage may need, in bytes: package managers and compressors take as much.
_MEMORY_PER_JOB = 1 << 30


def default_jobs() -> int:
    """As many as there are processors for this process, and memory for."""
    jobs = len(os.sched_getaffinity(0))
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        jobs = min(jobs, int(fields["MemAvailable"].split()[0]) * 1024 // _MEMORY_PER_JOB)
    except (OSError, ValueError, KeyError):
        pass
    return max(1, jobs)


class Cancelled(Exception):
    """The pipeline is of no use any more."""


class HeldMonitor:
    """Passes on to a monitor what it hears, at once while it is `shown`, else when it is."""

    def __init__(self, monitor: BaseMonitor) -> None:
        self._monitor = monitor
        self._lock = threading.RLock()
        self._held: list[tuple[float, str, tuple[Any, ...]]] = []
        self._shown = False

    def show(self) -> None:
        with self._lock:
            self._shown = True
            for when, method, arguments in self._held:
                self._monitor.at = when
                getattr(self._monitor, method)(*arguments)
            self._monitor.at = None
            self._held = []

    def _call(self, method: str, *arguments: Any) -> None:
        with self._lock:
            if self._shown:
                getattr(self._monitor, method)(*arguments)
            else:
                self._held.append((time.monotonic(), method, arguments))

    def begin(self, pipeline: Any) -> None:
        self._call("begin", pipeline)

    def finish(self, results: Mapping[str, Any]) -> None:
        self._call("finish", dict(results))

    def stage(self, stage: Any) -> None:
        self._call("stage", stage)

    def assembler(self, stage: Any) -> None:
        self._call("assembler", stage)

    def result(self, result: Any, metadata: Mapping[str, Any] | None = None) -> None:
        self._call("result", result, metadata)

    def log(self, message: str, origin: str | None = None) -> None:
        self._call("log", message, origin)


class Job(threading.Thread):
    """A pipeline that is being built; `result` or `error` at the end."""

    def __init__(self, build: Callable[[Job], PipelineResult], done: threading.Condition, monitor: HeldMonitor) -> None:
        super().__init__(daemon=True)
        self.monitor = monitor
        self.result: PipelineResult | None = None
        self.error: BaseException | None = None
        self.ended = False
        self._build = build
        self._done = done
        self._cancelled = False
        self._kill: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        try:
            self.result = self._build(self)
        except BaseException as exc:
            self.error = exc
        with self._done:
            self.ended = True
            self._done.notify_all()

    @property
    def failed(self) -> bool:
        return self.ended and (self.result is None or not self.result.success)

    def cancel(self) -> None:
        """Kill what the pipeline is just running, and let it start nothing more."""
        with self._lock:
            self._cancelled = True
            if self._kill is not None:
                self._kill()

    def check(self) -> None:
        """Raise Cancelled if it was."""
        if self._cancelled:
            raise Cancelled

    def running(self, kill: Callable[[], None] | None) -> None:
        """What ends the program that was just started; None when it has ended."""
        with self._lock:
            self._kill = kill
            if self._cancelled and kill is not None:
                kill()


def run(
    pipelines: Sequence[Pipeline],
    needs: Callable[[Pipeline], Iterable[str | None]],
    build: Callable[[Pipeline, Any, Job], PipelineResult],
    monitor: BaseMonitor,
    jobs: int,
) -> list[tuple[Pipeline, PipelineResult]]:
    """Build `pipelines`, each after what it needs of the others, so many at the same time.

    Returns the results in the given order, up to the first that failed. What a build raises is raised, after all that came
    before it.
    """
    done = threading.Condition()
    before = [_earlier(number, pipelines, set(needs(pipeline))) for number, pipeline in enumerate(pipelines)]
    running: dict[int, Job] = {}
    results: list[tuple[Pipeline, PipelineResult]] = []

    def start(number: int) -> None:
        pipeline = pipelines[number]
        job = Job(lambda job: build(pipeline, job.monitor, job), done, HeldMonitor(monitor))
        running[number] = job
        job.start()

    def ready(number: int) -> bool:
        return number not in running and all(other in running and running[other].ended for other in before[number])

    try:
        for turn, pipeline in enumerate(pipelines):
            with done:
                while True:
                    # Nothing more once something has failed, but for what comes before it.
                    last = next((number for number, job in sorted(running.items()) if job.failed), len(pipelines))
                    busy = sum(not job.ended for job in running.values())
                    for number in [number for number in range(turn, last) if ready(number)][: jobs - busy]:
                        start(number)
                    if turn in running:
                        running[turn].monitor.show()
                        if running[turn].ended:
                            break
                    done.wait()
            job = running[turn]
            if job.error is not None:
                raise job.error
            assert job.result is not None
            results.append((pipeline, job.result))
            if not job.result.success:
                break
    finally:
        for job in running.values():
            if not job.ended:
                job.cancel()
        for job in running.values():
            job.join()
    return results


def _earlier(number: int, pipelines: Sequence[Pipeline], needed: set[str | None]) -> list[int]:
    """Which of the pipelines before it have to be there: what it needs, and what it can go on from."""
    stages = {stage.id for stage in pipelines[number].stages}
    return [
        other
        for other, pipeline in enumerate(pipelines[:number])
        if pipeline.id in needed or any(stage.id in stages for stage in pipeline.stages)
    ]
