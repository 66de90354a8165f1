# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of NetworkManager: the key file format of GLib, readable by root alone since they may hold secrets.

No error shows a value.
"""

from __future__ import annotations

import os

from . import intree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def escape(value: str) -> str:
    text = value.translate(_ESCAPES)
    blanks = len(text) - len(text.lstrip(" "))
    return r"\s" * blanks + text[blanks:]


def spell(value: Any, separator: str) -> str:
    """Return how `value` is written: lists with `separator` between the items."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return separator.join(spell(item, separator) for item in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return escape(str(value))


def section(name: str, settings: Mapping[str, Any], separator: str = ";") -> str:
    """Return one section with a blank line after it. Raises ValueError for a name or a value that the format cannot hold."""
    if any(char in "[]" or char < " " for char in name):
        raise ValueError(f"a section's name must not contain brackets and control characters, found {name!r}")
    for key, value in settings.items():
        if not key or any(char in "=[]\\#" or char < " " for char in key) or key != key.strip():
            raise ValueError(f"{name}: a setting's name must be without = [ ] # and outer blanks, found {key!r}")
        if isinstance(value, dict) or value is None:
            raise ValueError(f"{name}.{key} must be a string, a number, a boolean or a list")
    lines = [f"{key}={spell(value, separator)}\n" for key, value in settings.items()]
    return f"[{name}]\n{''.join(lines)}\n"


def write(tree: str, path: str, text: str) -> None:
    """Write `text` to `path` in the tree with mode 0600, and make the directories it lies in."""
    target = intree.resolve(tree, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf8") as file:
        os.fchmod(file.fileno(), 0o600)
        os.ftruncate(file.fileno(), 0)
        file.write(text)
