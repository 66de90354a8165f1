# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Is a document valid? The yes-or-no half of JSON schema draft 4, without a library.

`compile_schema` turns a schema into one function. It is careful rather than complete: for a schema that is malformed, or that
uses what this module does not cover (remote references, `id`), there is no function, and the caller has to ask a full
validator. The same holds for the answer "no": the words of the error are not made here.

Source: JSON Schema Validation, draft-fge-json-schema-validation-00; as python-jsonschema reads it, unknown keywords are
ignored, `format` is not checked and siblings of `$ref` do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


class _Unsure(Exception):
    """This schema is for a full validator."""


def compile_schema(schema: Any) -> Check | None:
    """A function that tells whether a document is valid, or None if that cannot be told here."""
    try:
        return _Compiler(schema).subschema(schema)
    except (_Unsure, re.error, RecursionError):
        return None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[str, Check] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _require(condition: bool) -> None:
    if not condition:
        raise _Unsure


def _count(value: Any) -> int:
    _require(_is_integer(value) and value >= 0)
    return int(value)


def _names(value: Any, least: int) -> list[str]:
    _require(isinstance(value, list) and len(value) >= least and all(isinstance(v, str) for v in value))
    _require(len(set(value)) == len(value))
    return list(value)


def _number(value: Any) -> int | float:
    _require(_is_number(value))
    number: int | float = value
    return number


def _deferred(cell: list[Check]) -> Check:
    """The check that will be in `cell` by the time it is needed."""

    def check(value: Any) -> bool:
        return cell[0](value)

    return check


class _Compiler:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.references: dict[str, list[Check]] = {}

    def subschema(self, schema: Any) -> Check:
        _require(isinstance(schema, dict))
        if "$ref" in schema:
            return self.reference(schema["$ref"])
        _require("id" not in schema)  # changes what references mean
        checks: list[Check] = []
        for keyword in schema:
            maker = getattr(self, "kw_" + keyword.removeprefix("$"), None)
            if maker is not None:
                check = maker(schema[keyword], schema)
                if check is not None:
                    checks.append(check)
        members = self.members(schema)
        if members is not None:
            checks.append(members)
        if not checks:
            return lambda value: True
        if len(checks) == 1:
            return checks[0]
        return lambda value: all(check(value) for check in checks)

    def reference(self, ref: Any) -> Check:
        _require(isinstance(ref, str) and (ref == "#" or ref.startswith("#/")) and "%" not in ref)
        if ref not in self.references:
            target = self.root
            for part in ref.split("/")[1:]:
                part = part.replace("~1", "/").replace("~0", "~")
                _require(isinstance(target, dict) and part in target)
                target = target[part]
            # Registered before it is compiled: a schema may refer to itself.
            self.references[ref] = []
            self.references[ref].append(self.subschema(target))
        return _deferred(self.references[ref])

    # Keywords that look at any value. Each returns a check, or None where there is nothing to check.

    def kw_type(self, wanted: Any, schema: Mapping[str, Any]) -> Check:
        names = [wanted] if isinstance(wanted, str) else _names(wanted, 1)
        _require(all(name in _TYPES for name in names))
        if len(names) == 1:
            return _TYPES[names[0]]
        kinds = [_TYPES[name] for name in names]
        return lambda value: any(kind(value) for kind in kinds)

    def kw_enum(self, wanted: Any, schema: Mapping[str, Any]) -> Check:
        _require(isinstance(wanted, list) and len(wanted) > 0)
        # Equality is subtle (1, 1.0 and True): what is neither a string nor a number that only itself can be taken for
        # is left to the full validator, and so is a mixed enumeration.
        strings = all(isinstance(each, str) for each in wanted)
        numbers = schema.get("type") == "integer" and all(_is_integer(each) and each not in (0, 1) for each in wanted)
        _require((strings or numbers) and len(set(wanted)) == len(wanted))
        allowed = frozenset(wanted)
        kind = str if strings else int
        return lambda value: isinstance(value, kind) and value in allowed

    def kw_allOf(self, schemas: Any, schema: Mapping[str, Any]) -> Check:
        checks = self.several(schemas)
        return lambda value: all(check(value) for check in checks)

    def kw_anyOf(self, schemas: Any, schema: Mapping[str, Any]) -> Check:
        checks = self.several(schemas)
        return lambda value: any(check(value) for check in checks)

    def kw_oneOf(self, schemas: Any, schema: Mapping[str, Any]) -> Check:
        checks = self.several(schemas)
        return lambda value: sum(check(value) for check in checks) == 1

    def kw_not(self, schema: Any, parent: Mapping[str, Any]) -> Check:
        check = self.subschema(schema)
        return lambda value: not check(value)

    def several(self, schemas: Any) -> list[Check]:
        _require(isinstance(schemas, list) and len(schemas) > 0)
        return [self.subschema(each) for each in schemas]

    def kw_definitions(self, definitions: Any, schema: Mapping[str, Any]) -> None:
        _require(isinstance(definitions, dict))
        for each in definitions.values():
            self.subschema(each)

    def kw_title(self, text: Any, schema: Mapping[str, Any]) -> None:
        _require(isinstance(text, str))

    kw_description = kw_schema = kw_format = kw_title

    def kw_additionalItems(self, rest: Any, schema: Mapping[str, Any]) -> None:
        self.allowed(rest)

    # Strings and numbers.

    def kw_pattern(self, pattern: Any, schema: Mapping[str, Any]) -> Check:
        _require(isinstance(pattern, str))
        search = re.compile(pattern).search
        return lambda value: not isinstance(value, str) or search(value) is not None

    def kw_minLength(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        least = _count(limit)
        return lambda value: not isinstance(value, str) or len(value) >= least

    def kw_maxLength(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        most = _count(limit)
        return lambda value: not isinstance(value, str) or len(value) <= most

    def kw_minimum(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        least = _number(limit)
        if self.exclusive(schema, "exclusiveMinimum"):
            return lambda value: not _is_number(value) or value > least
        return lambda value: not _is_number(value) or value >= least

    def kw_maximum(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        most = _number(limit)
        if self.exclusive(schema, "exclusiveMaximum"):
            return lambda value: not _is_number(value) or value < most
        return lambda value: not _is_number(value) or value <= most

    def exclusive(self, schema: Mapping[str, Any], keyword: str) -> bool:
        flag = schema.get(keyword, False)
        _require(isinstance(flag, bool))
        return bool(flag)

    def kw_exclusiveMinimum(self, flag: Any, schema: Mapping[str, Any]) -> None:
        _require(isinstance(flag, bool) and "minimum" in schema)

    def kw_exclusiveMaximum(self, flag: Any, schema: Mapping[str, Any]) -> None:
        _require(isinstance(flag, bool) and "maximum" in schema)

    def kw_multipleOf(self, factor: Any, schema: Mapping[str, Any]) -> Check:
        _require(_is_integer(factor) and factor > 0)
        # A float gets the answer "no", that is, the full validator decides.
        return lambda value: not _is_number(value) or (isinstance(value, int) and value % factor == 0)

    # Arrays.

    def kw_items(self, items: Any, schema: Mapping[str, Any]) -> Check:
        if isinstance(items, dict):
            check = self.subschema(items)
            return lambda value: not isinstance(value, list) or all(map(check, value))
        heads = self.several(items)
        rest = schema.get("additionalItems", True)
        tail: Check = self.allowed(rest)
        return lambda value: (
            not isinstance(value, list)
            or (
                all(check(each) for check, each in zip(heads, value, strict=False))
                and all(map(tail, value[len(heads) :]))
            )
        )

    def kw_minItems(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        least = _count(limit)
        return lambda value: not isinstance(value, list) or len(value) >= least

    def kw_maxItems(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        most = _count(limit)
        return lambda value: not isinstance(value, list) or len(value) <= most

    def kw_uniqueItems(self, flag: Any, schema: Mapping[str, Any]) -> Check | None:
        _require(isinstance(flag, bool))
        if not flag:
            return None
        # Only lists of different strings are surely unique.
        return lambda value: (
            not isinstance(value, list)
            or (all(isinstance(each, str) for each in value) and len(set(value)) == len(value))
        )

    # Objects.

    def kw_required(self, names: Any, schema: Mapping[str, Any]) -> Check:
        needed = frozenset(_names(names, 1))
        return lambda value: not isinstance(value, dict) or needed <= value.keys()

    def kw_minProperties(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        least = _count(limit)
        return lambda value: not isinstance(value, dict) or len(value) >= least

    def kw_maxProperties(self, limit: Any, schema: Mapping[str, Any]) -> Check:
        most = _count(limit)
        return lambda value: not isinstance(value, dict) or len(value) <= most

    def kw_dependencies(self, dependencies: Any, schema: Mapping[str, Any]) -> Check:
        _require(isinstance(dependencies, dict))
        rules: list[tuple[str, Check]] = []
        for name, rule in dependencies.items():
            rules.append((name, self.kw_required(rule, schema) if isinstance(rule, list) else self.subschema(rule)))
        return lambda value: not isinstance(value, dict) or all(check(value) for name, check in rules if name in value)

    def allowed(self, schema: Any) -> Check:
        """`additionalProperties` and `additionalItems`: a schema or a yes or no."""
        if isinstance(schema, bool):
            answer = schema
            return lambda value: answer
        return self.subschema(schema)

    def members(self, schema: Mapping[str, Any]) -> Check | None:
        """`properties`, `patternProperties` and `additionalProperties`, which depend on each other."""
        if not {"properties", "patternProperties", "additionalProperties"} & schema.keys():
            return None
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        _require(isinstance(properties, dict) and isinstance(patterns, dict))
        known = {name: self.subschema(each) for name, each in properties.items()}
        matching = [(re.compile(pattern).search, self.subschema(each)) for pattern, each in patterns.items()]
        other = self.allowed(schema.get("additionalProperties", True))

        def check(value: Any) -> bool:
            if not isinstance(value, dict):
                return True
            for name, member in value.items():
                covered = False
                if name in known:
                    covered = True
                    if not known[name](member):
                        return False
                for search, rule in matching:
                    if search(name) is not None:
                        covered = True
                        if not rule(member):
                            return False
                if not covered and not other(member):
                    return False
            return True

        return check
