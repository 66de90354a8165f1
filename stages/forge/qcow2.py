# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Write a raw disk as qcow2, compressed with zstd on all processors, equal bytes for an equal disk.

`qemu-img convert` compresses either on one processor or, with -W, to a file that is another at every run.
Layout: header, data as it comes, then the tables, so that the disk is read once. Format: docs/interop/qcow2.rst of QEMU.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
import threading
from array import array
from collections import deque
from collections.abc import Iterator

from .zstd import Zstd

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
#: The first level whose images are no larger than those of zlib's default.
LEVEL = 2
#: Half of what the level has, so that the table stays in a processor's nearest cache: a tenth less time for half a percent of size.
HASH_LOG = 13

_SECTOR = 512
# Disks end at whole sectors, files at anything.
_UNIT = 64 * CLUSTER
# Incompressible clusters that are written together.
_PLAIN = 128
_COPIED = 1 << 63
_COMPRESSED = 1 << 62
# Above the offset in an entry: how many more sectors the data reaches into.
_SECTORS_SHIFT = 62 - (CLUSTER_BITS - 8)
_L2_ENTRIES = CLUSTER // 8
# Counts of 16 bits, clusters of them.
_REFCOUNT_ORDER = 4
_BLOCK_ENTRIES = CLUSTER // 2
_HEADER = ">4sIQIIQIIQQIIQQQQIIB7x"
_HEADER_LENGTH = 112
_INCOMPATIBLE_COMPRESSION_TYPE = 1 << 3
_TYPE_ZSTD = 1


# Not to give up the interpreter for as little as this.
_memcmp = ctypes.PyDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what may hold data, in whole units."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return  # only a hole up to the end
        end = os.lseek(fd, start, os.SEEK_HOLE)
        start -= start % _UNIT
        for unit in range(max(start, at), end, _UNIT):
            yield unit, min(unit + _UNIT, size)
            at = unit + _UNIT


def _big_endian(numbers: array[int]) -> bytes:
    """Whole clusters of them."""
    if sys.byteorder == "little":
        numbers = numbers[:]
        numbers.byteswap()
    data = numbers.tobytes()
    return data + bytes(-len(data) % CLUSTER)


class _Writer:
    """The clusters of the new file, and how often each is referred to."""

    def __init__(self, fd: int, virtual: int) -> None:
        self.fd = fd
        self.at = CLUSTER
        self.counts = array("H", [1])
        self.tables: dict[int, array[int]] = {}
        self.virtual = virtual
        self.plain: list[tuple[int, bytes]] = []

    def _refer(self, start: int, size: int) -> None:
        first, last = start >> CLUSTER_BITS, (start + size - 1) >> CLUSTER_BITS
        self.counts.extend([0] * (last + 1 - len(self.counts)))
        for number in range(first, last + 1):
            self.counts[number] += 1

    def align(self) -> None:
        self.at = -(-self.at // CLUSTER) * CLUSTER

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Write at the end; where that was."""
        start = self.at
        done = 0
        while done < len(data):
            done += os.pwrite(self.fd, memoryview(data)[done:], start + done)
        self.at += len(data)
        return start

    def unit(self, unit: _Unit) -> None:
        """The clusters of a part of the disk, compressed or, where that is not shorter, as they are."""
        run: list[tuple[int, int]] = []
        at = 0
        for number, data in unit.clusters:
            if isinstance(data, int):
                run.append((number, data))
                continue
            # Many at once: each time that compressed data, which lies at any byte, gives way to whole clusters costs room.
            self.plain.append((number, data))
            if len(self.plain) == _PLAIN:
                at = self._write_run(run, unit.data, at)
                self._write_plain()
        self._write_run(run, unit.data, at)

    def _write_run(self, run: list[tuple[int, int]], data: bytearray, at: int) -> int:
        """Compressed clusters (number, size) that follow each other in `data` from `at`; where they end. Empties the list."""
        end = at + sum(size for _ignored, size in run)
        start = self.append(memoryview(data)[at:end])
        for number, size in run:
            more = (start + size - 1) // _SECTOR - start // _SECTOR
            self._refer(start, size)
            self._enter(number, _COMPRESSED | more << _SECTORS_SHIFT | start)
            start += size
        run.clear()
        return end

    def _write_plain(self) -> None:
        if self.plain:
            self.align()
        for number, data in self.plain:
            start = self.append(data)
            self._refer(start, CLUSTER)
            self._enter(number, _COPIED | start)
        self.plain.clear()

    def _enter(self, number: int, entry: int) -> None:
        table = self.tables.get(number // _L2_ENTRIES)
        if table is None:
            table = self.tables[number // _L2_ENTRIES] = array("Q", bytes(CLUSTER))
        table[number % _L2_ENTRIES] = entry

    def _table(self, table: array[int]) -> int:
        """Append whole clusters of numbers; where they are."""
        self.align()
        start = self.append(_big_endian(table))
        self._refer(start, self.at - start)
        return start

    def finish(self) -> None:
        """Write the tables, and last of all the header."""
        self._write_plain()
        first = array("Q", bytes(8 * max(1, -(-self.virtual // (CLUSTER * _L2_ENTRIES)))))
        for number, table in sorted(self.tables.items()):
            first[number] = self._table(table) | _COPIED
        l1 = self._table(first)
        self.align()
        # The counts count their own clusters, too.
        used = self.at >> CLUSTER_BITS
        blocks = table_clusters = 0
        while True:
            total = used + blocks + table_clusters
            needed = -(-total // _BLOCK_ENTRIES)
            wanted = -(-needed * 8 // CLUSTER)
            if (needed, wanted) == (blocks, table_clusters):
                break
            blocks, table_clusters = needed, wanted
        counts = self.counts[:]
        counts.extend([0] * (used - len(counts)))
        counts.extend([1] * (blocks + table_clusters))
        start = self.append(_big_endian(counts))
        refcounts = self.append(_big_endian(array("Q", [start + number * CLUSTER for number in range(blocks)])))
        header = struct.pack(
            _HEADER, b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, self.virtual, 0, len(first), l1, refcounts, table_clusters, 0, 0,
            _INCOMPATIBLE_COMPRESSION_TYPE, 0, 0, _REFCOUNT_ORDER, _HEADER_LENGTH, _TYPE_ZSTD,
        )
        os.pwrite(self.fd, header.ljust(CLUSTER, b"\0"), 0)


class _Unit:
    """What is not zero of a part of the disk: (number of the cluster, its size in `data` or, uncompressed, its content)."""

    def __init__(self, clusters: list[tuple[int, int | bytes]], data: bytearray) -> None:
        self.clusters, self.data = clusters, data


class _Packer:
    """Compresses parts of a disk. Each thread has one of its own.

    spare: buffers of this size that are free again; new memory for each part would cost more than copying into it.
    """

    def __init__(self, disk: int, zstd: Zstd, level: int, spare: list[bytearray]) -> None:
        self._disk, self._spare = disk, spare
        self._compress = zstd.compressor(level, HASH_LOG)
        self._room = zstd.bound(CLUSTER)
        # Whole pages: the kernel copies several times as fast to them.
        self._source = mmap.mmap(-1, _UNIT)
        self._zero = ctypes.create_string_buffer(CLUSTER)

    def __call__(self, start: int, end: int) -> _Unit:
        view = memoryview(self._source)
        got = os.preadv(self._disk, [view[: end - start]], start)
        size = -(-got // CLUSTER) * CLUSTER
        view[got:size] = bytes(size - got)
        try:
            data = self._spare.pop()
        except IndexError:
            data = bytearray(_UNIT + self._room)
        source, target = _address(self._source), _address(data)
        zero = ctypes.addressof(self._zero)
        clusters: list[tuple[int, int | bytes]] = []
        done = 0
        for at in range(0, size, CLUSTER):
            if _memcmp(source + at, zero, CLUSTER) == 0:
                continue
            number = (start + at) >> CLUSTER_BITS
            packed = self._compress(target + done, self._room, source + at, CLUSTER)
            if packed < CLUSTER:
                clusters.append((number, packed))
                done += packed
            else:
                clusters.append((number, bytes(view[at : at + CLUSTER])))
        return _Unit(clusters, data)


def _address(buffer: bytearray | mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def convert(source: str, target: str, zstd: Zstd, *, level: int = LEVEL, jobs: int | None = None) -> None:
    """Write the raw disk `source` to `target`, a new file."""
    from concurrent.futures import Future, ThreadPoolExecutor

    local = threading.local()
    jobs = jobs or len(os.sched_getaffinity(0))

    spare: list[bytearray] = []

    def compressed(start: int, end: int) -> _Unit:
        if not hasattr(local, "pack"):
            local.pack = _Packer(disk, zstd, level, spare)
        unit: _Unit = local.pack(start, end)
        return unit

    def finish(unit: _Unit) -> None:
        writer.unit(unit)
        spare.append(unit.data)

    disk = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(disk).st_size
        output = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            writer = _Writer(output, -(-size // _SECTOR) * _SECTOR)
            with ThreadPoolExecutor(jobs) as pool:
                # Few at a time: the disk need not fit into memory.
                pending: deque[Future[_Unit]] = deque()
                for start, end in _extents(disk, size):
                    pending.append(pool.submit(compressed, start, end))
                    if len(pending) > 3 * jobs:
                        finish(pending.popleft().result())
                for each in pending:
                    finish(each.result())
            writer.finish()
        finally:
            os.close(output)
    finally:
        os.close(disk)
