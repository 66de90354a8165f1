# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Parts of ``[customizations.debian]`` as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Backend = Literal["networkd", "netplan", "ifupdown"]


@dataclass(frozen=True)
class Match:
    name: str | None = None
    mac: str | None = None
    driver: str | None = None


@dataclass(frozen=True)
class Route:
    to: str
    via: str | None = None
    metric: int | None = None
    table: int | None = None
    on_link: bool | None = None


@dataclass(frozen=True)
class Dns:
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vlan:
    id: int
    link: str


@dataclass(frozen=True)
class Bridge:
    ports: tuple[str, ...]
    stp: bool | None = None
    forward_delay: int | None = None


@dataclass(frozen=True)
class Bond:
    ports: tuple[str, ...]
    mode: str | None = None
    miimon: int | None = None
    lacp_rate: str | None = None
    hash_policy: str | None = None
    primary: str | None = None


@dataclass(frozen=True)
class Interface:
    """One network interface; None and empty leave a setting to the program that configures it."""

    name: str
    match: Match | None = None
    dhcp4: bool | None = None
    dhcp6: bool | None = None
    accept_ra: bool | None = None
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns | None = None
    mtu: int | None = None
    mac: str | None = None
    optional: bool | None = None
    vlan: Vlan | None = None
    bridge: Bridge | None = None
    bond: Bond | None = None


@dataclass(frozen=True)
class Network:
    """``renderer``: what netplan hands over to, None for its default."""

    interfaces: tuple[Interface, ...]
    backend: Backend = "networkd"
    renderer: str | None = None


@dataclass(frozen=True)
class Answer:
    """A debconf answer, as a line of debconf-set-selections(1) has it."""

    owner: str
    question: str
    type: str
    value: str


@dataclass(frozen=True)
class Script:
    """Commands or a script that run in the tree while it is built; ``shell`` is auto, bash or sh."""

    label: str
    commands: tuple[str, ...] = ()
    script: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    shell: str = "auto"


@dataclass(frozen=True)
class Overlay:
    """A tar archive, laid over the tree."""

    url: str
    checksum: str
    source: str = "/"
    destination: str = "/"
    owner: Literal["root", "keep"] = "root"
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dpkg:
    """``path_exclude``, ``path_include``: as dpkg(1); ``hold``: packages that keep their version."""

    path_exclude: tuple[str, ...] = ()
    path_include: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cleanup:
    """What is removed from the finished tree; None leaves it to the stage."""

    logs: bool | None = None
    caches: bool | None = None
    apt_lists: bool | None = None
    backups: bool | None = None
    seeds: bool | None = None
    temporary_files: bool | None = None
    state: bool | None = None
    docs: bool | None = None
    man: bool | None = None
    info: bool | None = None
    lintian: bool | None = None
    bytecode: bool | None = None
    keep_locales: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnattendedUpgrades:
    """Settings of unattended-upgrade(8); intervals in days."""

    enabled: bool = True
    update_interval: int | None = None
    upgrade_interval: int | None = None
    clean_interval: int | None = None
    origins: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()
    reboot: bool | None = None
    reboot_time: str | None = None
    reboot_with_users: bool | None = None
    remove_unused: bool | None = None
    mail: str | None = None
    mail_report: str | None = None
    minimal_steps: bool | None = None


@dataclass(frozen=True)
class Archive:
    """Where Debian itself comes from, instead of the task's or the host's sources.

    ``suite``: the mirror's name for the distribution, empty for the usual one. ``mirror`` and ``security_mirror`` are
    base URIs, with the snapshot's time in its place. ``backports``: packages to take from there; ``("*",)`` makes
    them available without preferring them.
    """

    suite: str = ""
    mirror: str = ""
    security_mirror: str = ""
    snapshot: str = ""
    backports: tuple[str, ...] = ()
