# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Strict reading of one table: every value has a type, every error names its path, unknown keys are noticed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard, TypeVar

from ..errors import BlueprintError

T = TypeVar("T")

_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer in TOML and JSON, where a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def kind(value: object) -> str:
    """A value's type in the words of TOML and JSON, with the value when it is short."""
    name = _KINDS.get(type(value), type(value).__name__)
    return f"{name} ({value!r})" if isinstance(value, (bool, int, float, str)) and len(repr(value)) <= 40 else name


def show(text: str) -> str:
    """A user's text in a message: quoted, on one line, not longer than a line."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return f"'{plain}'" if len(plain) <= 120 else f"'{plain[:117]}...'"


class Table:
    """A table at ``path``; call :meth:`close` when all known keys were read."""

    def __init__(self, value: object, path: str, warnings: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise BlueprintError(f"{path or 'blueprint'}: must be a table, found {kind(value)}", field=path)
        for key in value:
            if not isinstance(key, str):
                raise BlueprintError(f"{path or 'blueprint'}: key {key!r} is not a string", field=path)
        # JSON clients send null for what they leave out.
        self.content: dict[str, Any] = {key: item for key, item in value.items() if item is not None}
        self.path = path
        self.warnings = warnings
        self._read: set[str] = set()

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def error(self, key: str, text: str) -> BlueprintError:
        return BlueprintError(f"{self.at(key)}: {text}", field=self.at(key))

    def has(self, key: str) -> bool:
        return key in self.content

    def take(self, key: str) -> Any:
        self._read.add(key)
        return self.content.get(key)

    def text(
        self, key: str, pattern: re.Pattern[str] | None = None, rule: str = "", *, longest: int | None = None
    ) -> str | None:
        """A string that matches ``pattern`` wholly; ``rule`` says in words what is allowed."""
        value = self.take(key)
        if value is None:
            return None
        return self.check_text(key, value, pattern, rule, longest)

    def check_text(
        self, key: str, value: object, pattern: re.Pattern[str] | None, rule: str, longest: int | None = None
    ) -> str:
        if not isinstance(value, str):
            raise self.error(key, f"must be a string, found {kind(value)}")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.error(key, f"{show(value)} is not allowed; must be {rule}")
        if longest is not None and len(value) > longest:
            raise self.error(key, f"is {len(value)} characters long, at most {longest} are allowed")
        return value

    def choice(self, key: str, allowed: tuple[T, ...]) -> T | None:
        """One of a few words; empty counts as absent."""
        value = self.text(key)
        for one in allowed:
            if value == one:
                return one
        if value:
            raise self.error(key, f"{show(value)} is not one of {', '.join(map(str, allowed))}")
        return None

    def integer(self, key: str, low: int, high: int) -> int | None:
        value = self.take(key)
        if value is None:
            return None
        if not is_integer(value):
            raise self.error(key, f"must be an integer, found {kind(value)}")
        if not low <= value <= high:
            raise self.error(key, f"{value} is out of range {low}..{high}")
        return value

    def boolean(self, key: str, default: bool = False) -> bool:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, found {kind(value)}")
        return value

    def flag(self, key: str) -> bool | None:
        """A boolean, None where it is not given."""
        return self.boolean(key) if self.has(key) else None

    def either(self, key: str, *others: str) -> str:
        """The one of several spellings of a key that is used; the first if none is."""
        self._read.update((key, *others))
        given = [name for name in (key, *others) if self.content.get(name) not in (None, "", [], ())]
        if len(given) > 1:
            raise self.error(given[1], f"is another word for {given[0]}; give only one of them")
        return given[0] if given else key

    def texts(self, key: str, pattern: re.Pattern[str] | None = None, rule: str = "") -> tuple[str, ...]:
        """An array of strings, each matching ``pattern``."""
        value = self.take(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            raise self.error(key, f"must be an array of strings, found {kind(value)}")
        return tuple(self.check_text(f"{key}[{n}]", item, pattern, rule) for n, item in enumerate(value))

    def table(self, key: str) -> Table | None:
        value = self.take(key)
        return None if value is None else Table(value, self.at(key), self.warnings)

    def tables(self, key: str) -> Iterator[Table]:
        """An array of tables, ``[[key]]`` in TOML."""
        value = self.take(key)
        if value is None:
            return
        if not isinstance(value, (list, tuple)):
            raise self.error(key, f"must be an array of tables ([[{self.at(key)}]]), found {kind(value)}")
        for number, item in enumerate(value):
            yield Table(item, f"{self.at(key)}[{number}]", self.warnings)

    def warn(self, key: str, text: str) -> None:
        self.warnings.append(f"{self.at(key)}: {text}")

    def required(self, key: str, value: T | None) -> T:
        if value is None:
            raise self.error(key, "is required")
        return value

    def close(self) -> None:
        """Warn about keys nobody asked for; a slip of the pen must not pass silently."""
        for key in self.content:
            if key not in self._read:
                close = difflib.get_close_matches(key, self._read, n=1)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                self.warn(key, f"unknown key, ignored{hint}")


def unique(items: tuple[T, ...], key: Callable[[T], object], path: str, what: str) -> tuple[T, ...]:
    """``items``, or BlueprintError naming the first that comes twice."""
    seen: dict[object, int] = {}
    for number, item in enumerate(items):
        value = key(item)
        if value in seen:
            raise BlueprintError(
                f"{path}[{number}]: {what} '{value}' is given twice (first in {path}[{seen[value]}])", field=path
            )
        seen[value] = number
    return items
