# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of options that become parts of lines, so that no value can end its line, its field or its directory."""

from __future__ import annotations


def line(field: str, value: str) -> str:
    """Return `value` if it is one line. Raises ValueError naming `field`; the value may be a secret and is not shown."""
    if any(char in value for char in "\n\r\0"):
        raise ValueError(f"{field} must be a single line, found a line break or a zero byte in it")
    return value


def word(field: str, value: str) -> str:
    """Return `value` if it is one word, not empty and without blanks. Raises ValueError naming `field`."""
    if len(value.split()) != 1 or value != value.strip() or "\0" in value:
        raise ValueError(f"{field} must be one word without blanks, found {value!r}")
    return value


def without(field: str, value: str, forbidden: str) -> str:
    """Return `value` if it is one line with none of the characters of `forbidden`. Raises ValueError naming `field`."""
    found = sorted(set(line(field, value)) & set(forbidden))
    if found:
        raise ValueError(f"{field} must not contain {' '.join(forbidden)}, found {' '.join(found)}")
    return value


def file_name(field: str, value: str) -> str:
    """Return `value` if it names a file in a directory. Raises ValueError naming `field`."""
    if value in ("", ".", "..") or any(char in value for char in "/\n\r\0"):
        raise ValueError(f"{field} must be a plain file name, found {value!r}")
    return value
