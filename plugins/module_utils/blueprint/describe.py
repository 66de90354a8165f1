# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What there is to say of a key, kept beside the code that reads it; :mod:`.reference` has all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: YES: as osbuild-composer has it, or a key of our own. MAP: Debian's way to the same end. NO: refused.
Verdict = Literal["YES", "MAP", "NO"]
YES: Verdict = "YES"
MAP: Verdict = "MAP"
NO: Verdict = "NO"

Row = tuple[str, Verdict, str, str]


@dataclass(frozen=True)
class Field:
    """``path`` has ``[]`` for the elements of an array; ``rule`` is what is allowed, ``meaning`` what it does."""

    path: str
    verdict: Verdict
    rule: str
    meaning: str


def section(prefix: str, *rows: Row) -> tuple[Field, ...]:
    """Fields below the table *prefix*."""
    return tuple(Field(f"{prefix}.{key}" if prefix else key, verdict, rule, meaning) for key, verdict, rule, meaning in rows)
