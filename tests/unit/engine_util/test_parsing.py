# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import pytest
from osbuild.util import parsing

ARGS = {
    "tree": "/run/osbuild/tree",
    "paths": {"mounts": "/run/osbuild/mounts"},
    "mounts": {"root": {"path": "/run/osbuild/mounts/."}, "boot": {"path": "/run/osbuild/mounts/boot"}},
    "inputs": {"files": {"path": "/run/osbuild/inputs/files"}},
}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/etc/passwd", "/run/osbuild/tree/etc/passwd"),
        ("tree:///etc/passwd", "/run/osbuild/tree/etc/passwd"),
        ("TREE:///etc", "/run/osbuild/tree/etc"),
        ("tree:///", "/run/osbuild/tree/."),
        ("/", "/run/osbuild/tree/."),
        ("tree:///usr/", "/run/osbuild/tree/usr/."),
        ("tree:///../../etc/shadow", "/run/osbuild/tree/etc/shadow"),
        ("tree:////etc//x", "/run/osbuild/tree/etc/x"),
        ("mount://boot/efi", "/run/osbuild/mounts/boot/efi"),
        ("mount://root/", "/run/osbuild/mounts/."),
        ("mount:///x", "/run/osbuild/mounts/x"),
        ("input://files/sha256:abc", "/run/osbuild/inputs/files/sha256:abc"),
        ("tree:///a%20b", "/run/osbuild/tree/a%20b"),
        ("tree:///a?b#c", "/run/osbuild/tree/a"),
        ("tree:///ü;x", "/run/osbuild/tree/ü;x"),
    ],
)
def test_location_becomes_a_path_below_its_root(location: str, expected: str) -> None:
    assert parsing.parse_location(location, ARGS) == expected


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp:///x", "Unsupported scheme 'ftp'"),
        ("tree://x", "url.path from location must start with '/', got: "),
        ("x", "url.path from location must start with '/', got: "),
        ("mount://nope/x", "Unknown mount 'nope'"),
        ("input://nope/x", "Unknown input 'nope'"),
    ],
)
def test_bad_location_is_refused_with_its_reason(location: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parsing.parse_location(location, ARGS)
    assert str(caught.value) == message


def test_parts_keep_the_trailing_slash() -> None:
    assert parsing.parse_location_into_parts("mount://boot/a/", ARGS) == ("/run/osbuild/mounts/boot", "/a/")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("123", 123),
        (" 7", 7),
        ("123 kB", 123000),
        ("123KiB", 123 * 1024),
        ("1 MB", 10**6),
        ("1MiB", 2**20),
        ("2 GB", 2 * 10**9),
        ("2GiB", 2**31),
        ("1TB", 10**12),
        ("1 TiB", 2**40),
        ("unlimited", "unlimited"),
    ],
)
def test_size_is_read_in_bytes(text: str, size: int | str) -> None:
    assert parsing.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "12 ", "12 mb", "12 MB ", "1.5 GB", "-3", "12 KB", "0x10", "１２"])
def test_bad_size_is_refused(text: str) -> None:
    with pytest.raises(TypeError, match="invalid size value: '"):
        parsing.parse_size(text)


def test_import_stays_light() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; before = set(sys.modules); import osbuild.util.parsing as p;"
        "p.parse_location('tree:///x', {'tree': '/t'}); print(*(set(sys.modules) - before))"
    )
    result = subprocess.run([sys.executable, "-Ic", code], capture_output=True, text=True, check=True)
    assert not {"urllib.parse", "asyncio", "jsonschema", "subprocess"} & set(result.stdout.split())
