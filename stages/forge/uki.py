# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Unified kernel images: systemd's stub with kernel, initial ram disk and more as further sections (systemd-stub(7)).

Written here and not by ukify or objcopy: Debian 12 has no ukify, and of the same input every host makes the same bytes.
"""

from __future__ import annotations

import os
import platform
import struct

from . import intree

STUBS = "/usr/lib/systemd/boot/efi"

# Machine of a PE header -> architecture as in the names of EFI programs.
MACHINES = {0x8664: "x64", 0x14C: "ia32", 0xAA64: "aa64", 0x5064: "riscv64"}
_NATIVE = {"x86_64": "x64", "i686": "ia32", "aarch64": "aa64", "riscv64": "riscv64"}

# Microsoft PE format: offsets from the PE signature, or into the optional header (the same for PE32 and PE32+).
_COFF = struct.Struct("<4sHHIIIHH")
_SECTION = struct.Struct("<8sIIIIIIHHI")
_INITIALIZED, _ALIGNMENTS, _IMAGE_SIZE, _CHECKSUM = 8, 32, 56, 64
_DIRECTORIES = {0x10B: 96, 0x20B: 112}
_SECURITY = 4  # number of the data directory that points to the signature
_PAGE = 4096
_DATA = 0x40000040  # initialised data, readable


def machine(path: str) -> str | None:
    """Architecture of an EFI program, such as x64; None if the file is none."""
    with open(path, "rb") as file:
        head = file.read(0x40)
        if len(head) < 0x40 or head[:2] != b"MZ":
            return None
        file.seek(struct.unpack_from("<I", head, 0x3C)[0])
        header = file.read(6)
    if header[:4] != b"PE\0\0":
        return None
    return MACHINES.get(struct.unpack_from("<H", header, 4)[0])


def find_stub(kernel: str, roots: list[str]) -> str:
    """The stub for a kernel's architecture in the first of `roots` that has one. Raises FileNotFoundError."""
    suffix = machine(kernel) or _NATIVE.get(platform.machine(), platform.machine())
    for root in roots:
        place = intree.resolve(root, f"{STUBS}/linux{suffix}.efi.stub")
        if os.path.isfile(place):
            return place
    raise FileNotFoundError(f"there is no {STUBS}/linux{suffix}.efi.stub; Debian's package systemd-boot-efi ships it")


def _align(number: int, alignment: int) -> int:
    return -(-number // alignment) * alignment


def append(image: bytes, sections: list[tuple[str, bytes]]) -> bytes:
    """Return the EFI program `image` with further sections, in the order given. Raises ValueError if it takes none."""
    start = struct.unpack_from("<I", image, 0x3C)[0] if len(image) >= 0x40 and image[:2] == b"MZ" else len(image)
    if image[start:start + 4] != b"PE\0\0":
        raise ValueError("the stub is no EFI program: it has no PE header")
    result = bytearray(image)
    signature, kind, count, _time, symbols, symbol_count, size, flags = _COFF.unpack_from(image, start)
    optional = start + _COFF.size
    table = optional + size
    magic = struct.unpack_from("<H", image, optional)[0]
    if magic not in _DIRECTORIES:
        raise ValueError(f"the stub is no EFI program: its optional header has the magic number {magic:#x}")
    directories = optional + _DIRECTORIES[magic]
    if struct.unpack_from("<I", image, directories - 4)[0] > _SECURITY and any(
        struct.unpack_from("<II", image, directories + 8 * _SECURITY)
    ):
        raise ValueError("the stub is signed, and further sections would break its signature; an unsigned one is needed")
    section_alignment, file_alignment = struct.unpack_from("<II", image, optional + _ALIGNMENTS)
    section_alignment = max(section_alignment, _PAGE)  # older stubs say 512
    _image_size, header_size = struct.unpack_from("<II", image, optional + _IMAGE_SIZE)
    found = [_SECTION.unpack_from(image, table + number * _SECTION.size) for number in range(count)]
    names = {entry[0].rstrip(b"\0") for entry in found}
    end = table + (count + len(sections)) * _SECTION.size
    if end > min([header_size, *(entry[4] for entry in found if entry[3])]):
        raise ValueError(f"the stub's headers have no room for {len(sections)} more sections")

    address = _align(max(entry[2] + entry[1] for entry in found), section_alignment)
    offset = _align(max(entry[4] + entry[3] for entry in found), file_alignment)
    tail = bytes(image[max(entry[4] + entry[3] for entry in found):])  # symbols, which nothing at run time needs to find
    added = bytearray()
    for number, (name, data) in enumerate(sections, count):
        if name.encode() in names:
            raise ValueError(f"the stub has a section {name} already")
        raw = _align(len(data), file_alignment)
        _SECTION.pack_into(result, table + number * _SECTION.size, name.encode(), len(data), address, raw,
                           offset + len(added), 0, 0, 0, 0, _DATA)  # fmt: skip
        added += data + bytes(raw - len(data))
        address = _align(address + len(data), section_alignment)
    del result[offset:]
    result += bytes(offset - len(result)) + added
    if symbols:
        symbols += len(result) - (len(image) - len(tail))
    result += tail
    _COFF.pack_into(result, start, signature, kind, count + len(sections), _time, symbols, symbol_count, size, flags)
    initialized = struct.unpack_from("<I", image, optional + _INITIALIZED)[0]
    struct.pack_into("<I", result, optional + _INITIALIZED, initialized + len(added))
    struct.pack_into("<I", result, optional + _IMAGE_SIZE, address)
    struct.pack_into("<I", result, optional + _CHECKSUM, 0)  # UEFI does not look at it
    return bytes(result)


def build(stub: str, kernel: str, initrd: str, os_release: str, cmdline: str | None, uname: str | None = None) -> bytes:
    """Return a unified kernel image. The kernel comes last: older stubs let it unpack itself beyond its section."""

    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    sections = [(".osrel", read(os_release))]
    if cmdline is not None:
        sections.append((".cmdline", cmdline.encode()))
    if uname is not None:
        sections.append((".uname", uname.encode()))
    sections += [(".initrd", read(initrd)), (".linux", read(kernel))]
    return append(read(stub), sections)
