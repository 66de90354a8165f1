# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The stages that make a tree of packages: the base that other images share, and what the blueprint adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..blueprint import Dpkg
from ..manifest import Stage, packages_input
from ..packages import Package
from .definition import Definition
from .treework import bootstrap_options

# What org.osbuild.debootstrap calls a variant that it need not check.
_VARIANTS = {"minbase": "minbase", "standard": "standard", "buildd": "buildd", "essential": "essential", "none": "custom"}

# Without these no package can be added, and in an image of variant "none" the blueprint may be who asks for them.
_ALWAYS = ("base-files", "base-passwd", "dpkg")

# With more than one package in so many added, one pass of dpkg over all is the faster way even where the base is there.
_SHARE = 5


def _references(packages: Sequence[Package], base: bool) -> dict[str, dict[str, Any]]:
    """Packages by checksum, with what the stages check; in the base, what only the blueprint names counts as automatic."""
    references: dict[str, dict[str, Any]] = {}
    for package in packages:
        metadata: dict[str, Any] = {
            "deb.name": package.name,
            "deb.version": package.version,
            "deb.architecture": package.architecture,
        }
        if package.auto or (base and package.layer == "named"):
            metadata["deb.auto"] = True
        references[f"sha256:{package.sha256}"] = metadata
    return references


def debootstrap(
    definition: Definition,
    packages: Sequence[Package],
    variant: str,
    options: Mapping[str, Any] | None = None,
    architecture: str = "",
    base: bool = False,
) -> Stage:
    """A first system from packages, in an empty tree; *options* are further ones of the stage."""
    return Stage(
        "org.osbuild.debootstrap",
        {
            "suite": definition.distribution.suite,
            "architecture": architecture or definition.architecture.name,
            "variant": _VARIANTS[variant],
            **(options or {}),
        },
        inputs={"packages": packages_input(_references(packages, base))},
    )


def _shared(definition: Definition, packages: Sequence[Package]) -> bool:
    """Whether the tree is made in two steps, the first of which the store keeps for other images.

    Not where the first step's settings could concern packages of the second.
    """
    architectures = {definition.architecture.name, "all"}
    added = [one for one in packages if one.layer == "added"]
    needed = {*_ALWAYS, *(["debconf"] if definition.customizations.debian.answers else [])}
    return (
        any(one.layer for one in packages)
        and not needed & {one.name for one in added}
        and len(added) * _SHARE <= len(packages)
        and all(one.architecture in architectures and not one.essential for one in added)
        and definition.customizations.debian.dpkg == Dpkg()
        and not definition.foreign
    )


def system_stages(definition: Definition, packages: Sequence[Package]) -> Sequence[Stage]:
    """The system's packages, unpacked and configured."""
    variant, options = definition.customizations.debian.variant, bootstrap_options(definition)
    if not _shared(definition, packages):
        return [debootstrap(definition, packages, variant, options)]
    added = [one for one in packages if one.layer == "added"]
    base = [one for one in packages if one.layer != "added"]
    named = sorted(one.name for one in base if one.layer == "named")
    inputs = {"packages": packages_input(_references(added, base=False))} if added else {}
    return [
        debootstrap(definition, base, variant, options, base=True),
        Stage("org.osbuild.apt", {"manual": named} if named else {}, inputs=inputs),
    ]
