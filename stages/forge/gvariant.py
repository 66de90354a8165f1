# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The GVariant types that OSTree's objects need: a{sv} with values left as they are, aay, and tuples of byte strings.

Source: the GVariant specification, "Serialisation format": variable-sized members are followed by the offsets of
their ends, little-endian, as wide as the whole container's size demands.
"""

from __future__ import annotations


def _width(body: int, offsets: int) -> int:
    if body + offsets < 256:
        return 1
    return next(width for width in (1, 2, 4, 8) if body + offsets * width < 1 << 8 * width)


def _read(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at:at + width], "little")


def _array(items: list[bytes], alignment: int) -> bytes:
    body, ends = b"", []
    for item in items:
        body += bytes(-len(body) % alignment) + item
        ends.append(len(body))
    width = _width(len(body), len(ends))
    return body + b"".join(end.to_bytes(width, "little") for end in ends)


def _items(data: bytes, alignment: int) -> list[bytes]:
    if not data:
        return []
    width = _width(len(data), 0)
    start = _read(data, len(data) - width, width)
    if start > len(data) or (len(data) - start) % width:
        raise ValueError("damaged GVariant array")
    found, at = [], 0
    for place in range(start, len(data), width):
        at += -at % alignment
        end = _read(data, place, width)
        if not at <= end <= start:
            raise ValueError("damaged GVariant array")
        found.append(data[at:end])
        at = end
    return found


def pack_array(items: list[bytes]) -> bytes:
    """An array of variable-sized items that need no alignment."""
    return _array(items, 1)


def pack_tuple(members: list[bytes], numbers: bytes = b"") -> bytes:
    """A tuple of fixed-sized numbers, in their serialised form, and variable-sized members that need no alignment."""
    ends, end = [], len(numbers)
    for member in members[:-1]:
        end += len(member)
        ends.append(end)
    body = numbers + b"".join(members)
    width = _width(len(body), len(ends))
    ends.reverse()
    return body + (bytes(ends) if width == 1 else b"".join(end.to_bytes(width, "little") for end in ends))


def pack_strings(items: list[bytes]) -> bytes:
    """A variant (type v) that holds byte strings, aay."""
    return _array(items, 1) + b"\0aay"


def unpack_strings(variant: bytes) -> list[bytes]:
    """The byte strings of a variant of aay. ValueError for anything else."""
    value, _ignored, kind = variant.rpartition(b"\0")
    if kind != b"aay":
        raise ValueError(f"found type {kind.decode('ascii', 'replace')}, not aay")
    return _items(value, 1)


def pack_dictionary(entries: dict[str, bytes]) -> bytes:
    """a{sv}: names to variants in their serialised form."""
    items = []
    for key, variant in entries.items():
        name = key.encode() + b"\0"
        body = name + bytes(-len(name) % 8) + variant
        items.append(body + len(name).to_bytes(_width(len(body), 1), "little"))
    return _array(items, 8)


def unpack_dictionary(data: bytes) -> dict[str, bytes]:
    """The entries of an a{sv}. ValueError if it is damaged."""
    found = {}
    for item in _items(data, 8):
        width = _width(len(item), 0)
        end = _read(item, len(item) - width, width)
        if not 0 < end <= len(item) - width or item[end - 1]:
            raise ValueError("damaged GVariant dictionary")
        found[item[:end - 1].decode()] = item[end + -end % 8:len(item) - width]
    return found
