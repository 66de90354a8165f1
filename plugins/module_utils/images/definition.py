# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What an image is defined by, and what follows from it before any package is known."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ..blueprint import Blueprint, BootLoader, Customizations
from ..errors import ImageError
from ..packages import Source
from .architectures import Architecture
from .distributions import Distribution
from .imagetypes import ImageType
from .ostreewishes import check_ostree

# The root of all ids: they must never depend on anything but the definition.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "images.debian-forge.example.com")


@dataclass(frozen=True)
class Definition:
    """A blueprint, and of what and in which form it becomes an image.

    :param build_architecture: Debian architecture of the machine that builds; the image's own where it is empty.
    :param sources: apt sources that the image itself is configured with; the blueprint's own come in addition.
    :raises ImageError: the image type does not exist for the architecture.
    """

    blueprint: Blueprint
    distribution: Distribution
    architecture: Architecture
    image_type: ImageType
    sources: Sequence[Source] = ()
    build_architecture: str = ""

    def __post_init__(self) -> None:
        if self.image_type.bootable and self.architecture.boot is None:
            raise ImageError(
                f"image type {self.image_type.name} cannot be made for {self.architecture.name}, "
                "for which no boot loader is known; image type tar can"
            )
        if self.customizations.debian.boot_loader and not self.image_type.disk:
            raise ImageError(
                f"customizations.debian.boot_loader is {self.customizations.debian.boot_loader}, "
                f"but an image of type {self.image_type.name} has none to choose"
            )
        if self.image_type.ostree:
            check_ostree(self.image_type, self.customizations)
        if self.image_type.name == "uki" and self.boot_loader != "uki":
            raise ImageError(
                f"customizations.debian.boot_loader is {self.boot_loader}, but image type uki boots without one; use qcow2"
            )

        if self.customizations.installer and self.customizations.installer.unattended:
            raise ImageError(
                f"customizations.installer.unattended: not supported on Debian: an image of type {self.image_type.name} holds no "
                "installer that could run unattended; use a disk image type, which needs no installation"
            )

    @property
    def customizations(self) -> Customizations:
        return self.blueprint.customizations

    @property
    def foreign(self) -> bool:
        """Whether the image is for machines of another architecture than the one that builds it."""
        return self.build_architecture not in ("", self.architecture.name)

    @property
    def boot_loader(self) -> BootLoader:
        """What starts the kernel of a disk: the blueprint's choice, else the image type's."""
        return self.customizations.debian.boot_loader or self.image_type.boot_loader

    @property
    def digest(self) -> str:
        """SHA-256 of what makes the image's content: blueprint, distribution, architecture (not its form)."""
        content = [self.blueprint.to_dict(), self.distribution.name, self.architecture.name]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def uuid(self, role: str) -> str:
        """A UUID for *role* (``disk``, ``filesystem /``, …), always the same for the same definition."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.digest} {role}"))

    def volume_id(self, role: str) -> str:
        """Eight hex digits: the serial number of a FAT file system."""
        return self.uuid(role)[:8].upper()
