# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Solve one package set over the fetched indices (runs in a forked child, see :mod:`.child`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ..errors import PackageError
from .explain import Explainer
from .model import Layer, PackageSet
from .select import Selector, Wanted

_PRIORITIES = {"minbase": ("required",), "buildd": ("required",), "standard": ("required", "important")}
_EXTRA = {"minbase": ("apt",), "standard": ("apt",), "buildd": ("apt", "build-essential")}


@dataclass
class Solution:
    """Chosen apt_pkg versions; ``requested``: ids of the packages that were asked for; ``layers``: see :mod:`.base`."""

    versions: list[Any]
    requested: set[int]
    warnings: list[str] = field(default_factory=list)
    layers: dict[int, Layer] = field(default_factory=dict)


class Solver:
    """One package set, one native architecture."""

    def __init__(self, apt_pkg: Any, cache: Any, name: str, wanted: PackageSet, architecture: str) -> None:
        self.apt_pkg = apt_pkg
        self.cache = cache
        self.what = f"package set '{name}'"
        self.wanted = wanted
        self.architecture = architecture
        self.depcache = apt_pkg.DepCache(cache)
        self.depcache.init()
        self.selector = Selector(apt_pkg, cache, self.depcache, self.what, wanted, architecture)
        self.fixed: dict[int, Any] = {}

    def solve(self) -> Solution:
        """Raises PackageError naming the package that cannot be had, and why."""
        asked = self.selector.includes()
        wanted = [*self._variant(), *asked]
        for item in wanted:
            self._fix_version(item)
        resolver = self.apt_pkg.ProblemResolver(self.depcache)
        # Outside of a group, apt sweeps its whole cache for unneeded packages after each mark.
        with self.apt_pkg.ActionGroup(self.depcache):
            self._mark(resolver, wanted)
            for virtual in self.selector.virtuals():
                item = self.selector.provider(virtual)
                wanted.append(item)
                self._mark(resolver, [item])
        self._repair(resolver, wanted)
        chosen = [package for package in self.cache.packages if self.depcache.marked_install(package)]
        versions = [self.depcache.get_candidate_ver(package) for package in chosen]
        return Solution(versions, {item.package.id for item in wanted}, self.selector.warnings)

    def _mark(self, resolver: Any, wanted: list[Wanted]) -> None:
        # All before their dependencies: a second provider of what is asked for is not pulled in.
        for item in wanted:
            resolver.clear(item.package)
            resolver.protect(item.package)
            self.depcache.mark_install(item.package, False, True)
        for item in wanted:
            self.depcache.mark_install(item.package, True, True)

    def _variant(self) -> list[Wanted]:
        """Packages of the variant by flag and priority, as debootstrap chooses them."""
        if self.wanted.variant == "none":
            return []
        priorities = _PRIORITIES.get(self.wanted.variant, ())
        found = []
        for package in self.cache.packages:
            if not package.has_versions or package.architecture != self.architecture:
                continue
            if any(fnmatchcase(package.name, pattern) for pattern in self.wanted.exclude):
                if package.essential and self.selector.real_essential(package):
                    raise PackageError(
                        f"{self.what}: '{package.name}' is excluded but essential, no Debian system works without it",
                        package=package.name,
                    )
                continue
            version = self.depcache.get_candidate_ver(package)
            if version is None:
                continue
            if version.priority_str in priorities or (package.essential and self.selector.is_essential(version)):
                found.append(Wanted(package, None))
        for name in _EXTRA.get(self.wanted.variant, ()):
            if not any(fnmatchcase(name, pattern) for pattern in self.wanted.exclude):
                found.append(self.selector.named(name))
        if not found:
            raise PackageError(f"{self.what}: the sources hold no packages of variant '{self.wanted.variant}'")
        return found

    def _fix_version(self, item: Wanted) -> None:
        """Make an asked-for version the candidate, and let its exact dependencies follow it."""
        if item.version is None:
            return
        self._choose(item.version)
        queue = [item.version]
        while queue:
            version = queue.pop()
            for kind in ("PreDepends", "Depends"):
                for group in version.depends_list.get(kind, ()):
                    follower = self._follower(group)
                    if follower is not None:
                        self._choose(follower)
                        queue.append(follower)

    def _choose(self, version: Any) -> None:
        self.fixed[version.parent_pkg.id] = version
        self.depcache.set_candidate_ver(version.parent_pkg, version)

    def _follower(self, group: Any) -> Any | None:
        """A version that must replace a candidate for ``group`` to be satisfiable; None when nothing must change."""
        targets = [target for dependency in group for target in dependency.all_targets()]
        for target in targets:
            candidate = self.depcache.get_candidate_ver(target.parent_pkg)
            if candidate is not None and candidate.id == target.id:
                return None
        for target in targets:
            excluded = self.depcache.get_candidate_ver(target.parent_pkg) is None
            if target.parent_pkg.id not in self.fixed and not excluded:
                return target
        return None

    def _repair(self, resolver: Any, wanted: list[Wanted]) -> None:
        if self.depcache.broken_count:
            try:
                resolver.resolve(True)
            except self.apt_pkg.Error:
                pass  # explained below, better than apt's "held broken packages"
        missing = [item for item in wanted if not self._is_in(item)]
        if missing or self.depcache.broken_count:
            # A failed mark makes apt forget candidates; the reasons are looked for among all that could be had.
            self.depcache.init()
            for version in self.fixed.values():
                self.depcache.set_candidate_ver(version.parent_pkg, version)
            explainer = Explainer(self.cache, self.depcache, self.wanted.exclude)
            raise PackageError(f"{self.what}: {explainer.sentence(missing, wanted)}")

    def _is_in(self, item: Wanted) -> bool:
        if not self.depcache.marked_install(item.package) or self.depcache.is_inst_broken(item.package):
            return False
        candidate = self.depcache.get_candidate_ver(item.package)
        return item.version is None or candidate.id == item.version.id
