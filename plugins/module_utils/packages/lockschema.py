# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""JSON schema of the lock file; ``docs/schemas/lock.schema.json`` is made from it."""

from __future__ import annotations

from typing import Any

FORMAT = 1

_TEXT = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$"}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
# Neither absolute nor leading out of the mirror.
_PATH = {"type": "string", "pattern": "^(?!/)(?!(.*/)?\\.\\.(/|$)).+$"}

_PACKAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "version", "architecture", "sha256", "size", "path", "suite", "component"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9+.-]*$"},
        "version": {"type": "string", "pattern": "^[A-Za-z0-9.+:~-]+$"},
        "architecture": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
        "sha256": _SHA256,
        "size": {"type": "integer", "minimum": 0, "description": "bytes"},
        "path": {**_PATH, "description": "below the mirror, not percent-encoded"},
        "suite": {"type": "string"},
        "component": {"type": "string"},
        "source": _TEXT,
        "source_version": _TEXT,
        "section": {"type": "string"},
        "priority": {"type": "string"},
        "installed_size": {"type": "integer", "minimum": 0, "description": "KiB"},
        "multi_arch": {"enum": ["no", "same", "foreign", "allowed"]},
        "essential": {"type": "boolean"},
        "auto": {"type": "boolean", "description": "not asked for by name or variant"},
        "layer": {"enum": ["named", "added"], "description": "what the blueprint makes of it; the base has none"},
        "mirror": {**_TEXT, "description": "only where several releases have the same suite"},
    },
}

LOCK_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "debian_forge.osbuild package lock",
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "distribution", "suite", "architecture", "request", "releases", "sets"],
    "properties": {
        "format": {"const": FORMAT},
        "distribution": _TEXT,
        "suite": _TEXT,
        "architecture": _TEXT,
        "request": {
            "type": "string",
            "pattern": "^sha256:[0-9a-f]{64}$",
            "description": "digest of what was asked for; another request makes the lock stale",
        },
        "releases": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["uri", "suite", "sha256"],
                "properties": {
                    "uri": _TEXT,
                    "suite": _TEXT,
                    "sha256": _SHA256,
                    "date": _TIME,
                    "valid_until": _TIME,
                },
            },
        },
        "containers": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "digest", "id"],
                "properties": {
                    "source": {**_TEXT, "description": "the reference that was asked for"},
                    "digest": {**_DIGEST, "description": "of the image's manifest"},
                    "id": {**_DIGEST, "description": "of its configuration"},
                    "local": {"type": "boolean", "description": "from the building host's container storage"},
                },
            },
        },
        "sets": {"type": "object", "additionalProperties": {"type": "array", "items": _PACKAGE}},
    },
}
