# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Unit files and drop-ins of systemd from stage options (systemd.syntax(7))."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

# Where units lie, by the option `unit-type`.
MANAGERS = {"system": "system", "global": "user"}


def _lines(key: str, value: Any) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    for item in values:
        if isinstance(item, dict):
            item = f'"{item["key"]}={item["value"]}"'
        yield f"{key}={item}\n"


def render(config: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of `config`, sections by name; a list gives one line per item, {key, value} an assignment."""
    text = []
    for section, entries in config.items():
        text.append(f"[{section}]\n")
        for key, value in entries.items():
            text.extend(_lines(key, value))
        text.append("\n")
    return "".join(text)


def write(path: str, text: str) -> None:
    """Write a unit file. A link there, /dev/null of a masked unit say, is replaced and not written through."""
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf8") as file:
        file.write(text)
