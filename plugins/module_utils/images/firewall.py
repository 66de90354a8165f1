# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.firewall`` by nftables, or by firewalld or ufw if the blueprint has that package."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from ..blueprint import Firewall
from ..errors import ImageError
from ..manifest import Stage
from .definition import Definition
from .packagesets import named
from .portnames import PORTS
from .system import has_ssh_server
from .wishpackages import firewall_backend

_SSH = "22/tcp"
# The first rule that matches counts, and firewalld allows ssh in its default zone.
_FIREWALLD = "firewalld"


def _named_port(where: str, name: str, protocol: str) -> list[str]:
    """Numbers of a port that is given by name."""
    found = [port for port, other in (one.split("/") for one in PORTS.get(name, ())) if other == protocol]
    if not found:
        raise ImageError(f"{where}: '{name}' is not a known name of a {protocol} port; give its number")
    return found


def _split(firewall: Firewall) -> tuple[list[str], list[str]]:
    """Ports as ``22/tcp``, and services whose ports only the image knows (services(5))."""
    ports: list[str] = []
    services: list[str] = []
    for number, text in enumerate(firewall.ports):
        port, _colon, protocol = text.rpartition(":")
        numbers = [port] if port[0].isdigit() else _named_port(f"customizations.firewall.ports[{number}]", port, protocol)
        ports += [f"{one}/{protocol}" for one in numbers]
    for name in firewall.enabled:
        ports += PORTS.get(name, ())
        if name not in PORTS:
            services.append(name)
    # Nothing is open that was not asked for, so only a port that was asked for twice is meant to be closed.
    closed = {port for name in firewall.disabled for port in PORTS.get(name, ())}
    return [port for port in dict.fromkeys(ports) if port not in closed], [one for one in services if one not in firewall.disabled]


def _nftables(firewall: Firewall) -> Stage:
    ports, services = _split(firewall)
    rules: dict[str, Any] = {}
    if services:
        rules["services"] = services
    if ports:
        pairs = (port.split("/") for port in ports)
        rules["ports"] = [{"port": port, "protocol": protocol} for port, protocol in pairs]
    return Stage("org.osbuild.debian.nftables", {"firewall": rules})


def _firewalld(firewall: Firewall) -> Stage:
    options: dict[str, Any] = {}
    for key, values in (
        ("ports", firewall.ports),
        ("enabled_services", firewall.enabled),
        ("disabled_services", firewall.disabled),
        ("zones", [{"name": zone.name, "sources": list(zone.sources)} for zone in firewall.zones]),
    ):
        if values:
            options[key] = list(values)
    return Stage("org.osbuild.firewall", options)


def _ufw(firewall: Firewall) -> Stage:
    ports, services = _split(firewall)
    for port in ports:
        if not port.endswith(("/tcp", "/udp")):
            raise ImageError(f"customizations.firewall.ports: ufw knows tcp and udp only, found {port.replace('/', ':')}; use nftables")
    words = [*(port.replace("-", ":") for port in ports), *services]
    commands = [f"ufw allow {shlex.quote(word)}" for word in words]
    # "ufw enable" would load the rules into this kernel.
    commands.append("sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf")
    return Stage("org.osbuild.debian.run", {"commands": commands, "label": "ufw"})


def firewall_stages(definition: Definition) -> Iterable[Stage]:
    """:raises ImageError: the blueprint asks for what the firewall cannot do."""
    firewall = definition.customizations.firewall
    if firewall is None:
        return
    backend = firewall_backend(named(definition))
    if firewall.zones and backend != _FIREWALLD:
        raise ImageError(f"customizations.firewall.zones: {backend} has no zones; add package firewalld, and no other firewall")
    yield {"nftables": _nftables, _FIREWALLD: _firewalld, "ufw": _ufw}[backend](firewall)


def firewall_warnings(definition: Definition) -> list[str]:
    firewall = definition.customizations.firewall
    if firewall is None or not has_ssh_server(definition):
        return []
    if firewall_backend(named(definition)) == _FIREWALLD:
        closed = "ssh" in firewall.disabled
    else:
        closed = not any(_covers(port) for port in _split(firewall)[0])
    return ["customizations.firewall: ssh is not allowed, so the image cannot be reached by it"] if closed else []


def _covers(port: str) -> bool:
    numbers, _slash, protocol = port.partition("/")
    first, _dash, last = numbers.partition("-")
    return protocol == "tcp" and int(first) <= int(_SSH.partition("/")[0]) <= int(last or first)
