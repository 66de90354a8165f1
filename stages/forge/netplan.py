# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Interfaces as a file of netplan. Source: netplan(5)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .netmodel import Interface

_SECTIONS = {"ethernet": "ethernets", "vlan": "vlans", "bridge": "bridges", "bond": "bonds"}
_PLAIN = re.compile(r"[a-z][a-z0-9-]*")
#: Words that YAML 1.1 takes for something else than text.
_OTHER = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
_BOND = {
    "mode": "mode", "miimon": "mii-monitor-interval", "lacp-rate": "lacp-rate", "hash-policy": "transmit-hash-policy",
    "primary": "primary",
}


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _OTHER:
        return value
    return json.dumps(value)


def yaml(value: dict[str, Any], indent: str = "") -> str:
    """A mapping of text, numbers, booleans, lists of these or of mappings, and mappings, as YAML."""
    lines = []
    for key, item in value.items():
        label = f"{indent}{_scalar(key)}:"
        if isinstance(item, dict):
            lines.append(f"{label}\n{yaml(item, indent + '  ')}" if item else f"{label} {{}}\n")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            lines.append(f"{label}\n")
            for entry in item:
                text = yaml(entry, indent + "    ")
                lines.append(f"{indent}  - {text[len(indent) + 4:]}")
        elif isinstance(item, list):
            lines.append(f"{label} [{', '.join(_scalar(entry) for entry in item)}]\n")
        else:
            lines.append(f"{label} {_scalar(item)}\n")
    return "".join(lines)


def _settings(interface: Interface) -> dict[str, Any]:
    result: dict[str, Any] = {}
    given = interface.settings
    if interface.match:
        result["match"] = {{"mac": "macaddress"}.get(key, key): value for key, value in interface.match.items()}
    if interface.kind == "vlan":
        result |= {"id": given["id"], "link": given["link"]}
    elif interface.kind in ("bridge", "bond"):
        result["interfaces"] = interface.ports
        names = _BOND if interface.kind == "bond" else {"stp": "stp", "forward-delay": "forward-delay"}
        parameters = {name: given[option] for option, name in names.items() if option in given}
        if parameters:
            result["parameters"] = parameters
    result |= {"dhcp4": interface.dhcp4, "dhcp6": interface.dhcp6}
    if interface.accept_ra is not None:
        result["accept-ra"] = interface.accept_ra
    if not interface.configured:
        result["link-local"] = []
    if interface.addresses:
        result["addresses"] = interface.addresses
    routes = []
    for route in interface.routes:
        to = route.to
        entry: dict[str, Any] = {"to": to}
        for key, value in (("via", route.via), ("metric", route.metric), ("table", route.table)):
            if value not in (None, ""):
                entry[key] = value
        if not route.via:
            entry["scope"] = "link"
        if route.onlink:
            entry["on-link"] = True
        routes.append(entry)
    if routes:
        result["routes"] = routes
    dns = {key: value for key, value in (("addresses", interface.servers), ("search", interface.search)) if value}
    if dns:
        result["nameservers"] = dns
    if interface.mtu is not None:
        result["mtu"] = interface.mtu
    if interface.mac:
        result["macaddress"] = interface.mac
    if interface.optional:
        result["optional"] = True
    return result


def files(interfaces: Sequence[Interface], prefix: str, renderer: str) -> dict[str, str]:
    """The file below the tree; to be written 0600, which netplan asks for."""
    network: dict[str, Any] = {"version": 2, "renderer": renderer}
    for kind, section in _SECTIONS.items():
        found = {interface.name: _settings(interface) for interface in interfaces if interface.kind == kind}
        if found:
            network[section] = found
    return {f"etc/netplan/50-{prefix}.yaml": yaml({"network": network})}
