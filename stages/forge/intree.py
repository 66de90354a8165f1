# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Paths inside a tree, looked up as a system booted from that tree would (see chroot(2), path_resolution(7)).

A tree holds links like ``/etc/mtab -> /proc/mounts`` or ``/var/run -> /run``. Followed naively from outside they lead
out of the tree, so a stage that writes to a path taken from its options asks here for the place that is meant.
"""

from __future__ import annotations

import errno
import os
import stat

# What the kernel allows (path_resolution(7)).
MAX_LINKS = 40


def resolve(tree: str | os.PathLike[str], path: str | os.PathLike[str], *, follow_last: bool = True) -> str:
    """Return where `path` lies below `tree`, with every link followed inside the tree; ``..`` stops at its root.

    Missing components are kept as they are, so that the result can be created. With `follow_last` off, the last
    component itself may be a link. Raises OSError (ELOOP) where links go in circles.
    """
    tree = os.fspath(tree)
    pending = [part for part in os.fspath(path).split("/") if part not in ("", ".")][::-1]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        here = os.path.join(tree, *done, part)
        try:
            is_link = stat.S_ISLNK(os.lstat(here).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_link = False
        if not is_link or (not pending and not follow_last):
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), here)
        target = os.readlink(here)
        if target.startswith("/"):
            done.clear()
        pending.extend(piece for piece in reversed(target.split("/")) if piece not in ("", "."))
    return os.path.join(tree, *done)


def confined(tree: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """Return `path`, put together below `tree` with names from elsewhere, as resolve() finds it inside the tree."""
    return resolve(tree, os.fspath(path).removeprefix(os.fspath(tree)))


def is_below(tree: str | os.PathLike[str], path: str | os.PathLike[str]) -> bool:
    """Tell whether `path`, followed as the running process would follow it, is `tree` or lies below it."""
    root = os.path.realpath(tree)
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(root, ""))
