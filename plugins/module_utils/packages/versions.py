# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Debian version strings, deb-version(7), without python3-apt."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(\D*)(\d*)", re.ASCII)


def without_epoch(version: str) -> str:
    return version.split(":", 1)[1] if ":" in version else version


def without_revision(version: str) -> str:
    """Upstream part; the revision starts at the last hyphen."""
    return version.rsplit("-", 1)[0] if "-" in version else version


def _weight(char: str) -> int:
    """Tilde before the end of the string (0), then letters, then the rest."""
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def _key(part: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    pieces = [(text, number) for text, number in _DIGITS.findall(part) if text or number]
    # The closing 0 makes "1.0" sort after "1.0~rc1" and before "1.0a".
    return (*(((*map(_weight, text), 0), int(number or 0)) for text, number in pieces), ((0,), 0))


def version_key(version: str) -> tuple[int, object, object]:
    """Sort key in dpkg's order."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    return int(epoch), _key(upstream), _key(revision)
