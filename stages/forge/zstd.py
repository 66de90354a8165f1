# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""zstd by libzstd itself: Python has no module for it, and a process per block would cost more than its work.

dpkg depends on the library, so every build root has it.
"""

from __future__ import annotations

import ctypes

_LIBRARY = "libzstd.so.1"


class Zstd:
    """The library. OSError where it is missing. May be used by several threads, which then run at once."""

    def __init__(self) -> None:
        library = ctypes.CDLL(_LIBRARY)
        size = ctypes.c_size_t
        for name, result, arguments in (
            ("ZSTD_compressBound", size, [size]),
            ("ZSTD_isError", ctypes.c_uint, [size]),
            ("ZSTD_createCCtx", ctypes.c_void_p, []),
            ("ZSTD_freeCCtx", size, [ctypes.c_void_p]),
            ("ZSTD_compressCCtx", size,
             [ctypes.c_void_p, ctypes.c_char_p, size, ctypes.c_char_p, size, ctypes.c_int]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._library = library

    def compressor(self, block: int, level: int) -> Compressor:
        """For blocks of at most `block` bytes; each thread needs one of its own."""
        return Compressor(self._library, block, level)


class Compressor:
    """Compresses blocks, each to a frame of its own."""

    def __init__(self, library: ctypes.CDLL, block: int, level: int) -> None:
        self._library, self._level = library, level
        self._context = library.ZSTD_createCCtx()
        if not self._context:
            raise MemoryError("libzstd got no memory")
        self._room = library.ZSTD_compressBound(block)
        self._buffer = ctypes.create_string_buffer(self._room)

    def __call__(self, data: bytes) -> bytes:
        size = self._library.ZSTD_compressCCtx(
            self._context, self._buffer, self._room, data, len(data), self._level
        )
        if self._library.ZSTD_isError(size):
            raise ValueError(f"libzstd cannot compress {len(data)} bytes")
        return ctypes.string_at(self._buffer, size)

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._library.ZSTD_freeCCtx(self._context)
