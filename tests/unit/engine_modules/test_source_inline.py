# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONTENT = b"some\x00content\n"
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
BASE64 = {"encoding": "base64", "data": base64.b64encode(CONTENT).decode()}


@pytest.fixture
def inline(load_program: Callable[[str], Any], service_fd: str, tmp_path: Path) -> Any:
    service = load_program("sources/org.osbuild.inline").InlineSource.from_args(["--service-fd", service_fd])
    service.setup({"cache": str(tmp_path), "options": {}})
    return service


@pytest.mark.parametrize(
    "desc",
    [
        BASE64,
        {"encoding": "lzma+base64", "data": base64.b64encode(lzma.compress(CONTENT)).decode()},
        {"encoding": "lzma+base64", "data": base64.b64encode(lzma.compress(CONTENT, lzma.FORMAT_ALONE)).decode()},
        {"encoding": "base64", "data": base64.encodebytes(CONTENT).decode()},
    ],
)
def test_content_is_decoded_and_stored(inline: Any, desc: dict[str, str]) -> None:
    result = inline.fetch_all({CHECKSUM: desc})
    assert result["success"] and result["results"][0]["metadata"] == {"checksum": CHECKSUM, "cached": False}
    assert Path(inline.cache, CHECKSUM).read_bytes() == CONTENT
    assert inline.fetch_all({CHECKSUM: desc})["results"][0]["metadata"]["cached"] is True


@pytest.mark.parametrize(
    ("checksum", "desc", "message"),
    [
        ("sha256:" + "0" * 64, BASE64, f"Checksum mismatch: the decoded data is {CHECKSUM}"),
        (CHECKSUM, {"encoding": "base64", "data": "A"}, "the data is not valid base64"),
        (CHECKSUM, {"encoding": "lzma+base64", "data": "AAAA"}, "the data is not valid lzma"),
        (CHECKSUM, {"encoding": "lzma+base64", "data": base64.b64encode(lzma.compress(CONTENT)[:-8]).decode()}, "lzma"),
        (CHECKSUM, {"encoding": "hex", "data": ""}, "encoding must be 'base64' or 'lzma+base64', found 'hex'"),
        (f"../{CHECKSUM}", BASE64, "is no checksum"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stored(
    inline: Any, checksum: str, desc: dict[str, str], message: str
) -> None:
    good = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    result = inline.fetch_all({checksum: desc, good: {"encoding": "base64", "data": ""}})
    assert not result["success"]
    assert message in result["output"]
    assert os.listdir(inline.cache) == [good]
