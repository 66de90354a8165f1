# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces for three programs from one description, and what is refused before anything is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Runner, last_line, succeeded

PROGRAMS = ("usr/sbin/netplan", "usr/lib/systemd/systemd-networkd", "usr/lib/systemd/systemd-resolved", "usr/sbin/ifup")
UNIT = "[Install]\nWantedBy=multi-user.target\nAlso=systemd-networkd.socket\nAlias=dbus-org.example.service\n"
STATIC = {
    "name": "eth0", "addresses": ["192.0.2.10/24", "2001:db8::10/64"], "gateways": ["192.0.2.1"],
    "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.2", "metric": 50}],
    "dns": {"servers": ["192.0.2.53"], "search": ["example.com"]},
}


@pytest.fixture
def configure(run_stage: Runner, tree: Path) -> Callable[..., Any]:
    for path in PROGRAMS:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    units = tree / "usr/lib/systemd/system"
    units.mkdir()
    (units / "systemd-networkd.service").write_text(UNIT)
    (units / "systemd-networkd.socket").write_text("[Install]\nWantedBy=sockets.target\n")
    return lambda backend, *interfaces, **options: run_stage(
        "debian.network", tree, None, {"backend": backend, "interfaces": list(interfaces), **options}
    )


Configure = Callable[..., Any]


def test_networkd(configure: Configure, tree: Path) -> None:
    succeeded(configure("networkd", STATIC, {"name": "any", "match": {"name": "en*"}, "dhcp4": True, "optional": True}))
    folder = tree / "etc/systemd/network"
    assert (folder / "50-image-eth0.network").read_text() == (
        "[Match]\nName=eth0\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\nAddress=2001:db8::10/64\nDNS=192.0.2.53\n"
        "Domains=example.com\n\n[Route]\nGateway=192.0.2.1\n\n"
        "[Route]\nDestination=198.51.100.0/24\nGateway=192.0.2.2\nMetric=50\n\n"
    )
    assert (folder / "60-image-any.network").read_text() == (
        "[Match]\nName=en*\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nDHCP=ipv4\n\n"
    )
    units = tree / "etc/systemd/system"
    assert os.readlink(units / "multi-user.target.wants/systemd-networkd.service") == "/usr/lib/systemd/system/systemd-networkd.service"
    assert (units / "sockets.target.wants/systemd-networkd.socket").is_symlink()
    assert (units / "dbus-org.example.service").is_symlink()


def test_networkd_builds_on_others(configure: Configure, tree: Path) -> None:
    succeeded(configure(
        "networkd", {"name": "v5", "vlan": {"id": 5, "link": "br0"}, "dhcp4": True},
        {"name": "br0", "bridge": {"ports": ["eth1", "bond0"], "stp": False}},
        {"name": "bond0", "bond": {"ports": ["eth2"], "mode": "active-backup", "miimon": 100, "primary": "eth2"}},
        {"name": "guests", "bridge": {}, "addresses": ["192.0.2.1/24"]},
        enable=False,
    ))
    folder = tree / "etc/systemd/network"
    assert (folder / "40-image-br0.netdev").read_text() == "[NetDev]\nName=br0\nKind=bridge\n\n[Bridge]\nSTP=no\n\n"
    assert (folder / "40-image-v5.netdev").read_text() == "[NetDev]\nName=v5\nKind=vlan\n\n[VLAN]\nId=5\n\n"
    assert "Mode=active-backup\nMIIMonitorSec=100ms\n" in (folder / "40-image-bond0.netdev").read_text()
    assert "VLAN=v5\n" in (folder / "50-image-br0.network").read_text()
    assert "Bridge=br0\n" in (folder / "50-image-eth1.network").read_text()
    assert "Bond=bond0\nPrimarySlave=yes\n" in (folder / "50-image-eth2.network").read_text()
    assert "Kind=bridge" in (folder / "40-image-guests.netdev").read_text(), "machines join later"
    assert not (tree / "etc/systemd/system").exists()


def test_netplan_is_for_root_alone(configure: Configure, tree: Path) -> None:
    succeeded(configure("netplan", STATIC, {"name": "yes", "vlan": {"id": 5, "link": "eth0"}}, name="site"))
    path = tree / "etc/netplan/50-site.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == """\
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      dhcp4: false
      dhcp6: false
      addresses: ["192.0.2.10/24", "2001:db8::10/64"]
      routes:
        - to: default
          via: "192.0.2.1"
        - to: "198.51.100.0/24"
          via: "192.0.2.2"
          metric: 50
      nameservers:
        addresses: ["192.0.2.53"]
        search: ["example.com"]
  vlans:
    "yes":
      id: 5
      link: eth0
      dhcp4: false
      dhcp6: false
      link-local: []
"""


def test_ifupdown(configure: Configure, tree: Path) -> None:
    succeeded(configure("ifupdown", {**STATIC, "mtu": 1400}, {"name": "eth0.5", "vlan": {"id": 5, "link": "eth0"}},
                        {"name": "lan", "match": {"mac": "52:54:00:AA:BB:CC"}, "accept-ra": True}))
    assert (tree / "etc/network/interfaces.d/50-image").read_text() == """\
auto eth0
iface eth0 inet static
    address 192.0.2.10/24
    pre-up ip link set dev $IFACE mtu 1400
iface eth0 inet6 static
    address 2001:db8::10/64
    up ip -4 route add default via 192.0.2.1 dev $IFACE
    up ip -4 route add 198.51.100.0/24 via 192.0.2.2 dev $IFACE metric 50

auto mac/52:54:00:aa:bb:cc=lan
iface lan inet6 auto

auto eth0.5
iface eth0.5 inet manual
"""
    assert "source /etc/network/interfaces.d/*\n" in (tree / "etc/network/interfaces").read_text()
    # Without resolvconf nothing else would tell the name server.
    assert (tree / "etc/resolv.conf").read_text() == "search example.com\nnameserver 192.0.2.53\n"


def test_ifupdowns_own_file_is_kept(configure: Configure, tree: Path) -> None:
    own = tree / "etc/network/interfaces"
    own.parent.mkdir(parents=True)
    own.write_text("auto lo\niface lo inet loopback\n")
    succeeded(configure("ifupdown", {"name": "eth0"}))
    assert own.read_text() == "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n"
    before = own.read_text()
    succeeded(configure("ifupdown", {"name": "eth0"}))
    assert own.read_text() == before


@pytest.mark.parametrize(
    ("backend", "interfaces", "message"),
    [
        ("networkd", [{"name": "a/b"}], "option interfaces[0].name is 'a/b'; an interface name"),
        ("networkd", [{"name": ".."}], "which the kernel uses for itself"),
        ("networkd", [{"name": "a"}, {"name": "a"}], "interface a is given twice"),
        ("networkd", [{"name": "a", "addresses": ["192.0.2.1"]}], "an address with the length of its prefix"),
        ("networkd", [{"name": "a", "addresses": ["192.0.2.1/24\nx"]}], "an address with the length of its prefix"),
        ("networkd", [{"name": "a", "gateways": ["192.0.2.1"]}], "has routes or gateways, but no address"),
        ("networkd", [{"name": "a", "dhcp4": True, "routes": [{"to": "192.0.2.0/24", "via": "::1"}]}], "the other IP version"),
        ("networkd", [{"name": "a", "dhcp4": True, "routes": [{"to": "default"}]}], "is a default route and needs via"),
        ("networkd", [{"name": "a", "match": {"mac": "x"}}], "match.mac is 'x'; a hardware address is allowed"),
        ("networkd", [{"name": "a", "match": {"name": "x\n[X]"}}], "wildcards is allowed"),
        ("networkd", [{"name": "a", "dns": {"search": ["a b"]}}], "dns search is 'a b'"),
        ("networkd", [{"name": "a", "vlan": {"id": 1, "link": "b"}, "bridge": {"ports": []}}], "vlan and as bridge"),
        ("networkd", [{"name": "a", "vlan": {"id": 1, "link": "a"}}], "vlan.link is the interface itself"),
        ("networkd", [{"name": "a", "vlan": {"id": 1, "link": "b"}}, {"name": "b", "bridge": {"ports": ["a"]}}],
         "built, in the end, on itself"),
        ("networkd", [{"name": "a", "bridge": {"ports": ["x"]}}, {"name": "b", "bridge": {"ports": ["x"]}}], "is a port of b and of a"),
        ("networkd", [{"name": "a", "bridge": {"ports": ["x"]}}, {"name": "x", "dhcp4": True}], "can have no addresses"),
        ("networkd", [{"name": "a", "bond": {"ports": ["x"], "primary": "y"}}], "bond.primary is 'y'"),
        ("ifupdown", [{"name": "a", "dhcp4": True}], "ifupdown needs a client"),
        ("ifupdown", [{"name": "a", "bridge": {"ports": ["x"]}}], "needs the package bridge-utils"),
        ("ifupdown", [{"name": "a", "bond": {"ports": ["x"]}}], "needs the package ifenslave"),
        ("ifupdown", [{"name": "v5", "vlan": {"id": 5, "link": "x"}}], "ifupdown calls this VLAN x.5"),
        ("ifupdown", [{"name": "a", "match": {"driver": "x"}}], "by name or by mac alone"),
        ("ifupdown", [{"name": "a.5", "vlan": {"id": 5, "link": "a"}}, {"name": "a", "match": {"name": "x*"}}], "has no fixed name"),
    ],
)
def test_what_cannot_be_is_refused(configure: Configure, tree: Path, backend: str, interfaces: Any, message: str) -> None:
    assert message in last_line(configure(backend, *interfaces))
    assert not (tree / "etc").exists()


def test_a_backend_the_tree_lacks_is_refused(configure: Configure, tree: Path) -> None:
    (tree / "usr/sbin/netplan").unlink()
    assert "the tree has no /usr/sbin/netplan (package netplan.io)" in last_line(configure("netplan", STATIC))
    assert "option renderer is for backend netplan" in last_line(configure("networkd", STATIC, renderer="networkd"))


def test_name_servers_beside_dhcp_need_somebody_who_joins_them(configure: Configure, tree: Path) -> None:
    (tree / "usr/lib/systemd/systemd-resolved").unlink()
    assert "needs the package systemd-resolved" in last_line(configure("networkd", {**STATIC, "dhcp6": True}))
    assert not (tree / "etc").exists()


def test_links_out_of_the_tree_are_not_followed(configure: Configure, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "etc").mkdir()
    (tree / "etc/systemd").symlink_to(outside)
    assert "/etc/systemd of the tree is not a directory" in last_line(configure("networkd", STATIC))
    assert list(outside.iterdir()) == []
