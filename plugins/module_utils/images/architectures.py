# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Debian architectures and what booting on them takes: data only."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ImageError


@dataclass(frozen=True)
class Boot:
    """How a disk of an architecture boots.

    :param packages: boot loader packages of the image.
    :param signed: packages of the signed boot chain alone, for a medium.
    :param platforms: grub's platforms whose modules the image holds.
    :param bios: grub's platform for machines with BIOS; empty where there are none.
    :param console: serial line of the usual machines, as the kernel names it.
    :param root_type: GPT type of the root partition (Discoverable Partitions Specification).
    :param verity_type: GPT type of the hashes of a root partition.
    :param cloud_kernel: kernel package for virtual machines.
    """

    packages: tuple[str, ...]
    signed: tuple[str, ...]
    platforms: tuple[str, ...]
    bios: str
    console: str
    root_type: str
    verity_type: str
    cloud_kernel: str


@dataclass(frozen=True)
class Architecture:
    """One Debian architecture.

    :param name: Debian's name for it.
    :param machine: the kernel's (``uname -m``).
    :param kernel: kernel package for any machine of it.
    :param boot: None where only trees can be made, not bootable disks.
    :param oci: the name in container images (Go's GOARCH), with its variant if it has one.
    """

    name: str
    machine: str
    kernel: str
    boot: Boot | None = None
    aliases: tuple[str, ...] = ()
    oci: str = ""
    oci_variant: str = ""

    def __post_init__(self) -> None:
        if not self.oci:
            object.__setattr__(self, "oci", self.name)

    @property
    def boot_loader(self) -> Boot:
        """How a disk of it boots.

        :raises ImageError: only trees can be made for it.
        """
        if self.boot is None:
            raise ImageError(f"architecture {self.name} has no known boot loader: bootable images cannot be made for it")
        return self.boot


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        "amd64",
        "x86_64",
        "linux-image-amd64",
        Boot(
            # Both of grub's variants with the signed boot chain, and triggers that reinstall them after an upgrade.
            packages=("grub-cloud-amd64",),
            signed=("shim-signed", "grub-efi-amd64-signed", "grub-efi-amd64-bin"),
            platforms=("i386-pc", "x86_64-efi"),
            bios="i386-pc",
            console="ttyS0,115200",
            root_type="4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
            verity_type="2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5",
            cloud_kernel="linux-image-cloud-amd64",
        ),
        aliases=("x86-64", "x64"),
    ),
    Architecture(
        "arm64",
        "aarch64",
        "linux-image-arm64",
        Boot(
            packages=("grub-efi-arm64-bin", "grub-efi-arm64-signed", "grub2-common", "shim-signed"),
            signed=("shim-signed", "grub-efi-arm64-signed", "grub-efi-arm64-bin"),
            platforms=("arm64-efi",),
            bios="",
            console="ttyAMA0,115200",
            root_type="B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
            verity_type="DF3300CE-D69F-4C92-978C-9BFB0F38D820",
            cloud_kernel="linux-image-cloud-arm64",
        ),
    ),
    Architecture("armhf", "armv7l", "linux-image-armmp", aliases=("armv7", "arm"), oci="arm", oci_variant="v7"),
    Architecture("i386", "i686", "linux-image-686-pae", aliases=("i586", "x86"), oci="386"),
    Architecture("riscv64", "riscv64", "linux-image-riscv64"),
    Architecture("ppc64el", "ppc64le", "linux-image-powerpc64le", oci="ppc64le"),
    Architecture("s390x", "s390x", "linux-image-s390x"),
)


def get_architecture(name: str) -> Architecture:
    """The architecture called *name*, in Debian's or the kernel's spelling.

    :raises ImageError: there is none; the message lists those that are known.
    """
    wanted = name.strip().lower()
    for one in ARCHITECTURES:
        if wanted in (one.name, one.machine, *one.aliases):
            return one
    known = ", ".join(one.name for one in ARCHITECTURES)
    raise ImageError(f"unknown architecture '{name}'; known are {known}")
