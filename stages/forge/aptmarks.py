# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Which packages were installed only because others need them, as apt remembers it. Source: apt-mark(8)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .dpkgdb import write
from .stanza import parse_stanzas

STATES = "/var/lib/apt/extended_states"


def read() -> set[tuple[str, str]]:
    """(name, architecture) of all packages marked as automatically installed."""
    try:
        with open(STATES, encoding="utf-8") as file:
            stanzas = list(parse_stanzas(file.read(), STATES))
    except FileNotFoundError:
        return set()
    return {(s.get("Package"), s.get("Architecture")) for s in stanzas if s.get("Auto-Installed") == "1"}


def record(marks: Iterable[tuple[str, str]]) -> None:
    """Write the marks; without any and without a file there stays no file."""
    stanzas = [f"Package: {name}\nArchitecture: {arch}\nAuto-Installed: 1\n\n" for name, arch in sorted(set(marks))]
    if stanzas or os.path.exists(STATES):
        os.makedirs(os.path.dirname(STATES), exist_ok=True)
        write(STATES, "".join(stanzas).encode())
