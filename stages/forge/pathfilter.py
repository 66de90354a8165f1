# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""dpkg's path filters while extracting: the same rules, in order, as `path-exclude` and `path-include` of dpkg(1)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from .errors import StageError

Skip = Callable[[bytes, bool], bool]

_WILD = re.compile(r"[*?\[\\]")


def _pattern(glob: str) -> re.Pattern[bytes]:
    # fnmatch(3) without flags, as dpkg calls it: "*" crosses "/", "!" and "^" negate a class, "\" quotes.
    out, at = "", 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "\\" and at < len(glob):
            out += re.escape(glob[at])
            at += 1
        elif char == "[":
            end = glob.find("]", at + 2 if glob[at:at + 1] in ("!", "^") else at + 1)
            if end < 0:
                out += r"\["
            else:
                out += fnmatch.translate("[" + glob[at:end].replace("^", "!", 1) + "]")[4:-3]
                at = end + 1
        else:
            out += {"*": ".*", "?": "."}.get(char, re.escape(char))
    return re.compile(out.encode("utf-8", "surrogateescape"), re.DOTALL)


def make_filter(exclude: Sequence[str], include: Sequence[str]) -> Skip | None:
    """A function (relative path, is directory or symlink) -> skip it? None when there is no rule at all.

    Excludes come first, then includes; the last rule that matches decides. An excluded directory or symlink stays
    when an include pattern may bring something below it back.
    """
    for glob in (*exclude, *include):
        if not glob.startswith(("/", "*")) or "\n" in glob:
            raise StageError(f"path filter {glob!r} can match nothing: a pattern starts with '/' or '*'")
    if not exclude:
        return None
    rules = [(_pattern(glob), False) for glob in exclude] + [(_pattern(glob), True) for glob in include]
    # The part of an include before its first wildcard, as dpkg compares it with a directory's path.
    stems = [_WILD.split(glob, maxsplit=1)[0].rstrip("/").encode("utf-8", "surrogateescape") for glob in include]

    def skip(path: bytes, directory: bool) -> bool:
        full = b"/" + path
        skipped = False
        for pattern, kept in rules:
            if pattern.fullmatch(full):
                skipped = not kept
        if skipped and directory:
            return not any(full.startswith(stem) for stem in stems)
        return skipped

    return skip


def configuration(exclude: Sequence[str], include: Sequence[str]) -> str:
    """The same rules as a file for /etc/dpkg/dpkg.cfg.d, so that later installations in the tree keep them."""
    lines = [f"path-exclude={glob}" for glob in exclude] + [f"path-include={glob}" for glob in include]
    return "".join(f"{line}\n" for line in lines)
