# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Find the packages and versions an ``include`` list names: exact, by glob, for another architecture, virtual."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..errors import PackageError
from .model import PackageSet, PackageSpec
from .versions import without_epoch, without_revision

_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Wanted:
    """An apt_pkg package, and the apt_pkg version it must have (None: the candidate)."""

    package: Any
    version: Any | None


def has_glob(text: str) -> bool:
    return not _GLOB.isdisjoint(text)


def match_version(pattern: str, version: str) -> bool:
    """Does a blueprint's version ask for this Debian version?

    The whole version, the version without its epoch, or the upstream version alone: blueprints name upstream
    versions ("5.2.15", "5.*"), lock files and ``apt-get`` whole ones ("1:5.2.15-2+b7").
    """
    forms = [version]
    if ":" not in pattern:
        forms.append(without_epoch(version))
    if "-" not in pattern:
        forms += [without_revision(form) for form in list(forms)]
    return any(fnmatchcase(form, pattern) if has_glob(pattern) else form == pattern for form in forms)


class Selector:
    """Looks names up for one set; remembers virtual ones, which are chosen after the real ones are marked."""

    def __init__(
        self, apt_pkg: Any, cache: Any, depcache: Any, what: str, wanted: PackageSet, architecture: str
    ) -> None:
        self.cache = cache
        self.depcache = depcache
        self.what = what
        self.wanted = wanted
        self.architecture = architecture
        self.records = apt_pkg.PackageRecords(cache)
        self.tag_section = apt_pkg.TagSection
        self.warnings: list[str] = []
        self._virtual: list[Any] = []

    def includes(self) -> list[Wanted]:
        found: list[Wanted] = []
        for text in sorted(set(self.wanted.include)):
            spec = PackageSpec.parse(text)
            found += self._globbed(spec) if has_glob(spec.name) else self._single(spec)
        chosen: dict[int, Wanted] = {}
        for item in found:
            other = chosen.get(item.package.id)
            if other is None or other.version is None:
                chosen[item.package.id] = item
            elif item.version is not None and item.version.id != other.version.id:
                raise PackageError(
                    f"{self.what}: '{item.package.name}' is asked for in two versions, {other.version.ver_str} and"
                    f" {item.version.ver_str}",
                    package=item.package.name,
                )
        return list(chosen.values())

    def named(self, name: str) -> Wanted:
        """A package that must exist under its own name."""
        return self._single(PackageSpec(name))[0]

    def virtuals(self) -> list[Any]:
        """Virtual packages that no marked package provides yet."""

        def provided(package: Any) -> bool:
            return any(
                self.depcache.marked_install(version.parent_pkg) and self._is_candidate(version)
                for _ignored, _ignored, version in package.provides_list
            )

        return [package for package in self._virtual if not provided(package)]

    def provider(self, package: Any) -> Wanted:
        """The best provider: native, Debian's own choice ("default-mta"), highest priority; says when others exist."""
        ranks = {"required": 0, "important": 1, "standard": 2, "optional": 3}
        offers = sorted(
            {
                (
                    version.parent_pkg.architecture != package.architecture,
                    not any(name.startswith("default-") for name, *_ignored in version.provides_list),
                    ranks.get(version.priority_str, 4),
                    version.parent_pkg.name,
                ): version
                for _ignored, _ignored, version in package.provides_list
                if self._is_candidate(version)
            }.items()
        )
        chosen = offers[0][1].parent_pkg
        if len(offers) > 1:
            others = ", ".join(key[3] for key, _ignored in offers[1:8])
            self.warnings.append(
                f"{self.what}: '{package.name}' is a virtual package; {chosen.name} was taken (others: {others})"
            )
        return Wanted(chosen, None)

    def is_essential(self, version: Any) -> bool:
        """The flag as the archive gives it; apt's own flag is wider (configuration adds to it)."""
        file, index = version.file_list[0]
        self.records.lookup((file, index))
        return bool(self.tag_section(self.records.record).get("Essential", "no") == "yes")

    def real_essential(self, package: Any) -> bool:
        return any(self.is_essential(version) for version in package.version_list)

    def _is_candidate(self, version: Any) -> bool:
        candidate = self.depcache.get_candidate_ver(version.parent_pkg)
        return candidate is not None and candidate.id == version.id

    def _single(self, spec: PackageSpec) -> list[Wanted]:
        arch = spec.architecture if spec.architecture not in ("", "any", "all", "native") else self.architecture
        try:
            package = self.cache[spec.name, arch]
        except KeyError:
            package = None
        if package is None or not (package.has_versions or self._offers(package)):
            raise self._unknown(spec)
        if not package.has_versions:
            return self._single_virtual(spec, package)
        if spec.version:
            return [Wanted(package, self._version(spec, package))]
        if self.depcache.get_candidate_ver(package) is None:
            raise PackageError(
                f"{self.what}: package '{spec.name}' has no version that the pins allow; there are"
                f" {_listed(version.ver_str for version in package.version_list)}",
                package=spec.name,
            )
        return [Wanted(package, None)]

    def _single_virtual(self, spec: PackageSpec, package: Any) -> list[Wanted]:
        if spec.version:
            names = sorted({version.parent_pkg.name for _ignored, _ignored, version in package.provides_list})
            raise PackageError(
                f"{self.what}: '{spec.name}' is a virtual package and has no version '{spec.version}' of its own;"
                f" it is provided by {', '.join(names)}",
                package=spec.name,
            )
        self._virtual.append(package)
        return []

    def _offers(self, package: Any) -> bool:
        return any(self._is_candidate(version) for _ignored, _ignored, version in package.provides_list)

    def _version(self, spec: PackageSpec, package: Any) -> Any:
        # apt keeps the list in dpkg's order, newest first; an exact match of the whole version goes first.
        versions = list(package.version_list)
        for version in versions:
            if version.ver_str == spec.version:
                return version
        for version in versions:
            if match_version(spec.version, version.ver_str):
                return version
        raise PackageError(
            f"{self.what}: package '{spec.name}' has no version '{spec.version}'; there are"
            f" {_listed(version.ver_str for version in versions)}",
            package=spec.name,
        )

    def _globbed(self, spec: PackageSpec) -> list[Wanted]:
        arch = spec.architecture if spec.architecture not in ("", "any", "all", "native") else self.architecture
        found = []
        for package in self.cache.packages:
            if package.architecture != arch or not package.has_versions or not fnmatchcase(package.name, spec.name):
                continue
            if self.depcache.get_candidate_ver(package) is None:
                continue  # excluded or pinned away: a glob asks for what can be had
            if not spec.version:
                found.append(Wanted(package, None))
                continue
            version = next((item for item in package.version_list if match_version(spec.version, item.ver_str)), None)
            if version is not None:
                found.append(Wanted(package, version))
        if not found:
            raise PackageError(f"{self.what}: no package matches '{spec}'", package=str(spec))
        return sorted(found, key=lambda item: item.package.name)

    def _unknown(self, spec: PackageSpec) -> PackageError:
        names = {package.name for package in self.cache.packages if package.has_versions or package.has_provides}
        close = difflib.get_close_matches(spec.name, names, n=3, cutoff=0.75)
        hint = f"; close matches: {', '.join(close)}" if close else ""
        name = f"{spec.name}:{spec.architecture}" if spec.architecture else spec.name
        return PackageError(f"{self.what}: unknown package '{name}'{hint}", package=name, close_matches=close)


def _listed(items: Iterable[str], most: int = 8) -> str:
    names = list(dict.fromkeys(items))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
