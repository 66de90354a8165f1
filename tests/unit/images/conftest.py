# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions and resolutions without a mirror."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import (
    Definition,
    get_architecture,
    get_distribution,
    get_image_type,
    package_sets,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import (
    Package,
    PackageSpec,
    Release,
    Resolution,
    Source,
)

SOURCES = (
    Source(("https://archive.example.com/debian",), ("trixie", "trixie-updates"), ("main",), "", name="debian"),
    Source(
        ("https://archive.example.com/debian-security",), ("trixie-security",), ("main",), "", name="debian-security"
    ),
)


def make_package(name: str, **values: object) -> Package:
    defaults = {
        "version": "1.0-1",
        "architecture": "amd64",
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "size": 1000,
        "path": f"pool/main/{name[0]}/{name}/{name}_1.0-1_amd64.deb",
        "uri": "https://archive.example.com/debian",
        "installed_size": 2048,
    }
    return Package(name=name, **{**defaults, **values})


@pytest.fixture
def define() -> Callable[..., Definition]:
    """Make a definition from the customizations of a blueprint."""

    def make(
        customizations: dict | None = None,
        *,
        image_type: str = "qcow2",
        distribution: str = "debian-13",
        architecture: str = "amd64",
        packages: tuple[str, ...] = (),
        sources: tuple[Source, ...] = SOURCES,
    ) -> Definition:
        blueprint = load(
            {
                "name": "test",
                "packages": [{"name": name} for name in packages],
                "customizations": customizations or {},
            }
        )
        return Definition(
            blueprint,
            get_distribution(distribution),
            get_architecture(architecture),
            get_image_type(image_type),
            sources,
        )

    return make


def resolve(definition: Definition, date: str = "2026-01-02T03:04:05Z") -> Resolution:
    """What the depsolver would answer, less the dependencies."""
    sets = {}
    for name, wanted in package_sets(definition).items():
        names = {PackageSpec.parse(item).name for item in wanted.include} | {"base-files", "dpkg", "apt"}
        sets[name] = tuple(make_package(item, auto=item == "base-files") for item in sorted(names))
    return Resolution(
        definition.distribution.name,
        definition.distribution.suite,
        definition.architecture.name,
        (
            Release("https://archive.example.com/debian", "trixie", "0" * 64, "2025-01-01T00:00:00Z"),
            Release("https://archive.example.com/debian", "trixie-updates", "1" * 64, date),
        ),
        sets,
    )


@pytest.fixture(name="resolve")
def resolve_fixture() -> Callable[..., Resolution]:
    return resolve
