# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Objects of a tree, written into an archive repository that has most of them already.

`ostree commit` compresses a file before it knows whether the repository has it. Here it is hashed first, and compressed only
if it is missing. Formats: ostree-core.h of libostree (OSTREE_FILEMETA_GVARIANT_FORMAT and those after it); numbers are big-endian.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib

from . import gvariant
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_BLOCK = 1 << 20


def _numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _attributes(path: str) -> bytes:
    """Extended attributes, a(ayay) in the order of their names; libostree leaves out those without a value."""
    found = os.listxattr(path, follow_symlinks=False)
    if not found:
        return b""
    names = sorted(os.fsencode(name) for name in found)
    values = ((name + b"\0", os.getxattr(path, name, follow_symlinks=False)) for name in names)
    return gvariant.pack_array([gvariant.pack_tuple([name, value]) for name, value in values if value])


def _text(value: str, path: str) -> bytes:
    try:
        return value.encode() + b"\0"
    except UnicodeEncodeError:
        raise StageError(f"{os.fsencode(path)!r}: OSTree takes names and targets of links in UTF-8 only") from None


def _sized(header: bytes) -> bytes:
    """A header as it stands before a file's content."""
    return len(header).to_bytes(4, "big") + bytes(4) + header


class Writer:
    """Writes what the archive repository `repo` lacks; `level` is zlib's, 1 to 9."""

    def __init__(self, repo: str, level: int) -> None:
        self._objects = os.path.join(repo, "objects")
        self._level = level
        self._links: dict[tuple[int, int], bytes] = {}

    def commit(self, root: str) -> str:
        """The id of a commit that holds `root` and says nothing else, for `ostree commit --tree=ref=ID`."""
        tree, meta = self._directory(root)
        # No metadata, parent, related commits, subject and body; time 0. At the end where the members end, the last first.
        data = bytes(8) + bytes(8) + tree + meta + bytes([48, 2, 1, 0, 0, 0])
        return self._put(data, "commit").hex()

    def forget(self, commit: str) -> None:
        """Remove a commit that :meth:`commit` made."""
        os.unlink(self._path(bytes.fromhex(commit), "commit"))

    def _directory(self, path: str) -> tuple[bytes, bytes]:
        """Checksums of what is in a directory, and of its own mode and owners."""
        files: list[bytes] = []
        folders: list[bytes] = []
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = _text(entry.name, entry.path)
            if entry.is_dir(follow_symlinks=False):
                folders.append(gvariant.pack_tuple([name, *self._directory(entry.path)]))
            else:
                files.append(gvariant.pack_tuple([name, self._file(entry)]))
        info = os.lstat(path)
        meta = _numbers(info.st_uid, info.st_gid, info.st_mode) + _attributes(path)
        content = gvariant.pack_tuple([gvariant.pack_array(files), gvariant.pack_array(folders)])
        return self._put(content, "dirtree"), self._put(meta, "dirmeta")

    def _file(self, entry: os.DirEntry[str]) -> bytes:
        info = entry.stat(follow_symlinks=False)
        place = (info.st_dev, info.st_ino)
        if place in self._links:
            return self._links[place]
        if not stat.S_ISREG(info.st_mode) and not stat.S_ISLNK(info.st_mode):
            raise StageError(f"{entry.path}: OSTree holds files, links and directories only; this is something else")
        link = stat.S_ISLNK(info.st_mode)
        fields = [_text(os.readlink(entry.path) if link else "", entry.path), _attributes(entry.path)]
        numbers = _numbers(info.st_uid, info.st_gid, info.st_mode, 0)
        digest = hashlib.sha256(_sized(gvariant.pack_tuple(fields, numbers)))
        if link:
            checksum = digest.digest()
            self._write(checksum, "filez", _sized(gvariant.pack_tuple(fields, bytes(8) + numbers)))
            return checksum
        with open(entry.path, "rb", buffering=0) as file:
            left = info.st_size
            while left > 0 and (block := file.read(_BLOCK)):
                digest.update(block)
                left -= len(block)
            checksum = digest.digest()
            if not os.path.exists(self._path(checksum, "filez")):
                file.seek(0)
                self._write(checksum, "filez", _sized(gvariant.pack_tuple(fields, info.st_size.to_bytes(8, "big") + numbers)), file)
        if info.st_nlink > 1:
            self._links[place] = checksum
        return checksum

    def _put(self, data: bytes, kind: str) -> bytes:
        checksum = hashlib.sha256(data).digest()
        self._write(checksum, kind, data)
        return checksum

    def _path(self, checksum: bytes, kind: str) -> str:
        name = checksum.hex()
        return f"{self._objects}/{name[:2]}/{name[2:]}.{kind}"

    def _write(self, checksum: bytes, kind: str, head: bytes, content: BinaryIO | None = None) -> None:
        """Write an object, unless it is there: the head, and the content compressed."""
        path = self._path(checksum, kind)
        if os.path.exists(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(head)
            if content is None:
                return
            packer = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
            while block := content.read(_BLOCK):
                file.write(packer.compress(block))
            file.write(packer.flush())
