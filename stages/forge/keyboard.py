# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The keyboard of a Debian system. Source: keyboard(5)."""

from __future__ import annotations

import os
import re

from . import intree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# One or more names, joined by commas; parentheses as in layouts.
_NAMES = re.compile(r"[A-Za-z0-9_():+,-]*")
# What setupcon keeps of the former setting: it is made anew at the next boot.
CACHE = "/etc/console-setup/cached_setup_keyboard.sh"


def render(options: Mapping[str, Any]) -> str:
    """The file for options layout, variant, model and options. Raises ValueError naming the option."""
    values = {
        "XKBMODEL": ("model", options.get("model", "pc105")),
        "XKBLAYOUT": ("layout", options["layout"]),
        "XKBVARIANT": ("variant", options.get("variant", "")),
        "XKBOPTIONS": ("options", ",".join(options.get("options", []))),
    }
    for field, value in values.values():
        if not _NAMES.fullmatch(value):
            raise ValueError(f"{field} must be names as in keyboard(5), found '{value}'")
    if not options["layout"]:
        raise ValueError("layout must not be empty")
    return "".join(f'{key}="{value}"\n' for key, (_field, value) in values.items()) + '\nBACKSPACE="guess"\n'


def write(tree: str, text: str) -> None:
    path = intree.resolve(tree, "/etc/default/keyboard")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf8") as file:
        file.write(text)
    cache = intree.resolve(tree, CACHE, follow_last=False)
    if os.path.lexists(cache):
        os.unlink(cache)
