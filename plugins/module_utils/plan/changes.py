# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Package changes for people: against the lock file, or against what was built before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..packages import Change, Package, PackageChanges, diff_packages

#: Names a result lists at most for each kind of change, and lines of a diff.
LISTED = 100
DIFF_LINES = 300


def _package(spec: str) -> Package:
    name, _equals, version = spec.partition("=")
    name, _colon, architecture = name.partition(":")
    return Package(name, version, architecture, sha256="", size=0, path="", uri="")


def _lines(specs: Iterable[str], native: str) -> list[str]:
    """``package version`` for each, an architecture only where it is not the image's own."""
    lines = []
    for spec in specs:
        name, _equals, version = spec.partition("=")
        short, _colon, architecture = name.partition(":")
        lines.append(f"{short if architecture in {native, 'all', ''} else name} {version}")
    return sorted(lines)


@dataclass(frozen=True)
class Changes:
    """Changes of one package set; ``before`` is None if there is nothing to compare with."""

    before: tuple[str, ...] | None
    after: tuple[str, ...]
    native: str = ""

    def any(self) -> bool:
        return self.before is not None and tuple(self.before) != tuple(self.after)

    def as_result(self) -> dict[str, Any]:
        """Counts, and at most ``LISTED`` changes of each kind as text."""
        found = PackageChanges()
        if self.before is not None:
            found = diff_packages([_package(one) for one in self.before], [_package(one) for one in self.after])
        kinds = {
            "added": [f"{self._name(one)} {one.version}" for one in found.added],
            "removed": [f"{self._name(one)} {one.version}" for one in found.removed],
            "upgraded": [f"{self._name(one)} {one.before} -> {one.after}" for one in found.upgraded],
            "downgraded": [f"{self._name(one)} {one.before} -> {one.after}" for one in found.downgraded],
        }
        return {
            "total": len(self.after),
            "counts": {kind: len(lines) for kind, lines in kinds.items()},
            **{kind: lines[:LISTED] for kind, lines in kinds.items()},
        }

    def _name(self, one: Package | Change) -> str:
        return one.name if one.architecture in {self.native, "all", ""} else f"{one.name}:{one.architecture}"

    def as_diff(self, before: str, after: str) -> dict[str, str]:
        """For diff mode: one line ``package version`` each; equal lines are left out when there are too many."""
        old, new = _lines(self.before or (), self.native), _lines(self.after, self.native)
        if max(len(old), len(new)) > DIFF_LINES:
            gone, come = set(old) - set(new), set(new) - set(old)
            old, new = [line for line in old if line in gone], [line for line in new if line in come]
        return {
            "before": _text(old),
            "after": _text(new),
            "before_header": before,
            "after_header": after,
        }


def _text(lines: Sequence[str]) -> str:
    if len(lines) > DIFF_LINES:
        lines = [*lines[:DIFF_LINES], f"... and {len(lines) - DIFF_LINES} more"]
    return "".join(f"{line}\n" for line in lines)


def compare(
    before: Mapping[str, Sequence[str]] | None, after: Mapping[str, Sequence[str]], which: str = "os", native: str = ""
) -> Changes:
    """Compare the package set ``which`` (the image's own) of two plans or records."""
    old = None if before is None else tuple(before.get(which) or ())
    return Changes(old, tuple(after.get(which) or ()), native)
