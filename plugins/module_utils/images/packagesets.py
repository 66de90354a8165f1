# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Which packages are wanted: the build root's and the system's."""

from __future__ import annotations

from collections.abc import Iterable

from ..blueprint import User
from ..packages import PackageSet, PackageSpec
from .architectures import Boot
from .definition import Definition
from .localisation import needs_keyboard_packages, to_generate
from .storagepackages import storage_build_packages, storage_packages
from .wishpackages import wish_build_packages, wish_packages

# What the stages call in every build: Python, sysusers and systemctl, decompressors.
_BUILD = ("python3", "systemd", "xz-utils", "zstd")

# A system with running services that can be updated; no more.
_SERVICES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "login",
    "netbase",
    "passwd",
    "procps",
    "systemd-sysv",
)

# One that boots, gets an address and can be logged in to.
_BOOTABLE = (
    "e2fsprogs",
    "initramfs-tools",
    "kmod",
    "openssh-server",
    "systemd-resolved",
    "udev",
    "zstd",
)

# What deploys, enters and updates; grub's own programs are the environment block's.
_OSTREE = ("grub-common", "ostree", "ostree-boot")

# Serves a commit, from a container of its own.
_SERVER = ("nginx",)

# Packages that bring network configuration of their own; ours would be a second opinion.
_NETWORKING = frozenset({"connman", "dhcpcd", "ifupdown", "ifupdown-ng", "netplan.io", "network-manager"})

# Debian's name for the platform of machines with a BIOS.
_GRUB_PC = "pc"

_KERNEL = "linux-image-"

# Debian allows one time-daemon.
TIME_DAEMONS = frozenset({"chrony", "ntpsec", "openntpd"})


def named(definition: Definition) -> frozenset[str]:
    """Names of the packages that the blueprint lists, without architecture and version."""
    return frozenset(PackageSpec.parse(package.name).name for package in definition.blueprint.packages)


def own_network_setup(definition: Definition) -> bool:
    """Whether the image gets our default, DHCP by systemd-networkd."""
    own = definition.customizations.debian.network
    return definition.image_type.bootable and own is None and not named(definition) & _NETWORKING


def kernel_package(definition: Definition) -> str | None:
    """The kernel to install beside what the blueprint lists: its ``kernel.name``, else the image type's default."""
    chosen = definition.customizations.kernel.package(definition.architecture.name)
    if chosen:
        return chosen
    boot = definition.architecture.boot
    if not definition.image_type.bootable or boot is None:
        return None
    if any(name.startswith(_KERNEL) for name in named(definition)):
        return None
    return boot.cloud_kernel if definition.image_type.cloud_kernel else definition.architecture.kernel


def _wants_sudo(users: Iterable[User]) -> bool:
    return any({"sudo", "wheel"} & set(user.groups) for user in users)


def _system(definition: Definition) -> list[str]:
    """Packages the image type and the customizations need, whether or not the blueprint lists them."""
    wanted = definition.customizations
    result: list[str] = []
    boot = definition.architecture.boot
    image_type = definition.image_type
    result += image_type.packages
    if image_type.services:
        result += _SERVICES
    if image_type.datasources:
        result.append("cloud-init")
    if image_type.bootable:
        result += _BOOTABLE
    if image_type.disk and boot is not None:
        result += _boot_loader(definition, boot)
        result += storage_packages(definition)
        if definition.distribution.repart_package:
            result.append(definition.distribution.repart_package)
    if kernel := kernel_package(definition):
        result.append(kernel)
    if (image_type.bootable or wanted.timezone.ntpservers) and not named(definition) & TIME_DAEMONS:
        result.append("systemd-timesyncd")
    if image_type.services or wanted.timezone.timezone:
        result.append("tzdata")
    if to_generate(wanted.locale.languages):
        result.append("locales")
    if needs_keyboard_packages(wanted.locale.keyboard) and image_type.bootable:
        result += ["console-setup", "keyboard-configuration"]
    if _wants_sudo(wanted.users):
        result.append("sudo")
    return result + wish_packages(definition, named(definition))


def _boot_loader(definition: Definition, boot: Boot) -> Iterable[str]:
    if definition.image_type.ostree:
        # Nothing but OSTree writes to /boot, so none of the packages that install boot loaders.
        return [*_OSTREE, *boot.signed, *([f"grub-{_GRUB_PC}-bin"] if boot.bios else [])]
    if definition.boot_loader == "grub":
        return boot.packages
    # It also keeps the partition up to date when kernels are installed: kernel-install(8).
    packages = ["systemd-boot", *definition.distribution.stub_packages]
    if definition.boot_loader == "uki" and definition.distribution.ukify_package:
        packages.append(definition.distribution.ukify_package)
    return packages


def _build(definition: Definition) -> list[str]:
    """Packages of the build root."""
    image_type, boot = definition.image_type, definition.architecture.boot
    result = [*_BUILD, *image_type.build_packages, *storage_build_packages(definition), *wish_build_packages(definition)]
    if boot is None or not image_type.bootable:
        return result
    if image_type.ostree and definition.customizations.debian.ostree and definition.customizations.debian.ostree.sign:
        result += ["gpg", "gpg-agent"]
    if image_type.ostree and not image_type.partitioned:
        return result
    if image_type.disk and definition.boot_loader == "grub":
        # Its EFI files come from the image's own packages.
        return result + (["grub-common", f"grub-{_GRUB_PC}-bin"] if boot.bios else [])
    if image_type.disk:
        ukify = definition.distribution.ukify_package if definition.boot_loader == "uki" else ""
        return [*result, *((ukify,) if ukify else ("binutils",)), *definition.distribution.stub_packages]
    # The medium's boot loaders; the system on it needs none.
    return [*result, *boot.signed, *([f"grub-{_GRUB_PC}-bin"] if boot.bios else [])]


def package_sets(definition: Definition) -> dict[str, PackageSet]:
    """What to ask the depsolver for: ``build``, the root the stages run in, and ``os``, the image's system.

    ``server`` is a container's that serves it, where there is one.
    """
    debian = definition.customizations.debian
    listed = [package.spec for package in definition.blueprint.packages]
    taken = named(definition) | set(debian.exclude)
    system = _system(definition)
    own = [name for name in system if name not in taken]
    # Listed or not: a tree with another kernel is of no use to others, and with it as an addition it would be made twice.
    kernels = [name for name in named(definition) if name.startswith(_KERNEL)]
    sets = {
        # The build root is for the machine that builds: emulated tools would take many times as long.
        "build": PackageSet(
            include=tuple(sorted(set(_build(definition)))),
            architecture=definition.build_architecture if definition.foreign else "",
        ),
        "os": PackageSet(
            include=tuple(sorted({*listed, *own})),
            exclude=debian.exclude,
            variant=debian.variant,
            recommends=debian.install_recommends,
            base=tuple(sorted({*system, *kernels} - set(debian.exclude))),
        ),
    }
    if definition.image_type.output == "ostree-container":
        sets["server"] = PackageSet(include=_SERVER)
    return sets
