# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of shell variables below /etc/sysconfig, which Debian's packages do not read."""

from __future__ import annotations

import os

from stages.forge import envfile, intree, settings, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def spell(field: str, value: bool | str) -> str:
    """Return `value` as the right side of an assignment. Raises ValueError naming `field` for more than one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return envfile.quote(text.line(field, value))


def update(tree: str, path: str, wanted: Mapping[str, str]) -> None:
    """Set the variables in the tree's file `path`, which is made, with its directories, if it is missing."""
    target = intree.resolve(tree, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "a", encoding="utf8"):
        pass
    settings.change_file(target, wanted, "=")
