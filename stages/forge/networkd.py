# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Interfaces as files of systemd-networkd. Source: systemd.network(5), systemd.netdev(5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import unitfile
from .netmodel import Interface

FOLDER = "etc/systemd/network"
_MATCH = {"name": "Name", "mac": "MACAddress", "driver": "Driver"}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _netdev(interface: Interface) -> str:
    settings = interface.settings
    entry: dict[str, Any] = {"Name": interface.name, "Kind": interface.kind}
    if interface.mac:
        entry["MACAddress"] = interface.mac
    section: dict[str, Any] = {}
    if interface.kind == "vlan":
        section["Id"] = settings["id"]
    elif interface.kind == "bridge":
        if "stp" in settings:
            section["STP"] = _yes(settings["stp"])
        if "forward-delay" in settings:
            section["ForwardDelaySec"] = settings["forward-delay"]
    else:
        section["Mode"] = settings.get("mode", "balance-rr")
        if "miimon" in settings:
            section["MIIMonitorSec"] = f"{settings['miimon']}ms"
        for option, key in (("lacp-rate", "LACPTransmitRate"), ("hash-policy", "TransmitHashPolicy")):
            if option in settings:
                section[key] = settings[option]
    config = {"NetDev": entry}
    if section:
        config[{"vlan": "VLAN", "bridge": "Bridge", "bond": "Bond"}[interface.kind]] = section
    return unitfile.render(config)


def _network(interface: Interface, masters: dict[str, Interface]) -> str:
    sections: list[tuple[str, dict[str, Any]]] = []
    sections.append(("Match", {_MATCH[key]: value for key, value in interface.match.items()} or {"Name": interface.name}))
    link: dict[str, Any] = {}
    if interface.mtu is not None:
        link["MTUBytes"] = interface.mtu
    if interface.mac and interface.kind == "ethernet":
        link["MACAddress"] = interface.mac
    if interface.optional:
        link["RequiredForOnline"] = "no"
    if link:
        sections.append(("Link", link))
    dhcp = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6", (False, False): "no"}
    network: dict[str, Any] = {"DHCP": dhcp[interface.dhcp4, interface.dhcp6]}
    if interface.accept_ra is not None:
        network["IPv6AcceptRA"] = _yes(interface.accept_ra)
    for key, values in (
        ("Address", interface.addresses), ("DNS", interface.servers), ("Domains", [" ".join(interface.search)] if interface.search else []),
        ("VLAN", interface.vlans),
    ):
        if values:
            network[key] = values
    if interface.master:
        master = masters[interface.master]
        network["Bridge" if master.kind == "bridge" else "Bond"] = master.name
        if master.settings.get("primary") == interface.name:
            network["PrimarySlave"] = "yes"
    elif not interface.configured:
        # Only carries others: no address, not even a link-local one.
        network["LinkLocalAddressing"] = "no"
    sections.append(("Network", network))
    for route in interface.routes:
        entry: dict[str, Any] = {}
        if route.to != "default":
            entry["Destination"] = route.to
        for key, value in (("Gateway", route.via), ("Metric", route.metric), ("Table", route.table)):
            if value not in (None, ""):
                entry[key] = value
        if route.onlink:
            entry["GatewayOnLink"] = "yes"
        sections.append(("Route", entry))
    return "".join(unitfile.render({name: entries}) for name, entries in sections)


def files(interfaces: Sequence[Interface], prefix: str) -> dict[str, str]:
    """Files below the tree. Those for single interfaces sort before those with wildcards: the first that fits counts."""
    masters = {interface.name: interface for interface in interfaces}
    result = {}
    for interface in interfaces:
        if interface.kind != "ethernet":
            result[f"{FOLDER}/40-{prefix}-{interface.name}.netdev"] = _netdev(interface)
        wide = any(char in interface.match.get("name", "") for char in "*?") or list(interface.match) == ["driver"]
        result[f"{FOLDER}/{'60' if wide else '50'}-{prefix}-{interface.name}.network"] = _network(interface, masters)
    return result
