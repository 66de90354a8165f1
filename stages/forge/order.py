# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The order in which packages are unpacked and their preinst scripts run, and which ones dpkg itself needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .deb import Package
from .relations import parse

#: base-files owns the directories, base-passwd makes /etc/passwd: all others may rely on both.
_FIRST = ("base-files", "base-passwd")


def _providers(packages: Sequence[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in packages:
        found.setdefault(package.name, []).append(package)
        for group in parse(package.control.get("Provides")):
            for provided in group:
                found.setdefault(provided.name, []).append(package)
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
            for group in parse(package.control.get("Pre-Depends")):
                for candidate in next((by_name[r.name] for r in group if r.name in by_name), [])[:1]:
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
            for group in parse(package.control.get(field)):
                queue.extend(candidate for relation in group for candidate in by_name.get(relation.name, []))
    return [package for package in packages if id(package) in found]


def essential(packages: Sequence[Package]) -> list[Package]:
    """The essential packages, dpkg, and what these need: what every other package and dpkg itself rely on."""
    return closure(packages, ["dpkg", *(package.name for package in packages if package.essential)])


def batches(packages: Sequence[Package]) -> list[tuple[list[Package], list[Package]]]:
    """(unpack, then configure) steps for real dpkg: what a package pre-depends on is configured before it is unpacked.

    The second list of the last step is empty: the end is a `dpkg --configure -a`.
    """
    steps: list[tuple[list[Package], list[Package]]] = []
    batch: list[Package] = []
    unpacked: set[int] = set()
    configured: set[int] = set()
    by_name = _providers(packages)
    for package in unpack_order(packages):
        names = [
            relation.name for group in parse(package.control.get("Pre-Depends")) for relation in group
            if any(id(other) not in configured for other in by_name.get(relation.name, []) if other is not package)
        ]
        if names:
            first = [other for other in closure(packages, names) if other is not package and id(other) not in configured]
            batch += [other for other in first if id(other) not in unpacked]
            steps.append((batch, first))
            unpacked |= {id(other) for other in first}
            configured |= {id(other) for other in first}
            batch = []
        if id(package) not in unpacked:
            batch.append(package)
            unpacked.add(id(package))
    return [*steps, (batch, [])]
