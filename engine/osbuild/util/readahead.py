# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Have the kernel read a tree into memory while there is other work to do (posix_fadvise(2)).

A program that reads one small file after the other waits for the disk at each of them. Most often the files are in memory
already: a look at some of them tells (RWF_NOWAIT in preadv2(2)), and then nothing more is done.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator

from .memory import available

# So many files are looked at, of each directory not more than a few; the tree is read if so many of them are not in memory.
_SAMPLE, _OF_DIRECTORY, _MISSING = 48, 3, 12


class ReadAhead(threading.Thread):
    """Reads the files below the directory `top` from when it is started, until that is done or `stop`."""

    def __init__(self, top: str) -> None:
        super().__init__(daemon=True)
        self.top = top
        self._stopped = False
        #: Bytes that the kernel was asked to read.
        self.asked = 0

    def run(self) -> None:
        with contextlib.suppress(OSError):
            # More would drive out of memory what was read before.
            limit = available() // 2
            if not self._is_missing():
                return
            for path in _files(self.top):
                if self._stopped or self.asked > limit:
                    return
                self._ask(path)

    def stop(self) -> None:
        """Return when nothing is read any more."""
        self._stopped = True
        if self.is_alive():
            self.join()

    def _is_missing(self) -> bool:
        seen = missing = 0
        pending = deque([self.top])
        while pending and seen < _SAMPLE and missing < _MISSING and not self._stopped:
            files = 0
            with os.scandir(pending.popleft()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif files < _OF_DIRECTORY and entry.is_file(follow_symlinks=False):
                        files += 1
                        known = _in_memory(entry.path)
                        seen += known is not None
                        missing += known is False
        return missing >= min(_MISSING, max(1, seen))

    def _ask(self, path: str) -> None:
        with contextlib.suppress(OSError):
            fd = _open(path)
            try:
                self.asked += os.fstat(fd).st_size
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(fd)


def _files(top: str) -> Iterator[str]:
    """All files, in the order in which programs that want the same result each time read them."""
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def _open(path: str) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # That nobody has read it yet.
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(path, flags)


def _in_memory(path: str) -> bool | None:
    """Whether the begin of a file is; None if there is nothing in it, or no way to tell."""
    try:
        fd = _open(path)
    except OSError:
        return None
    try:
        return True if os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) else None
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(fd)
