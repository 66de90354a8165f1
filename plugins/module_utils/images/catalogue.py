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
    return ImageType(
        name, f"The system's files as a tar archive, compressed with {compression}.", f"root.tar.{suffix}", "archive",
        f"application/{compression}", "tar", {"compression": compression}, aliases=aliases,
    )  # fmt: skip


def _disk(name: str, summary: str, filename: str, mime_type: str, format: Mapping[str, Any] | None, **more: Any) -> ImageType:
    """A disk: as it is, or converted by qemu-img(1) to *format*."""
    more = {"system": "disk", "build_packages": _DISK if format is None else _QEMU, **more}
    if format is None:
        return ImageType(name, summary, filename, "image", mime_type, "disk", **more)
    return ImageType(name, summary, filename, str(format["type"]), mime_type, "convert", dict(format), **more)


def _ostree(name: str, summary: str, filename: str, export: str, mime_type: str, output: str, *aliases: str) -> ImageType:
    """A commit without a disk. Its content is the same for all of them, and for the disks."""
    return ImageType(
        name, summary, filename, export, mime_type, output, {}, "ostree", build_packages=("ostree",), aliases=aliases
    )


_QCOW2 = {"type": "qcow2", "compat": "1.1", "compression": True, "compression_type": "zstd"}
# A cloud's own qemu may be older than zstd in qcow2 (5.1).
_OLD_QCOW2 = {"type": "qcow2", "compat": "1.1", "compression": True}
_VMDK = {"type": "vmdk", "subformat": "streamOptimized"}
# Fixed size: what Azure takes; the disk's size is a whole number of MiB, as Azure demands.
_VHD = {"type": "vpc", "subformat": "fixed", "force_size": True}

_RAW_MIME = "application/octet-stream"
_QCOW2_MIME = "application/x-qemu-disk"
_VMDK_MIME = "application/x-vmdk"
_VHD_MIME = "application/x-vhd"

_TREES = (
    _tar("tar", "zst", "zstd", "tar-zstd", "tar.zst"),
    _tar("tar-gzip", "gz", "gzip", "tar.gz", "tgz"),
    _tar("tar-xz", "xz", "xz", "tar.xz"),
    ImageType("directory", "The system's files as they are.", "", "os", "inode/directory", "directory"),
    ImageType(
        "squashfs", "A read-only file system, compressed with zstd.", "root.squashfs", "squashfs",
        "application/vnd.squashfs", "squashfs", build_packages=("squashfs-tools",),
    ),
    ImageType(
        "erofs", "A read-only file system for random access, compressed with lz4hc.", "root.erofs", "erofs",
        _RAW_MIME, "erofs", build_packages=("erofs-utils",),
    ),
    ImageType(
        "oci", "A container image as an OCI archive, for podman, docker and registries.", "container.tar", "container",
        "application/x-tar", "oci", aliases=("container",),
    ),
    ImageType(
        "wsl", "A distribution for Windows' subsystem for Linux, with systemd.", "image.wsl", "archive",
        "application/gzip", "wsl", {"compression": "gzip"}, "wsl",
    ),
)  # fmt: skip

_DISKS = (
    _disk("raw", "A disk as it is, for real machines too.", "disk.raw", _RAW_MIME, None, aliases=("minimal-raw",)),
    _disk(
        "qcow2", "A disk for QEMU and KVM, compressed.", "disk.qcow2", _QCOW2_MIME, _QCOW2,
        cloud_kernel=True, aliases=("guest-image", "server-qcow2"),
    ),
    _disk("vmdk", "A disk for VMware, stream-optimised.", "disk.vmdk", _VMDK_MIME, _VMDK, aliases=("vsphere",)),
    _disk("vhd", "A disk for Hyper-V, of fixed size.", "disk.vhd", _VHD_MIME, _VHD),
    _disk("vhdx", "A disk for newer versions of Hyper-V.", "disk.vhdx", "application/x-vhdx", {"type": "vhdx"}),
    _disk("vdi", "A disk for VirtualBox.", "disk.vdi", "application/x-virtualbox-vdi", {"type": "vdi"}),
    _disk(
        "uki", "A disk for QEMU and KVM that the firmware boots without a boot loader, by a unified kernel image.",
        "disk.qcow2", _QCOW2_MIME, _QCOW2, boot_loader="uki",
    ),
)  # fmt: skip

# Kernel for virtual machines, and cloud-init looking for just this cloud.
_CLOUDS = (
    _disk(
        "ami", "A disk for Amazon EC2.", "image.raw", _RAW_MIME, None,
        cloud_kernel=True, datasources=("Ec2", "None"), aliases=("aws",),
    ),
    _disk("azure", "A disk for Microsoft Azure.", "disk.vhd", _VHD_MIME, _VHD, cloud_kernel=True, datasources=("Azure",)),
    _disk(
        "openstack", "A disk for OpenStack.", "disk.qcow2", _QCOW2_MIME, _OLD_QCOW2,
        cloud_kernel=True, datasources=("ConfigDrive", "OpenStack", "None"),
    ),
    ImageType(
        "gce", "A disk for Google Compute Engine, in the archive that it takes.", "image.tar.gz", "archive",
        "application/gzip", "gce", {}, "disk", cloud_kernel=True, datasources=("GCE",), build_packages=_DISK, aliases=("gcp",),
    ),
    ImageType(
        "ova", "A virtual appliance: a disk for VMware or VirtualBox with its description.", "image.ova", "archive",
        "application/ovf", "ova", _VMDK, "disk", build_packages=_QEMU, aliases=("vsphere-ova",),
    ),
)  # fmt: skip

_MEDIA = (
    ImageType(
        "iso", "A live medium for CD and USB stick: the system runs from it and keeps changes in memory.", "live.iso", "iso",
        "application/x-iso9660-image", "iso", {}, "live", packages=("live-boot",),
        build_packages=("mtools", "squashfs-tools", "xorriso", "grub-common"),
        aliases=("live-iso", "live-installer", "image-installer"),
    ),
)  # fmt: skip

_OSTREE = (
    _ostree(
        "ostree-commit", "The system as a commit in an archive repository, for servers of updates.", "commit.tar",
        "commit-archive", "application/x-tar", "ostree-archive", "edge-commit", "iot-commit",
    ),
    _ostree(
        "ostree-repository", "The same, as a directory that a web server can serve as it is.", "", "ostree-commit",
        "inode/directory", "ostree-directory",
    ),
    _ostree(
        "ostree-container", "The same in a container with nginx, which serves it on port 8080.", "container.tar",
        "container", "application/x-tar", "ostree-container", "edge-container", "iot-container",
    ),
    _disk(
        "ostree-raw", "A disk as it is, with a system that OSTree updates.", "disk.raw", _RAW_MIME, None, system="ostree",
        build_packages=(*_DISK, "ostree"), aliases=("edge-raw-image", "iot-raw-image"),
    ),
    _disk(
        "ostree-qcow2", "A disk for QEMU and KVM, with a system that OSTree updates.", "disk.qcow2", _QCOW2_MIME, _QCOW2,
        system="ostree", build_packages=(*_QEMU, "ostree"),
        aliases=("edge-qcow2-image", "iot-qcow2-image", "iot-qcow2"),
    ),
)  # fmt: skip

IMAGE_TYPES: tuple[ImageType, ...] = (*_TREES, *_DISKS, *_CLOUDS, *_OSTREE, *_MEDIA)


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
