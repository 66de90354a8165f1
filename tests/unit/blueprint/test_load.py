# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading blueprints: forms, every supported key, and one clear sentence for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import (
    Customizations,
    Debian,
    Directory,
    File,
    Filesystem,
    Group,
    Kernel,
    Locale,
    PackageSpec,
    Services,
    Timezone,
    load,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Pin, Source

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example.com"
ARMOURED = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"

FULL = f"""
name = "full"
description = "all of it"
version = "1.2.3"
distro = "debian-13"
architecture = "x86_64"

[[packages]]
name = "vim"
[[packages]]
name = "bash"
version = "5.*"
[[packages]]
name = "libc6:i386"
version = "*"
[[modules]]
name = "htop"
[[groups]]
name = "ssh-server"

[customizations]
hostname = "full.example.com"

[customizations.kernel]
name = "cloud-amd64"
append = "console=ttyS0 quiet"

[[customizations.user]]
name = "admin"
description = "The Admin"
password = "$6$salt$3sGZoF5oXy2n"
key = "{KEY}"
home = "/home/admin"
shell = "/bin/bash"
groups = ["wheel", "sudo", "adm"]
uid = 1001
gid = 1001
expiredate = 20000
force_password_reset = true

[[customizations.sshkey]]
user = "admin"
key = "ssh-rsa AAAAB3 second"
[[customizations.sshkey]]
user = "root"
key = "ssh-rsa AAAAB3 third"

[[customizations.group]]
name = "staff2"
gid = 2000

[customizations.timezone]
timezone = "Europe/Berlin"
ntpservers = ["ntp.example.com", "2001:db8::1"]

[customizations.locale]
languages = ["de_DE.UTF-8", "en_US.UTF-8", "C.UTF-8"]
keyboard = "de"

[customizations.services]
enabled = ["ssh", "getty@tty1.service"]
disabled = ["apt-daily.timer"]
masked = ["systemd-networkd-wait-online"]

[[customizations.filesystem]]
mountpoint = "/"
minsize = "4 GiB"
[[customizations.filesystem]]
mountpoint = "/var/log"
size = 1000000000

[[customizations.directories]]
path = "/etc/app/conf.d"
mode = "0750"
user = "root"
group = 0
ensure_parents = true

[[customizations.files]]
path = "/etc/app/conf.d/a.conf"
mode = "640"
user = "1001"
data = "ü=1\\n"
[[customizations.files]]
path = "/opt/empty"

[customizations.debian]
variant = "standard"
components = ["main", "contrib"]
install_recommends = true
exclude = ["nano", "vim-*"]
foreign_architectures = ["i386"]

[[customizations.debian.pins]]
package = "*"
pin = "release a=trixie-backports"
priority = 100

[[customizations.debian.sources]]
name = "vendor"
uris = ["https://apt.example.com/debian"]
suites = "trixie trixie-extra"
signed_by = '''{ARMOURED}'''
"""


def blueprint(**customizations: Any) -> Any:
    return load({"name": "x", "customizations": customizations})


def refused(content: dict[str, Any] | str, **more: Any) -> str:
    with pytest.raises(BlueprintError) as caught:
        load(content, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def wrong(**customizations: Any) -> str:
    return refused({"name": "x", "customizations": customizations})


def test_full_blueprint_is_modelled() -> None:
    full = load(FULL)
    assert (full.name, full.version, full.distro, full.architecture) == ("full", "1.2.3", "debian-13", "amd64")
    assert full.packages == (PackageSpec("vim"), PackageSpec("bash", "5.*"), PackageSpec("libc6:i386"),
                             PackageSpec("htop"), PackageSpec("task-ssh-server"))
    admin, root = full.customizations.users
    assert admin.key == f"{KEY}\nssh-rsa AAAAB3 second" and root.key == "ssh-rsa AAAAB3 third"
    assert admin.groups == ("sudo", "adm") and admin.password == "$6$salt$3sGZoF5oXy2n"
    assert (admin.uid, admin.gid, admin.expiredate, admin.force_password_reset) == (1001, 1001, 20000, True)
    assert full.customizations == Customizations(
        hostname="full.example.com",
        kernel=Kernel("cloud-amd64", "console=ttyS0 quiet"),
        users=(admin, root),
        groups=(Group("staff2", 2000),),
        timezone=Timezone("Europe/Berlin", ("ntp.example.com", "2001:db8::1")),
        locale=Locale(("de_DE.UTF-8", "en_US.UTF-8", "C.UTF-8"), "de"),
        services=Services(("ssh", "getty@tty1.service"), ("apt-daily.timer",), ("systemd-networkd-wait-online",)),
        filesystem=(Filesystem("/", 4 * 1024**3), Filesystem("/var/log", 10**9)),
        directories=(Directory("/etc/app/conf.d", "root", 0, 0o750, True),),
        files=(File("/etc/app/conf.d/a.conf", 1001, None, 0o640, "ü=1\n".encode()), File("/opt/empty")),
        debian=Debian("standard", ("main", "contrib"), True, ("nano", "vim-*"),
                      (Pin("*", "release a=trixie-backports", 100),),
                      (Source(("https://apt.example.com/debian",), ("trixie", "trixie-extra"), ("main",), ARMOURED,
                              name="vendor"),),
                      ("i386",)),
    )
    assert full.warnings == (
        "customizations.user[0].groups: group 'wheel' is 'sudo' on Debian",
        "customizations.sshkey: deprecated; use customizations.user with key",
    )


def test_toml_json_mapping_bytes_and_file_say_the_same(tmp_path: Path) -> None:
    import tomllib

    content = tomllib.loads(FULL)
    (tmp_path / "a.toml").write_text(FULL)
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "a").write_text("\n  " + json.dumps(content))
    forms: list[Any] = [content, json.dumps(content), FULL.encode(), tmp_path / "a.toml", tmp_path / "a.json", tmp_path / "a"]
    digests = {json.dumps(load(form).to_dict(), sort_keys=True) for form in (FULL, *forms)}
    assert len(digests) == 1


def test_name_alone_is_a_blueprint() -> None:
    least = load('name = "least"')
    assert (least.version, least.packages, least.customizations) == ("0.0.0", (), Customizations())
    assert least.to_dict()["customizations"]["debian"] == {"variant": "minbase", "install_recommends": False, "verity": False}


def test_empty_sections_of_form_clients_ask_for_nothing() -> None:
    content = {"name": "x", "packages": None, "modules": [], "groups": [], "containers": [], "enabled_modules": [],
               "distro": "", "customizations": {"firewall": {"ports": [], "services": {}}, "fips": False, "user": []}}
    assert load(content).warnings == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "name: is required"),
        ({"name": 1}, "name: must be a string, found an integer (1)"),
        ({"name": ".."}, "name: '..' is not allowed"),
        ({"name": "a/b"}, "name: 'a/b' is not allowed"),
        ({"name": "x", "version": "1"}, "version: Invalid 'version', must use Semantic Versioning"),
        ({"name": "x", "distro": 13}, "distro: must be a string"),
        ({"name": "x", "architecture": "z80"}, "architecture: 'z80' is not a known architecture; known are amd64"),
        ({"name": "x", "packages": "vim"}, "packages: must be an array of tables ([[packages]]), found a string ('vim')"),
        ({"name": "x", "packages": ["vim"]}, "packages[0]: must be a table, found a string ('vim')"),
        ({"name": "x", "packages": [{"name": "vim"}, {}]}, "packages[1].name: is required"),
        ({"name": "x", "packages": [{"name": "vim; rm"}]}, "packages[0].name: 'vim; rm' is not allowed"),
        ({"name": "x", "packages": [{"name": "vim", "version": 9}]}, "packages[0].version: must be a string, found an integer"),
        ({"name": "x", "packages": [{"name": "vim", "version": ">= 9"}]}, "packages[0].version: '>= 9' is not allowed"),
        ({"name": "x", "customizations": []}, "customizations: must be a table, found an array"),
        ({"name": "x", 1: 2}, "blueprint: key 1 is not a string"),
        ("[]", "blueprint: is not valid TOML"),
        ("name = ", "blueprint: is not valid TOML: Invalid value"),
        ("{", "blueprint: is not valid JSON"),
    ],
)
def test_malformed_blueprint_names_the_field(content: Any, sentence: str) -> None:
    assert refused(content).startswith(sentence)


def test_file_problems_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(BlueprintError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(BlueprintError, match=r"b\.toml: is not UTF-8 text \(byte 8\)"):
        load(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"hostname": "-a"}, "customizations.hostname: '-a' is not allowed"),
        ({"hostname": "a." * 40 + "a"}, "customizations.hostname: is 81 characters long, at most 64"),
        ({"kernel": {"name": "kernel-64k"}}, "customizations.kernel.name: 'kernel-64k' is not allowed"),
        ({"kernel": {"append": "a\nb"}}, "customizations.kernel.append: 'a\\nb' is not allowed; must be one line"),
        ({"timezone": {"timezone": "../x"}}, "customizations.timezone.timezone: '../x' is not allowed"),
        ({"timezone": {"ntpservers": "a"}}, "customizations.timezone.ntpservers: must be an array of strings"),
        ({"locale": {"languages": ["german"]}}, "customizations.locale.languages[0]: 'german' is not allowed"),
        ({"locale": {"languages": ["de_DE"], "keyboard": 1}}, "customizations.locale.keyboard: must be a string"),
        ({"services": {"enabled": ["a b"]}}, "customizations.services.enabled[0]: 'a b' is not allowed"),
        ({"services": {"enabled": ["a"], "masked": ["a"]}}, "customizations.services.masked: 'a' is also in"),
        ({"group": [{"name": "a"}, {"name": "a"}]}, "customizations.group[1]: group 'a' is given twice"),
        ({"group": [{"name": "a", "gid": 5}, {"name": "b", "gid": 5}]}, "customizations.group[1]: gid '5' is given twice"),
        ({"group": [{"gid": 5}]}, "customizations.group[0].name: is required"),
        ({"group": [{"name": "a", "gid": True}]}, "customizations.group[0].gid: must be an integer, found a boolean"),
        ({"group": [{"name": "a", "gid": -1}]}, "customizations.group[0].gid: -1 is out of range 0..4294967294"),
        ({"user": [{"name": "a"}, {"name": "a"}]}, "customizations.user[1]: user 'a' is given twice"),
        ({"user": [{"name": "a:b"}]}, "customizations.user[0].name: 'a:b' is not allowed"),
        ({"user": [{"name": "a", "uid": 0}]}, "customizations.user[0].uid: 0 is root's"),
        ({"user": [{"name": "a", "uid": 7}, {"name": "b", "uid": 7}]}, "customizations.user[1].uid: 7 is the uid of user 'a'"),
        ({"user": [{"name": "a", "home": "x"}]}, "customizations.user[0].home: 'x' must be an absolute path"),
        ({"user": [{"name": "a", "shell": "/bin/a:b"}]}, "customizations.user[0].shell: '/bin/a:b' must not hold a colon"),
        ({"user": [{"name": "a", "description": "a:b"}]}, "customizations.user[0].description: 'a:b' is not allowed"),
        ({"user": [{"name": "a", "groups": "sudo"}]}, "customizations.user[0].groups: must be an array of strings"),
        ({"user": [{"name": "a", "expiredate": "2030"}]}, "customizations.user[0].expiredate: must be an integer"),
        ({"user": [{"name": "a", "force_password_reset": 1}]}, "customizations.user[0].force_password_reset: must be true or"),
        ({"filesystem": [{"mountpoint": "/"}]}, "customizations.filesystem[0].minsize: is required"),
        ({"filesystem": [{"mountpoint": "/", "minsize": "big"}]}, "customizations.filesystem[0].minsize: must be a positive"),
        ({"filesystem": [{"mountpoint": "/", "minsize": 0}]}, "customizations.filesystem[0].minsize: must be a positive"),
        ({"filesystem": [{"mountpoint": "/", "minsize": True}]}, "customizations.filesystem[0].minsize: must be a positive"),
        ({"filesystem": [{"mountpoint": "/", "minsize": 1, "size": 1}]}, "customizations.filesystem[0].size: is another word"),
        ({"debian": {"variant": "big"}}, "customizations.debian.variant: 'big' is not one of minbase, standard"),
        ({"debian": {"pins": [{"package": "a", "pin": "b", "priority": 1}]}}, "customizations.debian.pins[0].pin: 'b' must begin"),
        ({"debian": {"pins": [{"package": "a", "pin": " ", "priority": 1}]}}, "customizations.debian.pins[0].pin: ' ' must begin"),
        ({"debian": {"pins": [{"package": "a", "pin": "release *"}]}}, "customizations.debian.pins[0].priority: is required"),
        ({"debian": {"sources": [{"uris": ["https://a.example.com"], "suites": ["x"]}]}},
         "customizations.debian.sources[0].signed_by: is required"),
        ({"debian": {"sources": [{"uris": ["rsync://a"], "suites": ["x"]}]}},
         "customizations.debian.sources[0].uris[0]: 'rsync://a' is not allowed"),
        ({"debian": {"sources": [{"suites": ["x"]}]}}, "customizations.debian.sources[0].uris: is required"),
        ({"debian": {"exclude": ["-"]}}, "customizations.debian.exclude[0]: '-' is not allowed"),
    ],
)
def test_wrong_value_names_path_and_rule(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        blueprint(**content)
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/fstab", "/etc/crypttab",
     "/etc/machine-id", "/etc", "/", "/usr/bin/x", "/home/a", "/tmp/x", "/var/lib/dpkg/status", "/var/log/x", "etc/x",
     "/etc/../usr/bin/x", "/etc//x", "/etc/x/", "/etc/./x", "/etc/a\nb", "/etcx/y", "/etc/" + "a" * 256, ""],
)
def test_path_outside_of_the_policy_is_refused(path: str) -> None:
    for key in ("files", "directories"):
        with pytest.raises(BlueprintError, match=rf"customizations\.{key}\[0\]\.path: "):
            blueprint(**{key: [{"path": path}]})


@pytest.mark.parametrize("path", ["/etc/motd", "/opt/a/b", "/srv/x", "/usr/local/bin/x", "/root/.bashrc", "/var/lib/app/x"])
def test_path_within_the_policy_is_taken(path: str) -> None:
    assert blueprint(files=[{"path": path}]).customizations.files[0].path == path


@pytest.mark.parametrize("mode", ["0644", "755", "0000"])
def test_mode_is_octal_text(mode: str) -> None:
    assert blueprint(files=[{"path": "/etc/a", "mode": mode}]).customizations.files[0].mode == int(mode, 8)


@pytest.mark.parametrize("mode", ["4755", "0o644", "64", "0888", "", 420])
def test_other_modes_are_refused(mode: Any) -> None:
    assert "customizations.files[0].mode: " in wrong(files=[{"path": "/etc/a", "mode": mode}])


def test_nodes_must_not_collide() -> None:
    assert "customizations.files[1].path: '/etc/a' is given twice" in wrong(files=[{"path": "/etc/a"}, {"path": "/etc/a"}])
    assert "is given twice (first in customizations.directories[0])" in wrong(
        files=[{"path": "/etc/a"}], directories=[{"path": "/etc/a"}])
    assert "'/etc/a/b' lies below '/etc/a', which customizations.files[0] makes a file" in wrong(
        files=[{"path": "/etc/a"}, {"path": "/etc/a/b"}])
    assert "customizations.directories[0].path: '/etc/a/b' lies below" in wrong(
        files=[{"path": "/etc/a"}], directories=[{"path": "/etc/a/b"}])
    assert blueprint(files=[{"path": "/etc/ab"}, {"path": "/etc/a"}]).customizations.files


def test_file_from_a_uri_needs_a_checksum() -> None:
    digest = "a" * 64
    for uri in ("https://example.com/a", "file:///srv/a"):
        for key, value in (("sha256", digest), ("sha256", f"sha256:{digest}"), ("checksum", f"sha256:{digest}")):
            found = blueprint(files=[{"path": "/etc/a", "uri": uri, key: value}]).customizations.files
            assert found == (File("/etc/a", uri=uri, checksum=f"sha256:{digest}"),)
    assert wrong(files=[{"path": "/etc/a", "uri": "https://example.com/a"}]) == (
        "customizations.files[0].sha256: is required with uri: the SHA-256 of what 'https://example.com/a' has")
    assert "data and uri exclude each other" in wrong(files=[{"path": "/etc/a", "uri": "x", "data": "y"}])
    assert ".uri: 'ssh://a/b' is not allowed; must be a file:///, http" in wrong(files=[{"path": "/etc/a", "uri": "ssh://a/b"}])
    assert ".uri: is required with a checksum" in wrong(files=[{"path": "/etc/a", "sha256": digest}])
    assert ".sha256: 'abc' is not allowed; must be 64" in wrong(
        files=[{"path": "/etc/a", "uri": "https://example.com/a", "sha256": "abc"}])


@pytest.mark.parametrize("path", ["/", "/boot", "/home", "/home/x", "/opt", "/srv/www", "/usr", "/usr/local", "/var", "/var/log",
                                  "/tmp", "/data", "/var/runner"])
def test_mount_point_within_the_policy_is_taken(path: str) -> None:
    assert blueprint(filesystem=[{"mountpoint": path, "minsize": 1}]).customizations.filesystem[0].mountpoint == path


@pytest.mark.parametrize("path", ["/proc", "/sys", "/dev", "/run", "/etc", "/lib", "/lib64", "/bin", "/sbin", "/usr/bin", "/usr/lib/x",
                                  "/usr/libexec", "/boot/efi", "/var/run", "/var/lock/x", "/x", "home", "/home/../etc", "/var/"])
def test_mount_point_outside_of_it_is_refused(path: str) -> None:
    assert wrong(filesystem=[{"mountpoint": path, "minsize": 1}]).startswith("customizations.filesystem[0].mountpoint: ")


def test_mount_point_twice_is_refused() -> None:
    assert "mount point '/' is given twice" in wrong(filesystem=[{"mountpoint": "/", "minsize": 1}] * 2)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10 GiB", 10 * 2**30), ("1GB", 10**9), ("2 kB", 2000), ("3KiB", 3072), ("5 B", 5), ("7", 7), ("1 TiB", 2**40)],
)
def test_sizes(text: str, size: int) -> None:
    assert blueprint(filesystem=[{"mountpoint": "/", "minsize": text}]).customizations.filesystem[0].minsize == size


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"customizations": {"fips": True}}, "customizations.fips: not supported on Debian: "),
        ({"customizations": {"rhsm": {"config": {"a": 1}}}}, "customizations.rhsm: not supported on Debian: "),
        ({"customizations": {"rpm": {"import_keys": {"files": ["/a"]}}}}, "customizations.rpm: not supported on Debian: "),
        ({"customizations": {"dnf": {"config": {"set_releasever": True}}}}, "customizations.dnf: not supported on Debian: "),
        ({"customizations": {"fdo": {"manufacturing_server_url": "a"}}}, "customizations.fdo: not supported on Debian: "),
        ({"customizations": {"ignition": {"firstboot": {"url": "https://example.com"}}}},
         "customizations.ignition: not supported on Debian: "),
        ({"customizations": {"openscap": {"profile_id": "standard", "policy_id": "x"}}},
         "customizations.openscap.policy_id: not supported on Debian: "),
        ({"customizations": {"subscription": {"organization": "1"}}}, "customizations.subscription: not supported on Debian: "),
        ({"customizations": {"debian": {"init": "sysvinit"}}}, "customizations.debian.init: not supported on Debian: "),
        ({"customizations": {"firstboot": {"scripts": [{"type": "satellite"}]}}},
         "customizations.firstboot.scripts[0].type: not supported on Debian: "),
        ({"customizations": {"repositories": [{"id": "a", "metalink": "https://example.com"}]}},
         "customizations.repositories[0].metalink: not supported on Debian: "),
        ({"customizations": {"repositories": [{"id": "a", "module_hotfixes": True}]}},
         "customizations.repositories[0].module_hotfixes: not supported on Debian: "),
        ({"customizations": {"payload_repositories": [{"rhsm": True}]}},
         "customizations.payload_repositories[0].rhsm: not supported on Debian: "),
        ({"customizations": {"installer": {"payload": {"flatpaks": [{"ref": "a"}]}}}},
         "customizations.installer.payload: not supported on Debian: "),
        ({"customizations": {"installation_device": "/dev/vda"}}, "customizations.installation_device: not supported on Debian: "),
        ({"customizations": {"installer": {"unattended": True, "kickstart": {"contents": "x"}}}},
         "customizations.installer.kickstart: not supported on Debian: "),
        ({"enabled_modules": [{"name": "node", "stream": "1"}]}, "enabled_modules: not supported on Debian: "),
    ],
)
def test_what_debian_cannot_have_is_refused_with_reason_and_alternative(content: dict[str, Any], sentence: str) -> None:
    text = refused({"name": "x", **content})
    assert text.startswith(sentence) and "; use " in text


def test_unknown_keys_are_warnings_with_their_path() -> None:
    found = load({"name": "x", "packges": [], "customizations": {"usrs": [], "user": [{"name": "a", "key": KEY, "sudo": True}]}})
    assert found.warnings == (
        "customizations.user[0].sudo: unknown key, ignored",
        "customizations.usrs: unknown key, ignored; did you mean 'users'?",
        "packges: unknown key, ignored; did you mean 'packages'?",
    )


def test_user_who_cannot_log_in_is_pointed_out() -> None:
    assert blueprint(user=[{"name": "a"}]).warnings == (
        "customizations.user[0].name: user 'a' has neither password nor key and will be locked",)


def test_apt_table_of_the_debian_section_says_the_same() -> None:
    pins = [{"package": "a", "pin": "version 1", "priority": 1001}]
    nested = blueprint(debian={"apt": {"install_recommends": True, "pins": pins}}).customizations.debian
    assert nested == blueprint(debian={"install_recommends": True, "pins": pins}).customizations.debian


@pytest.mark.parametrize(
    ("name", "package"),
    [(None, None), ("kernel", None), ("kernel-rt", "linux-image-rt-arm64"), ("cloud-arm64", "linux-image-cloud-arm64"),
     ("linux-image-6.12.0-1-arm64", "linux-image-6.12.0-1-arm64")],
)
def test_kernel_names_become_debian_packages(name: str | None, package: str | None) -> None:
    assert blueprint(kernel={"name": name}).customizations.kernel.package("arm64") == package
