# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers to packages' questions, given before the packages ask. Source: debconf-set-selections(1), debconf-devel(7)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import command
from .errors import StageError

PROGRAM = "/usr/bin/debconf-set-selections"


def _word(what: str, value: str) -> str:
    if not value or value.startswith("#") or any(char.isspace() or ord(char) < 32 for char in value):
        raise StageError(f"{what} is {value!r}; it must be one word that does not begin with '#'")
    return value


def lines(selections: Sequence[Mapping[str, Any]]) -> str:
    """The option `debconf` as the text debconf-set-selections reads. StageError naming the entry, never its value."""
    result = []
    for number, selection in enumerate(selections):
        what = f"option debconf[{number}]"
        value = selection["value"]
        value = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
        if any(ord(char) < 32 for char in value):
            raise StageError(f"{what}.value holds a line break or control character; debconf takes one line")
        words = [_word(f"{what}.{key}", selection[key]) for key in ("owner", "question")]
        result.append(f"{' '.join(words)} {selection.get('type', 'string')} {value}\n")
    return "".join(result)


def preseed(text: str, env: Mapping[str, str]) -> None:
    """Set the answers in the entered tree. They go by a pipe: some are passwords. StageError with debconf's complaint."""
    if not text:
        return
    if not os.path.exists(PROGRAM):
        raise StageError("option debconf is given, but the tree has no debconf to keep the answers")
    finished = command.run([PROGRAM], env, text=text)
    if finished.status:
        raise StageError(f"debconf-set-selections failed with exit status {finished.status}{finished.quoted()}")
