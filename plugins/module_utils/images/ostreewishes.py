# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What a system that OSTree updates cannot have."""

from __future__ import annotations

from collections.abc import Iterable

from ..blueprint import Customizations
from ..errors import ImageError
from .imagetypes import ImageType

# Deployments have their own /usr and /etc, and share what is below /var.
_MOUNTPOINTS = ("/", "/boot", "/boot/efi", "/var")


def _mountpoints(wanted: Customizations) -> Iterable[tuple[str, str]]:
    for number, one in enumerate(wanted.filesystem):
        yield f"customizations.filesystem[{number}].mountpoint", one.mountpoint
    for number, partition in enumerate(wanted.disk.partitions if wanted.disk else ()):
        for path in partition.mountpoints:
            yield f"customizations.disk.partitions[{number}]", path


def check_ostree(image_type: ImageType, wanted: Customizations) -> None:
    """ImageError naming the first wish that the image type cannot fulfil."""
    debian = wanted.debian
    for key, given in (("encryption", debian.encryption), ("verity", debian.verity)):
        if given:
            raise ImageError(f"customizations.debian.{key} cannot be had with image type {image_type.name}; image type qcow2 can")
    if debian.boot_loader not in (None, "grub"):
        raise ImageError(
            f"customizations.debian.boot_loader is {debian.boot_loader}, but image type {image_type.name} needs grub: "
            "OSTree switches systems by a link in /boot, which FAT does not have"
        )
    for where, path in _mountpoints(wanted):
        if path not in _MOUNTPOINTS and not path.startswith("/var/"):
            hint = f" (it is a link to /var{path}, which can)" if path in ("/home", "/srv", "/opt") else ""
            raise ImageError(
                f"{where}: {path} cannot be a file system of its own in image type {image_type.name}{hint}; "
                f"allowed are {', '.join(_MOUNTPOINTS)} and what is below /var"
            )
    kinds = {one.type for one in wanted.disk.partitions} if wanted.disk else set()
    mode = wanted.partitioning_mode
    if kinds - {"plain"} or mode in ("lvm", "btrfs"):
        raise ImageError(f"image type {image_type.name} has plain partitions only; lvm and btrfs cannot be had")
