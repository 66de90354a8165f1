# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.firewall]``."""

from __future__ import annotations

import ipaddress
import re

from .describe import MAP, section
from .fields import Table, show, unique
from .sectionmodel import Firewall, Zone

_PORT = re.compile(r"(?:(\d{1,5})(?:-(\d{1,5}))?|[a-z][a-z0-9-]*):(?:tcp|udp|sctp|dccp)")
_PORT_RULE = "a port, range or name with its protocol, such as 22:tcp, 80-90:tcp or imap:tcp"
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SERVICE_RULE = "the name of a service, such as ssh"
_ZONE = re.compile(r"[A-Za-z0-9_-]{1,17}")

FIELDS = section(
    "customizations.firewall",
    (
        "ports", MAP, "array of `PORT:PROTOCOL`",
        "Ports to open, as numbers, ranges or names. By nftables; by firewalld or ufw if `packages` has it.",
    ),
    (
        "services.enabled", MAP, "array of names",
        "Services to allow, by firewalld's names or those of /etc/services. ssh is open only if it is asked for.",
    ),
    ("services.disabled", MAP, "array of names", "Services that are not allowed."),
    ("zones[].name", MAP, "name", "Zone of firewalld; needs package firewalld."),
    ("zones[].sources", MAP, "array of addresses or networks", "What belongs to the zone."),
)


def read_firewall(table: Table | None) -> Firewall | None:
    """None when nothing is asked for."""
    if table is None:
        return None
    ports = table.texts("ports", _PORT, _PORT_RULE)
    for number, port in enumerate(ports):
        match = _PORT.fullmatch(port)
        ends = [int(end) for end in match.groups() if end] if match else []
        if not all(0 < end < 65536 for end in ends) or ends != sorted(ends):
            raise table.error(f"ports[{number}]", f"{show(port)} is not allowed; ports are 1 to 65535, the smaller one first")
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    services = table.table("services")
    if services is not None:
        enabled = services.texts("enabled", _SERVICE, _SERVICE_RULE)
        disabled = services.texts("disabled", _SERVICE, _SERVICE_RULE)
        services.close()
        for name in disabled:
            if name in enabled:
                raise services.error("disabled", f"'{name}' is also in {services.at('enabled')}")
    zones = unique(tuple(map(_zone, table.tables("zones"))), lambda zone: zone.name, table.at("zones"), "zone")
    table.close()
    found = Firewall(ports, enabled, disabled, zones)
    return None if found == Firewall() else found


def _zone(table: Table) -> Zone:
    name = table.required("name", table.text("name", _ZONE, "1 to 17 of [A-Za-z0-9_-]"))
    sources = table.texts("sources")
    for number, source in enumerate(sources):
        try:
            ipaddress.ip_network(source, strict=False)
        except ValueError:
            raise table.error(f"sources[{number}]", f"{show(source)} is not allowed; must be an address or network") from None
    table.close()
    return Zone(name, sources)
