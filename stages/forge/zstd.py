# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""zstd by libzstd itself: Python has no module for it, and a process per block would cost more than its work.

dpkg depends on the library, so every build root has it.
"""

from __future__ import annotations

import ctypes

_LIBRARY = "libzstd.so.1"
# ZSTD_cParameter in zstd.h.
_COMPRESSION_LEVEL, _HASH_LOG = 100, 102


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
            ("ZSTD_CCtx_setParameter", size, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
            ("ZSTD_compress2", size, [ctypes.c_void_p, ctypes.c_void_p, size, ctypes.c_void_p, size]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._library = library

    def compressor(self, level: int, hash_log: int = 0) -> Compressor:
        """Each thread needs one of its own. `hash_log`: of how many entries its table is, as a power of two, 0 for the level's."""
        return Compressor(self._library, {_COMPRESSION_LEVEL: level, _HASH_LOG: hash_log})

    def bound(self, size: int) -> int:
        """Room for whatever `size` bytes are compressed to."""
        return int(self._library.ZSTD_compressBound(size))


class Compressor:
    """Compresses blocks, each to a frame of its own."""

    def __init__(self, library: ctypes.CDLL, parameters: dict[int, int]) -> None:
        self._library = library
        self._context = library.ZSTD_createCCtx()
        if not self._context:
            raise MemoryError("libzstd got no memory")
        for parameter, value in parameters.items():
            if library.ZSTD_isError(library.ZSTD_CCtx_setParameter(self._context, parameter, value)):
                raise ValueError(f"libzstd has no parameter {parameter} with the value {value}")
        self._compress, self._is_error = library.ZSTD_compress2, library.ZSTD_isError

    def __call__(self, target: int, room: int, source: int, size: int) -> int:
        """Compress `size` bytes from one address to another, where `room` is at least the bound; how many bytes that makes."""
        made = self._compress(self._context, target, room, source, size)
        # Of an error the number is close to the largest one.
        if made > room and self._is_error(made):
            raise ValueError(f"libzstd cannot compress {size} bytes")
        return int(made)

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._library.ZSTD_freeCCtx(self._context)
