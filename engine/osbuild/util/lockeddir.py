# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Temporary directories that say whether their owner is alive.

The owner holds a flock(2) on the directory itself. The kernel drops it when the owner dies,
however it dies, so a directory that can be locked is a leftover and may be removed by anyone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from . import mountinfo, orphans


class LockedDir:
    """A new directory `<parent>/<prefix>XXXXXXXX`, held until `remove`. OSError."""

    def __init__(self, parent: str | os.PathLike[str], prefix: str) -> None:
        self.parent = os.fspath(parent)
        with shared(self.parent):
            self.path = make_directory(self.parent, prefix, mode=0o700)
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BaseException:
                os.rmdir(self.path)
                raise

    def remove(self) -> None:
        """Unmount what is left below the directory, remove it, drop the lock. May be called again."""
        if self._fd < 0:
            return
        try:
            mountinfo.remove_tree(self.path)
        finally:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> LockedDir:
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.remove()


def make_directory(parent: str, prefix: str, suffix: str = "", mode: int = 0o755) -> str:
    """A new directory `<parent>/<prefix>XXXXXXXX<suffix>`. OSError.

    The module tempfile would take longer to load than a stage's whole set-up.
    """
    while True:
        path = os.path.join(parent, f"{prefix}{os.urandom(4).hex()}{suffix}")
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
            return path


@contextlib.contextmanager
def shared(parent: str) -> Iterator[None]:
    """Keep `remove_stale` out between the making of a directory and its lock."""
    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def remove_stale(
    parent: str | os.PathLike[str], prefix: str, is_stale: Callable[[str], bool] | None = None
) -> list[str]:
    """Remove the directories of `parent` that begin with `prefix` and that nobody holds.

    `is_stale` may spare one it gets the path of. Does nothing when another process is just making
    or removing such directories. Returns what was removed; what cannot be removed is left.
    """
    parent = os.fspath(parent)
    removed: list[str] = []
    try:
        names = [name for name in os.listdir(parent) if name.startswith(prefix)]
    except OSError:
        return removed
    if not names:
        return removed
    with contextlib.ExitStack() as stack:
        try:
            parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, parent_fd)
            fcntl.flock(parent_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return removed
        claimed = []
        for name in names:
            path = os.path.join(parent, name)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            stack.callback(os.close, fd)
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                claimed.append(path)
        # The claims outlive this lock, so that makers need not wait for big trees to go.
        fcntl.flock(parent_fd, fcntl.LOCK_UN)
        stale = [path for path in claimed if is_stale is None or is_stale(path)]
        orphans.end_sandboxes(stale)
        for path in stale:
            with contextlib.suppress(OSError, RuntimeError):
                mountinfo.remove_tree(path)
                removed.append(path)
    return removed
