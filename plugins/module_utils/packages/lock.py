# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The lock file: a resolution written down, so that the same packages are used again, from whichever mirror.

Byte-stable JSON (sorted, one package per line): the same resolution gives the same bytes, and a diff reads well.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..containers.model import ContainerImage
from ..errors import PackageError
from .lockcheck import check
from .lockschema import FORMAT
from .model import Package, Release, Request, Resolution, Source

# In the order they are written; a value equal to the default of Package is left out.
_REQUIRED = ("name", "version", "architecture", "sha256", "size", "path", "suite", "component")
_OPTIONAL = (
    "source",
    "source_version",
    "section",
    "priority",
    "installed_size",
    "multi_arch",
    "essential",
    "auto",
    "layer",
)
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Package)}


@dataclass(frozen=True)
class Lock:
    """A lock as read; ``packages`` of each set have no mirror yet, see :meth:`resolution`."""

    distribution: str
    suite: str
    architecture: str
    request: str
    releases: tuple[Release, ...]
    sets: Mapping[str, tuple[Package, ...]]
    containers: tuple[ContainerImage, ...] = ()

    def matches(self, request: Request) -> bool:
        """Was this lock made for what ``request`` asks (mirrors and keyrings aside), and do its sources still offer it?

        Containers are another question: :attr:`containers` answers it image by image.
        """
        used = {(package.suite, package.component) for packages in self.sets.values() for package in packages}
        offered = {
            (suite, component)
            for source in request.sources
            for suite in source.suites
            for component in (*source.components, "")
        }
        return self.request == request.digest() and used <= offered

    def resolution(self, sources: tuple[Source, ...]) -> Resolution:
        """The locked packages on the mirrors of ``sources``; only the checksums decide whether they are the same.

        Raises PackageError when no source offers the suite a package was locked from.
        """
        return Resolution(
            self.distribution,
            self.suite,
            self.architecture,
            self.releases,
            {
                name: tuple(dataclasses.replace(item, uri=_mirror(item, sources)) for item in packages)
                for name, packages in self.sets.items()
            },
        )


def _mirror(package: Package, sources: tuple[Source, ...]) -> str:
    offers = [
        source
        for source in sources
        if package.suite in source.suites and (not package.component or package.component in source.components)
    ]
    offers = offers or [source for source in sources if package.suite in source.suites]
    if not offers:
        raise PackageError(
            f"lock: package {package.name} comes from suite '{package.suite}', which none of the sources has;"
            " set sources, or resolve again without the lock",
            package=package.name,
        )
    uris = [_plain(uri) for source in offers for uri in source.uris]
    return package.uri if package.uri in uris else uris[0]


def _plain(uri: str) -> str:
    for scheme in ("file:", "copy:"):
        if uri.startswith(scheme):
            return "file:///" + uri.removeprefix(scheme).strip("/")
    return uri.rstrip("/")


def _package_line(package: Package, ambiguous: set[str]) -> str:
    content: dict[str, Any] = {name: getattr(package, name) for name in _REQUIRED}
    for name in _OPTIONAL:
        value = getattr(package, name)
        if value != _DEFAULTS[name]:
            content[name] = value
    if package.suite in ambiguous:
        content["mirror"] = package.uri
    return json.dumps(content, ensure_ascii=False)


def _container_line(image: ContainerImage) -> str:
    content: dict[str, Any] = {"source": image.source, "digest": image.digest, "id": image.id}
    if image.local:
        content["local"] = True
    return json.dumps(content, ensure_ascii=False)


def dumps_lock(resolution: Resolution, request: Request, containers: Sequence[ContainerImage] = ()) -> str:
    """The text of a lock file."""
    suites = [release.suite for release in resolution.releases]
    ambiguous = {suite for suite in suites if suites.count(suite) > 1}
    head = {
        "format": FORMAT,
        "distribution": resolution.distribution,
        "suite": resolution.suite,
        "architecture": resolution.architecture,
        "request": request.digest(),
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    releases = sorted(resolution.releases, key=lambda release: (release.suite, release.uri))
    rows = [json.dumps(dataclasses.asdict(release), ensure_ascii=False) for release in releases]
    lines.append('  "releases": [' + _rows(rows, 4) + "],")
    if containers:
        pinned = sorted(containers, key=lambda image: (image.source, image.local, image.name))
        lines.append('  "containers": [' + _rows([_container_line(image) for image in pinned], 4) + "],")
    blocks = []
    for name in sorted(resolution.sets):
        packages = sorted(resolution.sets[name], key=lambda package: (package.name, package.architecture))
        rows = [_package_line(package, ambiguous) for package in packages]
        blocks.append(f"    {json.dumps(name, ensure_ascii=False)}: [{_rows(rows, 6)}]")
    lines.append('  "sets": {\n' + ",\n".join(blocks) + "\n  }" if blocks else '  "sets": {}')
    return "{\n" + "\n".join(lines) + "\n}\n"


def _rows(rows: list[str], indent: int) -> str:
    if not rows:
        return ""
    pad = " " * indent
    return "\n" + ",\n".join(pad + row for row in rows) + "\n" + " " * (indent - 2)


def loads_lock(text: str, what: str = "lock") -> Lock:
    """Raises PackageError: not JSON, another format number, or a field that the schema does not allow."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{what}: is not valid JSON: {error}") from None
    check(content, what)
    return Lock(
        distribution=content["distribution"],
        suite=content["suite"],
        architecture=content["architecture"],
        request=content["request"],
        releases=tuple(Release(**release) for release in content["releases"]),
        sets={name: tuple(map(_package, packages)) for name, packages in content["sets"].items()},
        containers=tuple(ContainerImage(name="", **image) for image in content.get("containers", [])),
    )


def _package(content: dict[str, Any]) -> Package:
    fields = dict(content)
    return Package(uri=fields.pop("mirror", ""), **fields)


def read_lock(path: Path) -> Lock:
    """Raises PackageError as :func:`loads_lock`, or when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PackageError(f"lock {path}: does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"lock {path}: cannot be read: {error}") from None
    return loads_lock(text, f"lock {path}")


def write_lock(path: Path, resolution: Resolution, request: Request, containers: Sequence[ContainerImage] = ()) -> str:
    """Write (by renaming, never half) and return the text."""
    text = dumps_lock(resolution, request, containers)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            # mkstemp is private to its owner; a lock is meant to be read and committed.
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise PackageError(f"lock {path}: cannot be written: {error.strerror}") from None
    return text
