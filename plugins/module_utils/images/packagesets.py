# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Which packages are wanted: the build root's and the system's."""

from __future__ import annotations

from collections.abc import Iterable

from ..blueprint import User
from ..packages import PackageSet, PackageSpec
from .definition import Definition
from .localisation import needs_keyboard_packages, to_generate

# What the stages call in every build: Python, sysusers and systemctl, decompressors.
_BUILD = ("python3", "systemd", "xz-utils", "zstd")

# A system that boots, gets an address, can be logged in to and updated; no more.
_BOOTABLE = (
    "ca-certificates",
    "dbus",
    "e2fsprogs",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "libpam-systemd",
    "login",
    "netbase",
    "openssh-server",
    "passwd",
    "procps",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "zstd",
)

# Packages that bring network configuration of their own; ours would be a second opinion.
_NETWORKING = frozenset({"connman", "dhcpcd", "ifupdown", "ifupdown-ng", "netplan.io", "network-manager"})

# Debian allows one time-daemon.
TIME_DAEMONS = frozenset({"chrony", "ntpsec", "openntpd"})


def named(definition: Definition) -> frozenset[str]:
    """Names of the packages that the blueprint lists, without architecture and version."""
    return frozenset(PackageSpec.parse(package.name).name for package in definition.blueprint.packages)


def own_network_setup(definition: Definition) -> bool:
    """Whether the image gets our default, DHCP by systemd-networkd."""
    return definition.image_type.bootable and not named(definition) & _NETWORKING


def kernel_package(definition: Definition) -> str | None:
    """The kernel to install beside what the blueprint lists: its ``kernel.name``, else the image type's default."""
    chosen = definition.customizations.kernel.package(definition.architecture.name)
    if chosen:
        return chosen
    boot = definition.architecture.boot
    if not definition.image_type.bootable or boot is None:
        return None
    if any(name.startswith("linux-image-") for name in named(definition)):
        return None
    return boot.cloud_kernel if definition.image_type.cloud_kernel else definition.architecture.kernel


def _wants_sudo(users: Iterable[User]) -> bool:
    return any({"sudo", "wheel"} & set(user.groups) for user in users)


def _system(definition: Definition) -> list[str]:
    """Packages the image type and the customizations need, whether or not the blueprint lists them."""
    wanted = definition.customizations
    result: list[str] = []
    boot = definition.architecture.boot
    if definition.image_type.bootable and boot is not None:
        result += [*_BOOTABLE, *boot.packages]
        if definition.distribution.repart_package:
            result.append(definition.distribution.repart_package)
    if kernel := kernel_package(definition):
        result.append(kernel)
    if (definition.image_type.bootable or wanted.timezone.ntpservers) and not named(definition) & TIME_DAEMONS:
        result.append("systemd-timesyncd")
    if definition.image_type.bootable or wanted.timezone.timezone:
        result.append("tzdata")
    if to_generate(wanted.locale.languages):
        result.append("locales")
    if needs_keyboard_packages(wanted.locale.keyboard) and definition.image_type.bootable:
        result += ["console-setup", "keyboard-configuration"]
    if _wants_sudo(wanted.users):
        result.append("sudo")
    return result


def package_sets(definition: Definition) -> dict[str, PackageSet]:
    """What to ask the depsolver for: ``build``, the root the stages run in, and ``os``, the image's system."""
    debian = definition.customizations.debian
    build = [*_BUILD, *definition.image_type.build_packages]
    boot = definition.architecture.boot
    if definition.image_type.bootable and boot is not None and boot.bios:
        build += ["grub-common", "grub-pc-bin"]
    listed = [package.spec for package in definition.blueprint.packages]
    taken = named(definition) | set(debian.exclude)
    own = [name for name in _system(definition) if name not in taken]
    return {
        "build": PackageSet(include=tuple(sorted(set(build)))),
        "os": PackageSet(
            include=tuple(sorted({*listed, *own})),
            exclude=debian.exclude,
            variant=debian.variant,
            recommends=debian.install_recommends,
        ),
    }
