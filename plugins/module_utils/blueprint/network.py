# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.debian.network]``: interfaces, whichever program configures them."""

from __future__ import annotations

import ipaddress
import re
from typing import get_args

from .debianmodel import Backend, Bond, Bridge, Dns, Interface, Match, Network, Route, Vlan
from .describe import YES, section
from .fields import Table, show, unique
from .networkcheck import check_interface, check_route, check_together

_BACKENDS: tuple[Backend, ...] = get_args(Backend)
_RENDERERS = ("networkd", "NetworkManager")
# The kernel's IFNAMSIZ, less the zero byte.
_NAME = re.compile(r"(?!(?:all|default)$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_NAME_RULE = "the name of an interface, 1 to 15 of [A-Za-z0-9_.-], and not all or default, which are the kernel's"
_GLOB = re.compile(r"[A-Za-z0-9_.:*?-]{1,32}")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_DOMAIN = re.compile(r"~?[A-Za-z0-9._-]+|~\.")
_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_HASHES = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4")

FIELDS = (
    *section(
        "customizations.debian.network",
        ("backend", YES, "`networkd`, `netplan`, `ifupdown`", "Program that configures the network; its package is added."),
        ("renderer", YES, "`networkd`, `NetworkManager`", "What netplan hands over to."),
    ),
    *section(
        "customizations.debian.network.interfaces[]",
        ("name", YES, "name", "The interface, or a label where `match` says which are meant."),
        ("match.name", YES, "name with `*` and `?`", "Only interfaces of that name."),
        ("match.mac", YES, "hardware address", "Only the interface with it."),
        ("match.driver", YES, "name", "Only interfaces of that driver."),
        ("dhcp4", YES, "boolean", "IPv4 address by DHCP."),
        ("dhcp6", YES, "boolean", "IPv6 address by DHCP."),
        ("accept_ra", YES, "boolean", "Take IPv6 router advertisements."),
        ("addresses", YES, "array such as `192.0.2.10/24`", "Addresses."),
        ("gateways", YES, "array of addresses", "Routers of the default routes."),
        ("routes[].to", YES, "network or `default`", "A further route."),
        ("routes[].via", YES, "address", "Its router."),
        ("routes[].metric", YES, "number", "Its metric."),
        ("routes[].table", YES, "number", "Its routing table."),
        ("routes[].on_link", YES, "boolean", "The router is reachable although no address says so."),
        ("dns.servers", YES, "array of addresses", "Name servers."),
        ("dns.search", YES, "array of domains", "Domains to search."),
        ("mtu", YES, "68 to 65535", "Largest packet."),
        ("mac", YES, "hardware address", "Hardware address to give it."),
        ("optional", YES, "boolean", "Do not wait for it at boot."),
        ("vlan.id", YES, "1 to 4094", "It is this VLAN."),
        ("vlan.link", YES, "name", "On this interface."),
        ("bridge.ports", YES, "array of names", "It is a bridge of these."),
        ("bridge.stp", YES, "boolean", "Spanning tree."),
        ("bridge.forward_delay", YES, "0 to 30 seconds", "Before a new port forwards."),
        ("bond.ports", YES, "array of names", "It is a bond of these."),
        ("bond.mode", YES, ", ".join(f"`{mode}`" for mode in _MODES), "How they are used."),
        ("bond.miimon", YES, "milliseconds", "Between looks at the links."),
        ("bond.lacp_rate", YES, "`slow`, `fast`", "Of 802.3ad."),
        ("bond.hash_policy", YES, ", ".join(f"`{one}`" for one in _HASHES), "What chooses a port."),
        ("bond.primary", YES, "name", "Port that is preferred."),
    ),
)


def read_network(table: Table | None) -> Network | None:
    if table is None:
        return None
    backend = table.choice("backend", _BACKENDS) or "networkd"
    renderer = table.choice("renderer", _RENDERERS)
    if renderer and backend != "netplan":
        raise table.error("renderer", f"is netplan's, but {table.at('backend')} is {backend}")
    found = tuple(map(_interface, table.tables("interfaces")))
    if not found:
        raise table.error("interfaces", "is required: at least one interface")
    unique(found, lambda one: one.name, table.at("interfaces"), "interface")
    check_together(table, found)
    table.close()
    return Network(found, backend, renderer)


def _address(table: Table, key: str, *, prefix: bool) -> tuple[str, ...]:
    found = table.texts(key)
    for number, one in enumerate(found):
        _check(table, f"{key}[{number}]", one, prefix=prefix)
    return found


def _check(table: Table, key: str, text: str, *, prefix: bool) -> None:
    try:
        if prefix:
            ipaddress.ip_interface(text)
        else:
            ipaddress.ip_address(text)
    except ValueError:
        rule = "an address with the length of its prefix, such as 192.0.2.10/24" if prefix else "an IP address"
        raise table.error(key, f"{show(text)} is not allowed; must be {rule}") from None
    if prefix and "/" not in text:
        raise table.error(key, f"{show(text)} lacks the length of its prefix, such as {text}/24")


def _interface(table: Table) -> Interface:
    found = Interface(
        name=table.required("name", table.text("name", _NAME, _NAME_RULE)),
        match=_match(table.table("match")),
        dhcp4=table.flag("dhcp4"),
        dhcp6=table.flag("dhcp6"),
        accept_ra=table.flag("accept_ra"),
        addresses=_address(table, "addresses", prefix=True),
        gateways=_address(table, "gateways", prefix=False),
        routes=tuple(map(_route, table.tables("routes"))),
        dns=_dns(table.table("dns")),
        mtu=table.integer("mtu", 68, 65535),
        mac=table.text("mac", _MAC, "a hardware address such as 52:54:00:12:34:56"),
        optional=table.flag("optional"),
        vlan=_vlan(table.table("vlan")),
        bridge=_bridge(table.table("bridge")),
        bond=_bond(table.table("bond")),
    )
    check_interface(table, found)
    table.close()
    return found


def _match(table: Table | None) -> Match | None:
    if table is None:
        return None
    found = Match(
        table.text("name", _GLOB, "a name with * and ?"),
        table.text("mac", _MAC, "a hardware address such as 52:54:00:12:34:56"),
        table.text("driver", _WORD, "the name of a driver"),
    )
    if found == Match():
        raise table.error("name", "is required, or mac or driver")
    table.close()
    return found


def _route(table: Table) -> Route:
    to = table.required("to", table.text("to"))
    if to != "default":
        try:
            ipaddress.ip_network(to)
        except ValueError:
            raise table.error("to", f"{show(to)} is not allowed; must be a network such as 198.51.100.0/24, or 'default'") from None
    via = table.text("via")
    if via is not None:
        _check(table, "via", via, prefix=False)
    found = Route(to, via, table.integer("metric", 0, 2**32 - 1), table.integer("table", 1, 2**32 - 1), table.flag("on_link"))
    check_route(table, found)
    table.close()
    return found


def _dns(table: Table | None) -> Dns | None:
    if table is None:
        return None
    found = Dns(_address(table, "servers", prefix=False), table.texts("search", _DOMAIN, "a domain"))
    table.close()
    return found


def _vlan(table: Table | None) -> Vlan | None:
    if table is None:
        return None
    found = Vlan(
        table.required("id", table.integer("id", 1, 4094)), table.required("link", table.text("link", _NAME, _NAME_RULE))
    )
    table.close()
    return found


def _ports(table: Table) -> tuple[str, ...]:
    ports = table.texts("ports", _NAME, _NAME_RULE)
    for number, port in enumerate(ports):
        if port in ports[:number]:
            raise table.error(f"ports[{number}]", f"{show(port)} is given twice")
    return ports


def _bridge(table: Table | None) -> Bridge | None:
    if table is None:
        return None
    found = Bridge(_ports(table), table.flag("stp"), table.integer("forward_delay", 0, 30))
    table.close()
    return found


def _bond(table: Table | None) -> Bond | None:
    if table is None:
        return None
    found = Bond(
        ports=_ports(table),
        mode=table.choice("mode", _MODES),
        miimon=table.integer("miimon", 0, 2**31 - 1),
        lacp_rate=table.choice("lacp_rate", ("slow", "fast")),
        hash_policy=table.choice("hash_policy", _HASHES),
        primary=table.text("primary", _NAME, _NAME_RULE),
    )
    if found.primary and found.primary not in found.ports:
        raise table.error("primary", f"{show(found.primary)} is not one of ports")
    table.close()
    return found
