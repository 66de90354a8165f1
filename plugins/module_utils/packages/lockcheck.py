# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Check a lock against its schema.

The part of JSON schema that the lock's schema uses, since python3-jsonschema is not there on every managed host and
a lock is trusted with paths and checksums.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import PackageError
from .lockschema import FORMAT, LOCK_SCHEMA

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def check(content: Any, what: str) -> None:
    """Raises PackageError naming the first field that is wrong."""
    if isinstance(content, dict) and content.get("format") != FORMAT:
        found = content.get("format")
        raise PackageError(f"{what}: format is {found!r}, this version reads {FORMAT}; resolve again without the lock")
    problem = _problem(content, LOCK_SCHEMA, "")
    if problem:
        raise PackageError(f"{what}: {problem}")


def _problem(value: Any, schema: dict[str, Any], path: str) -> str | None:
    here = path or "the content"
    if "const" in schema and value != schema["const"]:
        return f"{here}: must be {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{here}: must be one of {', '.join(schema['enum'])}"
    name = schema.get("type")
    if name and (not isinstance(value, _TYPES[name]) or (name == "integer" and isinstance(value, bool))):
        return f"{here}: must be of type {name}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{here}: '{value}' is not allowed"
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        return f"{here}: must not be empty"
    if name == "integer" and value < schema.get("minimum", value):
        return f"{here}: must be at least {schema['minimum']}"
    if name == "array":
        for number, item in enumerate(value):
            problem = _problem(item, schema["items"], f"{path}[{number}]")
            if problem:
                return problem
    if name == "object":
        return _object_problem(value, schema, path)
    return None


def _object_problem(value: dict[str, Any], schema: dict[str, Any], path: str) -> str | None:
    known = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            return f"{path or 'the content'}: '{key}' is missing"
    for key, item in value.items():
        below = known.get(key, schema.get("additionalProperties"))
        where = f"{path}.{key}" if path else key
        if below is False:
            return f"{where}: unknown key"
        problem = _problem(item, below, where)
        if problem:
            return problem
    return None
