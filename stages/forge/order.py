# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The order in which packages are unpacked and their preinst scripts run, and which ones dpkg itself needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .deb import Package
from .stanza import relations

#: base-files owns the directories, base-passwd makes /etc/passwd: all others may rely on both.
_FIRST = ("base-files", "base-passwd")


def _providers(packages: Sequence[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in packages:
        found.setdefault(package.name, []).append(package)
        for group in relations(package.control.get("Provides")):
            for name in group:
                found.setdefault(name, []).append(package)
    return found


def unpack_order(packages: Sequence[Package]) -> list[Package]:
    """Base packages, then each package after what it pre-depends on, else essential ones first and by name.

    A function of the set alone: the order of the manifest does not matter.
    """
    rank = {name: number for number, name in enumerate(_FIRST)}
    wanted = sorted(packages, key=lambda package: (rank.get(package.name, 9), not package.essential, package.qualified))
    by_name = _providers(wanted)
    placed: dict[int, Package] = {}

    def place(package: Package, above: frozenset[int]) -> None:
        if id(package) in placed or id(package) in above:
            return
        if package.name not in rank:
            for group in relations(package.control.get("Pre-Depends")):
                for candidate in next((by_name[name] for name in group if name in by_name), [])[:1]:
                    place(candidate, above | {id(package)})
        placed[id(package)] = package

    for package in wanted:
        place(package, frozenset())
    return list(placed.values())


def closure(packages: Sequence[Package], names: Iterable[str]) -> list[Package]:
    """`names` and whatever of `packages` they may need, every alternative counted: too many rather than too few."""
    by_name = _providers(packages)
    found: dict[int, Package] = {}
    queue = [package for name in names for package in by_name.get(name, [])]
    while queue:
        package = queue.pop()
        if id(package) in found:
            continue
        found[id(package)] = package
        for field in ("Pre-Depends", "Depends"):
            for group in relations(package.control.get(field)):
                queue.extend(candidate for name in group for candidate in by_name.get(name, []))
    return [package for package in packages if id(package) in found]


def essential(packages: Sequence[Package]) -> list[Package]:
    """The essential packages, dpkg, and what these need: what every other package and dpkg itself rely on."""
    return closure(packages, ["dpkg", *(package.name for package in packages if package.essential)])
