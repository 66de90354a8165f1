# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What only dpkg can unpack correctly: paths of several packages, diverted and overridden paths. Finding and undoing."""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import dpkgdb
from .deb import Package
from .extract import Listing
from .usrmerge import canonical

SHARED = "they ship the same path as another package"
CONTESTED = "a package script diverts or overrides a path of theirs"

Unpacked = list[tuple[Package, Listing]]


def shared_before(packages: Sequence[Package], merged: frozenset[bytes]) -> set[str]:
    """Names of packages that, by their md5sums, ship a regular file another one ships as well."""
    owner: dict[bytes, str] = {}
    found = set()
    for package in packages:
        for path in package.md5_paths:
            other = owner.setdefault(canonical(path, merged), package.name)
            if other != package.name:
                found |= {other, package.name}
    return found


def shared_after(unpacked: Unpacked, merged: frozenset[bytes]) -> set[str]:
    """The same by what was unpacked: any kind of file, and links where another package has a directory."""
    owner: dict[bytes, str] = {}
    links: dict[bytes, str] = {}
    found: set[str] = set()
    for package, listing in unpacked:
        for path in listing.others:
            other = owner.setdefault(canonical(path, merged), package.name)
            if other != package.name:
                found |= {other, package.name}
        for path in listing.symlinks:
            links[canonical(path, merged)] = package.name
    for package, listing in unpacked:
        for path in listing.taken:
            found |= {owner.get(canonical(path, merged), package.name), package.name}
        for path in listing.directories:
            other = links.get(canonical(path, merged), package.name)
            if other != package.name:
                found |= {other, package.name}
    return found


def contested(unpacked: Unpacked) -> set[str]:
    """Names of packages with a path that is diverted or overridden by now, which dpkg would have heeded."""
    paths = dpkgdb.contested_paths()
    if not paths:
        return set()
    return {
        package.name for package, listing in unpacked
        if any(path in paths for path in (*listing.others, *listing.directories))
    }


def take_back(names: set[str], unpacked: Unpacked) -> Unpacked:
    """Remove the files of the packages `names` again, and their directories that are no other's; the others."""
    kept = [(package, listing) for package, listing in unpacked if package.name not in names]
    gone = [listing for package, listing in unpacked if package.name in names]
    diverted = dpkgdb.diverted_paths()
    links = {path for listing in gone for path in listing.symlinks}
    files = {path for listing in gone for path in listing.others}
    # Links last: files may lie behind them. A diverted file has been moved away by the script that diverted it.
    for path in (*sorted(files - links), *sorted(links)):
        for name in (path, path + b".dpkg-new", diverted.get(path, path)):
            try:
                os.unlink(b"/" + name)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
    others = {path for _ignored, listing in kept for path in listing.directories}
    mine = {path for listing in gone for path in listing.directories}
    for path in sorted(mine - others, reverse=True):
        try:
            os.rmdir(b"/" + path)
        except OSError:
            continue  # a base directory, or something was put into it
    return kept
