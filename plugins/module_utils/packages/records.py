# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From apt's chosen versions to :class:`Package` (runs in a forked child, see :mod:`.child`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import PackageError
from .model import Package, Request
from .solve import Solution
from .update import Place, all_places


def describe(apt_pkg: Any, cache: Any, solution: Solution, request: Request) -> list[Package]:
    """Sorted by name and architecture.  Raises PackageError for an unverified index or a record without SHA-256."""
    return _Describer(apt_pkg, cache, request).describe(solution)


class _Describer:
    def __init__(self, apt_pkg: Any, cache: Any, request: Request) -> None:
        self.apt_pkg = apt_pkg
        self.request = request
        self.records = apt_pkg.PackageRecords(cache)
        self.sources = apt_pkg.SourceList()
        self.sources.read_main_list()
        self.places = all_places(apt_pkg, request)
        self._of_file: dict[int, tuple[int, Place] | None] = {}

    def describe(self, solution: Solution) -> list[Package]:
        located = []
        for version in solution.versions:
            offers = [
                (*found, file, index) for file, index in version.file_list if (found := self._place(file)) is not None
            ]
            if not offers:
                raise PackageError(f"package {version.parent_pkg.name} {version.ver_str} comes from no source")
            # The same version can lie in suite and pocket: take the suite's, so that the answer does not depend on luck.
            rank, place, file, index = min(offers, key=lambda offer: (offer[1].suite != self.request.suite, offer[0]))
            located.append((rank, index, place, file, version))
        # Records are read in file order: seeking back and forth through 50 MB costs more than all the rest.
        located.sort(key=lambda item: item[:2])
        packages = [
            self._package(place, file, index, version, solution)
            for _ignored, index, place, file, version in located
        ]
        return sorted(packages, key=lambda package: (package.name, package.architecture))

    def _place(self, file: Any) -> tuple[int, Place] | None:
        """Rank and place of an index file; the first use checks that apt has verified it."""
        if file.id not in self._of_file:
            self._of_file[file.id] = self._find(file)
        return self._of_file[file.id]

    def _find(self, file: Any) -> tuple[int, Place] | None:
        index = self.sources.find_index(file)
        if index is None or file.not_source:
            return None
        name = Path(file.filename).name
        hits = [(rank, place) for rank, place in enumerate(self.places) if name.startswith(place.key)]
        if not hits:
            raise PackageError(f"apt used an index that belongs to no source: {name}")
        rank, place = max(hits, key=lambda hit: len(hit[1].key))
        if not index.is_trusted:
            raise PackageError(f"source {place.label}: its index is not verified by a signature")
        return rank, place

    def _package(self, place: Place, file: Any, index: int, version: Any, solution: Solution) -> Package:
        self.records.lookup((file, index))
        section = self.apt_pkg.TagSection(self.records.record)
        name = version.parent_pkg.name
        sha256 = section.get("SHA256", "").lower()
        path = section.get("Filename", "")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise PackageError(f"source {place.label}: package {name} {version.ver_str} has no SHA-256 in the index")
        parts = path.split("/")
        if not path or path.startswith("/") or ".." in parts:
            raise PackageError(f"source {place.label}: package {name} has the file name '{path}', which is not allowed")
        source, _ignored, source_version = section.get("Source", name).partition(" ")
        size = section.get("Installed-Size", "0")
        return Package(
            name=name,
            version=version.ver_str,
            architecture=version.arch,
            sha256=sha256,
            size=version.size,
            path=path.removeprefix("./"),
            uri=_mirror(place.uri),
            source=source,
            source_version=source_version.strip("() ") or version.ver_str,
            component=file.component or "",
            suite=place.suite,
            multi_arch=section.get("Multi-Arch", "no"),
            essential=section.get("Essential", "no") == "yes",
            priority=section.get("Priority", "optional"),
            auto=version.parent_pkg.id not in solution.requested,
            installed_size=int(size) if size.isdigit() else 0,
            section=section.get("Section", ""),
            layer=solution.layers.get(version.parent_pkg.id, ""),
        )


def _mirror(uri: str) -> str:
    """A URI any downloader understands: apt's own ``copy:`` and ``file:/x`` become ``file:///x``."""
    return re.sub(r"^(?:file|copy):/+", "file:///", uri).rstrip("/")
