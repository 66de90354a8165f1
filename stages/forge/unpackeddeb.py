# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Packages with parts that are not compressed, kept in a directory by the checksum of the package they were made of."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile

from . import deb
from .errors import StageError
from .streams import Stream, decompress, file_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

# What an engine removes after a crash.
_TEMPORARY = ".unverified-"
#: The size in an ar header has ten digits.
_LARGEST = 10**10 - 1


def link(source: str, target: str) -> None:
    """A hard link, or a copy where there can be none."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise

        import shutil

        shutil.copy2(source, target)


def _header(name: str, size: int) -> bytes:
    return b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", size)


def verify(source: str, checksum: str) -> None:
    """StageError if the file is not what its checksum says."""
    algorithm, _ignored, wanted = checksum.partition(":")
    try:
        with open(source, "rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
    except ValueError:
        raise StageError(f"{checksum} is no checksum: the algorithm {algorithm!r} is not known") from None
    except OSError as error:
        raise StageError(f"package file {checksum} cannot be read: {error.strerror}") from None
    if found != wanted:
        raise StageError(f"package file {checksum} is damaged: its checksum is {algorithm}:{found}")


def unpack(source: str, kept: str, checksum: str) -> None:
    """Keep the package `source`, decompressed, in the directory `kept`.

    StageError or one of `streams.DAMAGED` for what is no good package, OSError if it cannot be kept.
    """
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = deb.ar_members(fd, f"package file {checksum}")
        output, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=kept)
        try:
            with open(output, "wb", buffering=0, closefd=True) as file:
                file.write(deb.MAGIC + _header("debian-binary", 4) + b"2.0\n")
                for name in ("control.tar", "data.tar"):
                    _append(file, name, decompress(parts[name].suffix, file_chunks(fd, parts[name].offset, parts[name].size)))
                os.fchmod(output, 0o444)
            os.rename(temporary, os.path.join(kept, checksum))
        except BaseException:
            os.unlink(temporary)
            raise
    finally:
        os.close(fd)


def _append(file: FileIO, name: str, content: Stream) -> None:
    """Write a member of an ar archive, whose size is known afterwards."""
    start = file.tell()
    file.write(_header(name, 0))
    left = _LARGEST

    def write(view: memoryview) -> int:
        nonlocal left
        left -= len(view)
        if left < 0:
            raise StageError(f"{name} has more than {_LARGEST} bytes, which no package can have")
        return file.write(view)

    size = content.drain(write)
    os.pwrite(file.fileno(), _header(name, size), start)
    if size % 2:
        file.write(b"\n")


def hand_out(kept: str, checksum: str, target: str) -> bool:
    """Put what is kept of the package into the directory `target`; False if nothing is, or not all of it."""
    path = os.path.join(kept, checksum)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A file that a crash cut short shows it by its length.
        deb.ar_members(fd, path)
        os.utime(fd)
    except StageError:
        return False
    except OSError:
        pass  # only the order in which what is kept goes
    finally:
        os.close(fd)
    try:
        link(path, os.path.join(target, checksum))
    except FileNotFoundError:
        return False  # somebody else made room in the meantime
    return True


def prune(kept: str, limit: int, needed: set[str]) -> None:
    """Delete what was not used for longest until `limit` bytes are kept, but nothing of `needed`."""
    found = []
    total = 0
    with os.scandir(kept) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                total += status.st_size
                if entry.name not in needed and not entry.name.startswith(_TEMPORARY):
                    found.append((status.st_mtime, entry.path, status.st_size))
    for _ignored, path, size in sorted(found):
        if total <= limit:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        total -= size
