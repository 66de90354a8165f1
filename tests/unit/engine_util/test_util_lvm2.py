# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import pytest
from osbuild.util import lvm2, lvm2text

# The first 8 KiB of a disk of 16 MiB after pvcreate and "vgcreate test-vg" of LVM 2.03.16.
RECORDED = (
    "eNrtmEFv0zAUgLfd8AV+wiMT0oZwl7hd1k0CkW1hm9R2W9t1rNMUZanbRiRxmrhZuokzB/4PNy7cucO/gH+AnbYMxODGAeEviez37Pf8/OIc8h"
    "YWFP8zNWvbrh027MWZ7Dx80wWp79QJ6LrBBl4+Omb9QXcw1Fvx9cnLbrNsdStXZ539Jj+0xdSZ6YM/LzQf/nL/zuGlW0cKhUKhUCgUCoVCofgL"
    "vH/39SMUP3v5+br1KNEbj58t3vW/tjRtPs/aq08f3qrs/ftwmnKcDeAG+T14Cpo54sedS5zGSR0H+9dt3PdoirOzE47DPGniV5MsOZ1oKKWjiA"
    "kDA/VZErpc2gZZSMQId/k4FfK51rRbB13b2q7Z2hMQkrUr29PmQdvWLlA/cAfFvAtEc04j7qT+NRWKqrFJUOjmTpAJSS+68axLudtzuet4LPZp"
    "WuhQPJykvucGTsaCcSi0N0KX6d/3NK1hYFnEwLKKgWUZA8s6BpaFDDytZGioRzPfkwFoa6K7FjAW6xr6cUNWrXa4Y7WLHf20ATF/Hn2ZbJhVFF"
    "NH2CUyL0SvFLLHxpGUy+i1uJB4lmGPRjRxOe3B5WT6GWY0SX0WASnp5ZJhrpBVWCE6IVhfx0Z1dQta4wgaLANCxL1VIVvEEEsQEyGPRTKNMiSt"
    "LVIKL6avplOkBfYSNo41NF9AvjsRd+olfsynCu008TmFfsJCyAZeQkVkgEcjwBOYHxSMe4kvfATM7YmwI7jNVUkkqzAS3pwhS4tDkYXavWWo+d"
    "E4hywEs2RUS5WKOFY4M81NWDagVT+Co6Zt14/azu5Zw6of7MBzHfKq6ZiVW4fcD2V6jY3N9XJ1o1wxhNvf50J92QqFQqFQKBQKxa98A6wv9wM="
)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(zlib.decompress(base64.b64decode(RECORDED)))
    return path


def test_metadata_of_lvm_are_read(disk: Path) -> None:
    with lvm2.Disk.open(disk, read_only=True) as volume:
        metadata = volume.metadata
        assert metadata.vg_name == "test-vg" == next(iter(metadata.data))
        assert metadata.data["test-vg"]["extent_size"] == 8192
        assert metadata.data["test-vg"]["status"] == ["RESIZEABLE", "READ", "WRITE"]
        assert metadata.data["test-vg"]["physical_volumes"]["pv0"]["pe_start"] == 2048
        assert metadata.data["contents"] == "Text Format Volume Group"
    assert volume.fp.closed


def test_changes_are_read_back_and_the_rest_stays(disk: Path) -> None:
    with lvm2.Disk.open(disk) as volume:
        group = dict(volume.metadata.data["test-vg"])
        volume.rename_vg("other")
        volume.set_description('a "description" \\ of  blanks')
        volume.set_creation_time(12345)
        volume.set_creation_host("host")
        volume.flush_metadata()
    with lvm2.Disk.open(disk, read_only=True) as volume:
        data = volume.metadata.data
        assert volume.metadata.vg_name == "other" == next(iter(data)) and "test-vg" not in data
        assert data["other"] == group
        assert data["description"] == 'a "description" \\ of  blanks'
        assert (data["creation_time"], data["creation_host"]) == (12345, "host")


def test_what_is_not_flushed_is_not_written(disk: Path) -> None:
    before = disk.read_bytes()
    with lvm2.Disk.open(disk) as volume:
        volume.rename_vg("other")
    assert disk.read_bytes() == before


def shrink_area(disk: Path, size: int) -> None:
    """Let the metadata area be `size` bytes long."""
    content = bytearray(disk.read_bytes())
    struct.pack_into("<Q", content, 4096 + 32, size)
    struct.pack_into("<L", content, 4096, lvm2.checksum(bytes(content[4100:4608])))
    disk.write_bytes(content)


def test_longer_text_goes_on_at_the_start_of_the_ring(disk: Path) -> None:
    with lvm2.Disk.open(disk) as volume:
        (area,) = volume.areas
        # LVM writes each text behind the one before.
        area.text_offset = 1536
        volume.flush_metadata()
        end = area.text_offset + area.text_size + 10
    shrink_area(disk, end)
    behind = disk.read_bytes()[4096 + end :]
    with lvm2.Disk.open(disk) as volume:
        volume.set_description("long " * 40)
        volume.flush_metadata()
        assert len(volume.areas[0].pieces(volume.areas[0].text_size)) == 2
    with lvm2.Disk.open(disk) as volume:
        assert volume.metadata.data["description"] == "long " * 40
        before = disk.read_bytes()
        volume.set_description("too long " * 500)
        with pytest.raises(RuntimeError, match="does not fit into its area"):
            volume.flush_metadata()
    assert disk.read_bytes() == before
    assert before[4096 + end :] == behind


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (512, "Could not find label header"),
        (4096 + 4, "Could not find metadata header"),
        (4096 + 200, "Could not find metadata header"),
    ],
)
def test_what_is_no_physical_volume_is_refused(disk: Path, position: int, message: str) -> None:
    content = bytearray(disk.read_bytes())
    content[position] ^= 0xFF
    disk.write_bytes(content)
    with pytest.raises(RuntimeError, match=message):
        lvm2.Disk.open(disk)


def test_volume_without_group_is_refused(disk: Path) -> None:
    content = bytearray(disk.read_bytes())
    content[4096 + 40 : 4096 + 64] = bytes(24)
    disk.write_bytes(content)
    shrink_area(disk, 1044480)
    with pytest.raises(RuntimeError, match="is in no volume group"):
        lvm2.Disk.open(disk)


def test_text_survives_a_round_trip() -> None:
    text = """# Generated
vg {  # comment "with" = signs
    a = 1  b = -2.5
    list = ["x", 3, []]  empty {
    }
    s = "a \\"b\\" # no comment"
    1.2-x = 5
}
contents = ""
"""
    data = lvm2text.parse(text)
    assert data == {
        "vg": {"a": 1, "b": -2.5, "list": ["x", 3, []], "empty": {}, "s": 'a "b" # no comment', "1.2-x": 5},
        "contents": "",
    }
    assert lvm2text.parse(lvm2text.dumps(data)) == data


@pytest.mark.parametrize("text", ["a", "a = ", "a {", "a = [1", "}", 'a = "x', "a = {}", "a = b", "a = \x00"])
def test_malformed_text_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 2 of the LVM metadata is malformed"):
        lvm2text.parse("x = 1\n" + text)
