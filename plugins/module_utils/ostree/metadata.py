# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A commit's metadata, read from what ``ostree show --raw`` prints: GVariant text, gvariant-text(7)."""

from __future__ import annotations

import ast
import re
from typing import Any

from ..errors import OstreeError

_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def _string(text: str) -> str:
    """A quoted string's value; GVariant's escapes are among Python's."""
    return str(ast.literal_eval(text))


def _end_of_value(text: str, start: int) -> int:
    """Position of the > that closes the < at *start*."""
    depth, place = 0, start
    while place < len(text):
        if text[place] in "'\"":
            found = _STRING.match(text, place)
            if found is None:
                break
            place = found.end()
            continue
        depth += {"<": 1, ">": -1}.get(text[place], 0)
        if depth == 0:
            return place
        place += 1
    raise OstreeError("the commit's metadata cannot be read: it has an open value")


def parse(raw: str) -> dict[str, str]:
    """Keys of a commit's metadata and their values as GVariant text, which ``ostree commit --add-metadata`` takes."""
    _ignored, found, text = raw.partition("({")
    values: dict[str, str] = {}
    if not found:
        return values
    place = 0
    while key := _STRING.match(text, place):
        start = text.index("<", key.end())
        end = _end_of_value(text, start)
        values[_string(key[0])] = text[start + 1 : end]
        place = end + 1
        if text.startswith(", ", place):
            place += 2
    return values


def value(text: str) -> Any:
    """A value as Python has it: strings, lists of strings, booleans, numbers; anything else stays text."""
    if text in ("true", "false"):
        return text == "true"
    plain = re.sub(r"^(u?int(16|32|64)|byte|double) ", "", text)
    if text.startswith("@as"):
        plain = text.removeprefix("@as ")
    try:
        found = ast.literal_eval(plain)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, str | int | float | list) else text
