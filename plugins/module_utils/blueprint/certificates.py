# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Certificates in PEM form (RFC 7468): looked at just enough to tell them from what they are not."""

from __future__ import annotations

import base64
import binascii
import re

from .fields import Table

_BLOCK = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s(.*?)-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL)
_SEQUENCE = 0x30


def _is_der(data: bytes) -> bool:
    """One ASN.1 sequence and nothing after it."""
    if len(data) < 4 or data[0] != _SEQUENCE:
        return False
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    return length + start == len(data)


def _problem(text: str) -> str | None:
    if "PRIVATE KEY-----" in text:
        return "holds a private key; give the certificate alone"
    blocks = _BLOCK.findall(text)
    if not blocks:
        return "is no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    for number, block in enumerate(blocks, start=1):
        try:
            data = base64.b64decode("".join(block.split()), validate=True)
        except binascii.Error:
            return f"holds a certificate (number {number}) that is not base64"
        if not _is_der(data):
            return f"holds a certificate (number {number}) that is cut off or damaged"
    return None


def read_certificates(table: Table, key: str) -> tuple[str, ...]:
    """Single certificates, each ending with a line feed; an element may hold several, as bundles do."""
    found: list[str] = []
    for number, text in enumerate(table.texts(key)):
        if problem := _problem(text):
            raise table.error(f"{key}[{number}]", problem)
        found += [f"{block[0].strip()}\n" for block in _BLOCK.finditer(text)]
    return tuple(dict.fromkeys(found))
