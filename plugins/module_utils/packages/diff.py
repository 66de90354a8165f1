# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What changes between two package lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .model import Package
from .versions import version_key


@dataclass(frozen=True)
class Change:
    """The same package name and architecture before and after."""

    name: str
    architecture: str
    before: str
    after: str


@dataclass(frozen=True)
class PackageChanges:
    """Sorted by name and architecture.  ``rebuilt``: equal version, other content."""

    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    upgraded: tuple[Change, ...] = ()
    downgraded: tuple[Change, ...] = ()
    rebuilt: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return any((self.added, self.removed, self.upgraded, self.downgraded, self.rebuilt))

    def as_text(self) -> str:
        """One line per package, in the order of names; empty when nothing changes."""
        lines = [
            (package.name, package.architecture, f"+ {_name(package)} {package.version}") for package in self.added
        ]
        lines += [(item.name, item.architecture, f"- {_name(item)} {item.version}") for item in self.removed]
        for changes, sign in ((self.upgraded, "^"), (self.downgraded, "v")):
            lines += [(c.name, c.architecture, f"{sign} {_name(c)} {c.before} -> {c.after}") for c in changes]
        lines += [(c.name, c.architecture, f"= {_name(c)} {c.after} (other content)") for c in self.rebuilt]
        return "".join(f"{text}\n" for _ignored, _ignored, text in sorted(lines))

    def as_dict(self) -> dict[str, Any]:
        def packages(items: Iterable[Package]) -> list[dict[str, str]]:
            return [{"name": p.name, "architecture": p.architecture, "version": p.version} for p in items]

        def changes(items: Iterable[Change]) -> list[dict[str, str]]:
            return [
                {"name": c.name, "architecture": c.architecture, "before": c.before, "after": c.after} for c in items
            ]

        return {
            "added": packages(self.added),
            "removed": packages(self.removed),
            "upgraded": changes(self.upgraded),
            "downgraded": changes(self.downgraded),
            "rebuilt": changes(self.rebuilt),
        }


def _name(item: Package | Change) -> str:
    return f"{item.name} ({item.architecture})"


def diff_packages(before: Iterable[Package], after: Iterable[Package]) -> PackageChanges:
    """Compare by name and architecture, versions in dpkg's order.

    A package that turned from one architecture to ``all`` or back counts as removed and added, as for dpkg --install
    with Multi-Arch it would be another package.
    """
    old = {(package.name, package.architecture): package for package in before}
    new = {(package.name, package.architecture): package for package in after}
    upgraded, downgraded, rebuilt = [], [], []
    for key in sorted(old.keys() & new.keys()):
        was, now = old[key], new[key]
        change = Change(*key, was.version, now.version)
        if version_key(was.version) < version_key(now.version):
            upgraded.append(change)
        elif version_key(was.version) > version_key(now.version):
            downgraded.append(change)
        elif was.sha256 != now.sha256:
            rebuilt.append(change)
    return PackageChanges(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        upgraded=tuple(upgraded),
        downgraded=tuple(downgraded),
        rebuilt=tuple(rebuilt),
    )
