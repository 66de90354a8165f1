# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From a definition and the packages it resolved to, to the manifest that builds the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ..containers import ContainerImage
from ..errors import ImageError
from ..manifest import CurlItem, Manifest, Pipeline
from ..packages import Package, Resolution
from .aptconfig import source_warnings
from .bootstrap import debootstrap
from .definition import Definition
from .firewall import firewall_warnings
from .ospipeline import os_stages
from .outputs import output_pipelines
from .packagesets import package_sets
from .partitioning import plan_layout


def source_epoch(resolution: Resolution) -> int:
    """Seconds since 1970 of the newest Release file: the same lock always gives the same times.

    :raises ImageError: no release has a date, or one is not RFC 3339.
    """
    dates = []
    for release in resolution.releases:
        if not release.date:
            continue
        try:
            date = datetime.fromisoformat(release.date)
        except ValueError:
            raise ImageError(f"the Release of {release.suite} has the date '{release.date}', which is not RFC 3339") from None
        dates.append(int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()))
    if not dates:
        raise ImageError("none of the package sources' Release files has a date, so times in the image are unknown")
    return max(dates)


def download_url(package: Package) -> str:
    """Address of a package as a manifest has it: not percent-encoded, since osbuild encodes it."""
    base = package.uri.rstrip("/")
    for scheme in ("file:", "copy:"):
        if base.startswith(scheme):
            # apt's short form for a mirror on this machine.
            base = "file:///" + base[len(scheme) :].lstrip("/")
    return f"{base}/{package.path}"


def _downloads(packages: Iterable[Package]) -> list[CurlItem]:
    return [CurlItem(f"sha256:{package.sha256}", download_url(package)) for package in packages]


def _check(definition: Definition, resolution: Resolution) -> None:
    for given, wanted, what in (
        (resolution.distribution, definition.distribution.name, "distribution"),
        (resolution.architecture, definition.architecture.name, "architecture"),
    ):
        if given != wanted:
            raise ImageError(f"the packages were resolved for the {what} {given}, but the image is for {wanted}")
    for name in package_sets(definition):
        if not resolution.sets.get(name):
            raise ImageError(f"the package set '{name}' is empty; a tree needs at least the essential packages")


def _check_containers(definition: Definition, containers: Sequence[ContainerImage]) -> None:
    known = {(one.source, one.local, one.name) for one in containers}
    for wanted in definition.blueprint.containers:
        if (wanted.source, wanted.local, wanted.name) not in known:
            raise ImageError(f"container image {wanted.source}: its digest is unknown, and without it no manifest can name it")


def warnings(definition: Definition) -> tuple[str, ...]:
    """Sentences for the user about what an image of this definition will not do as it may be expected."""
    return (*source_warnings(definition), *firewall_warnings(definition))


def make_manifest(
    definition: Definition, resolution: Resolution, containers: Sequence[ContainerImage] = ()
) -> Manifest:
    """The manifest that builds the image; equal arguments give equal bytes.

    Pipelines: ``build`` (a root of the same suite that the stages run in), ``os`` (the system), then those of the
    image type's output, such as ``image`` and ``qcow2``; the last one is what is exported.

    :param containers: the blueprint's container images, pinned.
    :raises ImageError: the packages do not belong to the definition, or have no release date.
    """
    _check(definition, resolution)
    _check_containers(definition, containers)
    epoch = source_epoch(resolution)
    build_packages, os_packages = resolution.sets["build"], resolution.sets["os"]
    layout = plan_layout(definition, os_packages) if definition.image_type.partitioned else None

    manifest = Manifest()
    manifest.add_curl(_downloads(one for packages in resolution.sets.values() for one in packages))

    manifest.add_pipeline(
        Pipeline(
            "build",
            (debootstrap(definition, build_packages, "minbase", architecture=definition.build_architecture),),
            runner=definition.distribution.runner,
            source_epoch=epoch,
        )
    )
    stages = os_stages(definition, manifest, os_packages, layout, containers)
    manifest.add_pipeline(Pipeline("os", stages, build="build", source_epoch=epoch))

    for name, stages in output_pipelines(definition, layout, manifest, resolution.sets):
        manifest.add_pipeline(Pipeline(name, stages, build="build", source_epoch=epoch))
    return manifest
