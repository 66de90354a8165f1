# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A cache of directories that many processes share, with a limit on its size (contract, section 6).

All agreements are those of upstream's stores: the same files, the same open-file-description
locks, entries that appear by rename and never change.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from . import linux
from .fscopy import copy_tree
from .fsentry import (
    DATA,
    LOCK,
    TEMPORARY,
    EntryLock,
    NewEntry,
    disk_usage,
    recorded_size,
    temporary_name,
)
from .fsfiles import UNLIMITED, CacheFiles, CacheInfo
from .fsstale import remove_leftovers, take_leftovers


class Loaded:
    """An entry held for reading: its `data` directory, which stays until `release`."""

    def __init__(self, name: str, path: str, lock: EntryLock) -> None:
        self.name = name
        self.path = path
        self.lock = lock

    def release(self) -> None:
        self.lock.release()


class FsCache:
    """The cache at `path`, made where it does not exist.

    `appid` names the application whose boot id is noted with each entry. A `read_only` cache makes and
    changes nothing, not even access times. Use as a context; OSError where the directory cannot be used.
    """

    def __init__(self, appid: str, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.appid = appid
        self.path = os.path.abspath(path)
        self.read_only = read_only
        self.files = CacheFiles(self.path)
        self.info = CacheInfo({})
        self.leftovers: list[str] = []
        self._lock_fd = -1

    # -- opening and closing ------------------------------------------------------------------

    @property
    def objects(self) -> str:
        return self.files.objects

    @property
    def stage_dir(self) -> str:
        return os.path.join(self.path, "stage")

    def __enter__(self) -> FsCache:
        if not self.read_only:
            self.files.make_layout()
        self._lock_fd = os.open(
            os.path.join(self.path, "cache.lock"), (os.O_RDONLY if self.read_only else os.O_RDWR) | os.O_CLOEXEC
        )
        try:
            self._join()
            self.info = self.files.read_info()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.close()

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _join(self) -> None:
        """Take the read lock that every user holds, and what dead users left out of the way before."""
        # Of a format that it does not know, this code cannot tell what is abandoned.
        if self.read_only or not self.files.read_info().known:
            linux.fcntl_flock(self._lock_fd, fcntl.F_RDLCK, wait=True)
            return
        try:
            linux.fcntl_flock(self._lock_fd, fcntl.F_WRLCK)
            alone = True
        except BlockingIOError:
            linux.fcntl_flock(self._lock_fd, fcntl.F_RDLCK, wait=True)
            alone = False
        self.leftovers = take_leftovers(self.path, alone)
        if alone:
            # Somebody may have died after counting the size of what never became an entry, and that leaves no other trace.
            self.files.change_size(lambda _ignored: self.sum_of_sizes())
            linux.fcntl_flock(self._lock_fd, fcntl.F_RDLCK)

    @property
    def shared(self) -> bool:
        """Whether another process uses the cache just now."""
        return linux.fcntl_is_contended(self._lock_fd, fcntl.F_WRLCK)

    def lock_out_others(self) -> bool:
        """Keep everybody else from opening the cache until it is closed; False if somebody has it open."""
        try:
            linux.fcntl_flock(self._lock_fd, fcntl.F_WRLCK)
        except BlockingIOError:
            return False
        return True

    def remove_leftovers(self) -> None:
        """Delete what was found on opening. It may be big, so it is done when everybody can work again."""
        remove_leftovers(self.leftovers)
        self.leftovers = []

    @property
    def usable(self) -> bool:
        """Whether the cache has a format this code knows. If not, it is treated as empty and keeps nothing."""
        return self.info.known

    @property
    def size(self) -> int:
        """Bytes all entries take together."""
        return self.files.size

    def set_maximum_size(self, size: int | str) -> None:
        """Set the limit for good: bytes, `UNLIMITED` or the word "unlimited"."""
        self.info = self.files.set_maximum_size(size)

    @property
    def names(self) -> list[str]:
        """The names of all entries, sorted."""
        return sorted(name for name in os.listdir(self.objects) if not name.startswith(TEMPORARY))

    def sum_of_sizes(self) -> int:
        """Bytes that all entries take together, counted anew."""
        return sum(self._entry_size(os.path.join(self.objects, name)) for name in self.names)

    @staticmethod
    def _entry_size(entry: str) -> int:
        size = recorded_size(entry)
        if not size and os.path.isdir(os.path.join(entry, DATA)):
            size = disk_usage(os.path.join(entry, DATA))
        return size or 0

    # -- entries ------------------------------------------------------------------------------

    def load(self, name: str) -> Loaded | None:
        """Hold the entry `name` for reading; None if there is none, or if somebody is just removing it."""
        if not self.usable or "/" in name or name.startswith("."):
            return None
        entry = os.path.join(self.objects, name)
        lock = EntryLock.acquire(entry, write=False)
        if lock is None:
            return None
        data = os.path.join(entry, DATA)
        if not os.path.isdir(data):
            lock.release()
            return None
        if not self.read_only:
            with contextlib.suppress(OSError):
                lock.touch()
        return Loaded(name, data, lock)

    def new_entry(self) -> NewEntry:
        """A place to build something in; whoever makes it removes it."""
        return NewEntry(self.stage_dir)

    def keeps(self, size: int) -> bool:
        """Whether an entry of so many bytes could be kept at all."""
        limit = self.info.maximum_size
        return self.usable and not self.read_only and (limit == UNLIMITED or 0 < size <= limit)

    def may_keep(self, name: str) -> bool:
        """Whether it is worth trying to keep an entry of that name."""
        return self._wanted(name) and self.keeps(1)

    def store_copy(self, data: str, name: str) -> bool:
        """Keep a copy of the directory `data` as entry `name`; False if it is not kept. OSError."""
        if not self._wanted(name) or not self.keeps(1):
            return False
        estimate = disk_usage(data)
        if not self._reserve(estimate):
            return False
        reserved = estimate
        entry: NewEntry | None = None
        try:
            entry = NewEntry(self.objects)
            copy_tree(data, entry.data)
            size = disk_usage(entry.data)
            # The copy may have other holes than the original, and it is the copy that counts.
            if size > reserved and not self._reserve(size - reserved):
                return False
            if size < reserved:
                self.files.change_size(lambda old: old - (reserved - size))
            reserved = size
            entry.write_info(size, self._boot_id())
            if not self._publish(entry, name):
                return False
            entry.lock.release()
            entry, reserved = None, 0
            return True
        finally:
            if entry is not None:
                entry.remove()
            if reserved:
                self.files.change_size(lambda old: old - reserved)

    def store_entry(self, entry: NewEntry, name: str) -> Loaded | None:
        """Keep `entry` itself, which must not change any more; None if it is not kept, then it is as before."""
        if not self._wanted(name) or not self.keeps(1):
            return None
        size = disk_usage(entry.data)
        if not self._reserve(size):
            return None
        kept = False
        try:
            entry.write_info(size, self._boot_id())
            kept = self._publish(entry, name)
        finally:
            if not kept:
                self.files.change_size(lambda old: old - size)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(entry.path, "object.info"))
        if not kept:
            return None
        entry.path = os.path.join(self.objects, name)
        entry.lock.share()
        return Loaded(name, entry.data, entry.lock)

    def _wanted(self, name: str) -> bool:
        """Whether there is no entry of that name yet, half-removed ones aside."""
        if "/" in name or name.startswith((".", TEMPORARY)):
            return False
        entry = os.path.join(self.objects, name)
        if not os.path.lexists(entry):
            return True
        if os.path.isdir(os.path.join(entry, DATA)) and os.path.exists(os.path.join(entry, LOCK)):
            return False
        # A removal that was killed halfway left something that is no entry but bars the name.
        aside = os.path.join(self.objects, temporary_name())
        try:
            os.rename(entry, aside)
        except OSError:
            return False
        remove_leftovers([aside])
        return True

    def _publish(self, entry: NewEntry, name: str) -> bool:
        """Give an entry its name; False if somebody was first."""
        try:
            os.rename(entry.path, os.path.join(self.objects, name))
        except OSError as e:
            if e.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        return True

    def _boot_id(self) -> str:
        return linux.proc_boot_id(self.appid).hex

    # -- the limit ----------------------------------------------------------------------------

    def _reserve(self, size: int) -> bool:
        """Count `size` bytes in, making room where that is possible."""
        limit = self.info.maximum_size
        if limit == UNLIMITED:
            self.files.change_size(lambda old: old + size)
            return True
        if size > limit:
            return False
        missing = self._try_reserve(size, limit)
        if missing > 0:
            # Twice as much as needed, so that not every commit has to search.
            self._evict(2 * missing)
            missing = self._try_reserve(size, limit)
        return missing <= 0

    def _try_reserve(self, size: int, limit: int) -> int:
        """Count `size` in if the limit allows; returns the bytes that are missing."""
        missing = 0

        def change(old: int) -> int:
            nonlocal missing
            missing = max(0, old + size - limit)
            return old if missing else old + size

        self.files.change_size(change)
        return missing

    def _evict(self, wanted: int) -> None:
        """Remove the entries that were not used for longest until `wanted` bytes are free."""
        candidates = []
        for name in os.listdir(self.objects):
            entry = os.path.join(self.objects, name)
            with contextlib.suppress(OSError):
                candidates.append((os.stat(os.path.join(entry, LOCK)).st_atime_ns, entry))
        freed = 0
        for atime, entry in sorted(candidates):
            if freed >= wanted:
                return
            lock = EntryLock.acquire(entry, write=True, keep_atime=True)
            if lock is None:
                continue
            try:
                if lock.atime_ns() == atime:
                    freed += self._remove_entry(entry)
            finally:
                lock.release()

    def remove(self, name: str, *, unused_since: int | None = None) -> bool:
        """Remove the entry `name`; False if there is none, or if somebody is using it.

        With `unused_since`, the access time of its lock in nanoseconds, also False if it was used after that.
        """
        entry = os.path.join(self.objects, name)
        lock = EntryLock.acquire(entry, write=True, keep_atime=True)
        if lock is None:
            return False
        try:
            if unused_since is not None and lock.atime_ns() != unused_since:
                return False
            self._remove_entry(entry)
        finally:
            lock.release()
        return True

    def _remove_entry(self, entry: str) -> int:
        """Remove an entry that is write-locked; returns the bytes that are counted less."""
        size = 0 if os.path.basename(entry).startswith(TEMPORARY) else self._entry_size(entry)
        # Away first: a half-removed entry must never be found under its name.
        aside = os.path.join(self.objects, temporary_name())
        try:
            os.rename(entry, aside)
        except OSError:
            return 0
        if size:
            self.files.change_size(lambda old: old - size)
        remove_leftovers([aside])
        return size
