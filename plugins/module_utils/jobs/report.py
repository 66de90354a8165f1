# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A job as a module result, small enough to be kept in job events; the same for all who report one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .control import Status, error_of

#: Entries of a list in a result; the build record has them all.
LISTED = 50


def stages(found: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The stages that ran: with times, and by name only when they are many."""
    if len(found) > LISTED:
        return [f"{one['pipeline']}/{one['name']}" for one in found[:200]]
    return [{"name": one["name"], "pipeline": one["pipeline"], "seconds": one["seconds"]} for one in found]


def files(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("path", "size", "sha256")} for one in found[:LISTED]]


def outcome(found: Status) -> dict[str, Any]:
    """What a job came to, or how far it is."""
    result = found.result or {}
    values: dict[str, Any] = {
        "build_id": found.build_id,
        "state": found.state,
        "log_path": str(found.folder.log),
    }
    if found.job.get("destination"):
        values["output_directory"] = found.job["destination"]
    if found.ended:
        values["stages"] = stages(result.get("stages") or [])
        values["duration"] = result.get("seconds", 0.0)
    if result.get("files"):
        values["artifacts"] = files(result["files"])
        values["artifact"] = values["artifacts"][0]
    return values


def failure(found: Status) -> dict[str, Any] | None:
    """``msg`` and the values of a failure result, None if the job did not fail."""
    error = error_of(found)
    return None if error is None else {"msg": str(error), **error.result}


def line(step: Mapping[str, Any]) -> str | None:
    """A step as the line a person reads; None for steps that are not worth one."""
    number, total, name = step.get("number"), step.get("total"), step.get("name")
    of = f" ({number}/{total})" if total else ""
    kind = step.get("event")
    if kind == "waiting":
        return f"waiting for the store {name}, which another build is using"
    if kind == "source":
        return f"fetching: {name}{of}"
    if kind == "stage":
        return f"{step.get('pipeline')}: {name}{of}"
    if kind == "stage-done" and not step.get("success", True):
        return f"{step.get('pipeline')}: {name} failed after {step.get('seconds', 0):.0f} s"
    if kind == "deliver":
        return f"writing {name}"
    return None
