# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The build record: what was built from what, beside the artefacts (schema: docs/schemas/record.schema.json)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .artefacts import RECORD, Artefact, difference
from .monitor import StageRun

FORMAT = 1


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one byte form of a JSON document: sorted keys, indentation of one, a newline at the end."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def manifest_id(manifest: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a manifest's compact canonical form: how it was indented or ordered does not matter."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def template(
    *,
    build_id: str,
    manifest: str,
    exports: Sequence[str],
    engine: Mapping[str, Any],
    pipelines: Mapping[str, str | None],
    lock_digest: str | None,
    request: Mapping[str, Any],
    packages: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The part of a record that is known before the build.

    :param packages: package set -> sorted ``name:architecture=version``.
    """
    return {
        "format": FORMAT,
        "build_id": build_id,
        "manifest_id": manifest,
        "exports": sorted(exports),
        "engine": {"kind": engine["kind"], "version": engine["version"]},
        "bundle_digest": engine.get("digest"),
        "pipelines": dict(pipelines),
        "lock_digest": lock_digest,
        "request": dict(request),
        "packages": {name: list(found) for name, found in packages.items()},
    }


def complete(
    known: Mapping[str, Any],
    *,
    artefacts: Sequence[Artefact],
    stages: Sequence[StageRun],
    started: float,
    seconds: float,
    log_path: str,
) -> dict[str, Any]:
    """A whole record.

    :param started: Unix time in seconds.
    """
    return {
        **known,
        "files": sorted((artefact.as_dict() for artefact in artefacts), key=lambda found: str(found["path"])),
        "stages": [
            {"pipeline": run.pipeline, "name": run.name, "id": run.id, "seconds": round(run.seconds, 3)}
            for run in stages
        ],
        "started": round(started, 3),
        "seconds": round(seconds, 3),
        "log_path": log_path,
    }


def read(directory: Path) -> dict[str, Any] | None:
    """The record in an output directory; None if there is none that can be read or its format is another."""
    try:
        found = json.loads((directory / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("files"), list):
        return None
    return found


def artefacts_of(record: Mapping[str, Any]) -> list[Artefact]:
    """The artefacts a record lists; empty if it is damaged."""
    try:
        return [Artefact.from_dict(values) for values in record["files"]]
    except (KeyError, TypeError):
        return []


def outdated(
    record: Mapping[str, Any] | None,
    destination: Path,
    *,
    manifest: str,
    exports: Sequence[str],
    bundle_digest: str | None,
    verify: bool,
) -> str | None:
    """Why what lies at the destination is not what would be built; None if it is, and nothing needs to be done.

    :param manifest: id of the manifest (``manifest_id``).
    """
    if record is None:
        return "nothing was built here yet"
    if record.get("manifest_id") != manifest:
        return "the manifest is another"
    if sorted(record.get("exports") or []) != sorted(exports):
        return "other exports are wanted"
    if bundle_digest and record.get("bundle_digest") and record["bundle_digest"] != bundle_digest:
        return "the engine or a stage is another"
    artefacts = artefacts_of(record)
    if not artefacts:
        return "the build record lists no files"
    return difference(artefacts, destination, verify)
