# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[[customizations.files]]`` and ``[[customizations.directories]]``."""

from __future__ import annotations

import re

from .accounts import LAST_ID, NAME, NAME_RULE
from .describe import YES, Row, section
from .fields import Table, is_integer, kind, show
from .model import Directory, File
from .paths import node_problem

_MODE = re.compile(r"0?[0-7]{3}")
_ID = re.compile(r"\d+")
_SHA256 = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_CHECKSUM = re.compile(r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})")
_URI = re.compile(r"(?:https?://[^\s/]+/|file:///)[^\s]+")

_COMMON: tuple[Row, ...] = (
    (
        "path", YES, "below /etc, /opt, /srv, /usr/local, /root or /var/lib",
        "Where; not what other customizations or packages' databases own.",
    ),
    ("user", YES, "name or number", "Owner, by default root."),
    ("group", YES, "name or number", "Group, by default root."),
    ("mode", YES, "octal text such as `0644`", "Permissions; by default 0644 for files, 0755 for directories."),
)
FIELDS = (
    *section(
        "customizations.directories[]",
        *_COMMON,
        ("ensure_parents", YES, "boolean", "Make missing parents."),
    ),
    *section(
        "customizations.files[]",
        *_COMMON,
        ("data", YES, "text", "Its content."),
        (
            "uri", YES, "`file://` on the building host, or an http or https URL",
            "Where its content comes from, instead of `data`; needs a checksum.",
        ),
        ("sha256", YES, "64 hex digits", "Checksum of what `uri` has."),
        ("checksum", YES, "`sha256:HEX`, `sha384:HEX`, `sha512:HEX`", "The same in another spelling."),
    ),
)


def checksum(table: Table) -> str:
    """``ALGORITHM:HEX`` from the key ``sha256`` or ``checksum``; empty if there is neither."""
    if table.either("sha256", "checksum") == "sha256":
        found = table.text("sha256", _SHA256, "64 small hex digits (sha256sum(1))") or ""
        return found if not found or ":" in found else f"sha256:{found}"
    return table.text("checksum", _CHECKSUM, "sha256:, sha384: or sha512: and the digest in small hex digits") or ""


def _path(table: Table) -> str:
    path = table.required("path", table.text("path"))
    problem = node_problem(path)
    if problem:
        raise table.error("path", f"{show(path)} {problem}")
    return path


def _owner(table: Table, key: str) -> str | int | None:
    value = table.take(key)
    if value is None or value == "":
        return None
    if is_integer(value) or (isinstance(value, str) and _ID.fullmatch(value)):
        number = int(value)
        if not 0 <= number <= LAST_ID:
            raise table.error(key, f"{number} is out of range 0..{LAST_ID}")
        return number
    if not isinstance(value, str):
        raise table.error(key, f"must be a name or a numeric id, found {kind(value)}")
    return table.check_text(key, value, NAME, NAME_RULE)


def _mode(table: Table) -> int | None:
    value = table.text("mode", _MODE, "three octal digits, with or without a leading zero, in a string ('0644')")
    return None if value is None else int(value, 8)


def read_directories(table: Table) -> tuple[Directory, ...]:
    found = []
    for item in table.tables("directories"):
        node = Directory(
            path=_path(item),
            user=_owner(item, "user"),
            group=_owner(item, "group"),
            mode=_mode(item),
            ensure_parents=item.boolean("ensure_parents"),
        )
        found.append(node)
        item.close()
    return tuple(found)


def _content(table: Table) -> tuple[bytes, str, str]:
    """Data, URI and checksum."""
    if table.has("uri") and table.has("data"):
        raise table.error("uri", "data and uri exclude each other")
    uri = table.text("uri", _URI, "a file:///, http:// or https:// URL") or ""
    digest = checksum(table)
    if uri and not digest:
        raise table.error("sha256", f"is required with uri: the SHA-256 of what {show(uri)} has")
    if digest and not uri:
        raise table.error("uri", "is required with a checksum: where the content comes from")
    return (table.text("data") or "").encode("utf-8"), uri, digest


def read_files(table: Table) -> tuple[File, ...]:
    found = []
    for item in table.tables("files"):
        data, uri, digest = _content(item)
        node = File(
            path=_path(item),
            user=_owner(item, "user"),
            group=_owner(item, "group"),
            mode=_mode(item),
            data=data,
            uri=uri,
            checksum=digest,
        )
        found.append(node)
        item.close()
    return tuple(found)
