# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Network interfaces as stage options describe them, checked and completed, for whatever program configures them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import StageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_GLOB = re.compile(r"[A-Za-z0-9_.*?-]{1,64}")
_MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_DOMAIN = re.compile(r"~?[A-Za-z0-9_.-]+")
KINDS = ("vlan", "bridge", "bond")


@dataclass(frozen=True)
class Route:
    """to: network or "default"; family: 4 or 6."""

    to: str
    family: int
    via: str = ""
    metric: int | None = None
    table: int | None = None
    onlink: bool = False


@dataclass
class Interface:
    """One interface. kind: "ethernet", "vlan", "bridge" or "bond", with the options of that kind in `settings`.

    name: the real one, or only a label when `match` (name, mac, driver) says which interfaces are meant; master: the
    bridge or bond it is a port of; vlans: names of those on it.
    """

    name: str
    kind: str = "ethernet"
    match: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    dhcp4: bool = False
    dhcp6: bool = False
    accept_ra: bool | None = None
    addresses: list[str] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    search: list[str] = field(default_factory=list)
    mtu: int | None = None
    mac: str = ""
    optional: bool = False
    master: str = ""
    vlans: list[str] = field(default_factory=list)

    @property
    def ports(self) -> list[str]:
        return list(self.settings.get("ports", []))

    @property
    def dhcp(self) -> bool:
        return self.dhcp4 or self.dhcp6

    @property
    def configured(self) -> bool:
        """Whether it has addresses of its own, from wherever."""
        return bool(self.dhcp or self.addresses or self.accept_ra)


def _fits(what: str, value: str, pattern: re.Pattern[str], allowed: str) -> str:
    if not pattern.fullmatch(value):
        raise StageError(f"{what} is {value!r}; {allowed} is allowed")
    return value


def _name(what: str, value: str) -> str:
    if value in (".", "..", "all", "default"):
        raise StageError(f"{what} is {value!r}, which the kernel uses for itself")
    return _fits(what, value, _NAME, "an interface name of up to 15 letters, digits, '_', '.' and '-'")


def _address(what: str, value: str) -> str:
    try:
        if "/" not in value:
            raise ValueError
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise StageError(f"{what} is {value!r}; an address with the length of its prefix, such as 192.0.2.10/24, is allowed") from None


def _host(what: str, value: str) -> tuple[str, int]:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        raise StageError(f"{what} is {value!r}; an IP address is allowed") from None
    return str(found), found.version


def _route(what: str, given: Mapping[str, Any]) -> Route:
    via, family = _host(f"{what}.via", given["via"]) if "via" in given else ("", 0)
    to = given["to"]
    if to != "default":
        try:
            network = ipaddress.ip_network(to)
        except ValueError:
            raise StageError(f"{what}.to is {to!r}; a network such as 198.51.100.0/24, or default, is allowed") from None
        if family and network.version != family:
            raise StageError(f"{what} leads from {to} to {via}, which is of the other IP version")
        family, to = network.version, str(network)
    elif not family:
        raise StageError(f"{what} is a default route and needs via")
    return Route(to, family, via, given.get("metric"), given.get("table"), given.get("on-link", False))


def _interface(number: int, given: Mapping[str, Any]) -> Interface:
    name = _name(f"option interfaces[{number}].name", given["name"])
    what = f"interface {name}"
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) > 1:
        raise StageError(f"{what} is given as {' and as '.join(kinds)}; only one of them is allowed")
    result = Interface(name, kinds[0] if kinds else "ethernet", settings=dict(given[kinds[0]]) if kinds else {})
    for key, value in given.get("match", {}).items():
        pattern, allowed = {
            "name": (_GLOB, "a name with * and ? as wildcards"), "mac": (_MAC, "a hardware address"),
            "driver": (_WORD, "the name of a driver"),
        }[key]
        result.match[key] = _fits(f"{what}: match.{key}", value, pattern, allowed)
    if result.match and kinds:
        raise StageError(f"{what}: match is for interfaces that exist by themselves, not for a {kinds[0]}")
    result.dhcp4, result.dhcp6 = given.get("dhcp4", False), given.get("dhcp6", False)
    result.accept_ra, result.optional = given.get("accept-ra"), given.get("optional", False)
    result.addresses = [_address(f"{what}: address", item) for item in given.get("addresses", [])]
    for item in given.get("gateways", []):
        via, family = _host(f"{what}: gateway", item)
        result.routes.append(Route("default", family, via))
    result.routes += [_route(f"{what}: routes[{at}]", item) for at, item in enumerate(given.get("routes", []))]
    if result.routes and not result.configured:
        raise StageError(f"{what} has routes or gateways, but no address and no way to get one")
    dns = given.get("dns", {})
    result.servers = [_host(f"{what}: dns server", item)[0] for item in dns.get("servers", [])]
    result.search = [_fits(f"{what}: dns search", item, _DOMAIN, "a domain") for item in dns.get("search", [])]
    result.mtu = given.get("mtu")
    if "mac" in given:
        result.mac = _fits(f"{what}: mac", given["mac"], _MAC, "a hardware address")
    return result


def _connect(interfaces: dict[str, Interface]) -> None:
    """Give ports their masters and links their VLANs; those only mentioned become interfaces of their own."""

    def get(what: str, name: str) -> Interface:
        return interfaces.setdefault(_name(what, name), Interface(name))

    for interface in list(interfaces.values()):
        for name in interface.ports:
            port = get(f"interface {interface.name}: port", name)
            if port.master or port is interface:
                raise StageError(f"interface {name} is a port of {interface.name} and of {port.master or 'itself'}; only one is allowed")
            if port.configured or port.vlans and interface.kind == "bond":
                raise StageError(f"interface {name} is a port of {interface.name}, so it can have no addresses of its own")
            port.master = interface.name
        if interface.kind == "vlan":
            link = get(f"interface {interface.name}: vlan.link", interface.settings["link"])
            if link is interface:
                raise StageError(f"interface {interface.name}: vlan.link is the interface itself")
            link.vlans.append(interface.name)
        if interface.settings.get("primary", "") not in ("", *interface.ports):
            raise StageError(f"interface {interface.name}: bond.primary is {interface.settings['primary']!r}, which is none of its ports")

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise StageError(f"interface {name} is built, in the end, on itself")
        interface = interfaces[name]
        for below in (*interface.ports, *([interface.settings["link"]] if interface.kind == "vlan" else [])):
            visit(below, (*above, name))

    for name in interfaces:
        visit(name, ())


def read(options: Sequence[Mapping[str, Any]]) -> list[Interface]:
    """The option `interfaces`, in order, then those that it only mentions. Raises StageError."""
    interfaces: dict[str, Interface] = {}
    for number, given in enumerate(options):
        interface = _interface(number, given)
        if interface.name in interfaces:
            raise StageError(f"interface {interface.name} is given twice")
        interfaces[interface.name] = interface
    _connect(interfaces)
    return list(interfaces.values())
