# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.debian.suite``, ``.mirror``, ``.snapshot`` and ``.backports``: where Debian comes from."""

from __future__ import annotations

import re

from .debianmodel import Archive
from .describe import YES, section
from .fields import Table, kind

_SUITE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_URI = re.compile(r"(?:https?|file|ftp):/[^\s\[\]]+")
# As dak's snapshots are called: ISO 8601's basic format, in UTC.
_TIME = re.compile(r"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])[0-5]\d[0-5]\dZ")
_PACKAGE = re.compile(r"[a-z0-9*?\[][a-z0-9+.*?\[\]!-]*")
_PLACE = "{snapshot}"

FIELDS = section(
    "customizations.debian",
    (
        "suite", YES, "suite",
        "The mirror's name for the distribution, such as stable; another distribution's is refused. Chooses the "
        "distribution where nothing else does.",
    ),
    ("mirror", YES, "URI", "The archive, instead of the host's sources; a task's `sources` win. In the image too."),
    ("security_mirror", YES, "URI", "The archive of security updates; without it `mirror` brings none."),
    (
        "snapshot", YES, "time such as `20260131T000000Z`",
        "State of the archive: takes the place of `{snapshot}` in `mirror` and `security_mirror`. Their Release "
        "files may have expired.",
    ),
    (
        "backports", YES, "boolean, or array of packages",
        "The suite's backports, from its mirror: true: available to apt as usual; packages: taken from there.",
    ),
)  # fmt: skip


def read_archive(table: Table) -> Archive:
    snapshot = table.text("snapshot", _TIME, "a time in UTC such as 20260131T000000Z") or ""
    mirror = _mirror(table, "mirror", snapshot)
    security = _mirror(table, "security_mirror", snapshot)
    if security and not mirror:
        raise table.error("security_mirror", f"is only for use with {table.at('mirror')}")
    if snapshot and not mirror:
        raise table.error("snapshot", f"needs {table.at('mirror')}: an address of snapshots with {_PLACE} in it")
    return Archive(
        suite=table.text("suite", _SUITE, "the name of a suite, such as trixie") or "",
        mirror=mirror,
        security_mirror=security,
        snapshot=snapshot,
        backports=_backports(table),
    )


def _mirror(table: Table, key: str, snapshot: str) -> str:
    uri = table.text(key, _URI, "an http, https, ftp or file URI") or ""
    if uri and (_PLACE in uri) != bool(snapshot):
        what = f"lacks {_PLACE}, the place of the snapshot's time" if snapshot else f"has {_PLACE}, but snapshot is not given"
        raise table.error(key, f"'{uri}' {what}")
    return uri.replace(_PLACE, snapshot)


def _backports(table: Table) -> tuple[str, ...]:
    value = table.content.get("backports")
    if value is None or isinstance(value, (list, tuple)):
        return table.texts("backports", _PACKAGE, "a package name or glob")
    table.take("backports")
    if not isinstance(value, bool):
        raise table.error("backports", f"must be true, false or an array of packages, found {kind(value)}")
    return ("*",) if value else ()
