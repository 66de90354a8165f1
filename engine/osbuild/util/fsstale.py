# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What dead processes left in a store, found by the locks that nobody holds any more."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from . import linux, lockeddir, mountinfo, orphans
from .fsentry import DATA, LOCK, TEMPORARY, temporary_name

# Directories of running engines in <store>/tmp, each held by a flock (see `lockeddir`).
SESSION = "engine-"
# What else engines make there, upstream's included.
TEMPORARY_DIRECTORIES = (SESSION, "host", "osbuild-tmp-", "buildroot-tmp-", "store-server-")
# Where a source downloads to before it has verified what came.
UNVERIFIED = ".unverified-"
# Between making a directory and locking it, an engine needs far less than this many seconds.
_GRACE = 10.0


def take_leftovers(store: str, alone: bool) -> list[str]:
    """Take leftovers of a store out of the way; returns where they are now.

    `alone`: the caller holds the store's write lock, so nobody uses anything in it. Otherwise only that
    is taken which a lock shows to be abandoned. A directory below which a mount stays is not touched.
    """
    objects = os.path.join(store, "objects")
    taken: list[str] = []
    for parent in (os.path.join(store, "stage"), objects):
        for name in _listdir(parent):
            path = os.path.join(parent, name)
            if name.startswith(TEMPORARY) and (alone or _abandoned(path)):
                _take(path, objects, taken)
    if alone:
        tmp = os.path.join(store, "tmp")
        sessions = [os.path.join(tmp, name) for name in _listdir(tmp) if name.startswith(TEMPORARY_DIRECTORIES)]
        orphans.end_sandboxes(sessions)
        for path in sessions:
            _take(path, objects, taken)
        sources = os.path.join(store, "sources")
        for content in _listdir(sources):
            for name in filter(lambda name: name.startswith(UNVERIFIED), _listdir(os.path.join(sources, content))):
                _take(os.path.join(sources, content, name), objects, taken)
    return taken


def remove_leftovers(paths: list[str]) -> None:
    """Delete what was taken. What cannot be deleted stays for the next one to find."""
    for path in paths:
        with contextlib.suppress(OSError, RuntimeError):
            if os.path.isdir(path) and not os.path.islink(path):
                mountinfo.remove_tree(path)
            else:
                os.unlink(path)


def remove_dead_sessions(tmp: str) -> None:
    """Delete the directories of engines that have died, in a store that others may be using."""
    lockeddir.remove_stale(tmp, SESSION)


def _listdir(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _take(path: str, objects: str, taken: list[str]) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        mountinfo.unmount_below(path)
        if os.path.dirname(path) == objects:
            taken.append(path)
            return
        aside = os.path.join(objects, temporary_name())
        os.rename(path, aside)
        taken.append(aside)


def _abandoned(path: str) -> bool:
    """Whether nobody can be working in the half-made entry or file at `path`."""
    try:
        age = time.time() - os.lstat(path).st_ctime
    except OSError:
        return False
    if not os.path.isdir(path):
        # A file that is on its way to replace another one lives for moments only.
        return age > 6 * _GRACE
    try:
        fd = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return age > _GRACE
    except OSError:
        return False
    try:
        linux.fcntl_flock(fd, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        os.close(fd)
    # The lock is taken before the data directory is made: with one, and unlocked, its maker is dead.
    return os.path.isdir(os.path.join(path, DATA)) or age > _GRACE
