# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Decompressed byte streams over the members of a .deb: xz, gzip, bzip2, zstd, lzma or none.

Everything but zstd is decompressed in this process (liblzma and zlib release nothing we need and cost no exec).
zstd, which Debian's own packages do not use but other archives' do, goes through the `zstd` program.
"""

from __future__ import annotations

import bz2
import lzma
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from .errors import StageError

#: Bytes read at once, and the most that is decompressed at once.
CHUNK = 256 * 1024
LIMIT = 4 * 1024 * 1024


class Stream:
    """Exact reads and copies over an iterator of byte chunks of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._at = 0

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._buffer = self._buffer[self._at:] + chunk if self._at < len(self._buffer) else chunk
                self._at = 0
                return True
        return False

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        while len(self._buffer) - self._at < size and self._more():
            pass
        end = self._at + size
        data = self._buffer[self._at:end]
        self._at += len(data)
        return data

    def copy(self, size: int, write: Callable[[memoryview], int] | None) -> None:
        """Hand `size` bytes to `write` (None: drop them) without joining them. EOFError when the stream ends early."""
        while size:
            have = len(self._buffer) - self._at
            if not have:
                if not self._more():
                    raise EOFError
                continue
            take = min(have, size)
            if write is not None:
                view = memoryview(self._buffer)[self._at:self._at + take]
                while view:
                    view = view[write(view):]
            self._at += take
            size -= take

    def drain(self, write: Callable[[memoryview], int]) -> int:
        """Hand all that is left to `write`; how many bytes that was."""
        total = 0
        while self._at < len(self._buffer) or self._more():
            size = len(self._buffer) - self._at
            self.copy(size, write)
            total += size
        return total


def file_chunks(fd: int, offset: int, size: int) -> Iterator[bytes]:
    """`size` bytes of `fd` from `offset`; EOFError if the file is shorter."""
    while size:
        chunk = os.pread(fd, min(CHUNK, size), offset)
        if not chunk:
            raise EOFError
        offset += len(chunk)
        size -= len(chunk)
        yield chunk


class _Zlib:
    """zlib's decompressor with the interface of lzma's and bz2's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(data or self._inner.unconsumed_tail, max_length)


def _inflate(chunks: Iterator[bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """Decompress concatenated streams, as xz and gzip write them when they work in parallel.

    At most LIMIT bytes are held at a time, whatever a hostile archive unpacks to.
    """
    decoder = make()
    for chunk in chunks:
        while chunk:
            if decoder.eof:
                # Zero bytes after a stream are padding (xz allows them), anything else starts the next stream.
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                decoder = make()
            yield decoder.decompress(chunk, LIMIT)
            while not decoder.eof and not decoder.needs_input:
                yield decoder.decompress(b"", LIMIT)
            chunk = decoder.unused_data if decoder.eof else b""
    if not decoder.eof:
        raise EOFError


def _zstd(chunks: Iterator[bytes], outside: int | None) -> Iterator[bytes]:
    """Decompress through `zstd`, fed by a forked child because both its ends are pipes.

    outside: descriptor of the directory that is the root holding the program, when this process has changed its own.
    """

    def leave() -> None:
        if outside is not None:
            os.fchdir(outside)
            os.chroot(".")

    try:
        process = subprocess.Popen(
            ["zstd", "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            preexec_fn=leave,  # noqa: PLW1509 - no stage has threads
        )
    except FileNotFoundError:
        raise StageError("a package is compressed with zstd, and the build root has no `zstd` program") from None
    assert process.stdin is not None and process.stdout is not None
    feeder = os.fork()
    if feeder == 0:
        try:
            process.stdout.close()
            for chunk in chunks:
                process.stdin.write(chunk)
            os._exit(0)
        finally:
            os._exit(1)
    process.stdin.close()
    while chunk := process.stdout.read(CHUNK):
        yield chunk
    fed = os.waitstatus_to_exitcode(os.waitpid(feeder, 0)[1])
    if process.wait() or fed:
        raise EOFError


def decompress(suffix: str, chunks: Iterator[bytes], outside: int | None = None) -> Stream:
    """A Stream over `chunks`, decompressed as a member name's suffix says ("", ".gz", ".xz", ".zst", ".bz2", ".lzma").

    Raises StageError for an unknown suffix. Source: deb(5).
    """
    if suffix == "":
        return Stream(chunks)
    if suffix == ".zst":
        return Stream(_zstd(chunks, outside))
    makers: dict[str, Callable[[], Any]] = {
        ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
        ".lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE),
        ".gz": _Zlib,
        ".bz2": bz2.BZ2Decompressor,
    }
    if suffix not in makers:
        raise StageError(f"a package is compressed as {suffix!r}; known are .xz, .gz, .zst, .bz2, .lzma and none")
    return Stream(_inflate(chunks, makers[suffix]))


#: What a damaged member raises while it is read.
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, OSError)
