# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A checked blueprint as plain frozen data: what an image shall be, whichever way it was written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..containers.model import Container
from ..packages.model import Pin, Source
from .debianmodel import Answer, Archive, Cleanup, Dpkg, Network, Overlay, Script, UnattendedUpgrades
from .diskmodel import Disk
from .ostreemodel import OSTree
from .sectionmodel import Firewall, FirstbootScript, Installer, Openscap, Repository, Sshd

#: How the machine gets from its firmware to the kernel.
BootLoader = Literal["grub", "systemd-boot", "uki"]
PartitioningMode = Literal["raw", "lvm", "auto-lvm", "btrfs"]


@dataclass(frozen=True)
class PackageSpec:
    """A wanted package; ``version`` is empty (any), a Debian version, an upstream version, or a glob of either."""

    name: str
    version: str = ""

    @property
    def spec(self) -> str:
        """As :attr:`packages.PackageSet.include` takes it."""
        return f"{self.name}={self.version}" if self.version else self.name


@dataclass(frozen=True)
class Kernel:
    """``name``: a Debian kernel package, a flavour ("cloud-amd64"), "kernel-rt", or None for the default."""

    name: str | None = None
    append: str | None = None

    def package(self, architecture: str) -> str | None:
        """The kernel's package for a Debian architecture, None for the image's default kernel."""
        if self.name is None:
            return None
        if self.name == "kernel-rt":
            return f"linux-image-rt-{architecture}"
        return self.name if self.name.startswith("linux-image-") else f"linux-image-{self.name}"


@dataclass(frozen=True)
class User:
    """``password`` is crypt(5) text, never plain; None leaves the account locked. ``expiredate``: days since 1970."""

    name: str
    description: str | None = None
    password: str | None = None
    key: str | None = None
    home: str | None = None
    shell: str | None = None
    groups: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None
    expiredate: int | None = None
    force_password_reset: bool = False


@dataclass(frozen=True)
class Group:
    name: str
    gid: int | None = None


@dataclass(frozen=True)
class Timezone:
    timezone: str | None = None
    ntpservers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Locale:
    """The first of ``languages`` becomes LANG; ``keyboard`` is a layout name ("de")."""

    languages: tuple[str, ...] = ()
    keyboard: str | None = None


@dataclass(frozen=True)
class Services:
    """Systemd unit names as given (the suffix may be missing)."""

    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filesystem:
    """``minsize`` in bytes."""

    mountpoint: str
    minsize: int


@dataclass(frozen=True)
class Directory:
    """``user``/``group``: name, numeric id, or None for root; ``mode`` as an integer, None for 0755."""

    path: str
    user: str | int | None = None
    group: str | int | None = None
    mode: int | None = None
    ensure_parents: bool = False


@dataclass(frozen=True)
class File:
    """``user``/``group``: name, numeric id, or None for root; ``mode`` as an integer, None for 0644.

    Its content is ``data``, or what ``uri`` has, whose ``checksum`` is ``ALGORITHM:HEX``.
    """

    path: str
    user: str | int | None = None
    group: str | int | None = None
    mode: int | None = None
    data: bytes = b""
    uri: str = ""
    checksum: str = ""


@dataclass(frozen=True)
class Encryption:
    """LUKS around what holds the root file system.

    ``key_file``: absolute path of a file on the build host whose content unlocks the disk; ``key_checksum``: its
    ``sha256:…``, so that the manifest names the key without holding it.
    """

    key_file: str
    key_checksum: str


@dataclass(frozen=True)
class Debian:
    """``[customizations.debian]``, what a composer blueprint has no word for.

    ``components`` empty: those of the distribution. ``sources``: repositories beside the distribution's own, used
    while building and written into the image. ``boot_loader``: None for the image type's default.
    ``verity``: the root is read-only and verified by dm-verity, changes are kept in memory.
    """

    variant: str = "minbase"
    components: tuple[str, ...] = ()
    install_recommends: bool = False
    exclude: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    sources: tuple[Source, ...] = ()
    foreign_architectures: tuple[str, ...] = ()
    boot_loader: BootLoader | None = None
    encryption: Encryption | None = None
    verity: bool = False
    archive: Archive = Archive()
    answers: tuple[Answer, ...] = ()
    network: Network | None = None
    scripts: tuple[Script, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    dpkg: Dpkg = Dpkg()
    cleanup: Cleanup | None = None
    unattended_upgrades: UnattendedUpgrades | None = None
    ostree: OSTree | None = None


@dataclass(frozen=True)
class Iso:
    """What a live medium says of itself (ECMA-119)."""

    volume_id: str = ""
    publisher: str = ""
    application_id: str = ""


@dataclass(frozen=True)
class Customizations:
    hostname: str | None = None
    kernel: Kernel = Kernel()
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    timezone: Timezone = Timezone()
    locale: Locale = Locale()
    services: Services = Services()
    filesystem: tuple[Filesystem, ...] = ()
    disk: Disk | None = None
    partitioning_mode: PartitioningMode = "raw"
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    iso: Iso = Iso()
    firewall: Firewall | None = None
    openscap: Openscap | None = None
    repositories: tuple[Repository, ...] = ()
    cacerts: tuple[str, ...] = ()
    containers_storage: str = ""
    firstboot: tuple[FirstbootScript, ...] = ()
    sshd: Sshd | None = None
    installer: Installer | None = None
    debian: Debian = Debian()


@dataclass(frozen=True)
class Blueprint:
    """``distro`` as written (the images room knows names and aliases); ``architecture`` in Debian's spelling.

    ``warnings`` are sentences for the user: unknown keys, deprecated forms, names that were mapped to Debian's.
    """

    name: str
    description: str = ""
    version: str = "0.0.0"
    distro: str | None = None
    architecture: str | None = None
    packages: tuple[PackageSpec, ...] = ()
    containers: tuple[Container, ...] = ()
    customizations: Customizations = Customizations()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Canonical JSON-able form, equal for equal blueprints; holds no plain password."""
        from .serialise import to_dict

        return to_dict(self)
