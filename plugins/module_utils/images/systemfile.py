# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A file that follows from a definition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SystemFile:
    """A text file of the system; mode in octal as the stage takes it."""

    path: str
    text: str
    mode: str = "0644"
