# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""osbuild's JSON-seq monitor, read as it grows (RFC 7464; contract section 7.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_RECORD_SEPARATOR = b"\x1e"


@dataclass(frozen=True)
class Record:
    """One record, its context filled in from earlier ones."""

    message: str
    origin: str
    pipeline: str | None
    stage: str | None
    stage_id: str | None
    done: int
    total: int
    sub_done: int
    sub_total: int
    result: Mapping[str, Any] | None
    duration: float | None
    timestamp: float | None


@dataclass
class Reader:
    """Turns bytes into records.

    Contexts are sent in full once and by id afterwards, so they are remembered.  A record that was cut off (the
    engine died) or is no JSON is counted in ``damaged`` and left out.
    """

    damaged: int = 0
    _rest: bytes = b""
    _contexts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that ``data`` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            # Anything before the separator is the end of a record that was cut off.
            text = line.rpartition(_RECORD_SEPARATOR)[2].strip()
            if not text:
                continue
            try:
                found = json.loads(text)
            except ValueError:
                self.damaged += 1
                continue
            if isinstance(found, dict):
                yield self._record(found)
            else:
                self.damaged += 1

    def close(self) -> None:
        """Say that nothing more will come."""
        if self._rest.strip(b"\x1e \n"):
            self.damaged += 1
        self._rest = b""

    def _record(self, found: dict[str, Any]) -> Record:
        context = found.get("context") or {}
        key = context.get("id")
        if key is not None:
            if len(context) > 1:
                self._contexts[key] = context
            else:
                context = self._contexts.get(key, {})
        pipeline = context.get("pipeline") or {}
        stage = pipeline.get("stage") or {}
        progress = found.get("progress") or {}
        inner = progress.get("progress") or {}
        return Record(
            message=str(found.get("message") or ""),
            origin=str(context.get("origin") or ""),
            pipeline=pipeline.get("name"),
            stage=stage.get("name"),
            stage_id=stage.get("id"),
            done=int(progress.get("done") or 0),
            total=int(progress.get("total") or 0),
            sub_done=int(inner.get("done") or 0),
            sub_total=int(inner.get("total") or 0),
            result=found.get("result"),
            duration=found.get("duration"),
            timestamp=found.get("timestamp"),
        )


@dataclass(frozen=True)
class Step:
    """One change that is worth a line to a person.

    :param kind: ``source``, ``pipeline``, ``stage`` (it starts), ``stage-done``, ``source-done``.
    :param number: the how manieth stage of its pipeline, or pipeline of the build, from 1.
    :param seconds: duration, with the kinds that end.
    """

    kind: str
    name: str
    pipeline: str
    number: int = 0
    total: int = 0
    seconds: float | None = None
    success: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For the progress file; keys without a value are left out."""
        values = {
            "event": self.kind,
            "name": self.name,
            "pipeline": self.pipeline,
            "number": self.number,
            "total": self.total,
        }
        if self.seconds is not None:
            values["seconds"] = round(self.seconds, 3)
        if not self.success:
            values["success"] = False
        return values


@dataclass
class StageRun:
    """A stage that ran."""

    pipeline: str
    name: str
    id: str
    seconds: float
    success: bool


_STARTED = re.compile(r"Starting (pipeline source|pipeline|module) (\S+)")


@dataclass
class Follower:
    """Tells from the records what the engine is doing, and keeps what every stage took."""

    stages: list[StageRun] = field(default_factory=list)
    pipeline: str = ""
    stage: str = ""
    _positions: dict[str, int] = field(default_factory=dict)

    def take(self, record: Record) -> Step | None:
        """The step that a record means, if any."""
        if record.result is not None:
            return self._finished(record)
        started = _STARTED.match(record.message)
        if started is None:
            return None
        what, name = started.groups()
        if what == "pipeline source":
            self.pipeline, self.stage = "", name
            return Step("source", name, "", record.done + 1, record.total)
        if what == "pipeline":
            self.pipeline, self.stage = name, ""
            # Stages already in the store count in the total but never start: done counts from there.
            self._positions[name] = record.sub_done
            return Step("pipeline", name, name, record.done + 1, record.total)
        if not self.pipeline:
            return None
        self.stage = name
        position = max(record.sub_done, self._positions.get(self.pipeline, 0)) + 1
        self._positions[self.pipeline] = position
        return Step("stage", name, self.pipeline, position, record.sub_total)

    def _finished(self, record: Record) -> Step | None:
        result = record.result or {}
        success = bool(result.get("success", True))
        if "results" in result or "source" in record.message:
            name = self.stage or str(result.get("name")).removeprefix("source ")
            return Step("source-done", name, "", record.done + 1, record.total, None, success)
        name = str(result.get("name") or record.stage or self.stage)
        seconds = float(record.duration or 0.0)
        pipeline = record.pipeline or self.pipeline
        self.stages.append(StageRun(pipeline, name, str(result.get("id") or record.stage_id or ""), seconds, success))
        position = self._positions.get(pipeline, 0)
        self.stage = ""
        return Step("stage-done", name, pipeline, position, record.sub_total, seconds, success)
