# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Kernel arguments in boot loader entries, in the format of the Boot Loader Specification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

# libostree's own argument, which it writes itself.
_OWN = "ostree="


def of_entries(sysroot: Path) -> list[tuple[str, ...]]:
    """Arguments of each entry of libostree in boot order, its own argument left out."""
    found = []
    for path in (sysroot / "boot" / "loader" / "entries").glob("ostree-*.conf"):
        fields = dict(line.partition(" ")[::2] for line in path.read_text(encoding="utf-8").splitlines())
        words = fields.get("options", "").split()
        version = fields.get("version", "0").strip()
        found.append(
            (int(version) if version.isdigit() else 0, tuple(one for one in words if not one.startswith(_OWN)))
        )
    return [words for _version, words in sorted(found, key=lambda one: -one[0])]


def _matches(word: str, pattern: str) -> bool:
    """Whether an argument is the pattern itself, or one of its name when the pattern has no value."""
    return word == pattern or ("=" not in pattern and word.partition("=")[0] == pattern)


def change(words: Sequence[str], present: Iterable[str] = (), absent: Iterable[str] = ()) -> tuple[str, ...]:
    """The arguments with those of *present* appended where missing, and those of *absent* left out."""
    gone = list(absent)
    kept = [word for word in words if not any(_matches(word, one) for one in gone)]
    return (*kept, *(word for word in dict.fromkeys(present) if word not in kept))
