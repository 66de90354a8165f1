# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The packages a stage is given: files of its input `packages`, checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import parallel
from .deb import Package, read_package
from .errors import StageError


def load(source: Mapping[str, Any]) -> list[Package]:
    """All packages of an input (`path`, `data.files`: file -> metadata), in the manifest's order.

    Raises StageError for files that are no packages and for metadata that is not true of its package.
    """
    directory = source["path"]
    files = [(name, metadata or {}) for name, metadata in source["data"]["files"].items()]
    if not files:
        return []

    def one(item: tuple[str, Mapping[str, Any]]) -> Package:
        name, metadata = item
        metadata = metadata.get("metadata", metadata)
        # The input's schema wants keys of two words with a dot: deb.name, deb.auto, ...
        metadata = {key.removeprefix("deb."): value for key, value in metadata.items()}
        return read_package(os.path.join(directory, name), file=name, metadata=dict(metadata))

    packages = parallel.run(one, files, jobs=parallel.cpus() if len(files) > 8 else 1)
    for package in packages:
        for key, found in (("name", package.name), ("version", package.version), ("architecture", package.architecture)):
            said = package.metadata.get(key)
            if said not in (None, found):
                raise StageError(
                    f"package {package.name} ({package.file}): the manifest's metadata says {key} {said!r}, "
                    f"the file itself {found!r}"
                )
    return packages


def check_set(packages: Sequence[Package], architecture: str, foreign: Sequence[str] = ()) -> None:
    """StageError for a package of another architecture, or for one package given twice."""
    seen: dict[str, Package] = {}
    for package in packages:
        if package.architecture not in (architecture, "all", *foreign):
            raise StageError(
                f"package {package.name} is built for {package.architecture}; "
                f"allowed in this tree are {', '.join((architecture, *foreign))} and all"
            )
        key = package.name if package.architecture in (architecture, "all") else package.qualified
        if other := seen.get(key):
            raise StageError(
                f"package {package.name} is given twice, as {other.version} and as {package.version}; "
                "only one can be installed"
            )
        seen[key] = package
