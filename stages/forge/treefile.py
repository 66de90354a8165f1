# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Files and directories of a tree by their paths, each followed inside the tree up to its last component."""

from __future__ import annotations

import os
import shutil

from . import intree


def write(tree: str, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the tree; its directory must exist."""
    place = intree.resolve(tree, path)
    with open(place, "w", encoding="utf8") as file:
        file.write(text)
    os.chmod(place, mode)


def copy(source: str, tree: str, path: str, mode: int = 0o644) -> None:
    """Copy the content of the file `source`, of whatever root, to a file of the tree, with the time of the copy."""
    place = intree.resolve(tree, path)
    shutil.copyfile(source, place)
    os.chmod(place, mode)


def make_directory(tree: str, path: str) -> str:
    """Make a directory of the tree with what is missing above it, and return its place."""
    place = intree.resolve(tree, path)
    os.makedirs(place, exist_ok=True)
    return place
