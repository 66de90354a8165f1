# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""dm-verity's hash tree, format 1 (kernel: Documentation/admin-guide/device-mapper/verity.rst; cryptsetup: veritysetup(8)).

A superblock, then the levels of the tree, the one with a single block first. A block of a level holds the hashes of
blocks one level below, the lowest those of the data, each at a multiple of a power of two.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from . import partition

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from typing import IO

SUPERBLOCK = struct.Struct("<8sLL16s32sLLQH6x256s168x")
MAXIMAL_SALT = 256
READ = 1024  # blocks at once


@dataclass(frozen=True)
class Layout:
    """What a tree looks like; sizes in bytes. ValueError if the format cannot do it."""

    data_size: int
    block: int
    algorithm: str
    salt: bytes
    uuid: uuid.UUID

    def __post_init__(self) -> None:
        if self.data_size % self.block or not self.data_size:
            raise ValueError(f"data.size must be a multiple of the block size, found {self.data_size} bytes for {self.block}")
        if len(self.salt) > MAXIMAL_SALT:
            raise ValueError(f"salt must have up to {MAXIMAL_SALT} bytes, found {len(self.salt)}")

    @property
    def slot(self) -> int:
        """What a hash takes in a block."""
        return 1 << (hashlib.new(self.algorithm).digest_size - 1).bit_length()

    @property
    def levels(self) -> list[int]:
        """Blocks per level, the one above the data first, up to the single block; none for data of one block."""
        result = []
        blocks = self.data_size // self.block
        while blocks > 1:
            blocks = -(-blocks * self.slot // self.block)
            result.append(blocks)
        return result

    @property
    def size(self) -> int:
        """What superblock and tree take."""
        return (1 + sum(self.levels)) * self.block

    def superblock(self) -> bytes:
        name = self.algorithm.encode()
        packed = SUPERBLOCK.pack(
            b"verity", 1, 1, self.uuid.bytes, name, self.block, self.block, self.data_size // self.block, len(self.salt), self.salt
        )
        return packed.ljust(self.block, b"\0")

    def hash(self, block: bytes) -> bytes:
        return hashlib.new(self.algorithm, self.salt + block).digest()


def _data_hashes(layout: Layout, file: IO[bytes], start: int) -> Iterator[bytes]:
    """Hashes of the data's blocks; holes are not read."""
    empty = layout.hash(bytes(layout.block))
    done = start
    end = start + layout.data_size
    for first, last in partition.data_ranges(file.fileno(), start, end):
        first = max(done, first - (first - start) % layout.block)
        last = min(end, last + -(last - start) % layout.block)
        for _hole in range((first - done) // layout.block):
            yield empty
        file.seek(first)
        while first < last:
            data = file.read(min(last - first, READ * layout.block))
            for position in range(0, len(data), layout.block):
                yield layout.hash(data[position : position + layout.block])
            first += len(data)
        done = max(done, last)
    for _hole in range((end - done) // layout.block):
        yield empty


def _level(layout: Layout, hashes: Iterator[bytes]) -> bytearray:
    """The blocks that hold `hashes`."""
    per_block = layout.block // layout.slot
    content = bytearray()
    for number, value in enumerate(hashes):
        if number % per_block == 0:
            content += bytes(-len(content) % layout.block)
        content += value.ljust(layout.slot, b"\0")
    return content + bytes(-len(content) % layout.block)


def _block_hashes(layout: Layout, level: bytearray) -> Iterator[bytes]:
    for position in range(0, len(level), layout.block):
        yield layout.hash(bytes(level[position : position + layout.block]))


def write(layout: Layout, image: str, data_start: int, hash_start: int) -> bytes:
    """Write superblock and tree of the data at `data_start` to `hash_start` of the same image; return the root hash."""
    with open(image, "rb+") as file:
        hashes = _data_hashes(layout, file, data_start)
        levels: list[bytearray] = []
        for blocks in layout.levels:
            level = _level(layout, hashes)
            assert len(level) == blocks * layout.block
            levels.append(level)
            hashes = _block_hashes(layout, level)
        (root,) = hashes
        file.seek(hash_start)
        file.write(layout.superblock())
        for level in reversed(levels):
            file.write(level)
    return root
