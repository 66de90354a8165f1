# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs that only the tree can have, since they work on the system they belong to."""

from __future__ import annotations

import os

from stages.forge import intree

DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def find(tree: str | os.PathLike[str], name: str) -> str | None:
    """Return the path of the program `name` as the tree's own root sees it, None if the tree does not have it."""
    for directory in DIRECTORIES:
        place = intree.resolve(tree, f"{directory}/{name}")
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return f"{directory}/{name}"
    return None


def require(tree: str | os.PathLike[str], name: str, remedy: str) -> str:
    """Return the path of the program as find() does. Raises ValueError that names it and says the `remedy`."""
    path = find(tree, name)
    if path is None:
        raise ValueError(f"the tree has no program {name}: {remedy}")
    return path
