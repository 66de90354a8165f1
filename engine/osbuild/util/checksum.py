# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Checksums of files, written ``algorithm:hex``."""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

BLOCKSIZE = 32768


def hexdigest_file(path: str | os.PathLike[str], algorithm: str) -> str:
    """Return the hexadecimal digest of the file's content. Raises ValueError for an unknown algorithm, OSError."""
    hasher = hashlib.new(algorithm)
    # Reading more at once than BLOCKSIZE says is faster, and the block size is not part of the result.
    buffer = memoryview(bytearray(max(BLOCKSIZE, 1 << 18)))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest()


def verify_file(path: str | os.PathLike[str], checksum: str) -> bool:
    """Tell whether the file has `checksum` (``algorithm:hex``). Raises ValueError for another form, OSError."""
    algorithm, want = checksum.split(":", 1)
    return hexdigest_file(path, algorithm) == want
