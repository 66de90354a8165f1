# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Blueprints: read (TOML, JSON, dict), check strictly, and model."""

from __future__ import annotations

from .load import load
from .model import (
    Blueprint,
    Customizations,
    Debian,
    Directory,
    File,
    Filesystem,
    Group,
    Iso,
    Kernel,
    Locale,
    PackageSpec,
    Services,
    Timezone,
    User,
)

__all__ = [
    "Blueprint",
    "Customizations",
    "Debian",
    "Directory",
    "File",
    "Filesystem",
    "Group",
    "Iso",
    "Kernel",
    "Locale",
    "PackageSpec",
    "Services",
    "Timezone",
    "User",
    "load",
]
