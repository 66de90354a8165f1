# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A lean reader for the tar archives inside .debs: v7, ustar, GNU long names, pax paths. Source: deb(5), tar(5).

Python's tarfile costs several times the extraction itself; this knows what dpkg knows and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .streams import Stream

BLOCK = 512
FILE, HARDLINK, SYMLINK, CHARDEV, BLOCKDEV, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"


class TarError(Exception):
    """The archive is damaged or uses what no .deb may use."""


class Entry(NamedTuple):
    """One member: path and target are bytes without a leading "./" or "/" (path) and as written (target)."""

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    target: bytes
    device: tuple[int, int]


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        # GNU's base-256 is two's complement; only times before 1970 are negative.
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    text = field.split(b"\0", 1)[0].strip()
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise TarError(f"bad number {field!r}") from None


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def clean_path(name: bytes) -> bytes:
    """A member's path below the root, without "." parts; TarError when it climbs out or cannot be listed."""
    if b"\n" in name:
        raise TarError(f"path {name!r} holds a line break")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise TarError(f"path {name.decode('utf-8', 'backslashreplace')!r} climbs out of the tree")
    return b"/".join(parts)


def _pax(data: bytes) -> dict[bytes, bytes]:
    values = {}
    while data:
        length, _ignored, rest = data.partition(b" ")
        try:
            end = int(length)
        except ValueError:
            raise TarError("bad pax header") from None
        key, _ignored, value = data[len(length) + 1:end - 1].partition(b"=")
        if end <= len(length) or not rest:
            raise TarError("bad pax header")
        values[key] = value
        data = data[end:]
    return values


def entries(stream: Stream) -> Iterator[Entry]:
    """The members in order. Before asking for the next one the caller takes exactly `size` bytes of a FILE from `stream`."""
    long_name: bytes | None = None
    long_target: bytes | None = None
    pax: dict[bytes, bytes] = {}
    while True:
        header = stream.read(BLOCK)
        if not header:
            return  # dpkg, too, takes an archive without its two closing blocks
        if len(header) != BLOCK:
            raise TarError("the archive ends within a header")
        if header[0] == 0 and not header.strip(b"\0"):
            return
        if sum(header) - sum(header[148:156]) + 8 * 32 != _number(header[148:156]):
            raise TarError("a header has a wrong checksum")
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in (b"L", b"K", b"x", b"g"):
            if size > 1 << 20:
                raise TarError("a name is longer than 1 MiB")
            data = stream.read(size)
            stream.read(-size % BLOCK)
            if kind == b"L":
                long_name = _text(data)
            elif kind == b"K":
                long_target = _text(data)
            elif kind == b"x":
                pax = _pax(data)
            continue
        if kind == b"\0" or kind == b"7":
            kind = FILE
        if kind not in (FILE, HARDLINK, SYMLINK, CHARDEV, BLOCKDEV, DIRECTORY, FIFO):
            raise TarError(f"member type {kind!r} is not allowed in a package")
        name = pax.get(b"path", long_name)
        if name is None:
            name = _text(header[:100])
            # Only POSIX archives have a prefix; GNU ones keep times there.
            if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
                name = prefix + b"/" + name
        target = pax.get(b"linkpath", long_target)
        if target is None:
            target = _text(header[157:257])
        if kind == FILE and name.endswith(b"/"):
            kind = DIRECTORY  # how v7 archives mark them
        device = (0, 0)
        if kind in (CHARDEV, BLOCKDEV):
            device = (_number(header[329:337]), _number(header[337:345]))
        if kind != FILE:
            size = 0
        elif b"size" in pax:
            size = int(pax[b"size"])
        yield Entry(
            clean_path(name), kind, _number(header[100:108]) & 0o7777, _number(header[108:116]),
            _number(header[116:124]), _number(header[136:148]), size, target, device,
        )
        stream.read(-size % BLOCK)
        long_name = long_target = None
        pax = {}
