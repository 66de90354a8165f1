# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Files and directories of a tree by their paths, each followed inside the tree up to its last component."""

from __future__ import annotations

import errno
import os

from . import intree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Bytes that the kernel copies by one call.
_AT_ONCE = 1 << 24


def write(tree: str, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the tree; its directory must exist."""
    place = intree.resolve(tree, path)
    with open(place, "w", encoding="utf8") as file:
        file.write(text)
    os.chmod(place, mode)


def copy(source: str, tree: str, path: str, mode: int = 0o644) -> None:
    """Copy the content of the file `source`, of whatever root, to a file of the tree, with the time of the copy."""
    place = intree.resolve(tree, path)
    with open(source, "rb") as data, open(place, "wb") as target:
        copy_content(data.fileno(), target.fileno())
    os.chmod(place, mode)


def copy_all(source: str, names: Iterable[str], tree: str, directory: str, mode: int = 0o644) -> None:
    """Copy the files `names` of the directory `source` to a directory of the tree, made where it is missing.

    As `copy` for each of them, but their common place is looked up only once. OSError (ELOOP) if one of the names is a link there.
    """
    place = make_directory(tree, directory)
    for name in names:
        data = os.open(f"{source}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            try:
                target = os.open(f"{place}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            except OSError as exc:
                if exc.errno != errno.ELOOP:
                    raise
                # A link: it may lead somewhere else in the tree.
                copy(f"{source}/{name}", tree, f"{directory}/{name}", mode)
                continue
            try:
                copy_content(data, target)
                os.fchmod(target, mode)
            finally:
                os.close(target)
        finally:
            os.close(data)


def copy_content(source: int, target: int) -> None:
    """Copy from one open file to another, to its end. The module shutil would take longer to load than most files to copy."""
    while os.sendfile(target, source, None, _AT_ONCE):
        pass


def make_directory(tree: str, path: str) -> str:
    """Make a directory of the tree with what is missing above it, and return its place."""
    place = intree.resolve(tree, path)
    os.makedirs(place, exist_ok=True)
    return place
