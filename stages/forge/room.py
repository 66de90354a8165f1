# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Tells a file system that is too small for what shall go in from every other failure of the tools that fill it."""

from __future__ import annotations

import contextlib
import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
DIRECTORY = 4096  # what one takes at least
# The least part of its partition that a file system takes for itself: inode tables, journal, reserve.
OVERHEAD = 0.05


def occupied(top: str) -> int:
    """Bytes that the files below `top` take, one with several names once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for directory, _directories, names in os.walk(top):
        for name in names:
            status = os.lstat(os.path.join(directory, name))
            if status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
        total += DIRECTORY
    return total


def check(size: int, needed: int, field: str = "size") -> None:
    """Raises ValueError if files of `needed` bytes do not fit into a partition of `size` bytes."""
    if needed > size * (1 - OVERHEAD):
        raise ValueError(
            f"{field}: the partition has {size // MIB} MiB, the files alone take {-(-needed // MIB)} MiB; "
            "it must have room for them and for the file system's own tables"
        )


@contextlib.contextmanager
def explained(size: int, needed: Callable[[], int], field: str = "size") -> Iterator[None]:
    """Name the reason if a tool fails because a partition of `size` bytes has no room for `needed()` bytes.

    Measuring takes a walk through the tree, so it waits for a failure. Raises ValueError then.
    """
    try:
        yield
    except subprocess.CalledProcessError:
        check(size, needed(), field)
        raise
