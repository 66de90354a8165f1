# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Blueprints: read (TOML, JSON, dict), check strictly, and model."""

from __future__ import annotations

from ..containers.model import Container
from .debianmodel import Answer, Archive, Cleanup, Dpkg, Interface, Network, Overlay, Script, UnattendedUpgrades
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
from .ostreemodel import OSTree, OSTreeParent, OSTreeRemote, OSTreeSign
from .sectionmodel import Firewall, FirstbootScript, Installer, Openscap, Repository, Sshd, Zone

__all__ = [
    "Answer",
    "Archive",
    "Cleanup",
    "Container",
    "Dpkg",
    "Firewall",
    "FirstbootScript",
    "Installer",
    "Interface",
    "Network",
    "Openscap",
    "Overlay",
    "Repository",
    "Script",
    "Sshd",
    "UnattendedUpgrades",
    "Zone",
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
    "OSTree",
    "OSTreeParent",
    "OSTreeRemote",
    "OSTreeSign",
    "PackageSpec",
    "Services",
    "Subvolume",
    "Timezone",
    "User",
    "load",
]
