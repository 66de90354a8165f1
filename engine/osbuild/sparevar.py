# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The `/var` of a build root, given to the next stage where the last one left it as it was.

Most stages work on their tree alone. To look whether theirs is untouched takes a fraction of removing two dozen directories and
making them anew.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .util.lockeddir import make_directory
from .util.mountinfo import remove_tree

if TYPE_CHECKING:
    from .preparedroot import PreparedRoot

# Of one entry: path, and what stat(2) says of it, last the time of its last change.
State = tuple[str, int, int, int, int, int, int, int, int]
# CLOCK_REALTIME_COARSE, clock_gettime(2), which the kernel takes the times of files from.
_CLOCK = 5


class Lent(NamedTuple):
    """A directory that is in use: `path`, what it is to hold, and how it looked before, None if nobody could tell a change."""

    path: str
    prepared: PreparedRoot
    before: list[State] | None


class SpareVars:
    """The directories of one engine's run, below a directory that is removed at its end; may be used by several threads."""

    def __init__(self) -> None:
        # By what they hold. Appending and popping take no lock (the interpreter has one).
        self._free: dict[Any, list[Lent]] = {}

    def lend(self, key: Any, prepared: PreparedRoot, parent: str) -> Lent:
        """One with the content of `prepared`, a new one below `parent` if need be. `key` stands for the content. OSError."""
        free = self._free.setdefault(key, [])
        try:
            spare = free.pop()
        except IndexError:
            path = make_directory(parent, "osbuild-var-")
            prepared.write_var(path)
            return Lent(path, prepared, None)
        return spare

    def give_back(self, key: Any, lent: Lent) -> None:
        """Keep it if it is as it was, remove it if not. RuntimeError, OSError for what cannot be removed."""
        after = look(lent.path)
        if after != lent.before and not (lent.before is None and lent.prepared.is_var(lent.path)):
            remove_tree(lent.path)
            return
        self._free[key].append(lent._replace(before=after if is_settled(after) else None))


def look(top: str) -> list[State]:
    """What is in a directory, without reading files."""
    states = []
    pending = [""]
    states.append(_state("", os.lstat(top)))
    while pending:
        folder = pending.pop()
        with os.scandir(f"{top}/{folder}" if folder else top) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                states.append(_state(path, entry.stat(follow_symlinks=False)))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
    return states


def _state(path: str, info: os.stat_result) -> State:
    return (
        path,
        info.st_dev,
        info.st_ino,
        info.st_mode,
        info.st_nlink,
        info.st_uid,
        info.st_gid,
        info.st_size,
        info.st_ctime_ns,
    )


def is_settled(states: list[State]) -> bool:
    """Whether any change from now on is seen: the clock of files ticks a few hundred times a second only (time(7))."""
    return max(state[-1] for state in states) < time.clock_gettime_ns(_CLOCK)
