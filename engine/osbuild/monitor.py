# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Monitors: who is told how a build gets on (contract, sections 7.2 and 7.3).

The engine calls `begin` for each pipeline or source, `stage` for each stage that runs, `log` for every piece of output,
`result` when a stage or source has ended and `finish` when the pipeline has.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .util import term

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .results import StageResult
    from .sources import Source, SourceResults
    from .stage import Stage

P = ParamSpec("P")
T = TypeVar("T")

# A record has to fit a datagram of journald and of many a log collector; longer output is cut in the record only.
MAX_TEXT = 31000


def omitempty(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without members that are None or "", also in members that are objects themselves (not in lists)."""
    result = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = omitempty(value)
        if value is not None and value != "":
            result[name] = value
    return result


class Context:
    """What a record is about. As a dictionary it is complete once; later ones name it by its id."""

    def __init__(
        self, origin: str | None = None, pipeline: Pipeline | Source | None = None, stage: Stage | None = None
    ) -> None:
        self._origin = origin
        self._pipeline: dict[str, Any] = {"name": None, "id": None}
        self._stage: dict[str, Any] = {"name": None, "id": None}
        self._told: set[str] = set()
        self._id: str | None = None
        if pipeline is not None:
            self.set_pipeline(pipeline)
        if stage is not None:
            self.set_stage(stage)

    def set_pipeline(self, pipeline: Pipeline | Source) -> None:
        self._pipeline = {"name": pipeline.name, "id": pipeline.id}
        self._id = None

    def set_stage(self, stage: Stage) -> None:
        self._stage = {"name": stage.name, "id": stage.id}
        self._id = None

    def with_origin(self, origin: str | None) -> Context:
        """The same context with another origin; the two share the memory of what was told."""
        if origin is None or origin == self._origin:
            return self
        other = Context(origin)
        other._pipeline, other._stage, other._told = self._pipeline, self._stage, self._told
        return other

    def _content(self) -> dict[str, Any]:
        return {"origin": self._origin, "pipeline": {**self._pipeline, "stage": self._stage}}

    @property
    def id(self) -> str:
        if self._id is None:
            self._id = hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()
        return self._id

    def as_dict(self) -> dict[str, Any]:
        if self.id in self._told:
            return {"id": self.id}
        self._told.add(self.id)
        return {**self._content(), "id": self.id}


class Progress:
    """So many of so many, with the progress of the part that is being done just now."""

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.sub_progress: Progress | None = None

    def incr(self) -> None:
        """One more is done, and with it what was part of it."""
        self.done += 1
        self.sub_progress = None

    def as_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"name": self.name, "total": self.total, "done": self.done}
        if self.sub_progress is not None:
            data["progress"] = self.sub_progress.as_dict()
        return data


def log_entry(
    message: str | None = None,
    context: Context | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
    duration: float | None = None,
    result: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One record of `JSONSeqMonitor`, with the time of now (seconds since 1970)."""
    return omitempty(
        {
            "message": message,
            "result": result,
            "context": context.as_dict() if context is not None else None,
            "progress": progress.as_dict() if progress is not None else None,
            "options": options,
            "timestamp": time.time(),
            "duration": duration,
            "metadata": metadata,
        }
    )


class TextWriter:
    """Writes text to a file descriptor; colours only if that is a terminal.

    When nobody reads any more the text is dropped: a build does not end because its spectator has left.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.is_tty = os.isatty(fd)
        self._left = False

    def write(self, text: str) -> None:
        data = text.encode("utf-8", errors="replace")
        while data and not self._left:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                select.select([], [self.fd], [])
            except BrokenPipeError:
                self._left = True

    def term(self, text: str, *codes: str) -> None:
        """Write `text` in the given style (names of `util.term`) and switch the style off again."""
        if self.is_tty:
            text = "".join(getattr(term.fmt, code) for code in codes) + text + term.fmt.reset
        self.write(text)


class BaseMonitor:
    """Hears everything and says nothing. `out` writes to the file descriptor `fd`."""

    def __init__(self, fd: int, _ignored: int = 0) -> None:
        self.out = TextWriter(fd)
        # When that happened which is told now, on the monotonic clock; None: now.
        self.at: float | None = None

    def _now(self) -> float:
        return time.monotonic() if self.at is None else self.at

    def begin(self, pipeline: Pipeline | Source) -> None:
        """A pipeline, or a source, is started."""

    def finish(self, results: Mapping[str, Any]) -> None:
        """The pipeline or source `results["name"]` has ended."""

    def stage(self, stage: Stage) -> None:
        """A stage is started."""

    def assembler(self, stage: Stage) -> None:
        """The assembler of a manifest of version 1 is started."""

    def result(self, result: StageResult | SourceResults, metadata: Mapping[str, Any] | None = None) -> None:
        """A stage or a source has ended."""

    def log(self, message: str, origin: str | None = None) -> None:
        """Something was printed, by the program that `origin` names (None: by the engine or a service)."""


class NullMonitor(BaseMonitor):
    """Says nothing."""


class LogMonitor(BaseMonitor):
    """Text for people."""

    def __init__(self, fd: int, total_steps: int = 0) -> None:
        super().__init__(fd, total_steps)
        self._started: float | None = None

    def begin(self, pipeline: Pipeline | Source) -> None:
        self._started = None
        self.out.term(f"Pipeline {pipeline.name}: {pipeline.id}", "bold")
        self.out.write("\nBuild\n  root: ")
        self.out.term(pipeline.build or "<host>", "bold")
        if pipeline.runner is not None:
            self.out.write(f"\n  runner: {pipeline.runner.name} ({pipeline.runner.exec})")
        epoch = pipeline.source_epoch
        if epoch is not None:
            try:
                import datetime

                date = datetime.datetime.fromtimestamp(epoch, tz=datetime.UTC).strftime("%c")
            except (OverflowError, ValueError, OSError):
                date = "?"
            self.out.write(f"\n  source-epoch: {date} [{epoch}]")
        self.out.write("\n")

    def stage(self, stage: Stage) -> None:
        self._module(stage)

    def assembler(self, stage: Stage) -> None:
        self.out.term("Assembler ", "bold")
        self._module(stage)

    def _module(self, stage: Stage) -> None:
        self.out.term(f"{stage.name}: {stage.id}", "bold")
        self.out.write(" " + json.dumps(stage.options, indent=2) + "\n")
        self._started = self._now()

    def result(self, result: StageResult | SourceResults, metadata: Mapping[str, Any] | None = None) -> None:
        if self._started is not None:
            self.out.write(f"\n⏱  Duration: {self._now() - self._started:.2f}s\n")
        self._started = None

    def log(self, message: str, origin: str | None = None) -> None:
        self.out.write(message)


def _locked(method: Callable[P, T]) -> Callable[P, T]:
    """Stages, services and the engine report from several threads, and a record must stay in one piece."""

    @functools.wraps(method)
    def locked(*args: P.args, **kwargs: P.kwargs) -> T:
        with args[0]._lock:  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return locked


class JSONSeqMonitor(BaseMonitor):
    """Records for programs: a byte 0x1E, one JSON object and a newline each (RFC 7464)."""

    def __init__(self, fd: int, total_steps: int) -> None:
        super().__init__(fd, total_steps)
        self._lock = threading.RLock()
        self._progress = Progress("pipelines/sources", total_steps)
        self._context = Context(origin="org.osbuild")
        self._options: Mapping[str, Any] | None = None
        self._started: float | None = None

    @_locked
    def begin(self, pipeline: Pipeline | Source) -> None:
        self._context.set_pipeline(pipeline)
        self._options, self._started = None, None
        if pipeline.stages:
            self._progress.sub_progress = Progress(f"pipeline: {pipeline.name}", len(pipeline.stages))
        self._write(f"Starting pipeline {pipeline.name}", "osbuild.monitor")

    @_locked
    def stage(self, stage: Stage) -> None:
        self._module(stage)

    @_locked
    def assembler(self, stage: Stage) -> None:
        self._module(stage)

    def _module(self, stage: Stage) -> None:
        self._context.set_stage(stage)
        self._options, self._started = stage.options, self._now()
        self._write(f"Starting module {stage.name}", "osbuild.monitor")

    @_locked
    def result(self, result: StageResult | SourceResults, metadata: Mapping[str, Any] | None = None) -> None:
        duration = self._now() - self._started if self._started is not None else None
        if self._progress.sub_progress is not None:
            self._progress.sub_progress.incr()
        self._write(
            f"Finished module {result.name}",
            "osbuild.monitor",
            result=_shortened(result.as_dict()),
            options=self._options,
            duration=duration,
            metadata=metadata or None,
        )
        self._options, self._started = None, None

    @_locked
    def finish(self, results: Mapping[str, Any]) -> None:
        self._progress.incr()
        self._write(f"Finished pipeline {results['name']}", "osbuild.monitor")

    @_locked
    def log(self, message: str, origin: str | None = None) -> None:
        self._write(message, origin)

    def _write(self, message: str, origin: str | None, **members: Any) -> None:
        entry = log_entry(message, context=self._context.with_origin(origin), progress=self._progress, **members)
        self.out.write("\x1e" + json.dumps(entry) + "\n")


def _shortened(result: dict[str, Any]) -> dict[str, Any]:
    """A copy of a result that fits a record; the result itself is reported in full at the end."""
    output = result.get("output")
    if isinstance(output, str) and len(output) > MAX_TEXT:
        hidden = len(output) - MAX_TEXT
        result = {**result, "output": f"[...{hidden} bytes hidden...]\n{output[hidden:]}"}
    if "results" in result and len(json.dumps(result)) > MAX_TEXT:
        result = {**result, "results": []}
    return result


def make(name: str, fd: int, total_steps: int) -> BaseMonitor:
    """The monitor of that class name. Raises ValueError if there is none."""
    monitors: dict[str, type[BaseMonitor]] = {each.__name__: each for each in (NullMonitor, LogMonitor, JSONSeqMonitor)}
    if name not in monitors:
        raise ValueError(f"Unknown monitor: {name}")
    return monitors[name](fd, total_steps)
