# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Headers of PE32+ files (Microsoft PE format specification): what EFI programs are."""

from __future__ import annotations

import struct
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_DOS_HEADER_POINTER = 0x3C
_SIGNATURE = b"PE\0\0"
_PE32PLUS = 0x20B

_COFF = struct.Struct("<4sHHIIIHH")
_OPTIONAL = struct.Struct("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII")
_SECTION = struct.Struct("<8sIIIIIIHHI")

CoffHeader = namedtuple(
    "CoffHeader",
    "Signature Machine NumberOfSections TimeDateStamp PointerToSymbolTable NumberOfSymbols SizeOfOptionalHeader "
    "Characteristics",
)
OptionalHeader = namedtuple(
    "OptionalHeader",
    "Magic MajorLinkerVersion MinorLinkerVersion SizeOfCode SizeOfInitializedData SizeOfUninitializedData "
    "AddressOfEntryPoint BaseOfCode ImageBase SectionAlignment FileAlignment MajorOperatingSystemVersion "
    "MinorOperatingSystemVersion MajorImageVersion MinorImageVersion MajorSubsystemVersion MinorSubsystemVersion "
    "Win32VersionValue SizeOfImage SizeOfHeaders CheckSum Subsystem DllCharacteristics SizeOfStackReserve "
    "SizeOfStackCommit SizeOfHeapReserve SizeOfHeapCommit LoaderFlags NumberOfRvaAndSizes",
)
SectionHeader = namedtuple(
    "SectionHeader",
    "Name VirtualSize VirtualAddress SizeOfRawData PointerToRawData PointerToRelocations PointerToLinenumbers "
    "NumberOfRelocations NumberOfLinenumbers Characteristics",
)


def _read(f: BinaryIO, layout: struct.Struct) -> tuple[int | bytes, ...]:
    data = f.read(layout.size)
    assert len(data) == layout.size, f"file ends within a header: {len(data)} of {layout.size} bytes"
    return layout.unpack(data)


def read_coff_header(f: BinaryIO) -> CoffHeader:
    """Read the COFF header; the file is then at the optional header. Raises AssertionError if it is no PE file."""
    f.seek(_DOS_HEADER_POINTER)
    pointer = f.read(4)
    assert len(pointer) == 4, "file ends within the DOS header"
    f.seek(int.from_bytes(pointer, "little"))
    header = CoffHeader._make(_read(f, _COFF))
    assert header.Signature == _SIGNATURE, f"signature is {header.Signature!r}, not {_SIGNATURE!r}"
    return header


def read_optional_header(f: BinaryIO, coff: CoffHeader | None = None) -> OptionalHeader:
    """Read the optional header, from where the file is if `coff` is given; the file is then at the sections.

    Raises AssertionError if it is not that of a PE32+ file.
    """
    if coff is None:
        coff = read_coff_header(f)
    start = f.tell()
    assert coff.SizeOfOptionalHeader >= _OPTIONAL.size, f"optional header is short: {coff.SizeOfOptionalHeader} bytes"
    header = OptionalHeader._make(_read(f, _OPTIONAL))
    assert header.Magic == _PE32PLUS, f"magic number is {header.Magic:#x}, not {_PE32PLUS:#x}"
    f.seek(start + coff.SizeOfOptionalHeader)
    return header


def iter_sections(f: BinaryIO, coff: CoffHeader | None = None) -> Iterator[SectionHeader]:
    """Yield the headers of all sections, from where the file is if `coff` is given. Raises AssertionError."""
    if coff is None:
        coff = read_coff_header(f)
        f.seek(coff.SizeOfOptionalHeader, 1)
    for _ignored in range(coff.NumberOfSections):
        yield SectionHeader._make(_read(f, _SECTION))


def read_sections(f: BinaryIO, coff: CoffHeader | None = None) -> list[SectionHeader]:
    """Return the headers of all sections; see iter_sections."""
    return list(iter_sections(f, coff))
