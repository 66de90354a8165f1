# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""LVM's on-disk metadata, read and changed without LVM: for images that are not attached to the host.

A label in one of the first four sectors leads to the header of the physical volume, that to the metadata areas. Each has
a header of its own and a ring of texts, of which one is current. All numbers are little-endian.
"""

from __future__ import annotations

import dataclasses
import io
import os
import struct
import zlib

from . import lvm2text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any

SECTOR = 512
LABEL = struct.Struct("<8sQLL8s")
PV_HEADER = struct.Struct("<32sQ")
AREA = struct.Struct("<QQ")
MDA_HEADER = struct.Struct("<L16sLQQ")
MDA_HEADER_SIZE = 512
MDA_MAGIC = b" LVM2 x[5A%r0N*>"
LOCATION = struct.Struct("<QQLL")
CRC_START = 0xF597A6CF


def checksum(data: bytes) -> int:
    """Return LVM's CRC-32 of `data`: the usual polynomial with another start value, not inverted at the end."""
    return zlib.crc32(data, CRC_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


@dataclasses.dataclass
class Area:
    """A metadata area: where it is on the disk (bytes), and its current text within it, which may wrap around its end."""

    start: int
    size: int
    text_offset: int
    text_size: int
    header: bytearray

    def pieces(self, size: int) -> list[tuple[int, int]]:
        """Return position on the disk and length of the parts of a text of `size` bytes. Raises RuntimeError."""
        if size > self.size - MDA_HEADER_SIZE or not MDA_HEADER_SIZE <= self.text_offset < self.size:
            raise RuntimeError(f"metadata of {size} bytes does not fit into its area of {self.size} bytes")
        first = min(size, self.size - self.text_offset)
        parts = [(self.start + self.text_offset, first)]
        if size > first:
            parts.append((self.start + MDA_HEADER_SIZE, size - first))
        return parts


class Metadata:
    """`vg_name`, and `data`: the volume group's sections under its name, then the values about the metadata."""

    def __init__(self, vg_name: str, data: dict[str, Any]) -> None:
        self.vg_name = vg_name
        self.data = data

    @classmethod
    def decode(cls, text: bytes) -> Metadata:
        """Read the text. Raises RuntimeError if it is malformed or has no volume group."""
        try:
            data = lvm2text.parse(text.rstrip(b"\0").decode("utf8"))
        except ValueError as error:
            raise RuntimeError(f"cannot read the LVM metadata: {error}") from error
        name = next((key for key, value in data.items() if isinstance(value, dict)), None)
        if name is None:
            raise RuntimeError("the LVM metadata has no volume group")
        return cls(name, data)

    def encode(self) -> bytes:
        return lvm2text.dumps(self.data).encode("utf8") + b"\0"


class Disk:
    """A physical volume in a file or on a block device."""

    def __init__(self, fp: IO[bytes], path: str | os.PathLike[str]) -> None:
        self.fp = fp
        self.path = path
        self.areas: list[Area] = []
        self._read_areas()
        area = self.areas[0]
        text = b"".join(self._read(*piece) for piece in area.pieces(area.text_size))
        self.metadata = Metadata.decode(text)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, read_only: bool = False) -> Disk:
        """Open the volume at `path`. Raises OSError, RuntimeError if it is none or has no metadata."""
        fp = open(path, "rb" if read_only else "rb+")  # noqa: SIM115 - the disk keeps it
        try:
            return cls(fp, path)
        except BaseException:
            fp.close()
            raise

    def rename_vg(self, new_name: str) -> None:
        """Give the volume group another name; takes effect with flush_metadata."""
        data = self.metadata.data
        group = data.pop(self.metadata.vg_name)
        rest = dict(data)
        data.clear()
        data.update({new_name: group, **rest})
        self.metadata.vg_name = new_name

    def set_description(self, desc: str) -> None:
        """Set what the metadata say they were written for."""
        self.metadata.data["description"] = desc

    def set_creation_time(self, time: int) -> None:
        """Set when the metadata were written, in seconds since the epoch."""
        self.metadata.data["creation_time"] = time

    def set_creation_host(self, host: str) -> None:
        """Set where the metadata were written: the output of uname(1)."""
        self.metadata.data["creation_host"] = host

    def flush_metadata(self) -> None:
        """Write the metadata into every area. Raises RuntimeError if they have become too long for one."""
        text = self.metadata.encode()
        pieces = [area.pieces(len(text)) for area in self.areas]
        for area, parts in zip(self.areas, pieces, strict=True):
            done = 0
            for position, size in parts:
                self.fp.seek(position)
                self.fp.write(text[done : done + size])
                done += size
            LOCATION.pack_into(area.header, MDA_HEADER.size, area.text_offset, len(text), checksum(text), 0)
            struct.pack_into("<L", area.header, 0, checksum(bytes(area.header[4:])))
            self.fp.seek(area.start)
            self.fp.write(area.header)
            area.text_size = len(text)
        self.fp.flush()

    def dump(self) -> None:
        """Print where the metadata are, and the metadata."""
        print(f"{os.fspath(self.path)}: volume group {self.metadata.vg_name}")
        for area in self.areas:
            print(f"area at {area.start}, {area.size} bytes; text at {area.text_offset}, {area.text_size} bytes")
        print(lvm2text.dumps(self.metadata.data), end="")

    def close(self) -> None:
        if not self.fp.closed:
            if self.fp.writable():
                self.fp.flush()
            self.fp.close()

    def __enter__(self) -> Disk:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, position: int, size: int) -> bytes:
        self.fp.seek(position)
        return self.fp.read(size)

    def _read_areas(self) -> None:
        header = io.BytesIO(self._pv_header())
        header.seek(PV_HEADER.size)
        # The list of data areas, then that of metadata areas; an offset of zero ends each.
        for wanted in (False, True):
            while True:
                packed = header.read(AREA.size)
                if len(packed) < AREA.size:
                    raise RuntimeError("Could not find metadata header")
                offset, size = AREA.unpack(packed)
                if offset == 0:
                    break
                if wanted:
                    self.areas.append(self._read_area(offset))
        if not self.areas:
            raise RuntimeError("Could not find metadata header")

    def _pv_header(self) -> bytes:
        sectors = self._read(0, 8 * SECTOR)
        for number in range(4):
            label = sectors[number * SECTOR : (number + 1) * SECTOR]
            if label.startswith(b"LABELONE") and len(label) >= LABEL.size:
                offset = LABEL.unpack_from(label)[3]
                return sectors[number * SECTOR + offset : (number + 1) * SECTOR]
        raise RuntimeError("Could not find label header")

    def _read_area(self, position: int) -> Area:
        header = bytearray(self._read(position, MDA_HEADER_SIZE))
        if len(header) < MDA_HEADER_SIZE:
            raise RuntimeError("Could not find metadata header")
        crc, magic, _version, start, size = MDA_HEADER.unpack_from(header)
        if magic != MDA_MAGIC or crc != checksum(bytes(header[4:])):
            raise RuntimeError("Could not find metadata header")
        offset, length, _crc, _flags = LOCATION.unpack_from(header, MDA_HEADER.size)
        if offset == 0:
            raise RuntimeError("the physical volume is in no volume group")
        return Area(start, size, offset, length, header)
