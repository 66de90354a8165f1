# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What is mounted where, and removing trees without ever reaching through a mount."""

from __future__ import annotations

import os
import re

from . import linux, rmrf

# What the table has written as octal numbers.
_ESCAPED = re.compile(rb"[\s\\#]")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def mounts_below(path: str | os.PathLike[str]) -> list[str]:
    """Mount points at or below `path` in this mount namespace, in the order they were mounted (proc(5))."""
    root = os.fsencode(os.path.realpath(path))
    below = root.rstrip(b"/") + b"/"
    with open("/proc/self/mountinfo", "rb", buffering=0) as f:
        table = f.read()
    # Most often there are none, which is seen at a glance.
    if root not in table and not _ESCAPED.search(root):
        return []
    found = []
    for line in table.split(b"\n")[:-1]:
        point = line.split(b" ", 5)[4]
        if b"\\" in point:
            point = _ESCAPE.sub(lambda m: bytes([int(m.group(1), 8)]), point)
        if point == root or point.startswith(below):
            found.append(os.fsdecode(point))
    return found


def unmount_below(path: str | os.PathLike[str]) -> None:
    """Detach every mount at or below `path`, last one first. RuntimeError naming one that stays."""
    # More than one round, since a detached mount may uncover another at the same place.
    for _ignored in range(8):
        mounts = mounts_below(path)
        if not mounts:
            return
        for point in reversed(mounts):
            try:
                linux.umount(point, linux.MNT_DETACH)
            except OSError as e:
                raise RuntimeError(f"cannot unmount '{point}': {e.strerror}") from e
    raise RuntimeError(f"'{mounts_below(path)[0]}' stays mounted")


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove the directory `path` with all below it, after unmounting what is mounted there.

    A path that is gone is fine. RuntimeError if a mount stays, OSError if a file does.
    """
    unmount_below(path)
    if os.path.lexists(path):
        rmrf.rmtree(os.fspath(path))
