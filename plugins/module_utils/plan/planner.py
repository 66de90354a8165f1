# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The plan: which packages, and which manifest."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..containers import Container, ContainerImage, resolve_containers
from ..driver.record import manifest_id
from ..errors import ImageError, ManifestError, PackageError
from ..images import (
    Definition,
    Distribution,
    backports_source,
    before_files,
    build_pins,
    build_sources,
    get_architecture,
    get_distribution,
    get_image_type,
    make_manifest,
    mirror_sources,
    mirror_warnings,
    of_suite,
    package_sets,
    suite_distribution,
)
from ..images import warnings as image_warnings
from ..packages import Lock, Package, Request, Resolution, Source, dumps_lock, host_sources, read_lock, resolve
from .model import Inputs, Plan

# What lasts: the build root, and the system before the blueprint's wishes, which change more often than the packages: the base,
# with what is added to it, and with its locales, which take seconds to make. What else comes before the blueprint's files joins it.
_CHECKPOINTS = ("build", "org.osbuild.debootstrap", "org.osbuild.apt", "org.osbuild.debian.locale")

Resolver = Callable[[Request], Resolution]
#: Containers, and architecture and variant as images name them.
ContainerResolver = Callable[[Sequence[Container], str, str], tuple[ContainerImage, ...]]


def _specs(sets: Mapping[str, Sequence[Package]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(package.spec for package in packages)) for name, packages in sets.items()}


def _chosen(inputs: Inputs) -> tuple[str, list[str]]:
    """The distribution's name as the user gave it, and warnings."""
    wanted, written = inputs.distribution, inputs.blueprint.distro
    suite = inputs.blueprint.customizations.debian.archive.suite
    if wanted is None and written is None and suite and (found := suite_distribution(suite)):
        return found.name, []
    if wanted is None and written is None:
        raise ImageError("no distribution is given, neither by the task nor as 'distro' in the blueprint")
    if wanted is None or written is None:
        return str(wanted or written), []
    if get_distribution(wanted).name != get_distribution(written).name:
        return wanted, [f"the blueprint asks for {written}, but {wanted} is built as the task says"]
    return wanted, []


def _usable_lock(inputs: Inputs, request: Request) -> tuple[Lock | None, bool]:
    """The lock file, if there is one, and whether it answers the question."""
    if inputs.lock is None or not inputs.lock.exists():
        return None, False
    try:
        lock = read_lock(inputs.lock)
    except PackageError:
        # Asked to make a new one: a damaged old one is no obstacle.
        if inputs.update_lock:
            return None, False
        raise
    return lock, lock.matches(request) and not inputs.update_lock


def _same_packages(lock: Lock, resolution: Resolution) -> bool:
    def known(sets: Mapping[str, Sequence[Package]]) -> dict[str, set[tuple[str, str]]]:
        return {name: {(one.spec, one.sha256) for one in packages} for name, packages in sets.items()}

    return known(lock.sets) == known(resolution.sets)


def _own_sources(inputs: Inputs, distribution: Distribution, architecture: str) -> tuple[tuple[Source, ...], list[str]]:
    """Sources of the distribution itself: the task's, the blueprint's mirror, or the host's; and warnings."""
    debian = inputs.blueprint.customizations.debian
    own: tuple[Source, ...] = inputs.sources or ()
    warnings: list[str] = []
    if own and debian.archive.mirror:
        warnings.append("customizations.debian.mirror is not used, since the task says where packages come from")
    elif debian.archive.mirror:
        own = mirror_sources(distribution, debian.archive, debian.components)
        warnings += mirror_warnings(distribution, debian.archive)
    if not own:
        wanted = replace(distribution, components=debian.components) if debian.components else distribution
        own = host_sources(wanted, architecture)
    return own + backports_source(distribution, debian.archive, own), warnings


def _containers(
    inputs: Inputs, locked: Sequence[ContainerImage], definition: Definition, resolver: ContainerResolver
) -> tuple[ContainerImage, ...]:
    """The blueprint's images, pinned by the lock file as far as it has them."""
    known = {(one.source, one.local): one for one in locked}
    wanted = inputs.blueprint.containers
    missing = [one for one in wanted if (one.source, one.local) not in known]
    if missing:
        oci = definition.architecture
        known |= {(one.source, one.local): one for one in resolver(missing, oci.oci, oci.oci_variant)}
    return tuple(replace(known[one.source, one.local], name=one.name, tls_verify=one.tls_verify) for one in wanted)


def make_plan(
    inputs: Inputs, resolver: Resolver | None = None, container_resolver: ContainerResolver | None = None
) -> Plan:
    """Plan an image; nothing is written (a solve uses a temporary directory).

    A lock file that answers the request is used as it stands and nothing is fetched; otherwise the packages are
    solved from the sources, with signatures verified.

    :param resolver: instead of ``packages.resolve``.
    :param container_resolver: instead of ``containers.resolve_containers``.
    :raises ForgeError: of the room whose input is wrong, naming it.
    """
    name, warnings = _chosen(inputs)
    distribution = of_suite(get_distribution(name), inputs.blueprint.customizations.debian.archive)
    architecture = get_architecture(inputs.architecture or inputs.blueprint.architecture or platform.machine())
    image_type = get_image_type(inputs.image_type)
    debian = inputs.blueprint.customizations.debian
    own, source_warnings = _own_sources(inputs, distribution, architecture.name)
    extra = tuple(source for source in build_sources(distribution, inputs.blueprint.customizations) if source not in own)
    definition = Definition(
        blueprint=inputs.blueprint,
        distribution=distribution,
        architecture=architecture,
        image_type=image_type,
        sources=own,
        build_architecture=get_architecture(platform.machine()).name,
    )
    request = Request(
        distribution=distribution.name,
        suite=distribution.suite,
        architecture=architecture.name,
        sources=own + extra,
        sets=package_sets(definition),
        pins=build_pins(distribution, inputs.blueprint.customizations),
        foreign_architectures=debian.foreign_architectures,
    )
    lock, fits = _usable_lock(inputs, request)
    pinned = () if lock is None or inputs.update_lock else lock.containers
    containers = _containers(inputs, pinned, definition, container_resolver or resolve_containers)
    same_images = lock is not None and {(one.source, one.local, one.id) for one in lock.containers} == {
        (one.source, one.local, one.id) for one in containers
    }
    kept = fits
    if lock is not None and fits:
        resolution = lock.resolution(request.sources)
    else:
        resolution = (resolver or resolve)(request)
        if lock is not None and lock.matches(request) and _same_packages(lock, resolution):
            # Only the indices are newer: the image stays what it is, and so does the lock file.
            resolution, kept = lock.resolution(request.sources), True
    lock_text = dumps_lock(resolution, request, containers)
    if kept and same_images and inputs.lock:
        lock_text = inputs.lock.read_text(encoding="utf-8")
    manifest = make_manifest(definition, resolution, containers)
    document = manifest.to_dict()
    last = before_files(manifest)
    return Plan(
        manifest=manifest.dumps(),
        manifest_id=manifest_id(document),
        exports=(image_type.export,),
        filename=image_type.filename or None,
        checkpoints=_CHECKPOINTS if last in (None, *_CHECKPOINTS) else (*_CHECKPOINTS, last),
        packages=_specs(resolution.sets),
        lock_text=lock_text,
        locked=fits and same_images,
        previous=None if lock is None else _specs(lock.sets),
        request={
            "blueprint": inputs.blueprint.name,
            "blueprint_version": inputs.blueprint.version,
            "distribution": distribution.name,
            "architecture": architecture.name,
            "image_type": image_type.name,
        },
        warnings=(*inputs.blueprint.warnings, *warnings, *source_warnings, *image_warnings(definition), *resolution.warnings),
        mirrors=tuple(source.uris for source in request.sources if len(source.uris) > 1),
    )


def raw_plan(source: str | Path | Mapping[str, Any], exports: Sequence[str] = ()) -> Plan:
    """Plan for a manifest that is there already.

    :param source: path of a file, the text of a manifest, or the manifest itself.
    :param exports: pipelines to export; empty: the last one.
    :raises ManifestError: it cannot be read, is no JSON object, or has no such pipelines.
    """
    if isinstance(source, Mapping):
        document: Any = dict(source)
    else:
        text = str(source)
        where = "the manifest"
        if isinstance(source, Path) or not text.lstrip().startswith("{"):
            where = text
            try:
                text = Path(source).read_text(encoding="utf-8")
            except OSError as exc:
                raise ManifestError(f"manifest {where} cannot be read: {exc.strerror}") from exc
            except UnicodeDecodeError as exc:
                raise ManifestError(f"manifest {where} is no UTF-8 text: {exc.reason} at byte {exc.start}") from exc
        try:
            document = json.loads(text)
        except ValueError as exc:
            raise ManifestError(f"{where} is no JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise ManifestError(f"the manifest is {type(document).__name__}; it must be a JSON object")
    # Names are the engine's to check in detail (version 1 has none); here only what the choice of exports needs.
    names = [one["name"] for one in document.get("pipelines") or [] if isinstance(one, Mapping) and "name" in one]
    if not exports and not names:
        raise ManifestError("the manifest has no named pipelines, so exports must say what to build")
    missing = [name for name in exports if names and name not in names and not _is_id(name)]
    if missing:
        raise ManifestError(f"exports has {missing[0]!r}, but the manifest's pipelines are {', '.join(names)}")
    return Plan(
        manifest=(json.dumps(document, indent=1, sort_keys=False) + "\n").encode(),
        manifest_id=manifest_id(document),
        exports=tuple(exports) or (names[-1],),
    )


def _is_id(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)
