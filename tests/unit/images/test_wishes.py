# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each customization reaches its stage, file or package."""

from __future__ import annotations

import base64
import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.containers import ContainerImage
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import make_manifest, package_sets, warnings
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Source

from tests.support.blueprints import (
    ARMOURED,
    CERTIFICATE,
    CLEANUP,
    DATASTREAM,
    FULL,
    KEY,
    NETWORK,
    OTHERS,
    PROFILE,
    SHA256,
    UPGRADES,
)

REPO = Path(__file__).resolve().parents[3]
DIGEST, IDENTITY = "sha256:" + "d" * 64, "sha256:" + "e" * 64


def pin(definition):
    """The definition's container images, as if they had been looked up."""
    return tuple(
        ContainerImage(one.source, one.name, DIGEST, f"sha256:{number:064x}", one.tls_verify, one.local)
        for number, one in enumerate(definition.blueprint.containers, start=14)
    )


@pytest.fixture(scope="module")
def index():
    from osbuild.meta import Index

    return Index(REPO / "engine")


@pytest.fixture
def build(define, resolve, index):
    def make(customizations=None, containers=(), **options):
        definition = define(customizations, **options)
        if containers:
            blueprint = load({"name": "test", "containers": list(containers), "customizations": customizations or {}})
            definition = dataclasses.replace(definition, blueprint=blueprint)
        document = make_manifest(definition, resolve(definition), pin(definition)).to_dict()
        # What a blueprint may say, a stage takes.
        from osbuild.formats import v2

        result = v2.validate(document, index)
        assert result.valid, result.as_dict()
        return document

    return make


def stages(document, kind, pipeline="os"):
    (tree,) = [one for one in document["pipelines"] if one["name"] == pipeline]
    return [one for one in tree["stages"] if one["type"] == f"org.osbuild.{kind}"]


def options(document, kind):
    (found,) = stages(document, kind)
    return found.get("options", {})


def written(document):
    """Path -> mode and content of the files that travel inline."""
    items = document["sources"].get("org.osbuild.inline", {}).get("items", {})
    files = [one for stage in stages(document, "debian.files") for one in stage["options"].get("files", [])]
    return {
        one["path"]: (one.get("mode"), base64.b64decode(items[one["source"]]["data"]).decode())
        for one in files
        if one["source"] in items
    }


def included(definition, which="os"):
    return set(package_sets(definition)[which].include)


def definition_of(define, content, **more):
    return dataclasses.replace(define(**more), blueprint=load(content))


@pytest.mark.parametrize("content", [FULL, *OTHERS], ids=lambda content: content["name"])
@pytest.mark.parametrize("distribution", ["debian-12", "debian-13"])
def test_the_engine_finds_nothing_to_object_to(define, resolve, content, distribution):
    from osbuild.formats import v2
    from osbuild.meta import Index

    extra = {"packages": ({"name": "firewalld"},)} if content["name"] == "disk" else {}
    definition = definition_of(define, {**content, **extra}, distribution=distribution)
    document = make_manifest(definition, resolve(definition), pin(definition)).to_dict()
    result = v2.validate(document, Index(REPO / "engine"))
    assert result.valid, [error.as_dict() for error in result]


def test_accounts_with_all_they_can_have(build):
    user = {"name": "jane", "description": "Jane", "password": "$6$salt$hash", "key": KEY, "home": "/srv/jane", "shell": "/bin/sh",
            "groups": ["adm"], "uid": 1234, "gid": 100, "expiredate": 30000, "force_password_reset": True}  # fmt: skip
    found = options(build({"user": [user], "sshkey": [{"user": "jane", "key": "ssh-rsa B second"}]}), "users")["users"]["jane"]
    assert found == {key: value for key, value in user.items() if key != "name"} | {"key": f"{KEY}\nssh-rsa B second"}


@pytest.mark.parametrize("loader", ["grub", "systemd-boot", "uki"])
def test_the_kernels_arguments_reach_every_boot_loader(build, loader):
    document = build({"kernel": {"append": "audit=0"}, "debian": {"boot_loader": loader}})
    pipeline = "os" if loader == "grub" else "image"
    (stage,) = stages(document, f"debian.{loader}", pipeline)
    assert "audit=0" in stage["options"]["kernel-opts"].split()


def test_container_images_are_pinned_sources(build):
    app = {"source": "registry.example.com/app:1", "name": "localhost/app", "tls-verify": False}
    document = build(containers=[app, {"source": "other:2", "local-storage": True}])
    assert document["sources"]["org.osbuild.skopeo"]["items"] == {
        f"sha256:{14:064x}": {"image": {"name": "registry.example.com/app", "digest": DIGEST, "tls-verify": False}},
        f"sha256:{15:064x}": {"image": {"name": "other", "digest": DIGEST, "containers-transport": "containers-storage"}},
    }
    first, second = stages(document, "skopeo")
    assert first["options"] == {"destination": {"type": "containers-storage"}}
    assert first["inputs"]["images"] == {
        "type": "org.osbuild.containers", "origin": "org.osbuild.source",
        "references": {f"sha256:{14:064x}": {"name": "localhost/app"}},
    }  # fmt: skip
    assert list(second["inputs"]["images"]["references"].values()) == [{"name": "other:2"}]
    assert not stages(document, "containers.storage.conf")


def test_container_images_may_have_a_store_of_their_own(build):
    own = {"containers-storage": {"destination-path": "/usr/share/images"}}
    document = build(own, containers=[{"source": "registry.example.com/app"}])
    assert options(document, "skopeo")["destination"]["storage-path"] == "/usr/share/images"
    storage = options(document, "containers.storage.conf")["config"]["storage"]
    assert storage["options"] == {"additionalimagestores": ["/usr/share/images"]} and storage["driver"] == "overlay"


def test_container_images_without_a_digest_are_refused_and_bring_their_programs(define, resolve):
    definition = definition_of(define, {"name": "x", "containers": [{"source": "registry.example.com/app"}]})
    with pytest.raises(ImageError, match=r"container image registry\.example\.com/app: its digest is unknown"):
        make_manifest(definition, resolve(definition))
    assert "podman" in included(definition) and "skopeo" in included(definition, "build")
    assert "podman" not in included(define()) and "skopeo" not in included(define(), "build")


FIREWALL = {"ports": ["22:tcp", "8000-8080:udp", "imap:tcp"], "services": {"enabled": ["http", "odd"], "disabled": ["telnet"]}}


def test_the_firewall_is_nftables(define, build):
    assert options(build({"firewall": FIREWALL}), "debian.nftables") == {
        "firewall": {
            "ports": [
                {"port": "22", "protocol": "tcp"},
                {"port": "8000-8080", "protocol": "udp"},
                {"port": "143", "protocol": "tcp"},
                {"port": "80", "protocol": "tcp"},
            ],
            # Only the image's own services(5) may know it.
            "services": ["odd"],
        }
    }
    assert "nftables" in included(define({"firewall": FIREWALL})) and "nftables" not in included(define())
    assert warnings(define({"firewall": FIREWALL})) == ()


def test_a_disabled_service_stays_closed_although_it_was_opened(build):
    document = build({"firewall": {"ports": ["23:tcp", "22:tcp"], "services": {"disabled": ["telnet"]}}})
    assert options(document, "debian.nftables") == {"firewall": {"ports": [{"port": "22", "protocol": "tcp"}]}}


def test_firewalld_and_ufw_do_it_if_they_are_listed(define, build):
    zones = {"zones": [{"name": "lan", "sources": ["192.0.2.0/24"]}]}
    document = build({"firewall": {**FIREWALL, **zones}}, packages=("firewalld",))
    assert options(document, "firewall") == {
        "ports": FIREWALL["ports"], "enabled_services": ["http", "odd"], "disabled_services": ["telnet"], **zones,
    }  # fmt: skip
    assert not stages(document, "debian.nftables")
    commands = options(build({"firewall": FIREWALL}, packages=("ufw",)), "debian.run")["commands"]
    assert commands[:-1] == ["ufw allow 22/tcp", "ufw allow 8000:8080/udp", "ufw allow 143/tcp", "ufw allow 80/tcp", "ufw allow odd"]
    assert "ENABLED=yes" in commands[-1]
    assert "nftables" not in included(define({"firewall": FIREWALL}, packages=("ufw",)))


@pytest.mark.parametrize(
    ("firewall", "packages", "message"),
    [
        ({"zones": [{"name": "a", "sources": ["192.0.2.1"]}]}, (), r"customizations\.firewall\.zones: nftables has no zones; add package"),
        ({"zones": [{"name": "a", "sources": ["192.0.2.1"]}]}, ("ufw",), r"customizations\.firewall\.zones: ufw has no zones"),
        ({"ports": ["odd:tcp"]}, (), r"customizations\.firewall\.ports\[0\]: 'odd' is not a known name of a tcp port; give its number"),
        ({"ports": ["imap:udp"]}, (), r"customizations\.firewall\.ports\[0\]: 'imap' is not a known name of a udp port"),
        ({"ports": ["9:sctp"]}, ("ufw",), r"customizations\.firewall\.ports: ufw knows tcp and udp only, found 9:sctp"),
    ],
)
def test_what_a_firewall_cannot_do_is_refused(build, firewall, packages, message):
    with pytest.raises(ImageError, match=message):
        build({"firewall": firewall}, packages=packages)


@pytest.mark.parametrize(
    ("firewall", "packages", "warned"),
    [
        ({"ports": ["80:tcp"]}, (), True),
        ({"ports": ["20-25:tcp"]}, (), False),
        ({"ports": ["22:udp"]}, (), True),
        ({"services": {"enabled": ["ssh"]}}, (), False),
        ({"ports": ["80:tcp"]}, ("ufw",), True),
        # firewalld's default zone allows it.
        ({"ports": ["80:tcp"]}, ("firewalld",), False),
        ({"services": {"disabled": ["ssh"]}}, ("firewalld",), True),
    ],
)
def test_who_locks_himself_out_is_told(define, firewall, packages, warned):
    found = warnings(define({"firewall": firewall}, packages=packages))
    assert found == (("customizations.firewall: ssh is not allowed, so the image cannot be reached by it",) if warned else ())
    assert warnings(define({"firewall": firewall, "debian": {"exclude": ["openssh-server"]}}, packages=packages)) == ()


def test_files_from_elsewhere_are_downloads_by_checksum(build):
    document = build(
        {
            "files": [
                {"path": "/opt/a", "uri": "https://example.com/a", "sha256": SHA256},
                {"path": "/opt/b", "uri": "file:///srv/b", "checksum": "sha512:" + "b" * 128, "mode": "0755"},
            ]
        }
    )
    items = document["sources"]["org.osbuild.curl"]["items"]
    assert items[f"sha256:{SHA256}"] == "https://example.com/a" and items["sha512:" + "b" * 128] == "file:///srv/b"
    (stage,) = stages(document, "debian.files")
    found = {one["path"]: one for one in stage["options"]["files"]}
    assert found["/opt/a"]["source"] == f"sha256:{SHA256}" and found["/opt/b"]["mode"] == "0755"
    assert {f"sha256:{SHA256}", "sha512:" + "b" * 128} <= set(stage["inputs"]["files"]["references"])


def test_certificates_are_files_and_then_trusted(define, build):
    wanted = {"cacerts": {"pem_certs": [CERTIFICATE]}}
    document = build(wanted)
    assert written(document)["/usr/local/share/ca-certificates/image-1.crt"] == ("0644", CERTIFICATE)
    order = [one["type"] for one in document["pipelines"][1]["stages"]]
    assert order.index("org.osbuild.debian.files") < order.index("org.osbuild.pki.update-ca-trust")
    assert "ca-certificates" in included(define(wanted, image_type="tar"))
    assert not stages(build(), "pki.update-ca-trust")


def test_sshd_and_sudo(define, build):
    wanted = {
        "sshd": {"password_authentication": False, "kbd_interactive_authentication": False, "client_alive_interval": 0,
                 "permit_root_login": "prohibit-password"},
        "installer": {"sudo-nopasswd": ["jane", "%wheel"]},
    }  # fmt: skip
    files = written(build(wanted))
    assert files["/etc/ssh/sshd_config.d/10-image.conf"] == (
        "0644", "PasswordAuthentication no\nKbdInteractiveAuthentication no\nClientAliveInterval 0\nPermitRootLogin prohibit-password\n",
    )  # fmt: skip
    assert files["/etc/sudoers.d/90-image-nopasswd"] == (
        "0440", "jane ALL=(ALL:ALL) NOPASSWD: ALL\n%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n",
    )  # fmt: skip
    assert {"openssh-server", "sudo"} <= included(define(wanted, image_type="tar"))
    with pytest.raises(ImageError, match=r"customizations\.sshd: openssh-server is in customizations\.debian\.exclude"):
        build({**wanted, "debian": {"exclude": ["openssh-server"]}})


@pytest.mark.parametrize("image_type", ["qcow2", "tar", "iso"])
def test_no_image_type_has_an_installer_to_run_unattended(define, image_type):
    with pytest.raises(ImageError, match=rf"customizations\.installer\.unattended: not supported on Debian: .* {image_type} holds no"):
        define({"installer": {"unattended": True}}, image_type=image_type)


def test_first_boot_scripts_run_once_in_order(build):
    scripts = [
        {"type": "custom", "name": "one", "contents": "echo 1", "ignore_failure": True},
        {"type": "custom", "name": "two", "contents": "#!/usr/bin/python3\nprint(2)\n", "after": ["a.service"], "before": ["b.service"]},
        {"type": "custom", "name": "three", "contents": "true\n"},
    ]
    document = build({"firstboot": {"scripts": scripts}})
    files = written(document)
    assert files["/usr/local/lib/firstboot/one"] == ("0700", "#!/bin/sh\necho 1\n")
    assert files["/usr/local/lib/firstboot/two"] == ("0700", "#!/usr/bin/python3\nprint(2)\n")
    one, two, three = (files[f"/etc/systemd/system/firstboot-{name}.service"][1] for name in ("one", "two", "three"))
    assert "ExecStart=-/usr/local/lib/firstboot/one\n" in one and "Requires=" not in one
    assert "ConditionPathExists=!/var/lib/firstboot/one\n" in one and "ExecStartPost=/bin/touch /var/lib/firstboot/one\n" in one
    assert "After=network-online.target a.service firstboot-one.service\n" in two and "Before=b.service\n" in two
    assert "ExecStart=/usr/local/lib/firstboot/two\n" in two and "Requires=" not in two, "what may fail holds nothing up"
    assert "Requires=firstboot-two.service\n" in three
    assert set(options(document, "systemd")["enabled_services"]) >= {f"firstboot-{name}.service" for name in ("one", "two", "three")}


def test_the_callback_of_a_controller_keeps_its_key_to_itself(define, build):
    wanted = {
        "firstboot": {
            "scripts": [
                {"type": "aap", "name": "call", "job_template_url": "https://aap.example.com/callback/", "host_config_key": "k3y",
                 "cacerts": [CERTIFICATE]}
            ]
        }
    }  # fmt: skip
    files = written(build(wanted))
    mode, text = files["/usr/local/lib/firstboot/call"]
    assert mode == "0700" and "k3y" not in text and "https://aap.example.com/callback/" in text
    assert "--cacert /usr/local/lib/firstboot/call.pem" in text
    assert files["/usr/local/lib/firstboot/call.key"] == ("0600", "k3y")
    assert files["/usr/local/lib/firstboot/call.pem"] == ("0644", CERTIFICATE)
    assert "curl" in included(define(wanted))


def test_openscap_checks_the_profile_now_and_remediates_at_first_boot(define, build):
    wanted = {"openscap": {"profile_id": "standard", "datastream": DATASTREAM,
                           "tailoring": {"selected": ["a"], "unselected": ["b"]}}}  # fmt: skip
    document = build(wanted)
    (command,) = options(document, "debian.run")["commands"]
    assert command.startswith(f"oscap info --profiles {DATASTREAM} | grep '^{re.escape(PROFILE)}:' || ")
    files = written(document)
    script = files["/usr/local/lib/firstboot/openscap-remediation"][1]
    assert f"--remediate --profile {PROFILE}_image --tailoring-file /etc/openscap/tailoring.xml" in script and DATASTREAM in script
    tailoring = ET.fromstring(files["/etc/openscap/tailoring.xml"][1])
    ns = {"x": "http://checklists.nist.gov/xccdf/1.2"}
    profile = tailoring.find("x:Profile", ns)
    assert profile is not None and profile.get("extends") == PROFILE
    assert [(one.get("idref"), one.get("selected")) for one in profile.findall("x:select", ns)] == [
        ("xccdf_org.ssgproject.content_rule_a", "true"), ("xccdf_org.ssgproject.content_rule_b", "false"),
    ]  # fmt: skip
    assert {"openscap-scanner", "ssg-debian"} <= included(define(wanted))
    assert "firstboot-openscap-remediation.service" in options(document, "systemd")["enabled_services"]


def test_openscap_with_other_data(define, build):
    own = {"openscap": {"profile_id": "standard", "datastream": "/opt/ds.xml"}}
    assert "ssg-debian" not in included(define(own))
    script = written(build(own))["/usr/local/lib/firstboot/openscap-remediation"][1]
    assert "tailoring" not in script
    tailored = {"openscap": {**own["openscap"], "json_tailoring": {"profile_id": "own", "filepath": "/etc/t.json"}}}
    script = written(build(tailored))["/usr/local/lib/firstboot/openscap-remediation"][1]
    assert "autotailor --json-tailoring /etc/t.json --output /var/lib/openscap/tailoring.xml /opt/ds.xml\n" in script
    assert "--profile own --tailoring-file /var/lib/openscap/tailoring.xml" in script
    assert "openscap-utils" in included(define(tailored))
    with pytest.raises(ImageError, match=r"customizations\.openscap\.datastream: is required"):
        build({"openscap": {"profile_id": "standard"}})


def test_repositories_become_sources_of_the_image(define, build):
    repositories = [
        {"id": "own", "baseurls": ["https://apt.example.com/own"], "gpgkeys": [ARMOURED], "priority": 1, "types": ["deb", "deb-src"],
         "enabled": False, "architectures": ["amd64"], "suites": ["stable"], "components": ["main", "extra"]},
        {"id": "plain", "baseurls": ["https://plain.example.com:8443/"], "gpgcheck": False, "sslverify": False},
        {"id": "files", "baseurls": ["file:/srv/packages"], "gpgkeys": ["/etc/apt/keyrings/a.gpg"], "suites": ["./"], "priority": 200},
    ]  # fmt: skip
    payload = [{"id": "pay", "baseurl": "https://pay.example.com", "gpgkey": ARMOURED}]
    wanted = {"repositories": repositories, "payload_repositories": payload}
    found = options(build(wanted), "apt.config")
    own, plain, files = found["sources"][2:]
    assert own == {
        "name": "own", "uris": ["https://apt.example.com/own"], "suites": ["stable"], "components": ["main", "extra"],
        "architectures": ["amd64"], "key": ARMOURED, "types": ["deb", "deb-src"], "enabled": False,
    }  # fmt: skip
    assert plain == {
        "name": "plain", "uris": ["https://plain.example.com:8443/"], "suites": ["trixie"], "components": ["main"], "trusted": True,
    }  # fmt: skip
    assert files["uris"] == ["file:/srv/packages"], "a directory in the image is the image's own"
    assert found["pins"] == [
        {"name": "image", "package": "*", "pin": 'origin "apt.example.com"', "priority": 990},
        {"name": "image", "package": "*", "pin": 'origin ""', "priority": 200},
    ]
    (settings,) = found["config"]
    assert settings["options"] == {
        "Acquire::https::plain.example.com::Verify-Peer": False, "Acquire::https::plain.example.com::Verify-Host": False,
    }  # fmt: skip
    assert "ca-certificates" in included(define(wanted, image_type="tar"))


def test_an_image_of_a_snapshot_takes_expired_indices(build):
    sources = (Source(("https://snapshot.example.com/debian/1",), ("trixie",), name="debian", check_valid_until=False),)
    assert options(build(sources=sources), "apt.config")["config"] == [
        {"name": "90snapshot", "options": {"Acquire::Check-Valid-Until": False}}
    ]


def test_unattended_upgrades(define, build):
    wanted = {"debian": {"unattended_upgrades": UPGRADES}}
    assert options(build(wanted), "apt.config")["unattended-upgrades"] == {
        key.replace("_", "-"): value for key, value in UPGRADES.items()
    }
    assert "unattended-upgrades" in included(define(wanted))


def test_answers_and_path_filters_reach_debootstrap_of_the_system_alone(build):
    dpkg = {"path_exclude": ["/usr/share/doc/*"], "path_include": ["/usr/share/doc/*/copyright"], "hold": ["nginx"]}
    answer = {"owner": "tzdata", "question": "tzdata/Areas", "type": "select", "value": "Europe"}
    document = build({"debian": {"debconf": [answer], "dpkg": dpkg}})
    found = options(document, "debootstrap")
    assert found["debconf"] == [answer] and found["hold"] == ["nginx"]
    assert (found["path-exclude"], found["path-include"]) == (dpkg["path_exclude"], dpkg["path_include"])
    (other,) = stages(document, "debootstrap", "build")
    assert set(other["options"]) == {"suite", "architecture", "variant"}


def test_network(define, build):
    document = build({"debian": {"network": NETWORK}})
    found = options(document, "debian.network")
    assert found["backend"] == "networkd"
    lan, vlan, bridge, bond, other = found["interfaces"]
    assert lan == {
        **{key: value for key, value in NETWORK["interfaces"][0].items() if key not in ("accept_ra", "routes")},
        "accept-ra": True,
        "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.2", "metric": 10, "table": 100, "on-link": True}],
    }
    assert vlan == {"name": "lan.7", "vlan": {"id": 7, "link": "lan"}}
    assert bridge["bridge"] == {"ports": ["eth1"], "stp": False, "forward-delay": 0}
    for alone in ("bridge", "bond"):
        wish = {"interfaces": [{"name": "alone", alone: {}, "dns": {}, "routes": []}]}
        assert options(build({"debian": {"network": wish}}), "debian.network")["interfaces"] == [{"name": "alone", alone: {}, "dns": {}}]
    assert bond["bond"]["primary"] == "eth2" and other["bond"]["lacp-rate"] == "fast" and other["bond"]["hash-policy"] == "layer3+4"
    assert "/etc/systemd/network/80-dhcp.network" not in written(document), "no DHCP beside what was asked for"


def test_network_backends_bring_their_packages(define):
    def names(backend, **more):
        return included(define({"debian": {"network": {"backend": backend, **NETWORK, **more}}}))

    assert {"netplan.io", "network-manager"} <= names("netplan", renderer="NetworkManager")
    assert {"ifupdown", "bridge-utils", "ifenslave"} <= names("ifupdown")
    assert not {"netplan.io", "ifupdown"} & names("networkd")


def test_scripts_overlays_and_cleaning_come_in_their_place(build):
    overlays = [{"url": "https://example.com/etc.tar.gz", "sha256": SHA256, "source": "/etc", "destination": "/etc", "owner": "keep",
                 "exclude": ["*/.git"]}]  # fmt: skip
    scripts = ["true", {"script": "#!/bin/sh\n", "label": "mine", "shell": "sh", "environment": {"B": "2", "A": "1"}}]
    document = build({"debian": {"overlays": overlays, "scripts": scripts, "cleanup": CLEANUP}, "files": [{"path": "/etc/a"}]})
    (overlay,) = stages(document, "debian.overlay")
    assert overlay["options"] == {"source": "/etc", "destination": "/etc", "owner": "keep", "exclude": ["*/.git"]}
    assert list(overlay["inputs"]["archive"]["references"]) == [f"sha256:{SHA256}"]
    assert document["sources"]["org.osbuild.curl"]["items"][f"sha256:{SHA256}"] == "https://example.com/etc.tar.gz"
    assert [one["options"] for one in stages(document, "debian.run")] == [
        {"commands": ["true"], "label": "script 1", "shell": "auto"},
        {"script": "#!/bin/sh\n", "label": "mine", "shell": "sh", "environment": {"A": "1", "B": "2"}},
    ]
    assert options(document, "debian.cleanup") == {key.replace("_", "-"): value for key, value in CLEANUP.items()}
    order = [one["type"].removeprefix("org.osbuild.") for one in document["pipelines"][1]["stages"]]
    places = [order.index(name) for name in ("debian.overlay", "debian.files", "systemd", "debian.run", "debian.cleanup", "machine-id")]
    assert places == sorted(places)


def test_nothing_is_done_that_was_not_asked_for(build):
    types = {one["type"].removeprefix("org.osbuild.") for one in build()["pipelines"][1]["stages"]}
    assert not types & {
        "debian.overlay", "debian.run", "debian.cleanup", "debian.network", "debian.nftables", "firewall", "skopeo",
        "containers.storage.conf", "pki.update-ca-trust",
    }  # fmt: skip
