# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Values of environment files such as /etc/vconsole.conf and /etc/default/locale (format: os-release(5))."""

from __future__ import annotations

_ESCAPED = '"\\`$'
_QUOTED = frozenset(_ESCAPED + "*?['()<>|&;! \t\n\r")


def quote(value: str) -> str:
    """Return `value` as it is where a shell takes it literally, else in double quotes."""
    if _QUOTED.isdisjoint(value):
        return value
    return '"' + "".join("\\" + char if char in _ESCAPED else char for char in value) + '"'


def check_name(field: str, value: str) -> str:
    """Return `value` if it can name a locale, a keymap or a console font: one file name, nothing to escape from quotes.

    Raises ValueError naming `field`.
    """
    if not 0 < len(value.encode()) < 128:
        raise ValueError(f"{field} must have 1 to 127 bytes, found {len(value.encode())}")
    if value in (".", "..") or "/" in value:
        raise ValueError(f"{field} must be a plain name without slash, found {value!r}")
    if any(char in "\"'\\\x7f" or char < " " for char in value):
        raise ValueError(f"{field} must not contain quotes, backslashes or control characters, found {value!r}")
    return value
