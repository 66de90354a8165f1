# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Blueprints: read (TOML, JSON, dict), check strictly, and model."""

from __future__ import annotations

from .diskmodel import Disk, DiskPartition, LogicalVolume, Subvolume
from .load import load
from .model import (
    Blueprint,
    BootLoader,
    Customizations,
    Debian,
    Directory,
    Encryption,
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
    "BootLoader",
    "Customizations",
    "Debian",
    "Directory",
    "Disk",
    "DiskPartition",
    "File",
    "Filesystem",
    "Group",
    "Iso",
    "Encryption",
    "Kernel",
    "Locale",
    "LogicalVolume",
    "PackageSpec",
    "Services",
    "Subvolume",
    "Timezone",
    "User",
    "load",
]
