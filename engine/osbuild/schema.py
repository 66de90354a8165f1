# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON schema validation (draft 4) and its results (contract, section 1.8).

The words of an error come from python-jsonschema. Importing that library takes longer than loading a manifest, so
`fastschema` answers first for what is valid; only where it finds something wrong, or something it does not know, does the
library speak.
"""

from __future__ import annotations

import collections
import copy
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import fastschema

PathElement = int | str

ERROR_TYPE = "https://osbuild.org/validation-error"
ERROR_TITLE = "JSON Schema validation failed"


class ValidationError:
    """One thing that is wrong with a document, and where.

    `path` leads from the root of the document to the place; `id` is the same as text (`.pipelines[0].stages`, `.` for the
    root, parts with blanks in quotes). Errors are equal when `id` and `message` are.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self.path: collections.deque[PathElement] = collections.deque()

    @classmethod
    def from_exception(cls, exc: Any) -> ValidationError:
        """Take over a `jsonschema.ValidationError` (or SchemaError)."""
        err = cls(exc.message)
        err.path = collections.deque(exc.absolute_path)
        return err

    @property
    def id(self) -> str:
        if not self.path:
            return "."
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            elif re.search(r"\s", part):
                text += f".'{part}'"
            else:
                text += f".{part}"
        return text

    def as_dict(self) -> dict[str, Any]:
        return {"message": self.message, "path": list(self.path)}

    def rebase(self, path: Iterable[PathElement]) -> None:
        """Put `path` in front: the error was found in a part of a larger document."""
        self.path.extendleft(reversed(list(path)))

    def _key(self) -> tuple[str, str]:
        return (self.id, self.message)

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidationError) and self._key() == other._key()

    def __lt__(self, other: ValidationError) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"ValidationError: {self.message} [{self.id}]"


class ValidationResult:
    """The errors found in one document; true when there are none, iterates in order of `ValidationError.id`."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin
        self.errors: set[ValidationError] = set()

    def fail(self, msg: str) -> ValidationError:
        """Add and return an error about the document as a whole."""
        err = ValidationError(msg)
        self.errors.add(err)
        return err

    def add(self, err: ValidationError) -> ValidationResult:
        self.errors.add(err)
        return self

    def merge(self, other: ValidationResult, *, path: Iterable[PathElement] | None = None) -> ValidationResult:
        """Take over the errors of `other`, which was about the part of this document at `path`."""
        prefix = list(path or ())
        for err in other:
            err = copy.deepcopy(err)
            err.rebase(prefix)
            self.errors.add(err)
        return self

    def as_dict(self) -> dict[str, Any]:
        """The document of the contract's section 1.8, or `{}` when all is well."""
        if not self.errors:
            return {}
        return {"type": ERROR_TYPE, "title": ERROR_TITLE, "success": False, "errors": [err.as_dict() for err in self]}

    @property
    def valid(self) -> bool:
        return not self.errors

    def __iadd__(self, err: ValidationError) -> ValidationResult:
        return self.add(err)

    def __bool__(self) -> bool:
        return self.valid

    def __len__(self) -> int:
        return len(self.errors)

    def __iter__(self) -> Iterator[ValidationError]:
        return iter(sorted(self.errors))

    def __getitem__(self, key: str) -> list[ValidationError]:
        found = [err for err in self if err.id == key]
        if not found:
            raise IndexError(f"no error at {key!r}")
        return found

    def __str__(self) -> str:
        return f"ValidationResult: {len(self.errors)} error(s)"


class Schema:
    """A JSON schema, or the absence of one (`schema` None or empty), which refuses everything.

    Truth is that of `check()`.
    """

    def __init__(self, schema: Mapping[str, Any] | None, name: str | None = None) -> None:
        self.data = schema
        self.name = name

    def check(self) -> ValidationResult:
        """Is the schema itself a valid draft 4 schema?"""
        result = ValidationResult(self.name)
        if not self.data:
            result.fail("could not find schema information" + (f" for '{self.name}'" if self.name else ""))
            return result
        import jsonschema

        for exc in jsonschema.Draft4Validator(jsonschema.Draft4Validator.META_SCHEMA).iter_errors(self.data):
            result.add(ValidationError.from_exception(exc))
        return result

    def validate(self, target: Any) -> ValidationResult:
        """All errors of `target`, or those of the schema if that is none."""
        if self.data and self._known_valid is not None and self._known_valid(target):
            return ValidationResult(self.name)
        result = self.check()
        if result and self.data:
            import jsonschema

            for exc in jsonschema.Draft4Validator(self.data).iter_errors(target):
                result.add(ValidationError.from_exception(exc))
        return result

    @functools.cached_property
    def _known_valid(self) -> Callable[[Any], bool] | None:
        return fastschema.compile_schema(self.data)

    def __bool__(self) -> bool:
        return self.check().valid
