# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Interfaces as a file of ifupdown. Source: interfaces(5), bridge-utils-interfaces(5), README of ifenslave."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from .errors import StageError
from .netmodel import Interface, Route

#: Programs of which one must be there for DHCP.
CLIENTS = ("/usr/sbin/dhclient", "/usr/sbin/dhcpcd", "/usr/sbin/udhcpc", "/usr/bin/dhcpcanon")
#: The script of the package that knows a kind of interface.
HELPERS = {
    "bridge": ("/etc/network/if-pre-up.d/bridge", "bridge-utils"),
    "bond": ("/etc/network/if-pre-up.d/ifenslave", "ifenslave"),
}
_BOND = {
    "mode": "bond-mode", "miimon": "bond-miimon", "lacp-rate": "bond-lacp-rate", "hash-policy": "bond-xmit-hash-policy",
    "primary": "bond-primary",
}


def check(interfaces: Sequence[Interface], has: Callable[[str], bool]) -> None:
    """StageError for what ifupdown, or what the tree has of it, cannot do; `has`: whether the tree has a file."""
    labels = {interface.name for interface in interfaces if interface.match}
    for interface in interfaces:
        what = f"interface {interface.name}"
        if len(interface.match) > 1 or "driver" in interface.match:
            raise StageError(f"{what}: ifupdown matches by name or by mac alone; backends networkd and netplan can do more")
        for name in (*interface.ports, *([interface.settings["link"]] if interface.kind == "vlan" else [])):
            if name in labels:
                raise StageError(f"{what}: {name} is matched and has no fixed name; ifupdown needs one to build on")
        if interface.kind in HELPERS and not has(HELPERS[interface.kind][0]):
            raise StageError(f"{what} is a {interface.kind}, for which ifupdown needs the package {HELPERS[interface.kind][1]}")
        if interface.kind == "vlan" and interface.name != f"{interface.settings['link']}.{interface.settings['id']}":
            raise StageError(
                f"{what}: ifupdown calls this VLAN {interface.settings['link']}.{interface.settings['id']}; no other name is allowed"
            )
        if interface.dhcp and not any(has(path) for path in CLIENTS):
            raise StageError(f"{what} uses DHCP, for which ifupdown needs a client such as the package dhcpcd-base or isc-dhcp-client")


def _route(route: Route) -> str:
    words = ["ip", f"-{route.family}", "route", "add", route.to]
    if route.via:
        words += ["via", route.via]
    words += ["dev", "$IFACE"]
    for key, value in (("metric", route.metric), ("table", route.table)):
        if value is not None:
            words += [key, str(value)]
    return " ".join([*words, "onlink"] if route.onlink else words)


def _own(interface: Interface) -> list[str]:
    """Lines for the interface itself, in its first stanza."""
    lines = []
    settings = interface.settings
    if interface.mac:
        lines.append(f"hwaddress {interface.mac}")
    if interface.mtu is not None:
        # A manual interface has no option for it.
        lines.append(f"pre-up ip link set dev $IFACE mtu {interface.mtu}")
    if interface.kind == "bridge":
        lines.append(f"bridge_ports {' '.join(interface.ports) or 'none'}")
        if "stp" in settings:
            lines.append(f"bridge_stp {'on' if settings['stp'] else 'off'}")
        if "forward-delay" in settings:
            lines.append(f"bridge_fd {settings['forward-delay']}")
    elif interface.kind == "bond":
        lines.append(f"bond-slaves {' '.join(interface.ports) or 'none'}")
        lines += [f"{name} {settings[option]}" for option, name in _BOND.items() if option in settings]
    return lines


def _stanzas(interface: Interface, resolvconf: bool) -> list[tuple[str, list[str]]]:
    """(family and method, lines) in order."""
    found: list[tuple[str, list[str]]] = []
    if interface.dhcp4:
        found.append(("inet dhcp", []))
    if interface.dhcp6:
        found.append(("inet6 dhcp", ["accept_ra 1"] if interface.accept_ra in (None, True) else ["accept_ra 0"]))
    elif interface.accept_ra:
        found.append(("inet6 auto", []))
    for address in interface.addresses:
        family = ipaddress.ip_interface(address).version
        lines = [f"address {address}"]
        if family == 6 and interface.accept_ra is False:
            lines.append("accept_ra 0")
        found.append((f"{'inet' if family == 4 else 'inet6'} static", lines))
    if not found:
        found.append(("inet manual", []))
    found[0][1].extend(_own(interface))
    last = found[-1][1]
    last += [f"up {_route(route)}" for route in interface.routes]
    if resolvconf:
        if interface.servers:
            last.append(f"dns-nameservers {' '.join(interface.servers)}")
        if interface.search:
            last.append(f"dns-search {' '.join(interface.search)}")
    return found


def files(interfaces: Sequence[Interface], prefix: str, *, resolvconf: bool) -> dict[str, str]:
    """The file below the tree; resolvconf: whether the tree has it, for name servers."""
    text = []
    # A link comes up before what is built on it.
    for interface in sorted(interfaces, key=lambda one: (one.kind == "vlan", one.kind != "ethernet")):
        start = "allow-hotplug" if interface.optional else "auto"
        if not interface.master:
            pattern = interface.name
            if "name" in interface.match:
                pattern = f"/{interface.match['name']}={interface.name}"
            elif "mac" in interface.match:
                pattern = f"mac/{interface.match['mac'].lower()}={interface.name}"
            text.append(f"{start} {pattern}\n")
        for kind, lines in _stanzas(interface, resolvconf):
            text.append(f"iface {interface.name} {kind}\n" + "".join(f"    {line}\n" for line in lines))
        text.append("\n")
    return {f"etc/network/interfaces.d/50-{prefix}": "".join(text).rstrip("\n") + "\n"}
