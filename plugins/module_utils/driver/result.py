# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The engine's result document (contract section 7.1), and its failures as one sentence each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .monitor import StageRun

#: Lines of a failed stage's output that go into a result.
TAIL_LINES = 40

_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|ENOSPC", re.IGNORECASE)
# The last line of a stage's output is often the interpreter's or the tool's farewell; what went wrong stands above it.
_NOISE = re.compile(r"^(Traceback \(most recent call last\):|\s+File \"|\s*\^+\s*$|\s*~+\^*~*\s*$|---+|===+)")
_TOOL_FAILED = re.compile(r"CalledProcessError: Command ")


@dataclass(frozen=True)
class Failure:
    """Why a build failed.

    :param kind: ``stage``, ``source``, ``engine``, ``timeout``, ``cancelled`` or ``destination``.
    :param message: one sentence, without the log's path.
    :param tail: the last lines of the output of what failed.
    """

    kind: str
    message: str
    pipeline: str = ""
    stage: str = ""
    tail: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "message": self.message,
            "pipeline": self.pipeline,
            "stage": self.stage,
            "tail": list(self.tail),
        }


@dataclass(frozen=True)
class BuildResult:
    """What a run of the engine came to.

    :param metadata: pipeline -> stage type -> what the stage reported.
    :param stages: the stages that ran, in order, with their durations in seconds.
    """

    success: bool
    failure: Failure | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[StageRun, ...] = ()


def tail(text: str, lines: int = TAIL_LINES, width: int = 300) -> tuple[str, ...]:
    """The last lines of an output, without trailing blank ones, each cut to ``width`` characters."""
    kept = text.rstrip().splitlines()[-lines:]
    return tuple(line if len(line) <= width else f"{line[: width - 1]}…" for line in (one.rstrip() for one in kept))


def last_words(lines: Sequence[str]) -> str:
    """The line that most likely says what went wrong: the last one that is no decoration.

    A stage that ran a tool ends with its own traceback, but the tool said before it what was the matter.
    """
    spoken = [line.strip() for line in lines if line.strip() and not _NOISE.match(line)]
    if not spoken:
        return ""
    if _TOOL_FAILED.search(spoken[-1]):
        starts = [number for number, line in enumerate(lines) if line.startswith("Traceback ")]
        before = [line.strip() for line in lines[: starts[0] if starts else 0] if line.strip()]
        if before:
            return before[-1]
    return spoken[-1]


def _reason(output: str, error: Any) -> str:
    """Prefer the exception a stage sent (contract 4.7) to the last line it printed."""
    if isinstance(error, Mapping):
        details = error.get("value") or error.get("message")
        kind = error.get("type")
        if details:
            details = str(details).strip().splitlines()[-1] if str(details).strip() else ""
            return f"{kind}: {details}" if kind and kind not in {"RuntimeError", "ValueError", "Exception"} else details
    if isinstance(error, str) and error.strip():
        return error.strip().splitlines()[-1]
    return last_words(tail(output))


def _with_space_hint(message: str, output: str) -> str:
    if _NO_SPACE.search(output) or _NO_SPACE.search(message):
        return f"the disk is full: {message}"
    return message


def _pipeline_of(document: Mapping[str, Any], stage_id: str) -> str:
    for name, stages in (document.get("log") or {}).items():
        for stage in stages or []:
            if stage.get("id") == stage_id and stage.get("success") is False:
                return str(name)
    return ""


def parse(document: Mapping[str, Any], stages: Sequence[StageRun] = ()) -> BuildResult:
    """A result document as a ``BuildResult``."""
    if document.get("success"):
        return BuildResult(True, None, document.get("metadata") or {}, tuple(stages))
    error = document.get("error")
    details = error.get("details") if isinstance(error, Mapping) else None
    details = details if isinstance(details, Mapping) else {}
    if isinstance(details.get("stage"), Mapping):
        failed = details["stage"]
        name = str(failed.get("type") or "")
        output = str(failed.get("output") or "")
        pipeline = _pipeline_of(document, str(failed.get("id") or ""))
        if not pipeline:
            pipeline = next((run.pipeline for run in reversed(stages) if not run.success), "")
        where = f"stage {name} of pipeline {pipeline}" if pipeline else f"stage {name}"
        reason = _reason(output, failed.get("error"))
        message = f"{where} failed: {reason}" if reason else f"{where} failed without a word"
        failure = Failure("stage", _with_space_hint(message, output), pipeline, name, tail(output))
    elif isinstance(details.get("source"), Mapping):
        failed = details["source"]
        name = str(failed.get("type") or failed.get("name") or "")
        output = str(failed.get("output") or "")
        reason = last_words(tail(output))
        failure = Failure("source", _with_space_hint(f"source {name} failed: {reason}", output), "", name, tail(output))
    else:
        failure = Failure(
            "engine", f"the engine refused the manifest: {_general(document)}", tail=tail(_general(document))
        )
    return BuildResult(False, failure, document.get("metadata") or {}, tuple(stages))


def _general(document: Mapping[str, Any]) -> str:
    errors = document.get("errors")
    if isinstance(errors, Sequence) and errors and isinstance(errors[0], Mapping):
        return str(errors[0].get("message") or document.get("title") or "unknown error")
    error = document.get("error")
    if isinstance(error, Mapping):
        return str(error.get("details") or error.get("message") or error.get("type") or "unknown error")
    return str(error or document.get("title") or "unknown error")


def interpret(stdout: str, stderr: str, status: int, stages: Sequence[StageRun], where: str = "") -> BuildResult:
    """What an engine that has ended came to.

    :param status: exit status; negative for a signal.
    :param where: the stage that was running last, for engines that die without a result document.
    """
    document = None
    for line in reversed(stdout.splitlines()):
        if line.startswith("{"):
            try:
                document = json.loads(line)
            except ValueError:
                continue
            break
    if isinstance(document, dict) and "success" in document:
        result = parse(document, stages)
        if result.success and status != 0:
            return BuildResult(
                False, Failure("engine", f"the engine ended with exit status {status} after a good result")
            )
        return result
    words = last_words(tail(stderr)) or last_words(tail(stdout))
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
    at = f" in {where}" if where else ""
    message = f"the engine {how}{at} without a result" + (f": {words}" if words else "")
    return BuildResult(
        False,
        Failure("engine", _with_space_hint(message, stderr), stage=where, tail=tail(stderr or stdout)),
        {},
        tuple(stages),
    )
