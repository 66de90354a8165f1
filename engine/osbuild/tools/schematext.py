# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A JSON schema (draft 4) as an outline that people can read."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

_WIDTH = 100
# Deeper than any schema of a module, unless it refers to itself.
_MAX_DEPTH = 12
# In the words of JSON Schema, and in those of manifests.
_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} members",
    "maxProperties": "at most {} members",
    "pattern": "matching {}",
    "format": "format {}",
}


def describe_schema(schema: dict[str, Any]) -> list[str]:
    """The members of the object that `schema` describes, one line each, with theirs below them."""
    lines = list(_members(schema, schema, 0))
    return lines or ["no options"]


def _members(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    """What is below a schema: members of an object, items of an array, alternatives."""
    schema = _resolve(schema, root)
    if depth > _MAX_DEPTH:
        yield "  " * depth + "…"
        return
    required = schema.get("required")
    for name, each in _dict(schema.get("properties")).items():
        needed = isinstance(required, list) and name in required
        yield from _member(name, each, root, depth, needed=needed)
    for pattern, each in _dict(schema.get("patternProperties")).items():
        yield from _member(f"<name matching {pattern}>", each, root, depth)
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and more:
        yield from _member("<any name>", more, root, depth)
    items = schema.get("items")
    if isinstance(items, dict):
        yield from _members(items, root, depth)
    for key, words in (("oneOf", "one of"), ("anyOf", "any of"), ("allOf", "all of")):
        choices = [each for each in schema.get(key) or [] if isinstance(each, dict)]
        # Alternatives of which members are needed only; which there are has been said.
        demands = [each for each in choices if set(each) <= {"required", "not"}]
        if choices and len(demands) == len(choices):
            names = " or ".join(", ".join(each.get("required") or ["none of them"]) for each in demands)
            yield "  " * depth + f"needs {words}: {names}"
            continue
        for each in choices:
            yield from _member(f"- {words}", each, root, depth)


def _member(name: str, schema: Any, root: dict[str, Any], depth: int, *, needed: bool = False) -> Iterator[str]:
    schema = _resolve(schema, root)
    indent = "  " * depth
    yield f"{indent}{name}{' (required)' if needed else ''}: {_kind(schema, root)}"
    text = schema.get("description")
    if isinstance(text, str):
        yield from textwrap.wrap(text, _WIDTH, initial_indent=indent + "    ", subsequent_indent=indent + "    ")
    yield from _members(schema, root, depth + 1)


def _kind(schema: dict[str, Any], root: dict[str, Any]) -> str:
    if "enum" in schema:
        words = [json.dumps(each, ensure_ascii=False) for each in schema["enum"]]
        kind = words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    else:
        found = schema.get("type", "object" if schema.get("properties") else "anything")
        if "type" not in schema and ("oneOf" in schema or "anyOf" in schema):
            found = "as follows"
        kind = " or ".join(found) if isinstance(found, list) else str(found)
        if kind == "array" and isinstance(schema.get("items"), dict):
            kind = f"array of {_kind(_resolve(schema['items'], root), root)}"
    notes = [text.format(schema[key]) for key, text in _WORDS.items() if key in schema]
    if "default" in schema:
        notes.append(f"default {json.dumps(schema['default'], ensure_ascii=False)}")
    return f"{kind}, {', '.join(notes)}" if notes else kind


def _resolve(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` within the same schema leads to."""
    for _round in range(_MAX_DEPTH):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        schema = target
    return _dict(schema)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
