# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GVariant types of detached metadata."""

from __future__ import annotations

import pytest

from stages.forge import gvariant


@pytest.mark.parametrize("size", [0, 1, 64, 250, 300, 70000])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_round_trip(size, count) -> None:
    strings = [bytes([number]) * size for number in range(count)]
    packed = gvariant.pack_strings(strings)
    assert gvariant.unpack_strings(packed) == strings
    entries = {"a": packed, "longer name": gvariant.pack_strings([])}
    assert gvariant.unpack_dictionary(gvariant.pack_dictionary(entries)) == entries


@pytest.mark.parametrize("data", [b"\xff", b"\x00\x09\x05", b"abc\x02\x01"])
def test_damage_is_noticed(data) -> None:
    with pytest.raises(ValueError, match="damaged"):
        gvariant.unpack_dictionary(data)
