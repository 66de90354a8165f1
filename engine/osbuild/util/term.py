# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Terminal colours."""

from __future__ import annotations

import sys


class VT:
    """Attributes ``reset``, ``bold``, ``red``, ``green``: ANSI sequences, or empty (any name) if stdout is no terminal."""

    def __init__(self) -> None:
        self._sequences = {"reset": "\033[0m", "bold": "\033[1m", "red": "\033[31m", "green": "\033[32m"}
        self._enabled = sys.stdout is not None and sys.stdout.isatty()

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        if not self._enabled:
            return ""
        try:
            return self._sequences[name]
        except KeyError:
            raise AttributeError(name) from None


fmt = VT()
