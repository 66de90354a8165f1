# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A host's firewall as a ruleset of nftables. Source: nft(8), RFC 4890."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import StageError

#: (protocol, port) of services that /etc/services calls otherwise or not at all.
_SERVICES = {
    "ssh": (("tcp", "22"),), "http": (("tcp", "80"),), "https": (("tcp", "443"), ("udp", "443")),
    "dns": (("tcp", "53"), ("udp", "53")), "dhcpv6-client": (("udp", "546"),), "mdns": (("udp", "5353"),),
    "ntp": (("udp", "123"),), "wireguard": (("udp", "51820"),), "cockpit": (("tcp", "9090"),),
}
#: Where these come from, at the most.
_SOURCES = {"dhcpv6-client": "fe80::/10"}
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
# What IPv6 does not work without.
_NEIGHBOURS = (
    "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, packet-too-big, destination-unreachable, "
    "time-exceeded, parameter-problem } accept"
)


def _port(what: str, value: Any) -> str:
    found = _PORT.fullmatch(str(value))
    numbers = [int(number) for number in found.groups() if number] if found else []
    if not numbers or not all(0 < number < 65536 for number in numbers) or numbers != sorted(numbers):
        raise StageError(f"{what} is {value!r}; a number from 1 to 65535, or a range such as 8000-8010, is allowed")
    return str(value)


def _network(what: str, value: str) -> str:
    try:
        found = ipaddress.ip_network(value)
    except ValueError:
        raise StageError(f"{what} is {value!r}; an address or a network such as 192.0.2.0/24 is allowed") from None
    return f"{'ip' if found.version == 4 else 'ip6'} saddr {found}"


def _listed(name: str, services: str) -> tuple[tuple[str, str], ...]:
    """Ports of a service in the text of services(5)."""
    found = []
    for line in services.splitlines():
        words = line.partition("#")[0].split()
        if len(words) >= 2 and name in (words[0], *words[2:]):
            number, _ignored, protocol = words[1].partition("/")
            if protocol in ("tcp", "udp"):
                found.append((protocol, number))
    return tuple(found)


def _allowed(given: Mapping[str, Any], services: str) -> Iterable[str]:
    for name in given.get("services", []):
        ports = _SERVICES.get(name) or _listed(name, services)
        if not ports:
            raise StageError(f"option firewall.services names {name!r}, which neither this stage nor /etc/services of the tree "
                             f"knows; known here are {', '.join(sorted(_SERVICES))}")
        source = f"{_network('', _SOURCES[name])} " if name in _SOURCES else ""
        for protocol, port in ports:
            yield f"{source}{protocol} dport {_port(f'port of service {name}', port)} accept"
    for number, item in enumerate(given.get("ports", [])):
        what = f"option firewall.ports[{number}]"
        port = _port(f"{what}.port", item["port"])
        sources = [f"{_network(f'{what}.from', source)} " for source in item.get("from", [])] or [""]
        for source in sources:
            yield f"{source}{item.get('protocol', 'tcp')} dport {port} accept"


def _chain(name: str, policy: str, rules: Sequence[str]) -> str:
    lines = [f"type filter hook {name} priority filter; policy {policy};", *rules]
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def ruleset(given: Mapping[str, Any], services: str) -> str:
    """The option `firewall` as a ruleset; services: the tree's services(5). StageError naming the entry."""
    allowed = list(dict.fromkeys(_allowed(given, services)))
    rules = ["ct state established,related accept", "ct state invalid drop", 'iifname "lo" accept']
    rules.append("meta l4proto { 1, 58 } accept  # ICMP of both IP versions" if given.get("icmp", True) else _NEIGHBOURS)
    rules += allowed
    if given.get("log", False):
        rules.append('limit rate 5/second log prefix "nftables: "')
    chains = [
        _chain("input", given.get("input", "drop"), rules),
        _chain("forward", given.get("forward", "drop"), ["ct state established,related accept"]),
        _chain("output", given.get("output", "accept"), ["ct state established,related accept", 'oifname "lo" accept']),
    ]
    return "flush ruleset\n\ntable inet filter {\n" + "".join(chains) + "}\n"
