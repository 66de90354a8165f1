# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Unit files and drop-ins of systemd from stage options (systemd.syntax(7))."""

from __future__ import annotations

import os

from . import intree, text

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
    lines = []
    for section, entries in config.items():
        lines.append(f"[{section}]\n")
        for key, value in entries.items():
            lines.extend(_lines(key, value))
        lines.append("\n")
    return "".join(lines)


def write(path: str, content: str) -> None:
    """Write a unit file. A link there, /dev/null of a masked unit say, is replaced and not written through."""
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf8") as file:
        file.write(content)


def create(tree: str, directory: str, name: str, config: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `config` as the file `name` in a directory of the tree, which must exist."""
    path = os.path.join(intree.resolve(tree, directory), text.file_name("filename", name))
    write(path, render(config))
