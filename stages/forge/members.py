# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Members to be laid over a tree (`laying`), read from a tar archive or a directory."""

from __future__ import annotations

import os
import stat
import tarfile

from . import laying, streams
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

MAGIC = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\0": ".xz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2"}
XATTR = "SCHILY.xattr."
KINDS = {
    tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
    tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block",
}  # fmt: skip
# What a damaged archive raises.
DAMAGED = (tarfile.TarError, *streams.DAMAGED)


def compression(fd: int) -> str:
    """The suffix for how the file is compressed, by its first bytes; empty if it is not."""
    head = os.pread(fd, 6, 0)
    return next((suffix for magic, suffix in MAGIC.items() if head.startswith(magic)), "")


class _Content:
    """The content of a member, with one kind of error for all that can be wrong with it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except DAMAGED as error:
            raise damaged(error) from None


def damaged(error: BaseException) -> StageError:
    return StageError(f"the archive is damaged: {str(error) or 'it ends too early'}")


def _xattrs(member: tarfile.TarInfo) -> dict[str, bytes]:
    return {
        key.removeprefix(XATTR): value.encode("utf-8", "surrogateescape")
        for key, value in member.pax_headers.items() if key.startswith(XATTR)
    }  # fmt: skip


def _below(path: str, source: str) -> str | None:
    """`path` relative to `source`, None if it does not lie there."""
    if not source:
        return path
    if path == source:
        return ""
    return path.removeprefix(f"{source}/") if path.startswith(f"{source}/") else None


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, path: str, source: str) -> laying.Member:
    kind = "file" if info.isreg() else KINDS.get(info.type, "")
    if not kind:
        raise StageError(f"member {info.name!r} is of type {info.type!r}, which cannot be laid")
    result = laying.Member(
        path, kind, mode=info.mode, uid=info.uid, gid=info.gid, mtime=info.mtime, target=info.linkname, xattrs=_xattrs(info)
    )
    if kind == "hardlink":
        target = _below(laying.clean(info.linkname, "the target of a hard link,"), source)
        if target is None:
            raise StageError(f"hard link {info.name!r} points to {info.linkname!r}, which is not below {source!r}")
        result.target = target
    elif kind == "file":
        content = tar.extractfile(info)
        assert content is not None
        result.data = _Content(content)
    elif kind in ("char", "block"):
        result.device = os.makedev(info.devmajor, info.devminor)
    return result


def of_archive(fd: int, source: str = "", outside: int | None = None) -> Iterator[laying.Member]:
    """Members of a tar archive below its directory `source`. Compression: see MAGIC; `outside`: see streams.decompress.

    Raises StageError for a member that climbs out or cannot be laid, and for a damaged archive.
    """
    try:
        chunks = streams.file_chunks(fd, 0, os.fstat(fd).st_size)
        stream = streams.decompress(compression(fd), chunks, outside)
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for info in tar:
                path = _below(laying.clean(info.name), source)
                if path is not None:
                    yield _member(tar, info, path, source)
    except DAMAGED as error:
        raise damaged(error) from None


def of_directory(fd: int, skip: Callable[[str, bool], bool] | None = None) -> Iterator[laying.Member]:
    """What is below an open directory, in a fixed order; `skip` is asked with path and whether it is a directory."""
    first: dict[tuple[int, int], str] = {}
    pending = [("", os.dup(fd))]
    while pending:
        path, here = pending.pop()
        try:
            yield _from_file(path, "directory", here, os.fstat(here))
            below = []
            for name in sorted(os.listdir(here)):
                member = f"{path}/{name}" if path else name
                info = os.lstat(name, dir_fd=here)
                if skip is not None and skip(member, stat.S_ISDIR(info.st_mode)):
                    continue
                if stat.S_ISDIR(info.st_mode):
                    below.append((member, os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)))
                else:
                    yield from _other(member, name, here, info, first)
            pending += reversed(below)
        finally:
            os.close(here)


def _other(
    path: str, name: str, here: int, info: os.stat_result, first: dict[tuple[int, int], str]
) -> Iterator[laying.Member]:
    if info.st_nlink > 1:
        known = first.setdefault((info.st_dev, info.st_ino), path)
        if known != path:
            yield laying.Member(path, "hardlink", target=known)
            return
    if stat.S_ISLNK(info.st_mode):
        result = laying.Member(path, "symlink", uid=info.st_uid, gid=info.st_gid, mtime=info.st_mtime)
        result.target = os.readlink(name, dir_fd=here)
        yield result
    elif stat.S_ISREG(info.st_mode):
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here), "rb") as file:
            result = _from_file(path, "file", file.fileno(), info)
            result.data = file
            yield result
    elif stat.S_ISSOCK(info.st_mode):
        print(f"/{path} is a socket and left out")
    else:
        kinds = {stat.S_IFIFO: "fifo", stat.S_IFCHR: "char", stat.S_IFBLK: "block"}
        result = laying.Member(path, kinds[stat.S_IFMT(info.st_mode)], info.st_mode, info.st_uid, info.st_gid, info.st_mtime)
        result.device = info.st_rdev
        yield result


def _from_file(path: str, kind: str, fd: int, info: os.stat_result) -> laying.Member:
    xattrs = {name: os.getxattr(fd, name) for name in os.listxattr(fd)}
    return laying.Member(path, kind, info.st_mode, info.st_uid, info.st_gid, info.st_mtime, xattrs=xattrs)
