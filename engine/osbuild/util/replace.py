# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Replacing text in files."""

from __future__ import annotations

import glob
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def replace(target: str | os.PathLike[str], patterns: Sequence[tuple[str, str]]) -> None:
    """Apply all `patterns` (regular expression, replacement) to each line of `target`.

    The file is replaced at once by a new one; owner and mode are not kept. Raises OSError, re.error.
    """
    new = f"{os.fspath(target)}.replace"
    compiled = [(re.compile(pattern), repl) for pattern, repl in patterns]
    with open(target, encoding="utf-8") as source, open(new, "w", encoding="utf-8") as sink:
        for line in source:
            for regex, repl in compiled:
                line = regex.sub(repl, line)
            sink.write(line)
    os.rename(new, target)


def rglob(pathname: str, *, fatal: bool = False) -> Iterator[str]:
    """Yield each path that the pattern matches once. Raises OSError if `fatal` and nothing matches."""
    seen = set()
    for path in glob.iglob(pathname):
        if path not in seen:
            seen.add(path)
            yield path
    if fatal and not seen:
        raise OSError(f"nothing matching {pathname}")
