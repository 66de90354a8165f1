# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The image types: data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ImageError
from .imagetypes import ImageType

# sfdisk, mke2fs and debugfs, mtools; grub comes with the architecture.
_DISK = ("fdisk", "e2fsprogs", "mtools")
_QEMU = (*_DISK, "qemu-utils")


def _tar(name: str, suffix: str, compression: str, *aliases: str) -> ImageType:
    settings = {"compression": compression}
    return ImageType(name, f"root.tar.{suffix}", "archive", f"application/{compression}", "tar", settings, aliases=aliases)


def _disk(name: str, filename: str, mime_type: str, format: Mapping[str, Any] | None, **more: Any) -> ImageType:
    """A disk: as it is, or converted by qemu-img(1) to *format*."""
    if format is None:
        return ImageType(name, filename, "image", mime_type, "disk", {}, "disk", build_packages=_DISK, **more)
    export = str(format["type"])
    return ImageType(name, filename, export, mime_type, "convert", dict(format), "disk", build_packages=_QEMU, **more)


_QCOW2 = {"type": "qcow2", "compat": "1.1", "compression": True}
_VMDK = {"type": "vmdk", "subformat": "streamOptimized"}
# Fixed size: what Azure takes; the disk's size is a whole number of MiB, as Azure demands.
_VHD = {"type": "vpc", "subformat": "fixed", "force_size": True}

_QCOW2_MIME = "application/x-qemu-disk"
_RAW_MIME = "application/octet-stream"
_VMDK_MIME = "application/x-vmdk"
_VHD_MIME = "application/x-vhd"

IMAGE_TYPES: tuple[ImageType, ...] = (
    # The tree of a system.
    _tar("tar", "zst", "zstd", "tar-zstd", "tar.zst"),
    _tar("tar-gzip", "gz", "gzip", "tar.gz", "tgz"),
    _tar("tar-xz", "xz", "xz", "tar.xz"),
    ImageType("directory", "", "os", "inode/directory", "directory"),
    ImageType(
        "squashfs", "root.squashfs", "squashfs", "application/vnd.squashfs", "squashfs", build_packages=("squashfs-tools",)
    ),
    ImageType("erofs", "root.erofs", "erofs", "application/octet-stream", "erofs", build_packages=("erofs-utils",)),
    ImageType("oci", "container.tar", "container", "application/x-tar", "oci", aliases=("container",)),
    ImageType("wsl", "image.wsl", "archive", "application/gzip", "wsl", {"compression": "gzip"}, "wsl"),
    # Disks.
    _disk("raw", "disk.raw", _RAW_MIME, None, aliases=("minimal-raw",)),
    _disk("qcow2", "disk.qcow2", _QCOW2_MIME, _QCOW2, cloud_kernel=True, aliases=("guest-image", "server-qcow2")),
    _disk("vmdk", "disk.vmdk", _VMDK_MIME, _VMDK, aliases=("vsphere",)),
    _disk("vhd", "disk.vhd", _VHD_MIME, _VHD),
    _disk("vhdx", "disk.vhdx", "application/x-vhdx", {"type": "vhdx"}),
    _disk("vdi", "disk.vdi", "application/x-virtualbox-vdi", {"type": "vdi"}),
    _disk("uki", "disk.qcow2", _QCOW2_MIME, _QCOW2, boot_loader="uki"),
    # Disks for clouds: kernel for virtual machines, cloud-init looking for just this cloud.
    _disk("ami", "image.raw", _RAW_MIME, None, cloud_kernel=True, datasources=("Ec2", "None"), aliases=("aws",)),
    _disk("azure", "disk.vhd", _VHD_MIME, _VHD, cloud_kernel=True, datasources=("Azure",)),
    _disk(
        "openstack", "disk.qcow2", _QCOW2_MIME, _QCOW2, cloud_kernel=True, datasources=("ConfigDrive", "OpenStack", "None")
    ),
    ImageType(
        "gce", "image.tar.gz", "archive", "application/gzip", "gce", {}, "disk", cloud_kernel=True,
        datasources=("GCE",), build_packages=_DISK, aliases=("gcp",),
    ),  # fmt: skip
    ImageType(
        "ova", "image.ova", "archive", "application/ovf", "ova", {**_VMDK}, "disk",
        build_packages=_QEMU, aliases=("vsphere-ova",),
    ),  # fmt: skip
    # Media.
    ImageType(
        "iso", "live.iso", "iso", "application/x-iso9660-image", "iso", {}, "live",
        packages=("live-boot",), aliases=("live-iso", "live-installer", "image-installer"),
        build_packages=("mtools", "squashfs-tools", "xorriso", "grub-common"),
    ),  # fmt: skip
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
