# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What interfaces must be to each other and to themselves, whichever program configures them.

The stage that writes the configuration says the same, but only when the packages are already installed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from .debianmodel import Interface, Route
from .fields import Table, show


def check_interface(table: Table, found: Interface) -> None:
    """What one interface asks for goes together. Raises BlueprintError."""
    kinds = [key for key in ("vlan", "bridge", "bond") if getattr(found, key)]
    if len(kinds) > 1:
        raise table.error(kinds[1], f"an interface cannot be a {kinds[0]} too")
    if found.match and kinds:
        raise table.error("match", f"is for interfaces that are there by themselves, not for a {kinds[0]}")
    addressed = found.dhcp4 or found.dhcp6 or found.accept_ra or found.addresses
    for key in ("gateways", "routes"):
        if getattr(found, key) and not addressed:
            raise table.error(key, "needs an address, or a way to get one: addresses, dhcp4, dhcp6 or accept_ra")


def check_route(table: Table, route: Route) -> None:
    """Both ends of a route belong together. Raises BlueprintError."""
    if route.to == "default":
        if route.via is None:
            raise table.error("via", "is required for a default route")
    elif route.via and ipaddress.ip_network(route.to).version != ipaddress.ip_address(route.via).version:
        raise table.error("via", f"{show(route.via)} and {show(route.to)} are of different versions of IP")


def check_together(table: Table, interfaces: Sequence[Interface]) -> None:
    """No interface is a port of two others, or stands on itself. Raises BlueprintError; *table* holds ``interfaces``."""
    master: dict[str, str] = {}
    below: dict[str, tuple[str, ...]] = {}
    addressed = {one.name for one in interfaces if one.dhcp4 or one.dhcp6 or one.accept_ra or one.addresses}
    for number, one in enumerate(interfaces):
        kind = "bridge" if one.bridge else "bond"
        ports = one.bridge.ports if one.bridge else one.bond.ports if one.bond else ()
        for place, port in enumerate(ports):
            key = f"interfaces[{number}].{kind}.ports[{place}]"
            if port in master:
                raise table.error(key, f"{show(port)} is a port of {master[port]} already")
            if port in addressed:
                raise table.error(key, f"{show(port)} has addresses of its own, which a port cannot have")
            master[port] = one.name
        below[one.name] = (*ports, *([one.vlan.link] if one.vlan else []))
    for number, one in enumerate(interfaces):
        seen: set[str] = set()
        pending = list(below[one.name])
        while pending:
            name = pending.pop()
            if name == one.name:
                raise table.error(f"interfaces[{number}]", f"{show(one.name)} is built, in the end, on itself")
            if name not in seen:
                seen.add(name)
                pending.extend(below.get(name, ()))
