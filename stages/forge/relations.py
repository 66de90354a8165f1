# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Dependency fields, Debian versions, and whether a set of packages satisfies itself.

Source: deb-control(5), deb-version(7), Debian Policy chapter 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import NamedTuple

from .stanza import Stanza

_RELATION = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)(?::([a-z0-9\-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?\s*"
)
_DIGITS = re.compile(r"(\D*)(\d*)", re.ASCII)


class Relation(NamedTuple):
    """One alternative: name, architecture qualifier ("" if none), operator and version ("" if any)."""

    name: str
    qualifier: str
    operator: str
    version: str

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


def parse(value: str) -> list[list[Relation]]:
    """A relation field as groups of alternatives; what cannot be read (no package in an archive has it) is left out."""
    groups = []
    for group in value.replace("\n", " ").split(","):
        found = [_RELATION.match(alternative) for alternative in group.split("|")]
        alternatives = [Relation(m[1], m[2] or "", m[3] or "", m[4] or "") for m in found if m]
        if alternatives:
            groups.append(alternatives)
    return groups


def _order(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _compare_text(one: str, two: str) -> int:
    for number in range(max(len(one), len(two))):
        first = _order(one[number]) if number < len(one) else 0
        second = _order(two[number]) if number < len(two) else 0
        if first != second:
            return -1 if first < second else 1
    return 0


def _compare_part(one: str, two: str) -> int:
    first, second = _DIGITS.findall(one), _DIGITS.findall(two)
    for number in range(max(len(first), len(second))):
        a = first[number] if number < len(first) else ("", "")
        b = second[number] if number < len(second) else ("", "")
        if result := _compare_text(a[0], b[0]):
            return result
        if int(a[1] or 0) != int(b[1] or 0):
            return -1 if int(a[1] or 0) < int(b[1] or 0) else 1
    return 0


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), upstream if dash else rest, revision if dash else ""


def compare_versions(one: str, two: str) -> int:
    """-1, 0 or 1, as `dpkg --compare-versions` orders them."""
    if one == two:
        return 0
    first, second = _split(one), _split(two)
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    return _compare_part(first[1], second[1]) or _compare_part(first[2], second[2])


version_key = cmp_to_key(compare_versions)

_HOLDS: dict[str, Callable[[int], bool]] = {
    "<<": lambda order: order < 0, "<=": lambda order: order <= 0, "<": lambda order: order <= 0,
    "=": lambda order: order == 0, ">=": lambda order: order >= 0, ">": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}


def version_holds(version: str, operator: str, wanted: str) -> bool:
    """Whether `version` stands in the relation; any version does when there is no operator."""
    return not operator or _HOLDS[operator](compare_versions(version, wanted))


@dataclass(frozen=True)
class _Offer:
    """Something a package is or provides, with a version ("" for an unversioned provision)."""

    package: Stanza
    version: str


class PackageSet:
    """Packages (control stanzas) of a system whose native architecture is given, and their dependencies."""

    def __init__(self, stanzas: Iterable[Stanza], architecture: str) -> None:
        self.stanzas = list(stanzas)
        self.architecture = architecture
        self._offers: dict[str, list[_Offer]] = {}
        for stanza in self.stanzas:
            self._offers.setdefault(stanza["Package"].strip(), []).append(_Offer(stanza, stanza.get("Version").strip()))
            for group in parse(stanza.get("Provides")):
                for provided in group:
                    self._offers.setdefault(provided.name, []).append(_Offer(stanza, provided.version))

    def _arch(self, stanza: Stanza) -> str:
        found = stanza.get("Architecture").strip()
        return self.architecture if found == "all" else found

    def _fits(self, relation: Relation, asking: Stanza, offer: _Offer) -> bool:
        if relation.operator and (not offer.version or not version_holds(offer.version, relation.operator,
                                                                         relation.version)):
            return False
        multi = offer.package.get("Multi-Arch").strip()
        if relation.qualifier == "any":
            return multi == "allowed" or self._arch(offer.package) == self._arch(asking)
        if relation.qualifier and relation.qualifier != "native":
            return self._arch(offer.package) == relation.qualifier
        return multi == "foreign" or self._arch(offer.package) == self._arch(asking)

    def _why_not(self, relation: Relation) -> str:
        offers = self._offers.get(relation.name, [])
        if not offers:
            return f"{relation.name} is not there"
        own = [offer for offer in offers if offer.package["Package"].strip() == relation.name]
        if own:
            return f"{relation.name} is there as {own[0].version} for {own[0].package.get('Architecture').strip()}"
        return f"{relation.name} is only provided by {offers[0].package['Package'].strip()}"

    def problems(self) -> list[str]:
        """One clause per unsatisfied dependency and per conflict; empty when all is well."""
        found = []
        for stanza in self.stanzas:
            name = stanza["Package"].strip()
            for field, verb in (("Pre-Depends", "pre-depends"), ("Depends", "depends")):
                for group in parse(stanza.get(field)):
                    if any(self._fits(r, stanza, offer) for r in group for offer in self._offers.get(r.name, [])):
                        continue
                    wanted = " | ".join(map(str, group))
                    found.append(f"{name} {verb} on {wanted}, but {' and '.join(map(self._why_not, group))}")
            for field, verb in (("Conflicts", "conflicts with"), ("Breaks", "breaks")):
                for group in parse(stanza.get(field)):
                    for relation in group:
                        found += self._clashes(stanza, relation, f"{name} {verb} {relation}")
        return found

    def _clashes(self, stanza: Stanza, relation: Relation, clause: str) -> list[str]:
        found = []
        for offer in self._offers.get(relation.name, []):
            other = offer.package["Package"].strip()
            if other == stanza["Package"].strip():
                continue  # neither with itself nor with what it provides, nor with its other architectures
            if relation.operator and (not offer.version or not version_holds(offer.version, relation.operator,
                                                                             relation.version)):
                continue
            if relation.qualifier not in ("", "any") and self._arch(offer.package) != relation.qualifier:
                continue
            found.append(f"{clause}, but {other} {offer.package.get('Version').strip()} is there")
        return found


def sentence(problems: Sequence[str], limit: int = 8) -> str:
    """All problems (the first `limit`, and how many more) in one sentence."""
    more = f"; and {len(problems) - limit} more" if len(problems) > limit else ""
    return f"dependencies are not satisfied: {'; '.join(problems[:limit])}{more}"
