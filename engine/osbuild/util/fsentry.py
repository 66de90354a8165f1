# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Directories of a file-system cache: an entry is a directory with `object.lock` and `data` (contract, section 6)."""

from __future__ import annotations

import fcntl
import json
import os

from . import linux, mountinfo

LOCK = "object.lock"
INFO = "object.info"
DATA = "data"
# Names of what is being made, as opposed to entries.
TEMPORARY = "uuid-"


def temporary_name() -> str:
    """A name for what is being made, unique in the store."""
    return TEMPORARY + os.urandom(16).hex()


class EntryLock:
    """A lock on an entry, held until `release`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def acquire(cls, entry: str, *, write: bool, keep_atime: bool = False) -> EntryLock | None:
        """Lock the entry at `entry` without waiting; None if it is contended, or no entry at all."""
        path = os.path.join(entry, LOCK)
        flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC
        while True:
            try:
                fd = os.open(path, flags | (os.O_NOATIME if keep_atime else 0))
            except PermissionError:
                if not keep_atime:
                    return None
                # Only the owner may leave the access time alone.
                keep_atime = False
                continue
            except OSError:
                return None
            try:
                linux.fcntl_flock(fd, fcntl.F_WRLCK if write else fcntl.F_RDLCK)
                held, named = os.fstat(fd), os.stat(path)
            except OSError:
                # Contended, or removed before it was ours.
                os.close(fd)
                return None
            if (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino):
                return cls(fd)
            # Somebody replaced the entry between the opening and the locking.
            os.close(fd)

    @classmethod
    def create(cls, entry: str) -> EntryLock:
        """Make the lock file of a new entry and hold it for writing. OSError."""
        fd = os.open(os.path.join(entry, LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            linux.fcntl_flock(fd, fcntl.F_WRLCK)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    def share(self) -> None:
        """Turn a write lock into a read lock, in one step."""
        linux.fcntl_flock(self._fd, fcntl.F_RDLCK)

    def touch(self) -> None:
        """Set the access time of the lock file, the clock by which unused entries are found, to now."""
        times = linux.c_timespec_times2()
        times.atime.tv_nsec = linux.Libc.UTIME_NOW
        times.mtime.tv_nsec = linux.Libc.UTIME_OMIT
        linux.Libc.default().futimens(self._fd, times)

    def atime_ns(self) -> int:
        return os.fstat(self._fd).st_atime_ns

    def release(self) -> None:
        """Let go. May be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class NewEntry:
    """An entry that is being made below `parent`, write-locked and invisible until it gets its name."""

    def __init__(self, parent: str) -> None:
        self.path = os.path.join(parent, temporary_name())
        os.mkdir(self.path, 0o755)
        try:
            self.lock = EntryLock.create(self.path)
            os.mkdir(self.data, 0o755)
        except BaseException:
            self.remove()
            raise

    @property
    def data(self) -> str:
        return os.path.join(self.path, DATA)

    def write_info(self, size: int, boot_id: str) -> None:
        """Write `object.info`. FileExistsError if there is one."""
        with open(os.path.join(self.path, INFO), "x", encoding="utf-8") as f:
            json.dump({"creation-boot-id": boot_id, "size": size}, f)

    def remove(self) -> None:
        """Remove the entry with all in it. May be called again."""
        mountinfo.remove_tree(self.path)
        lock: EntryLock | None = getattr(self, "lock", None)
        if lock is not None:
            lock.release()


def recorded_size(entry: str) -> int | None:
    """The size in `object.info` in bytes, None where there is none to read."""
    try:
        with open(os.path.join(entry, INFO), encoding="utf-8") as f:
            size = json.load(f)["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return size if isinstance(size, int) and size >= 0 else None


# Of more entries du(1) is done sooner, in spite of its being a program to start.
_FEW_ENTRIES = 200


def disk_usage(path: str) -> int:
    """Bytes on disk of `path` and everything below it, a file with several names counted once. OSError."""
    seen: set[tuple[int, int]] = set()
    total = os.lstat(path).st_blocks
    count = 0
    stack = [path]
    while stack:
        if count > _FEW_ENTRIES:
            known = _disk_usage_by_program(path)
            if known is not None:
                return known
            count = -1 << 62
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                count += 1
                try:
                    st = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif st.st_nlink > 1:
                    if (st.st_dev, st.st_ino) in seen:
                        continue
                    seen.add((st.st_dev, st.st_ino))
                total += st.st_blocks
    return total * 512


def _disk_usage_by_program(path: str) -> int | None:
    """None where there is no such program, or where it cannot read all."""
    import subprocess

    try:
        result = subprocess.run(
            ["du", "-s", "-B512", "--", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
        return int(result.stdout.split(b"\t")[0]) * 512 if result.returncode == 0 else None
    except (OSError, ValueError):
        return None
