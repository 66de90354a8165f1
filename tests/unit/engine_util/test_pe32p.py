# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import struct

import pytest
from osbuild.util import pe32p


def pe_file(signature: bytes = b"PE\0\0", magic: int = 0x20B, extra: bytes = b"\0" * 16) -> io.BytesIO:
    """A PE32+ file of headers only: two sections, optional header followed by `extra` bytes of data directories."""
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", magic, 14, 0, *range(3, 29))
    coff = struct.pack("<4sHHIIIHH", signature, 0x8664, 2, 0, 0, 0, len(optional + extra), 0x206)
    sections = b"".join(
        struct.pack("<8sIIIIIIHHI", name, 1, address, 2, 3, 0, 0, 0, 0, 4)
        for name, address in ((b".text", 0x1000), (b".cmdline", 0x2000))
    )
    return io.BytesIO(
        b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + bytes(0x40) + coff + optional + extra + sections
    )


def test_headers_are_read_one_after_the_other() -> None:
    file = pe_file()
    coff = pe32p.read_coff_header(file)
    assert (coff.Signature, coff.Machine, coff.NumberOfSections) == (b"PE\0\0", 0x8664, 2)
    optional = pe32p.read_optional_header(file, coff)
    assert (optional.Magic, optional.MajorLinkerVersion, optional.NumberOfRvaAndSizes) == (0x20B, 14, 28)
    assert len(optional) == 29
    sections = pe32p.read_sections(file, coff)
    assert [(s.Name, s.VirtualAddress) for s in sections] == [(b".text\0\0\0", 0x1000), (b".cmdline", 0x2000)]


def test_each_header_is_found_from_anywhere() -> None:
    file = pe_file()
    file.seek(7)
    assert [s.VirtualAddress for s in pe32p.iter_sections(file)] == [0x1000, 0x2000]
    assert pe32p.read_optional_header(file).SectionAlignment == pe32p.read_optional_header(pe_file()).SectionAlignment


@pytest.mark.parametrize("file", [pe_file(signature=b"NE\0\0"), io.BytesIO(b"MZ"), io.BytesIO(bytes(0x44))])
def test_other_files_are_refused(file: io.BytesIO) -> None:
    with pytest.raises(AssertionError):
        pe32p.read_coff_header(file)


def test_pe32_without_plus_is_refused() -> None:
    with pytest.raises(AssertionError, match="magic number is 0x10b"):
        pe32p.read_optional_header(pe_file(magic=0x10B))
