# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""gzip on all processors, with a result that depends neither on their number nor on the time (RFC 1952)."""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

#: Bytes that are compressed on their own, each block with the end of the one before as its dictionary.
BLOCK = 1 << 20
WINDOW = 1 << 15
# No name, no time, made on Unix.
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
LAST_BLOCK = b"\x03\x00"


def _deflate(block: bytes, dictionary: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH)


def _read(source: BinaryIO) -> bytes:
    """One block, shorter only at the end, however a pipe hands it out."""
    parts, missing = [], BLOCK
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def compress(
    source: BinaryIO, write: Callable[[bytes], object], *, seen: Callable[[bytes], object] | None = None, level: int = 6
) -> None:
    """Compress `source` to its end and hand the result to `write` piece by piece; `seen` gets what is read."""
    write(HEADER)
    checksum, size, dictionary = 0, 0, b""
    jobs = len(os.sched_getaffinity(0))
    waiting: deque[Future[bytes]] = deque()
    # Threads will do: zlib lets go of the interpreter.
    with ThreadPoolExecutor(jobs) as pool:
        while block := _read(source):
            waiting.append(pool.submit(_deflate, block, dictionary, level))
            dictionary = block[-WINDOW:]
            checksum = zlib.crc32(block, checksum)
            size += len(block)
            if seen is not None:
                seen(block)
            if len(waiting) > 2 * jobs:
                write(waiting.popleft().result())
        for future in waiting:
            write(future.result())
    write(LAST_BLOCK + struct.pack("<II", checksum, size & 0xFFFFFFFF))
