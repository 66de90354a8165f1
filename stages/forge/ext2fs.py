# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Inodes of an ext4 file system inside a file, changed by libext2fs itself: debugfs needs twice as long for all of them.

mke2fs and debugfs are made of the library, so every build root that has these has it. Source: its manual (libext2fs in info);
of the fields of an inode and of the superblock, the kernel's documentation of ext4 ("Index Nodes", "Super Block").
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_LIBRARY = "libext2fs.so.2"
_RW, _64BITS = 0x1, 0x20000  # flags of ext2fs_open2
_NO_SYNC = 0x1  # a flag of ext2fs_close2
_SUPERBLOCK, _INODE_SIZE = 1024, 0x58

ROOT = 2
#: Those below are the file system's own and no files, but for the root.
FIRST = 11

# Offsets in an inode. Of a time its seconds, and beside its nanoseconds two more bits of them.
_MODE, _UID, _GID, _LINKS, _UID_HIGH, _GID_HIGH = 0, 2, 24, 26, 120, 122
_ACCESS, _CHANGE, _MODIFICATION = (8, 140), (12, 132), (16, 136)


class Filesystem:
    """The file system that begins `start` bytes into a file, to be changed inode by inode.

    `now` is what the library takes for the present, in seconds since 1970. OSError if there is none, if the library is missing,
    or if something cannot be read or written.
    """

    def __init__(self, filename: str, start: int, now: int) -> None:
        with open(filename, "rb") as image:
            image.seek(start + _SUPERBLOCK + _INODE_SIZE)
            (self._size,) = struct.unpack("<H", image.read(2))
        self._library = library = ctypes.CDLL(_LIBRARY)
        pointer, number = ctypes.c_void_p, ctypes.c_uint
        for name, result, arguments in (
            ("ext2fs_open2", ctypes.c_long,
             [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, number, pointer, pointer]),
            ("ext2fs_open_inode_scan", ctypes.c_long, [pointer, ctypes.c_int, pointer]),
            ("ext2fs_get_next_inode_full", ctypes.c_long, [pointer, pointer, pointer, ctypes.c_int]),
            ("ext2fs_write_inode_full", ctypes.c_long, [pointer, number, pointer, ctypes.c_int]),
            ("ext2fs_close_inode_scan", None, [pointer]),
            ("ext2fs_close2", ctypes.c_long, [pointer, ctypes.c_int]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        manager = ctypes.c_void_p.in_dll(library, "unix_io_manager")
        self._handle = ctypes.c_void_p()
        self._inode = ctypes.create_string_buffer(max(self._size, 128))
        handle = ctypes.byref(self._handle)
        with _time_is(now):
            code = library.ext2fs_open2(os.fsencode(filename), b"offset=%d" % start, _RW | _64BITS, 0, 0, manager, handle)
        _check(code, "open")

    def __enter__(self) -> Filesystem:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        # It writes what it still has in memory.
        code = self._library.ext2fs_close2(self._handle, _NO_SYNC)
        if kind is None:
            _check(code, "write")

    def settle(self, root: os.stat_result, epoch: int) -> None:
        """Give all files the access and change time `epoch`, and the root directory mode, owner and time of `root`."""
        fields, write = memoryview(self._inode).cast("B"), self._library.ext2fs_write_inode_full
        for number in self._files():
            for place in (_ACCESS, _CHANGE):
                self._set_time(fields, place, epoch)
            if number == ROOT:
                # Older mke2fs does not copy them.
                struct.pack_into("=HH", fields, _MODE, root.st_mode, root.st_uid & 0xFFFF)
                struct.pack_into("=H", fields, _GID, root.st_gid & 0xFFFF)
                struct.pack_into("=HH", fields, _UID_HIGH, root.st_uid >> 16, root.st_gid >> 16)
                self._set_time(fields, _MODIFICATION, int(root.st_mtime))
            _check(write(self._handle, number, self._inode, self._size), "write an inode of")

    def _set_time(self, fields: memoryview, place: tuple[int, int], seconds: int) -> None:
        low, high = place
        struct.pack_into("=I", fields, low, seconds & 0xFFFFFFFF)
        if self._size > high:
            # What the 32 bits say is signed.
            struct.pack_into("=I", fields, high, (seconds + (1 << 31)) >> 32 & 3)

    def _files(self) -> Iterator[int]:
        """Numbers of the inodes that are files; of each the content is in the buffer."""
        scan, number = ctypes.c_void_p(), ctypes.c_uint(0)
        _check(self._library.ext2fs_open_inode_scan(self._handle, 0, ctypes.byref(scan)), "read")
        following, at, inode, size = self._library.ext2fs_get_next_inode_full, ctypes.byref(number), self._inode, self._size
        try:
            while True:
                _check(following(scan, at, inode, size), "read the inodes of")
                found = number.value
                if not found:
                    return
                if (found == ROOT or found >= FIRST) and inode[_LINKS : _LINKS + 2] != b"\0\0":
                    yield found
        finally:
            self._library.ext2fs_close_inode_scan(scan)


@contextlib.contextmanager
def _time_is(seconds: int) -> Iterator[None]:
    """The library reads the environment when it opens a file system: older ones the first variable, newer ones either."""
    names = ("E2FSPROGS_FAKE_TIME", "SOURCE_DATE_EPOCH")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(seconds)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _check(code: int, what: str) -> None:
    if code:
        raise OSError(f"libext2fs cannot {what} the new file system: its error {code}")
