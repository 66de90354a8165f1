# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Drop-ins of systemd's own daemons: NAME.conf.d directories with files of sections (systemd.syntax(7))."""

from __future__ import annotations

import os

from stages.forge import intree, text, unitfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def write(tree: str, directory: str, filename: str, config: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the drop-in, making the directory. Raises ValueError for a value that is more than one line."""
    text.file_name("filename", filename)
    for section, entries in config.items():
        for key, value in entries.items():
            text.line(f"config.{section}.{key}", str(value))
    target = intree.resolve(tree, directory)
    os.makedirs(target, exist_ok=True)
    unitfile.write(os.path.join(target, filename), unitfile.render(config))
