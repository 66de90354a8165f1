# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Packages that customizations take, whether or not the blueprint lists them."""

from __future__ import annotations

from collections.abc import Set

from .definition import Definition
from .openscap import scap_packages

_NETWORK = {"networkd": "systemd", "netplan": "netplan.io", "ifupdown": "ifupdown"}


def firewall_backend(names: Set[str]) -> str:
    """The firewall of an image whose blueprint lists the packages *names*."""
    return "firewalld" if "firewalld" in names else "ufw" if "ufw" in names else "nftables"


def _network(definition: Definition) -> list[str]:
    network = definition.customizations.debian.network
    if network is None:
        return []
    result = [_NETWORK[network.backend]]
    if network.renderer == "NetworkManager":
        result.append("network-manager")
    if network.backend == "ifupdown":
        result += ["bridge-utils"] if any(one.bridge for one in network.interfaces) else []
        result += ["ifenslave"] if any(one.bond for one in network.interfaces) else []
    return result


def wish_packages(definition: Definition, names: Set[str]) -> list[str]:
    """*names*: packages that the blueprint lists."""
    wanted = definition.customizations
    result = _network(definition)
    if definition.blueprint.containers:
        result.append("podman")
    if wanted.firewall:
        result.append(firewall_backend(names))
    if wanted.openscap:
        result += scap_packages(wanted.openscap)
    if wanted.cacerts or any(uri.startswith("https:") for one in wanted.repositories for uri in one.source.uris):
        result.append("ca-certificates")
    if any(one.type == "aap" for one in wanted.firstboot):
        result += ["ca-certificates", "curl"]
    if wanted.sshd:
        result.append("openssh-server")
    if wanted.installer and wanted.installer.sudo_nopasswd:
        result.append("sudo")
    if wanted.debian.unattended_upgrades:
        result.append("unattended-upgrades")
    return result


def wish_build_packages(definition: Definition) -> list[str]:
    """What the build root needs for them."""
    return ["skopeo"] if definition.blueprint.containers else []
