# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""TOML files.

Reading takes whichever parser Python has; importing this module without any raises ModuleNotFoundError. Writing needs none:
Debian's base system has no writer, and output that depends on what is installed would not be reproducible.
"""

from __future__ import annotations

import datetime
import importlib
import math
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

_READERS = ("tomllib", "tomli", "toml", "pytoml")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def _find_reader() -> Any:
    for name in _READERS:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
    raise ModuleNotFoundError(
        f"Python has no TOML module: none of {', '.join(_READERS)} could be imported", name="toml"
    )


_reader = _find_reader()


def load_from_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of the TOML file `path`. Raises OSError, and ValueError for what is no TOML."""
    with open(path, encoding="utf-8") as file:
        data: dict[str, Any] = _reader.loads(file.read())
    return data


def dump_to_file(data: Mapping[str, Any], path: str | os.PathLike[str], header: Sequence[str] = "") -> None:
    """Write `data` to `path`, after the lines of `header` as comments.

    Keys keep their order, except that the plain values of a table come before its sub-tables, as the format demands.
    Raises OSError, and TypeError for a value that TOML cannot express (before the file is touched).
    """
    text = "".join(f"# {line}\n" for line in header)
    if header:
        text += "\n"
    text += "\n".join(_table(data, ()))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n" if text.strip() else "")


def _is_table_array(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(data: Mapping[str, Any], prefix: tuple[str, ...]) -> Iterator[str]:
    nested = {key: value for key, value in data.items() if isinstance(value, dict) or _is_table_array(value)}
    for key, value in data.items():
        if key not in nested:
            yield f"{_key(key)} = {_value(value, (*prefix, key))}"
    for key, value in nested.items():
        name = (*prefix, key)
        dotted = ".".join(map(_key, name))
        if isinstance(value, dict):
            # A table that only holds tables needs no line of its own.
            if not value or any(not isinstance(v, dict) and not _is_table_array(v) for v in value.values()):
                yield f"\n[{dotted}]"
            yield from _table(value, name)
        else:
            for item in value:
                yield f"\n[[{dotted}]]"
                yield from _table(item, name)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"TOML keys must be strings, found {key!r}")
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    def escape(char: str) -> str:
        if char in _ESCAPES:
            return _ESCAPES[char]
        return f"\\u{ord(char):04x}" if ord(char) < 0x20 or ord(char) == 0x7F else char

    return '"' + "".join(map(escape, text)) + '"'


def _value(value: Any, name: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return repr(value) if math.isfinite(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, (str, os.PathLike)):
        return _string(os.fspath(value))
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        # As python3-toml writes it, which upstream uses on Debian: equal options shall give equal files.
        return "[" + "".join(f" {_value(item, name)}," for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(k)} = {_value(v, (*name, k))}" for k, v in value.items()) + " }" if value else "{}"
        )
    raise TypeError(f"{'.'.join(name)} is of type {type(value).__name__}, which TOML cannot express")
