# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The image types: data, and the file each of them ends in."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ImageError


@dataclass(frozen=True)
class ImageType:
    """One form that an image can have.

    :param name: what users write.
    :param filename: the file that is built.
    :param export: pipeline that holds it.
    :param mime_type: media type of the file.
    :param bootable: a disk with kernel and boot loader; otherwise just the tree of a system.
    :param cloud_kernel: whether the default kernel is the one for virtual machines.
    :param build_packages: what the build root needs beyond what every tree does.
    """

    name: str
    filename: str
    export: str
    mime_type: str
    bootable: bool
    cloud_kernel: bool = False
    build_packages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


# sfdisk, mke2fs and debugfs, mtools; grub comes with the architecture.
_DISK = ("fdisk", "e2fsprogs", "mtools")

IMAGE_TYPES: tuple[ImageType, ...] = (
    ImageType("tar", "root.tar.zst", "archive", "application/zstd", bootable=False),
    ImageType("raw", "disk.raw", "image", "application/octet-stream", bootable=True, build_packages=_DISK),
    ImageType(
        "qcow2",
        "disk.qcow2",
        "qcow2",
        "application/x-qemu-disk",
        bootable=True,
        cloud_kernel=True,
        build_packages=(*_DISK, "qemu-utils"),
        aliases=("guest-image",),
    ),
)


def get_image_type(name: str) -> ImageType:
    """The image type called *name*.

    :raises ImageError: there is none; the message lists those that are known.
    """
    wanted = name.strip().lower()
    for one in IMAGE_TYPES:
        if wanted == one.name or wanted in one.aliases:
            return one
    known = ", ".join(one.name for one in IMAGE_TYPES)
    raise ImageError(f"unknown image type '{name}'; known are {known}")
