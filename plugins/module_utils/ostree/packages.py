# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Debian packages in commits, read from dpkg's database inside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..packages.diff import Change, PackageChanges, diff_packages
from ..packages.model import Package
from .program import attempt
from .repository import Repository

#: Where the database may lie: /var is empty in a commit that is deployed.
PLACES = ("/usr/lib/sysimage/dpkg/status", "/usr/share/dpkg/status", "/var/lib/dpkg/status")

LISTED = 100
DIFF_LINES = 300


def parse_status(text: str) -> list[Package]:
    """Installed packages of a dpkg status file."""
    found = []
    for stanza in text.split("\n\n"):
        fields = {}
        for line in stanza.splitlines():
            name, colon, content = line.partition(":")
            if colon and name in ("Package", "Status", "Architecture", "Version"):
                fields[name] = content.strip()
        if {"Package", "Version"} <= set(fields) and fields.get("Status", "").endswith(" installed"):
            architecture = fields.get("Architecture", "")
            found.append(
                Package(fields["Package"], fields["Version"], architecture, sha256="", size=0, path="", uri="")
            )
    return found


def of_commit(repository: Repository, commit: str) -> list[Package] | None:
    """Packages of a commit; None when it holds no dpkg database."""
    for place in PLACES:
        done = attempt(["cat", commit, place], repository.path)
        if done.returncode == 0:
            return parse_status(done.stdout)
    return None


def of_tree(root: Path) -> list[Package] | None:
    """Packages of an unpacked tree, like a deployment."""
    for place in PLACES:
        path = root / place.lstrip("/")
        if path.is_file():
            return parse_status(path.read_text(encoding="utf-8", errors="replace"))
    return None


def _line(package: Package) -> str:
    return f"{package.name} {package.version}"


def _change(change: Change) -> str:
    return f"{change.name} {change.before} -> {change.after}"


@dataclass(frozen=True)
class Difference:
    """What changes between two package lists; a list that is not known is None."""

    before: list[Package] | None
    after: list[Package] | None

    @property
    def changes(self) -> PackageChanges:
        if self.before is None or self.after is None:
            return PackageChanges()
        return diff_packages(self.before, self.after)

    def as_result(self) -> dict[str, Any]:
        """Counts, and at most ``LISTED`` changes of each kind as text."""
        changes = self.changes
        kinds = {
            "added": [_line(one) for one in changes.added],
            "removed": [_line(one) for one in changes.removed],
            "upgraded": [_change(one) for one in changes.upgraded],
            "downgraded": [_change(one) for one in changes.downgraded],
        }
        return {
            "known": self.before is not None and self.after is not None,
            "total": len(self.after or ()),
            "counts": {kind: len(lines) for kind, lines in kinds.items()},
            **{kind: lines[:LISTED] for kind, lines in kinds.items()},
        }

    def lines(self) -> tuple[list[str], list[str]]:
        """``package version`` before and after, only of those that change."""
        changes = self.changes
        both = (*changes.upgraded, *changes.downgraded)
        before = [_line(one) for one in changes.removed] + [f"{one.name} {one.before}" for one in both]
        after = [_line(one) for one in changes.added] + [f"{one.name} {one.after}" for one in both]
        return _capped(before), _capped(after)


def _capped(lines: Iterable[str]) -> list[str]:
    found = sorted(lines)
    left = len(found) - DIFF_LINES
    return found if left <= 0 else [*found[:DIFF_LINES], f"(and {left} more)"]


def compare(repository: Repository, before: str | None, after: str) -> Difference:
    """Package changes from one commit of the repository to another."""
    return Difference(None if before is None else of_commit(repository, before), of_commit(repository, after))
