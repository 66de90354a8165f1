# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Switches for things not settled yet: ``OSBUILD_EXPERIMENTAL=name,other=value``, read at every call."""

from __future__ import annotations

import os


def _flags() -> dict[str, str]:
    flags = {}
    for word in os.environ.get("OSBUILD_EXPERIMENTAL", "").split(","):
        name, equals, value = word.partition("=")
        flags[name] = value if equals else "true"
    return flags


def get_bool(option: str) -> bool:
    """Return whether `option` is on; absent is off. Raises RuntimeError for a value that is no truth value."""
    value = _flags().get(option, "false")
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise RuntimeError(f"OSBUILD_EXPERIMENTAL: {option} is '{value}', but must be one of true, t, 1, false, f, 0")


def get_string(option: str) -> str:
    """Return the value of `option`, empty if absent."""
    return _flags().get(option, "")
