# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blueprints that together hold every key there is."""

from __future__ import annotations

from typing import Any

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUVvWkEsQizM5M9iU86T1qAa/K6j0wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTI1MTY0NzQzWhgPMjEy
NjExMDExNjQ3NDNaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEzv216cF4Q3teVMDNG3mlu4qylhN4DbRKkzqlHlZA
tq63FKPJs2ax2JH3b6b6AD8hGh+zA4oOcC9xQ/lfQb+OXaNTMFEwHQYDVR0OBBYE
FBqBOg6f/ZL3ob8glUFe97nMiyT7MB8GA1UdIwQYMBaAFBqBOg6f/ZL3ob8glUFe
97nMiyT7MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgCJYrPwG5
/dwiBATWpcNUqDh84cw6aOJfZTI4QStEhYwCIQCJFEEVlBRxyGkXXN5ArGisDFgL
h6eTZey/RwIOEIBWrw==
-----END CERTIFICATE-----
"""
ARMOURED = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example.com"
SHA256 = "a" * 64
PROFILE = "xccdf_org.ssgproject.content_profile_standard"
DATASTREAM = "/usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml"

NETWORK: dict[str, Any] = {
    "interfaces": [
        {
            "name": "lan",
            "match": {"name": "en*", "mac": "52:54:00:12:34:56", "driver": "virtio_net"},
            "dhcp4": False,
            "dhcp6": True,
            "accept_ra": True,
            "addresses": ["192.0.2.10/24", "2001:db8::10/64"],
            "gateways": ["192.0.2.1"],
            "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.2", "metric": 10, "table": 100, "on_link": True}],
            "dns": {"servers": ["192.0.2.53"], "search": ["example.com"]},
            "mtu": 1400,
            "mac": "52:54:00:12:34:57",
            "optional": True,
        },
        {"name": "lan.7", "vlan": {"id": 7, "link": "lan"}},
        {"name": "br0", "bridge": {"ports": ["eth1"], "stp": False, "forward_delay": 0}},
        {
            "name": "bond0",
            "bond": {"ports": ["eth2", "eth3"], "mode": "active-backup", "miimon": 100, "primary": "eth2"},
        },
        {
            "name": "bond1",
            "bond": {"ports": ["eth4", "eth5"], "mode": "802.3ad", "lacp_rate": "fast", "hash_policy": "layer3+4"},
        },
    ],
}

CLEANUP: dict[str, Any] = {
    **dict.fromkeys(
        ("logs", "caches", "apt_lists", "backups", "seeds", "temporary_files", "state", "docs", "man", "info", "lintian", "bytecode"),
        True,
    ),
    "keep_locales": ["de", "pt_BR"],
    "paths": ["/usr/share/games/**"],
}

UPGRADES: dict[str, Any] = {
    "enabled": True,
    "update_interval": 1,
    "upgrade_interval": 1,
    "clean_interval": 7,
    "origins": ["origin=Debian,codename=${distro_codename}-security"],
    "blacklist": ["linux-"],
    "reboot": True,
    "reboot_time": "02:30",
    "reboot_with_users": False,
    "remove_unused": True,
    "mail": "root@example.com",
    "mail_report": "on-change",
    "minimal_steps": True,
}

DEBIAN: dict[str, Any] = {
    "variant": "standard",
    "components": ["main", "contrib"],
    "install_recommends": True,
    "exclude": ["nano"],
    "foreign_architectures": ["i386"],
    "boot_loader": "grub",
    "init": "systemd",
    "pins": [{"package": "a", "pin": "version 1", "priority": 1001}],
    "sources": [
        {"name": "vendor", "uris": ["https://apt.example.com"], "suites": ["trixie"], "components": ["main"], "signed_by": ARMOURED,
         "architectures": ["amd64"], "trusted": False, "check_valid_until": True},
    ],
    "suite": "trixie",
    "mirror": "https://snapshot.example.com/debian/{snapshot}",
    "security_mirror": "https://snapshot.example.com/debian-security/{snapshot}",
    "snapshot": "20260131T000000Z",
    "backports": ["nginx", "linux-*"],
    "debconf": [{"owner": "tzdata", "question": "tzdata/Areas", "type": "select", "value": "Europe"}],
    "network": {"backend": "networkd", **NETWORK},
    "scripts": [
        "update-alternatives --list editor",
        {"commands": ["true"], "label": "nothing", "shell": "sh", "environment": {"LEVEL": "1"}},
        {"script": "#!/usr/bin/python3\nprint(1)\n"},
    ],
    "overlays": [
        {"url": "https://example.com/etc.tar.gz", "sha256": SHA256, "source": "/etc", "destination": "/etc", "owner": "keep",
         "exclude": ["*/.git"]},
        {"url": "file:///srv/etc.tar", "checksum": f"sha256:{SHA256}"},
    ],
    "dpkg": {"path_exclude": ["/usr/share/doc/*"], "path_include": ["/usr/share/doc/*/copyright"], "hold": ["nginx"]},
    "cleanup": CLEANUP,
    "unattended_upgrades": UPGRADES,
}  # fmt: skip

REPOSITORIES: list[dict[str, Any]] = [
    {"id": "own", "name": "Our own", "baseurls": ["https://apt.example.com/own"], "gpgkeys": [ARMOURED], "gpgcheck": True,
     "repo_gpgcheck": True, "priority": 1, "sslverify": True, "suites": ["stable"], "components": ["main"],
     "architectures": ["amd64"], "types": ["deb", "deb-src"], "enabled": False, "filename": "team.repo", "install_from": True},
    {"id": "more", "mirrorlist": "https://apt.example.com/mirrors", "gpgkey": "/usr/share/keyrings/more.gpg", "check_gpg": True,
     "check_repo_gpg": True, "ignore_ssl": True},
]  # fmt: skip

CUSTOMIZATIONS: dict[str, Any] = {
    "hostname": "web.example.com",
    "kernel": {"name": "cloud-amd64", "append": "audit=0"},
    "user": [
        {"name": "jane", "description": "Jane", "password": "$6$salt$hash", "key": KEY, "home": "/home/jane", "shell": "/bin/sh",
         "groups": ["wheel"], "uid": 1234, "gid": 1000, "expiredate": 30000, "force_password_reset": True},
    ],
    "sshkey": [{"user": "jane", "key": KEY}],
    "group": [{"name": "staff", "gid": 4242}],
    "timezone": {"timezone": "Europe/Berlin", "ntpservers": ["time.example.com"]},
    "locale": {"languages": ["de_DE.UTF-8"], "keyboard": "de"},
    "services": {"enabled": ["nginx"], "disabled": ["apt-daily.timer"], "masked": ["a.service"]},
    "partitioning_mode": "lvm",
    "filesystem": [
        {"mountpoint": "/", "minsize": "4 GiB"}, {"mountpoint": "/home", "size": 2**30}, {"mountpoint": "/srv", "min_size": 2**30},
    ],
    "iso": {"volume_id": "WEB", "publisher": "Example", "application_id": "web"},
    "directories": [{"path": "/srv/www", "mode": "0750", "user": "jane", "group": 0, "ensure_parents": True}],
    "files": [
        {"path": "/etc/motd", "data": "hello\n", "mode": "0600", "user": "jane", "group": "staff"},
        {"path": "/opt/a", "uri": "https://example.com/a", "sha256": SHA256},
        {"path": "/opt/b", "uri": "file:///srv/b", "checksum": "sha256:" + "b" * 64},
    ],
    "firewall": {"ports": ["22:tcp", "8000-8080:udp", "imap:tcp"], "services": {"enabled": ["http"], "disabled": ["telnet"]}},
    "openscap": {"profile_id": "standard", "datastream": DATASTREAM,
                 "tailoring": {"selected": ["package_aide_installed"], "unselected": ["grub2_password"]}},
    "repositories": REPOSITORIES,
    "payload_repositories": [
        {"id": "pay", "name": "x", "baseurl": "https://apt.example.com/pay", "gpgkey": ARMOURED, "check_gpg": True,
         "check_repo_gpg": True, "priority": 99, "ignore_ssl": False, "package_sets": ["build"], "suites": ["stable"],
         "components": ["main"], "architectures": ["amd64"], "types": ["deb"]},
        {"baseurls": ["https://apt.example.com/pay2"], "gpgkeys": [ARMOURED], "gpgcheck": True, "repo_gpgcheck": True,
         "sslverify": True},
    ],
    "cacerts": {"pem_certs": [CERTIFICATE]},
    "containers-storage": {"destination-path": "/usr/share/images"},
    "firstboot": {
        "scripts": [
            {"type": "custom", "name": "hello", "contents": "echo hello", "ignore_failure": True, "after": ["a.service"],
             "before": ["b.service"]},
            {"type": "aap", "job_template_url": "https://aap.example.com/api/v2/job_templates/9/callback/", "host_config_key": "k3y",
             "cacerts": [CERTIFICATE]},
        ],
    },
    "sshd": {"password_authentication": False, "kbd_interactive_authentication": False, "client_alive_interval": 60,
             "permit_root_login": "prohibit-password"},
    "installer": {"unattended": False, "sudo-nopasswd": ["jane", "%wheel"]},
    "debian": DEBIAN,
}  # fmt: skip

FULL: dict[str, Any] = {
    "name": "everything",
    "description": "All that there is",
    "version": "1.2.3",
    "distro": "debian-13",
    "architecture": "x86_64",
    "packages": [{"name": "bash", "version": "5.*"}],
    "modules": [{"name": "htop", "version": "*"}],
    "groups": [{"name": "ssh-server"}],
    "containers": [
        {"source": "registry.example.com/app:1", "name": "localhost/app:1", "tls-verify": False, "local-storage": False},
    ],
    "customizations": CUSTOMIZATIONS,
}

#: What :data:`FULL` cannot have beside itself.
OTHERS: tuple[dict[str, Any], ...] = (
    {
        "name": "cloud-api",
        "arch": "amd64",
        "containers": [{"source": "registry.example.com/app", "tls_verify": True, "local_storage": True}],
        "customizations": {
            "packages": ["vim"],
            "users": [{"name": "joe", "key": KEY}],
            "groups": [{"name": "team", "gid": 1000}],
            "containers": [{"source": "registry.example.com/other"}],
            "custom_repositories": [{"id": "own", "baseurl": ["https://apt.example.com"], "gpgkeys": [ARMOURED]}],
            "payload_repositories": [{"baseurl": "https://apt.example.com", "gpgkey": ARMOURED}],
            "containers-storage": {"destination_path": "/usr/share/images"},
            "openscap": {"profile_id": "standard", "datastream": DATASTREAM,
                         "json_tailoring": {"profile_id": "own", "filepath": "/etc/openscap/tailoring.json"}},
            "installer": {"sudo_nopasswd": ["joe"]},
            "debian": {
                "preseed": "tzdata tzdata/Areas select Europe\n",
                "apt": {"install_recommends": True, "pins": [{"package": "a", "pin": "version 1", "priority": 1001}]},
                "network": {"backend": "netplan", "renderer": "NetworkManager", "interfaces": [{"name": "eth0", "dhcp4": True}]},
                "encryption": {"key_file": "/etc/keys/disk", "key_checksum": "sha256:" + "0" * 64},
                "verity": False,
                "ostree": {
                    "ref": "debian/13/amd64/edge",
                    "osname": "debian",
                    "remote": {"name": "edge", "url": "https://ostree.example.com/repo", "gpg_keys": [ARMOURED],
                               "gpg_key_paths": ["/etc/keys/ostree.gpg"]},
                    "parent": {"url": "https://ostree.example.com/repo", "commit": SHA256, "gpg_keys": [ARMOURED]},
                    "sign": {"gpg_key_file": "/etc/keys/private.asc", "gpg_key_checksum": f"sha256:{SHA256}", "gpg_key_id": "ABCD"},
                },
                "cleanup": True,
                "unattended_upgrades": True,
                "backports": True,
            },
        },
    },
    {
        "name": "disk",
        "customizations": {
            "firewall": {"zones": [{"name": "lan", "sources": ["192.0.2.0/24"]}]},
            "disk": {
                "type": "gpt", "minsize": "20 GiB", "start_offset": "8 MiB", "sector_size": 512,
                "partitions": [
                    {"type": "plain", "mountpoint": "/data", "fs_type": "xfs", "label": "data", "minsize": "2 GiB",
                     "part_type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "part_label": "data",
                     "part_uuid": "0FC63DAF-8483-4772-8E79-3D69D8477DE5"},
                    {"type": "lvm", "name": "vg", "logical_volumes": [
                        {"name": "root", "mountpoint": "/", "fs_type": "ext4", "label": "root", "minsize": "3 GiB"}]},
                ],
            },
        },
    },
    {
        "name": "btrfs",
        "customizations": {"disk": {"partitions": [{"type": "btrfs", "subvolumes": [{"name": "@", "mountpoint": "/"}]}]}},
    },
)  # fmt: skip
