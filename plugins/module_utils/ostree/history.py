# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Commits and their history."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from typing import Any

from . import metadata
from .program import run
from .repository import Repository

_COMMIT = re.compile(r"^commit ([0-9a-f]{64})$", re.MULTILINE)
_BINDING = "ostree.ref-binding"


@dataclass(frozen=True)
class Commit:
    """One commit; ``date`` is in UTC, ``content`` a digest of its tree alone."""

    checksum: str
    parent: str | None
    content: str
    date: datetime.datetime
    version: str = ""
    subject: str = ""
    body: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def bindings(self) -> list[str] | None:
        """Refs it was made for; None when that was not noted."""
        text = self.extra.get(_BINDING)
        found = None if text is None else metadata.value(text)
        return found if isinstance(found, list) else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "commit": self.checksum,
            "parent": self.parent,
            "content": self.content,
            "date": self.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "version": self.version,
            "subject": self.subject,
        }


def _parse(checksum: str, text: str) -> Commit:
    head, _blank, message = text.strip("\n").partition("\n\n")
    fields: dict[str, str] = {}
    for line in head.splitlines():
        name, colon, content = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), content.strip())
    lines = [line.removeprefix("    ") for line in message.splitlines() if line.startswith("    ") or not line]
    subject, _gap, body = "\n".join(lines).strip("\n").partition("\n")
    return Commit(
        checksum=checksum,
        parent=fields.get("Parent"),
        content=fields.get("ContentChecksum", ""),
        date=datetime.datetime.strptime(fields["Date"], "%Y-%m-%d %H:%M:%S %z").astimezone(datetime.UTC),
        version=fields.get("Version", ""),
        subject=subject.strip(),
        body=body.strip("\n"),
    )


def history(repository: Repository, rev: str, limit: int | None = None) -> list[Commit]:
    """The commit of *rev* and its parents, newest first, as far as the repository has them."""
    parts = _COMMIT.split(run("log", rev, repo=repository.path))
    found = [_parse(checksum, text) for checksum, text in zip(parts[1::2], parts[2::2], strict=True)]
    return found[:limit]


def read(repository: Repository, rev: str) -> Commit:
    """One commit with its metadata."""
    parts = _COMMIT.split(run("show", rev, repo=repository.path))
    plain = _parse(parts[1], parts[2])
    # libostree writes numbers in big endian, but does not know of those in metadata.
    extra = metadata.parse(run("show", "--raw", "--no-byteswap", plain.checksum, repo=repository.path))
    return Commit(**{**plain.__dict__, "extra": extra})
