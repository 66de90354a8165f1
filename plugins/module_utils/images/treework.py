# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Network, overlays, scripts and cleaning: what ``customizations.debian`` does to the tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..manifest import CurlItem, Manifest, Stage, files_input
from .definition import Definition
from .plain import plain


def bootstrap_options(definition: Definition) -> dict[str, Any]:
    """Options of org.osbuild.debootstrap for the system's tree."""
    debian = definition.customizations.debian
    result: dict[str, Any] = plain(debian.dpkg)
    if debian.answers:
        result["debconf"] = plain(debian.answers)
    return result


def network_stages(definition: Definition) -> Iterable[Stage]:
    if network := definition.customizations.debian.network:
        yield Stage("org.osbuild.debian.network", plain(network))


def overlay_stages(definition: Definition, manifest: Manifest) -> Iterable[Stage]:
    for one in definition.customizations.debian.overlays:
        manifest.add_curl([CurlItem(one.checksum, one.url)])
        options: dict[str, Any] = {"source": one.source, "destination": one.destination, "owner": one.owner}
        if one.exclude:
            options["exclude"] = list(one.exclude)
        yield Stage("org.osbuild.debian.overlay", options, inputs={"archive": files_input({one.checksum: {}})})


def script_stages(definition: Definition) -> Iterable[Stage]:
    for one in definition.customizations.debian.scripts:
        options: dict[str, Any] = {"label": one.label, "shell": one.shell}
        options |= {"commands": list(one.commands)} if one.commands else {"script": one.script}
        if one.environment:
            options["environment"] = dict(one.environment)
        yield Stage("org.osbuild.debian.run", options)


def cleanup_stages(definition: Definition) -> Iterable[Stage]:
    if (cleanup := definition.customizations.debian.cleanup) is not None:
        yield Stage("org.osbuild.debian.cleanup", plain(cleanup))
