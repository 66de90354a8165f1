# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections beside the basic ones: what they become, and one sentence for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import (
    Answer,
    Archive,
    Blueprint,
    Cleanup,
    Container,
    Customizations,
    Firewall,
    Installer,
    Openscap,
    Repository,
    Script,
    Sshd,
    UnattendedUpgrades,
    Zone,
    load,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Source

from tests.support.blueprints import ARMOURED, CERTIFICATE, KEY, PROFILE, SHA256

OWN = {"id": "own", "baseurls": ["https://apt.example.com"], "gpgkeys": [ARMOURED]}
AAP = {"type": "aap", "job_template_url": "https://aap.example.com/callback/", "host_config_key": "k3y"}
C = "customizations."
D = "customizations.debian."


def read(content: dict[str, Any] | None = None, **customizations: Any) -> Blueprint:
    return load({"name": "x", **(content or {}), "customizations": customizations})


def wanted(**customizations: Any) -> Customizations:
    return read(**customizations).customizations


def repository(**more: Any) -> dict[str, Any]:
    return {"repositories": [{**OWN, **more}]}


def interfaces(*found: dict[str, Any]) -> dict[str, Any]:
    return {"debian": {"network": {"interfaces": list(found)}}}


def interface(**more: Any) -> dict[str, Any]:
    return interfaces({"name": "eth0", **more})


def debian(**more: Any) -> dict[str, Any]:
    return {"debian": more}


def script(**more: Any) -> dict[str, Any]:
    return {"firstboot": {"scripts": [more]}}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"firewall": {"ports": ["22"]}}, C + "firewall.ports[0]: '22' is not allowed; must be a port"),
    ({"firewall": {"ports": ["22:icmp"]}}, C + "firewall.ports[0]: '22:icmp' is not allowed"),
    ({"firewall": {"ports": ["0:tcp"]}}, C + "firewall.ports[0]: '0:tcp' is not allowed; ports are 1 to 65535"),
    ({"firewall": {"ports": ["90-80:tcp"]}}, C + "firewall.ports[0]: '90-80:tcp' is not allowed"),
    ({"firewall": {"services": {"enabled": ["a b"]}}}, C + "firewall.services.enabled[0]: 'a b' is not allowed"),
    ({"firewall": {"services": {"enabled": ["a"], "disabled": ["a"]}}}, C + "firewall.services.disabled: 'a' is also in"),
    ({"firewall": {"zones": [{"sources": []}]}}, C + "firewall.zones[0].name: is required"),
    ({"firewall": {"zones": [{"name": "a", "sources": ["b"]}]}}, C + "firewall.zones[0].sources[0]: 'b' is not allowed; must be an"),
    ({"sshd": {"permit_root_login": "maybe"}}, C + "sshd.permit_root_login: must be true, false, prohibit-password or"),
    ({"sshd": {"client_alive_interval": -1}}, C + "sshd.client_alive_interval: -1 is out of range"),
    ({"sshd": {"password_authentication": "no"}}, C + "sshd.password_authentication: must be true or false"),
    ({"installer": {"sudo-nopasswd": ["ALL, !b"]}}, C + "installer.sudo-nopasswd[0]: 'ALL, !b' is not allowed"),
    ({"installer": {"sudo-nopasswd": ["a"], "sudo_nopasswd": ["b"]}}, C + "installer.sudo_nopasswd: is another word for"),
    ({"cacerts": {"pem_certs": ["hello"]}}, C + "cacerts.pem_certs[0]: is no certificate in PEM form"),
    ({"cacerts": {"pem_certs": [CERTIFICATE.replace("MII", "M!I")]}}, C + "cacerts.pem_certs[0]: holds a certificate (number 1) that"),
    ({"cacerts": {"pem_certs": [CERTIFICATE.replace("GTEX", "")]}}, C + "cacerts.pem_certs[0]: holds a certificate (number 1) that is cut"),
    ({"cacerts": {"pem_certs": ["-----BEGIN EC PRIVATE KEY-----"]}}, C + "cacerts.pem_certs[0]: holds a private key"),
    ({"openscap": {"datastream": "/a"}}, C + "openscap.profile_id: is required"),
    ({"openscap": {"profile_id": "a b"}}, C + "openscap.profile_id: 'a b' is not allowed"),
    ({"openscap": {"profile_id": "a", "datastream": "b"}}, C + "openscap.datastream: 'b' must be an absolute path"),
    ({"openscap": {"profile_id": "a", "tailoring": {"selected": ["b"], "unselected": ["b"]}}}, C + "openscap.tailoring.unselected: 'xccdf"),
    ({"openscap": {"profile_id": "a", "tailoring": {"selected": ["b"]}, "json_tailoring": {"profile_id": "c", "filepath": "/d"}}},
     C + "openscap.json_tailoring: customizations.openscap.tailoring and json_tailoring exclude"),
    ({"openscap": {"profile_id": "a", "json_tailoring": {"profile_id": "c"}}}, C + "openscap.json_tailoring.filepath: is required"),
    ({"containers-storage": {"destination-path": "a"}}, C + "containers-storage.destination-path: 'a' must be an absolute"),
    ({"containers-storage": {"destination-path": "/"}}, C + "containers-storage.destination-path: '/' must be a directory"),
    (script(type="odd"), C + "firstboot.scripts[0].type: 'odd' is not one of custom, aap"),
    (script(contents="x"), C + "firstboot.scripts[0].type: is required"),
    (script(type="custom"), C + "firstboot.scripts[0].contents: is required"),
    (script(type="custom", contents=" "), C + "firstboot.scripts[0].contents: must be a script"),
    (script(type="custom", contents="x", name="a/b"), C + "firstboot.scripts[0].name: 'a/b' is not allowed"),
    (script(type="custom", contents="x", after=["a b"]), C + "firstboot.scripts[0].after[0]: 'a b' is not allowed"),
    (script(**{**AAP, "job_template_url": "http://a"}), C + "firstboot.scripts[0].job_template_url: 'http://a' is not allowed"),
    (script(**{**AAP, "cacerts": ["x"]}), C + "firstboot.scripts[0].cacerts[0]: is no certificate"),
    ({"firstboot": {"scripts": [{"type": "custom", "contents": "x", "name": "a"}] * 2}}, C + "firstboot.scripts[1]: name 'a' is given"),
    (repository(id=None), C + "repositories[0].id: is required"),
    (repository(id="a/b"), C + "repositories[0].id: 'a/b' is not allowed"),
    (repository(baseurls=[]), C + "repositories[0].baseurls: is required"),
    (repository(baseurls=["rsync://a"]), C + "repositories[0].baseurls[0]: 'rsync://a' is not allowed"),
    (repository(mirrorlist="https://b.example.com"), C + "repositories[0].mirrorlist: baseurls and mirrorlist exclude"),
    (repository(baseurls=[], mirrorlist="https://b.example.com", install_from=True), C + "repositories[0].mirrorlist: packages are"),
    (repository(gpgkeys=[]), C + "repositories[0].gpgkeys: is required"),
    (repository(gpgkeys=["https://a.example.com/key"]), C + "repositories[0].gpgkeys: 'https://a.example.com/key' is a URL, and nothing"),
    (repository(gpgkeys=["key"]), C + "repositories[0].gpgkeys: must hold an armoured public key or absolute paths, found a string"),
    (repository(gpgkeys=[ARMOURED, ARMOURED]), C + "repositories[0].gpgkeys: has 2 elements"),
    (repository(priority=0), C + "repositories[0].priority: 0 is not allowed"),
    (repository(sslverify=False, install_from=True), C + "repositories[0].sslverify: packages are not fetched"),
    (repository(types=["rpm"]), C + "repositories[0].types[0]: 'rpm' is not allowed; must be deb or deb-src"),
    (repository(filename="a.conf"), C + "repositories[0].filename: 'a.conf' is not allowed"),
    ({"repositories": [OWN, OWN]}, C + "repositories[1]: id 'own' is given twice"),
    ({"repositories": [OWN], "custom_repositories": [OWN]}, C + "custom_repositories: is another word for repositories"),
    ({"user": [{"name": "a", "key": KEY}], "users": [{"name": "b"}]}, C + "users: is another word for user"),
    (debian(suite="a b"), D + "suite: 'a b' is not allowed"),
    (debian(mirror="gopher://a"), D + "mirror: 'gopher://a' is not allowed"),
    (debian(mirror="https://a.example.com/{snapshot}"), D + "mirror: 'https://a.example.com/{snapshot}' has {snapshot}, but"),
    (debian(mirror="https://a.example.com/", snapshot="20260131T000000Z"), D + "mirror: 'https://a.example.com/' lacks {snapshot}"),
    (debian(snapshot="20260131T000000Z"), D + "snapshot: needs customizations.debian.mirror"),
    (debian(snapshot="2026-01-31"), D + "snapshot: '2026-01-31' is not allowed; must be a time in UTC"),
    (debian(security_mirror="https://a.example.com/"), D + "security_mirror: is only for use with"),
    (debian(backports="yes"), D + "backports: must be true, false or an array of packages, found a string"),
    (debian(debconf=[{"owner": "a", "question": "b"}]), D + "debconf[0].value: is required"),
    (debian(debconf=[{"owner": "a", "question": "b", "type": "odd", "value": "c"}]), D + "debconf[0].type: 'odd' is not one of string"),
    (debian(debconf=[{"owner": "a", "question": "b", "value": "c\nd"}]), D + "debconf[0].value: must be one line"),
    (debian(debconf=[{"owner": "d-i", "question": "b", "value": "c"}]), D + "debconf[0].owner: d-i is Debian's installer"),
    (debian(preseed="a b\n"), D + "preseed: line 1 is not of the form OWNER QUESTION TYPE VALUE"),
    (debian(preseed="# x\nd-i a string b\n"), D + "preseed: line 2 is for Debian's installer"),
    (debian(network={}), D + "network.interfaces: is required"),
    (debian(network={"backend": "wicd"}), D + "network.backend: 'wicd' is not one of networkd, netplan, ifupdown"),
    (debian(network={"renderer": "networkd", "interfaces": [{"name": "a"}]}), D + "network.renderer: is netplan's"),
    (interface(name="a" * 16), D + "network.interfaces[0].name: 'aaaaaaaaaaaaaaaa' is not allowed"),
    (interface(addresses=["192.0.2.1"]), D + "network.interfaces[0].addresses[0]: '192.0.2.1' lacks the length"),
    (interface(gateways=["x"]), D + "network.interfaces[0].gateways[0]: 'x' is not allowed; must be an IP address"),
    (interface(dhcp4=1), D + "network.interfaces[0].dhcp4: must be true or false"),
    (interface(mtu=10), D + "network.interfaces[0].mtu: 10 is out of range 68..65535"),
    (interface(mac="x"), D + "network.interfaces[0].mac: 'x' is not allowed"),
    (interface(match={}), D + "network.interfaces[0].match.name: is required, or mac or driver"),
    (interface(routes=[{"to": "x"}]), D + "network.interfaces[0].routes[0].to: 'x' is not allowed"),
    (interface(routes=[{"to": "default", "via": "x"}]), D + "network.interfaces[0].routes[0].via: 'x' is not allowed"),
    (interface(vlan={"link": "a"}), D + "network.interfaces[0].vlan.id: is required"),
    (interface(vlan={"id": 1, "link": "a"}, bridge={"ports": []}), D + "network.interfaces[0].bridge: an interface cannot be a vlan too"),
    (interface(bridge={"ports": ["a", "a"]}), D + "network.interfaces[0].bridge.ports[1]: 'a' is given twice"),
    (interface(bond={"ports": ["a"], "mode": "x"}), D + "network.interfaces[0].bond.mode: 'x' is not one of balance-rr"),
    (interface(bond={"ports": ["a"], "primary": "b"}), D + "network.interfaces[0].bond.primary: 'b' is not one of ports"),
    (interface(name="all"), D + "network.interfaces[0].name: 'all' is not allowed; must be the name of an interface"),
    (interface(match={"name": "e*"}, bond={}), D + "network.interfaces[0].match: is for interfaces that are there by themselves"),
    (interface(gateways=["192.0.2.1"]), D + "network.interfaces[0].gateways: needs an address, or a way"),
    (interface(routes=[{"to": "198.51.100.0/24"}]), D + "network.interfaces[0].routes: needs an address"),
    (interface(dhcp4=True, routes=[{"to": "default"}]), D + "network.interfaces[0].routes[0].via: is required for a default"),
    (interface(dhcp4=True, routes=[{"to": "198.51.100.0/24", "via": "2001:db8::1"}]),
     D + "network.interfaces[0].routes[0].via: '2001:db8::1' and '198.51.100.0/24' are of different"),
    (interfaces({"name": "a", "bridge": {"ports": ["x"]}}, {"name": "b", "bond": {"ports": ["x"]}}),
     D + "network.interfaces[1].bond.ports[0]: 'x' is a port of a already"),
    (interfaces({"name": "x", "dhcp6": True}, {"name": "b", "bond": {"ports": ["x"]}}),
     D + "network.interfaces[1].bond.ports[0]: 'x' has addresses of its own"),
    (interfaces({"name": "a", "bridge": {"ports": ["b"]}}, {"name": "b", "vlan": {"id": 1, "link": "a"}}),
     D + "network.interfaces[0]: 'a' is built, in the end, on itself"),
    (debian(scripts="x"), D + "scripts: must be an array of commands or tables, found a string ('x')"),
    (debian(scripts=[{}]), D + "scripts[0].commands: exactly one of commands and script"),
    (debian(scripts=[{"commands": ["a"], "script": "b"}]), D + "scripts[0].commands: exactly one of"),
    (debian(scripts=[" "]), D + "scripts[0].commands: must be text"),
    (debian(scripts=[{"commands": ["a"], "environment": {"1": "b"}}]), D + "scripts[0].environment.1: '1' is not allowed"),
    (debian(scripts=[{"commands": ["a"], "environment": {"A": 1}}]), D + "scripts[0].environment.A: must be a string"),
    (debian(overlays=[{"url": "https://example.com/a.tar"}]), D + "overlays[0].sha256: is required: the SHA-256 of what"),
    (debian(overlays=[{"url": "/srv/a.tar", "sha256": SHA256}]), D + "overlays[0].url: '/srv/a.tar' is not allowed"),
    (debian(overlays=[{"url": "file:///srv/a/", "sha256": SHA256}]), D + "overlays[0].url: 'file:///srv/a/' is a directory"),
    (debian(overlays=[{"url": "file:///a", "sha256": SHA256, "destination": "/a/../b"}]), D + "overlays[0].destination: '/a/../b' must be"),
    (debian(overlays=[{"url": "file:///a", "sha256": SHA256, "owner": "me"}]), D + "overlays[0].owner: 'me' is not one of root, keep"),
    (debian(dpkg={"path_include": ["/a"]}), D + "dpkg.path_include: holds exceptions of"),
    (debian(dpkg={"path_exclude": ["a"]}), D + "dpkg.path_exclude[0]: 'a' is not allowed"),
    (debian(dpkg={"hold": ["A"]}), D + "dpkg.hold[0]: 'A' is not allowed"),
    (debian(cleanup="all"), D + "cleanup: must be a table, found a string"),
    (debian(cleanup={"docs": 1}), D + "cleanup.docs: must be true or false"),
    (debian(cleanup={"keep_locales": ["German"]}), D + "cleanup.keep_locales[0]: 'German' is not allowed"),
    (debian(unattended_upgrades={"reboot_time": "25:00"}), D + "unattended_upgrades.reboot_time: '25:00' is not allowed"),
    (debian(unattended_upgrades={"mail_report": "x"}), D + "unattended_upgrades.mail_report: 'x' is not one of always"),
    (debian(unattended_upgrades={"update_interval": -1}), D + "unattended_upgrades.update_interval: -1 is out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), WRONG, ids=[sentence.partition(":")[0] for _ignored, sentence in WRONG])
def test_wrong_value_names_path_and_rule(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        read(**content)
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("registry.example.com/team/app:1.2", True), ("localhost:5000/app", True), ("debian", True),
     (f"a.example.com/b@sha256:{SHA256}", True),
     ("docker://a.example.com/b", False), ("a.example.com/B", False), ("--help", False), ("a.example.com/b@sha256:12", False)],
)  # fmt: skip
def test_containers_are_references_without_a_transport(source: str, allowed: bool) -> None:
    content = {"containers": [{"source": source}]}
    if allowed:
        assert read(content).containers == (Container(source, source.partition("@")[0]),)
    else:
        with pytest.raises(BlueprintError, match=r"containers\[0\]\.source: .* is not allowed; must be an image reference"):
            read(content)


def test_containers_keep_their_settings_and_need_names_of_their_own() -> None:
    app = {"source": "a.example.com/b", "name": "c", "tls-verify": False, "local-storage": True}
    assert read({"containers": [app]}).containers == (Container("a.example.com/b", "c", False, True),)
    with pytest.raises(BlueprintError, match=r"containers\[1\]: name 'c' is given twice"):
        read({"containers": [app]}, containers=[app])
    with pytest.raises(BlueprintError, match=r"containers\[0\]\.source: is required"):
        read({"containers": [{}]})


def test_the_cloud_api_spells_it_otherwise() -> None:
    cloud = wanted(users=[{"name": "a", "key": KEY}], groups=[{"name": "b"}], custom_repositories=[OWN],
                   filesystem=[{"mountpoint": "/", "min_size": 5}])  # fmt: skip
    blueprint = wanted(user=[{"name": "a", "key": KEY}], group=[{"name": "b"}], repositories=[OWN],
                       filesystem=[{"mountpoint": "/", "minsize": 5}])  # fmt: skip
    assert cloud == blueprint
    found = read(packages=["vim", "htop"], containers=[{"source": "a.example.com/b", "tls_verify": False}])
    assert [one.name for one in found.packages] == ["vim", "htop"] and not found.containers[0].tls_verify


def test_sections_are_modelled() -> None:
    found = wanted(
        firewall={"ports": ["22:tcp"], "services": {"enabled": ["http"], "disabled": ["ftp"]},
                  "zones": [{"name": "a", "sources": ["::1"]}]},
        sshd={"permit_root_login": False, "password_authentication": True},
        installer={"sudo-nopasswd": ["jane", "%wheel", "%sudo"]},
        cacerts={"pem_certs": [CERTIFICATE * 2]},
        openscap={"profile_id": "standard", "tailoring": {"selected": ["a"], "unselected": ["xccdf_org.example_rule_b"]}},
        **{"containers-storage": {"destination-path": "/usr/share/images"}},
    )  # fmt: skip
    assert found.firewall == Firewall(("22:tcp",), ("http",), ("ftp",), (Zone("a", ("::1",)),))
    assert found.sshd == Sshd(password_authentication=True, permit_root_login="no")
    assert found.installer == Installer(False, ("jane", "%sudo"))
    assert found.cacerts == (CERTIFICATE,), "a bundle is taken apart, and doubles are dropped"
    assert found.openscap == Openscap(
        PROFILE, selected=("xccdf_org.ssgproject.content_rule_a",), unselected=("xccdf_org.example_rule_b",)
    )
    assert found.containers_storage == "/usr/share/images"


def test_repositories_become_apt_sources() -> None:
    own = Source(("https://apt.example.com",), (), ("main",), ARMOURED, name="own")
    assert wanted(repositories=[OWN]).repositories == (Repository(own),)
    flat = wanted(repositories=[{**OWN, "suites": ["./"], "filename": "x.repo"}]).repositories[0].source
    assert (flat.suites, flat.components, flat.name) == (("./",), (), "x")
    paths = wanted(repositories=[{**OWN, "gpgkeys": ["/a.gpg", "/b.gpg"]}]).repositories[0].source
    assert paths.signed_by == "/a.gpg,/b.gpg"
    mirrors = wanted(repositories=[{**OWN, "baseurls": [], "mirrorlist": "https://apt.example.com/list"}]).repositories[0].source
    assert mirrors.uris == ("mirror+https://apt.example.com/list",)
    payload = wanted(payload_repositories=[{"baseurl": "https://a.example.com", "gpgkey": ARMOURED}]).repositories[0]
    assert payload.install_from and not payload.in_image and payload.source.name == "payload-0"


@pytest.mark.parametrize(("priority", "pin"), [(None, None), (99, None), (98, 505), (1, 990), (100, 100), (-1, -1)])
def test_priorities_of_dnf_become_pins(priority: int | None, pin: int | None) -> None:
    assert wanted(repositories=[{**OWN, "priority": priority}]).repositories[0].priority == pin


def test_a_repository_without_verification_says_so() -> None:
    found = read(repositories=[{"id": "a", "baseurls": "https://a.example.com", "gpgcheck": False}])
    assert found.customizations.repositories[0].source.trusted
    assert found.warnings == ("customizations.repositories[0].gpgcheck: signatures of repository 'a' are not verified",)


def test_a_key_of_the_controller_is_in_no_message() -> None:
    with pytest.raises(BlueprintError) as caught:
        read(**script(**{**AAP, "host_config_key": "sec ret"}))
    assert "sec ret" not in str(caught.value)
    assert "k3y" not in "".join(read(**script(**AAP)).warnings)


def test_archive_answers_scripts_and_switches() -> None:
    found = wanted(
        debian={
            "suite": "stable",
            "mirror": "https://a.example.com/{snapshot}/",
            "snapshot": "20260131T000000Z",
            "backports": True,
            "preseed": "# comment\n\na a/b boolean true\nc c/d multiselect x, y\ne e/f string\n",
            "scripts": ["true"],
            "cleanup": True,
            "unattended_upgrades": True,
        }
    ).debian
    assert found.archive == Archive("stable", "https://a.example.com/20260131T000000Z/", "", "20260131T000000Z", ("*",))
    boolean, several, none = found.answers
    assert boolean == Answer("a", "a/b", "boolean", "true") and several == Answer("c", "c/d", "multiselect", "x, y")
    assert none == Answer("e", "e/f", "string", "")
    assert found.scripts == (Script("script 1", ("true",)),)
    assert (found.cleanup, found.unattended_upgrades) == (Cleanup(), UnattendedUpgrades())
    off = wanted(debian={"cleanup": False, "unattended_upgrades": False, "backports": False}).debian
    assert (off.cleanup, off.unattended_upgrades, off.archive) == (None, None, Archive())
    values = [{"owner": "a", "question": "b", "value": value} for value in (True, 5, "x")]
    assert [one.value for one in wanted(debian={"debconf": values}).debian.answers] == ["true", "5", "x"]
