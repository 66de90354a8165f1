# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The header of a (verified) Release or InRelease file; format: the Debian repository format, "Release" files."""

from __future__ import annotations

import email.utils
import hashlib
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path


@dataclass(frozen=True)
class ReleaseFile:
    """``sha256`` is of the file as the mirror serves it; times are RFC 3339 in UTC, empty when not given."""

    sha256: str
    origin: str
    suite: str
    codename: str
    date: str
    valid_until: str
    architectures: tuple[str, ...]
    components: tuple[str, ...]


def _time(text: str) -> str:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_release(path: Path) -> ReleaseFile:
    data = path.read_bytes()
    fields: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if line.startswith(("-----BEGIN PGP SIGNATURE", " ")) and fields:
            # The checksum lists come last in every archive's file, and nothing below them is wanted.
            if line.startswith("-----"):
                break
            continue
        if colon and not name.startswith(("-", " ")):
            fields.setdefault(name.strip().lower(), value.strip())
    return ReleaseFile(
        sha256=hashlib.sha256(data).hexdigest(),
        origin=fields.get("origin", ""),
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        date=_time(fields.get("date", "")),
        valid_until=_time(fields.get("valid-until", "")),
        architectures=tuple(fields.get("architectures", "").split()),
        components=tuple(fields.get("components", "").split()),
    )
