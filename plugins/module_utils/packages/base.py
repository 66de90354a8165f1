# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Which packages of a solution form a base that other images share (runs in a forked child, see :mod:`.child`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import PackageError
from .model import Layer, PackageSet
from .solve import Solution, Solver


def layers(apt_pkg: Any, cache: Any, name: str, wanted: PackageSet, architecture: str, whole: Solution) -> dict[int, Layer]:
    """Layers of the packages of `whole` that are not plainly of the base, by the id of the package.

    Empty where there is no base to speak of: none is wanted, or it cannot be solved by itself, or it would have packages or
    versions that the whole has not (the whole may have another choice of alternatives).
    """
    if not wanted.base or set(wanted.base) == set(wanted.include):
        return {}
    try:
        base = Solver(apt_pkg, cache, name, replace(wanted, include=wanted.base), architecture).solve()
    except PackageError:
        return {}
    known = {version.parent_pkg.id: version.id for version in base.versions}
    chosen = {version.parent_pkg.id: version for version in whole.versions}
    if any(package not in chosen or chosen[package].id != version for package, version in known.items()):
        return {}
    result: dict[int, Layer] = {package: "added" for package in chosen if package not in known}
    result |= {package: "named" for package in known if package in whole.requested - base.requested}
    return result
