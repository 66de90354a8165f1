# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""os-release(5)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PATHS = ["/etc/os-release", "/usr/lib/os-release"]


def _parse(lines: Iterable[str]) -> dict[str, str]:
    import shlex

    values = {}
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, text = line.partition("=")
        if not equals:
            raise ValueError(f"Line '{line}' of os-release is not KEY=value")
        words = shlex.split(text)
        if not words:
            raise ValueError(f"Key '{key}' has an empty value")
        if len(words) > 1:
            raise ValueError(f"Key '{key}' has more than one token: {words}")
        values[key] = words[0]
    return values


def parse_files(*paths: str | os.PathLike[str]) -> dict[str, str]:
    """Return the keys of the first of `paths` that exists, nothing if none does.

    Raises ValueError for a line without ``=`` and for a value that is not exactly one shell word.
    """
    for path in paths:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return _parse(file)
    return {}


def describe_os(*paths: str | os.PathLike[str]) -> str:
    """Return what runners are named after: ``debian12``, ``ubuntu2404``, ``arch``; ``linux`` where nothing is known."""
    values = parse_files(*paths)
    return values.get("ID", "linux") + values.get("VERSION_ID", "").replace(".", "")
