# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Say in one sentence why a package set has no solution (apt's own library answer is "held broken packages")."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .select import Wanted


class Explainer:
    def __init__(self, cache: Any, depcache: Any, excluded: tuple[str, ...]) -> None:
        self.cache = cache
        self.depcache = depcache
        self.excluded = excluded
        self._known: dict[int, str | None] = {}

    def sentence(self, missing: Iterable[Wanted], wanted: Iterable[Wanted]) -> str:
        """``missing``: asked for and not in the solution; ``wanted``: all that was asked for."""
        missing, wanted = list(missing), list(wanted)
        for item in [*missing, *wanted]:
            version = item.version or self.depcache.get_candidate_ver(item.package)
            reason = self._why_not(version) if version is not None else None
            if reason:
                return reason
        conflict = self._conflict([item.version or self.depcache.get_candidate_ver(item.package) for item in wanted])
        if conflict:
            return conflict
        names = ", ".join(sorted(item.package.get_fullname(True) for item in missing)) or "some packages"
        return f"{names} cannot be installed together with the rest of the set"

    def _is_candidate(self, version: Any) -> bool:
        candidate = self.depcache.get_candidate_ver(version.parent_pkg)
        return candidate is not None and bool(candidate.id == version.id)

    def _why_not(self, version: Any) -> str | None:
        """The first unsatisfiable dependency below ``version``; None when all can be satisfied one by one."""
        if version.id in self._known:
            return self._known[version.id]
        # A dependency cycle is satisfiable as far as this walk is concerned.
        self._known[version.id] = None
        for kind in ("PreDepends", "Depends"):
            for group in version.depends_list.get(kind, ()):
                reasons: list[str] = []
                for dependency in group:
                    targets = [target for target in dependency.all_targets() if self._is_candidate(target)]
                    if not targets:
                        reasons.append(f"{_name(version)} depends on {_text(dependency)}, {self._absent(dependency)}")
                        continue
                    below = [self._why_not(target) for target in targets]
                    if None in below:
                        reasons = []
                        break
                    reasons.append(f"{_name(version)} depends on {_text(dependency)}, and {below[0]}")
                if reasons:
                    self._known[version.id] = reasons[0]
                    return reasons[0]
        return None

    def _absent(self, dependency: Any) -> str:
        package = dependency.target_pkg
        versions = [version.ver_str for version in package.version_list] if package.has_versions else []
        if any(fnmatchcase(package.name, pattern) for pattern in self.excluded):
            return "which is excluded"
        candidate = self.depcache.get_candidate_ver(package)
        if versions and candidate is None:
            return "which the pins forbid"
        if dependency.all_targets() and candidate is not None:
            return f"but version {candidate.ver_str} is asked for or pinned"
        if versions:
            return f"but the sources have only {', '.join(versions[:5])}"
        return "which is not in the sources"

    def _conflict(self, roots: list[Any]) -> str | None:
        """A Conflicts or Breaks between two packages that the set needs for certain."""
        needed: dict[int, Any] = {}
        queue = [version for version in roots if version is not None]
        while queue:
            version = queue.pop()
            if version.id in needed:
                continue
            needed[version.id] = version
            for kind in ("PreDepends", "Depends"):
                for group in version.depends_list.get(kind, ()):
                    targets = [t for dependency in group for t in dependency.all_targets() if self._is_candidate(t)]
                    if len({target.parent_pkg.id for target in targets}) == 1:
                        queue.append(targets[0])
        for version in needed.values():
            for kind in ("Conflicts", "Breaks"):
                for group in version.depends_list.get(kind, ()):
                    for target in (t for dependency in group for t in dependency.all_targets()):
                        if target.id in needed and target.parent_pkg.id != version.parent_pkg.id:
                            return f"{_name(version)} conflicts with {_name(target)}, and both are needed"
        return None


def _name(version: Any) -> str:
    return f"{version.parent_pkg.get_fullname(True)} {version.ver_str}"


def _text(dependency: Any) -> str:
    name: str = dependency.target_pkg.name
    return f"{name} ({dependency.comp_type_deb} {dependency.target_ver})" if dependency.target_ver else name
