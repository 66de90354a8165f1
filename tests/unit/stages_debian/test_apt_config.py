# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's configuration: what is written, and what is refused before anything is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from stages.forge.errors import StageError

from .conftest import Runner, last_line, succeeded

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBA==\n-----END PGP PUBLIC KEY BLOCK-----"
SOURCE = {"name": "debian", "uris": ["https://deb.example.com/debian"], "suites": ["trixie"], "components": ["main"]}


@pytest.fixture
def configure(run_stage: Runner, tree: Path) -> Callable[..., Any]:
    return lambda **options: run_stage("apt.config", tree, None, {k.replace("_", "-"): v for k, v in options.items()})


@pytest.fixture
def load_config(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("stage_apt_config", str(repo / "stages/org.osbuild.apt.config"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


Configure = Callable[..., Any]


def test_sources_are_written_as_deb822(configure: Configure, tree: Path) -> None:
    succeeded(configure(sources=[
        {**SOURCE, "types": ["deb", "deb-src"], "suites": ["trixie", "trixie-updates"], "architectures": ["amd64"],
         "signed-by": "/usr/share/keyrings/archive.gpg"},
        {**SOURCE, "suites": ["trixie-security"], "enabled": False, "trusted": True},
        {"name": "flat", "uris": ["https://apt.example.com"], "suites": ["./"], "key": KEY},
    ]))
    folder = tree / "etc/apt/sources.list.d"
    assert (folder / "debian.sources").read_text() == (
        "Types: deb deb-src\nURIs: https://deb.example.com/debian\nSuites: trixie trixie-updates\nComponents: main\n"
        "Architectures: amd64\nSigned-By: /usr/share/keyrings/archive.gpg\n"
        "\n"
        "Enabled: no\nTypes: deb\nURIs: https://deb.example.com/debian\nSuites: trixie-security\nComponents: main\n"
        "Trusted: yes\n"
    )
    assert (folder / "flat.sources").read_text() == (
        "Types: deb\nURIs: https://apt.example.com\nSuites: ./\nSigned-By: /etc/apt/keyrings/flat.asc\n"
    )
    assert (tree / "etc/apt/keyrings/flat.asc").read_text() == KEY + "\n"
    assert (folder / "flat.sources").stat().st_mode & 0o777 == 0o644


def test_apt_understands_what_is_written(configure: Configure, tree: Path) -> None:
    succeeded(configure(
        sources=[SOURCE],
        pins=[{"package": "linux-image-*", "pin": "release n=trixie", "priority": -1, "explanation": "none"}],
        config=[{"name": "90image", "options": {"APT::Install-Recommends": False, "Acquire::Retries": 3,
                                                "APT::NeverAutoRemove": ["^a$", "^b$"]}},
                {"name": "91own.conf", "content": 'APT::Color "0";'}],
    ))
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").touch()
    (tree / "apt.conf").write_text(f'Dir "{tree}";\n')

    def ask(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True,
                              env={"APT_CONFIG": str(tree / "apt.conf"), "PATH": "/usr/bin"}).stdout

    dump = ask("apt-config", "dump")
    for line in ('APT::Install-Recommends "false";', 'Acquire::Retries "3";', 'APT::NeverAutoRemove:: "^b$";',
                 'APT::Color "0";'):
        assert line in dump
    assert "'https://deb.example.com/debian/dists/trixie/InRelease'" in ask("apt-get", "update", "--print-uris")
    # apt-cache fails where it cannot read a preferences file.
    assert "Pinned packages:" in ask("apt-cache", "policy")
    assert (tree / "etc/apt/preferences.d/osbuild.pref").read_text() == (
        "Explanation: none\nPackage: linux-image-*\nPin: release n=trixie\nPin-Priority: -1\n"
    )


def test_nothing_is_removed_unless_asked(configure: Configure, tree: Path) -> None:
    (tree / "etc/apt").mkdir(parents=True)
    (tree / "etc/apt/sources.list").write_text("deb https://deb.example.com/debian trixie main\n")
    succeeded(configure(sources=[SOURCE]))
    assert (tree / "etc/apt/sources.list").exists()
    succeeded(configure(remove_sources_list=True))
    assert not (tree / "etc/apt/sources.list").exists()
    assert (tree / "etc/apt/sources.list.d/debian.sources").exists()
    succeeded(configure(remove_sources_list=True))


def test_keyrings_go_where_apt_looks(configure: Configure, tree: Path) -> None:
    succeeded(configure(keyrings=[{"name": "a", "key": KEY}, {"name": "b.gpg", "data": "mQENBA==",
                                                              "directory": "trusted.gpg.d"}]))
    assert (tree / "etc/apt/keyrings/a.asc").exists() and (tree / "etc/apt/trusted.gpg.d/b.gpg").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sources": [{**SOURCE, "name": "../evil"}]}, "source name '../evil' is no usable file name"),
        ({"sources": [{**SOURCE, "name": ".hidden"}]}, "source name '.hidden' is no usable file name"),
        ({"sources": [{**SOURCE, "uris": ["https://a b"]}]}, "source debian: uris holds 'https://a b'"),
        ({"sources": [{**SOURCE, "suites": ["trixie\nTrusted: yes"]}]}, "which is not one word"),
        ({"sources": [{**SOURCE, "signed-by": "/a\nTrusted: yes"}]}, "must be one line"),
        ({"sources": [{**SOURCE, "signed-by": "key.gpg"}]}, "an absolute path without '..' is allowed"),
        ({"sources": [{**SOURCE, "key": "nonsense"}]}, "key of source debian is not an armoured public key"),
        ({"sources": [{**SOURCE, "key": KEY, "signed-by": "/x"}]}, "only one of key and signed-by is allowed"),
        ({"sources": [{**SOURCE, "components": []}]}, "source debian: components are missing"),
        ({"sources": [{**SOURCE, "suites": ["./"]}]}, "suite './' is a path, which allows no components"),
        ({"keyrings": [{"name": "a/b", "key": KEY}]}, "keyring name 'a/b' is no usable file name"),
        ({"keyrings": [{"name": "a", "data": "%%"}]}, "data of keyring a is not base64"),
        ({"keyrings": [{"name": "a", "key": KEY, "data": "mQ=="}]}, "exactly one of key"),
        ({"pins": [{"name": "a.b", "package": "x", "pin": "version 1", "priority": 1}]}, "pin file name 'a.b' has a dot"),
        ({"pins": [{"package": "x", "pin": "version 1", "priority": 0}]}, "priority 0 has no meaning"),
        ({"pins": [{"package": "x\nPackage: *", "pin": "version 1", "priority": 1}]}, "must be one line"),
        ({"config": [{"name": "a.b", "content": ""}]}, "configuration name 'a.b' has a dot"),
        ({"config": [{"name": "a", "options": {"DPkg::Post-Invoke": 'x";evil'}}]}, "holds a quote"),
        ({"config": [{"name": "a", "options": {"x y": 1}}]}, "'x y' is no option name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(
    configure: Configure, tree: Path, options: dict[str, Any], said: str
) -> None:
    assert said in last_line(configure(**options))
    assert list(tree.iterdir()) == []


def test_links_in_the_tree_are_not_followed(configure: Configure, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "etc/apt").mkdir(parents=True)
    (tree / "etc/apt/sources.list.d").symlink_to(outside)
    assert "/etc/apt/sources.list.d of the tree is not a directory" in last_line(configure(sources=[SOURCE]))
    (tree / "etc/apt/sources.list.d").unlink()
    (tree / "etc/apt/sources.list.d").mkdir()
    (outside / "target").write_text("host's")
    (tree / "etc/apt/sources.list.d/debian.sources").symlink_to(outside / "target")
    succeeded(configure(sources=[SOURCE]))
    assert (outside / "target").read_text() == "host's"
    assert not (tree / "etc/apt/sources.list.d/debian.sources").is_symlink()


def test_logins_are_for_root_alone_and_stay_out_of_the_log(run_stage: Runner, configure: Configure, tree: Path) -> None:
    login = {"machine": "https://apt.example.com/private", "login": "user", "password": "s3cret"}
    result = configure(auth=[{"name": "one", **login}, {"name": "one", **login, "machine": "b.example.com"}])
    assert "s3cret" not in succeeded(result) + result.stderr
    path = tree / "etc/apt/auth.conf.d/one.conf"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == (
        "machine https://apt.example.com/private login user password s3cret\nmachine b.example.com login user password s3cret\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("machine a.example.com\nlogin u\npassword p\n", None),
        ("# comment\nmachine a.example.com login u password p\n", None),
        ("s3cret", "is no file of apt_auth.conf"),
        ("machine a login u passwort s3cret\n", "is no file of apt_auth.conf"),
    ],
)
def test_a_login_comes_from_the_input(
    load_config: Any, tree: Path, tmp_path: Path, content: str, message: str | None
) -> None:
    (tmp_path / "sha256:1").write_text(content)
    inputs = {"auth": {"path": str(tmp_path), "data": {"files": {"sha256:1": {}}}}}
    options = {"auth": [{"name": "a", "source": "sha256:1"}]}
    if message is None:
        load_config.main(str(tree), options, inputs)
        assert (tree / "etc/apt/auth.conf.d/a.conf").read_text() == content
    else:
        with pytest.raises(StageError, match=message) as error:
            load_config.main(str(tree), options, inputs)
        assert "s3cret" not in str(error.value)
        assert not (tree / "etc").exists()


def test_unattended_upgrades_replace_debians_lists(configure: Configure, tree: Path) -> None:
    succeeded(configure(unattended_upgrades={
        "origins": ["origin=Debian,codename=${distro_codename}-security"], "blacklist": ["linux-"], "reboot": True,
        "reboot-time": "02:30", "clean-interval": 7,
    }))
    folder = tree / "etc/apt/apt.conf.d"
    (folder / "50unattended-upgrades").write_text(
        'Unattended-Upgrade::Origins-Pattern { "origin=Debian"; };\nUnattended-Upgrade::Allowed-Origins { "x:y"; };\n'
    )
    (tree / "apt.conf").write_text(f'Dir "{tree}";\n')
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True,
                          env={"APT_CONFIG": str(tree / "apt.conf"), "PATH": "/usr/bin"}).stdout
    assert [line for line in dump.splitlines() if line.startswith(("Unattended", "APT::Periodic")) and '""' not in line] == [
        'APT::Periodic::Update-Package-Lists "1";',
        'APT::Periodic::Unattended-Upgrade "1";',
        'APT::Periodic::AutocleanInterval "7";',
        'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename}-security";',
        'Unattended-Upgrade::Package-Blacklist:: "linux-";',
        'Unattended-Upgrade::Automatic-Reboot "true";',
        'Unattended-Upgrade::Automatic-Reboot-Time "02:30";',
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auth": [{"name": "a", "source": "sha256:2"}]}, "auth a: the input auth holds nothing called sha256:2"),
        ({"auth": [{"name": "a.b", "machine": "m", "login": "l", "password": "p"}]}, "apt would leave the file out"),
        ({"auth": [{"name": "a", "machine": "m", "login": "l", "password": "p q"}]}, "auth a: password must be one word"),
        ({"unattended_upgrades": {"reboot-time": "25:00"}}, "reboot-time is '25:00'"),
        ({"unattended_upgrades": {"origins": ['a"; b']}}, "quotes and line breaks are not allowed"),
    ],
)
def test_wrong_logins_and_upgrades_are_refused(configure: Configure, tree: Path, options: Any, message: str) -> None:
    assert message in last_line(configure(**options))
    assert list(tree.iterdir()) == []


def test_a_link_in_place_of_apts_directory_is_not_followed(configure: Configure, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tree / "etc").symlink_to(tmp_path / "outside")
    login = {"name": "a", "machine": "m", "login": "l", "password": "p"}
    assert "is not a directory" in last_line(configure(auth=[login]))
    assert list((tmp_path / "outside").iterdir()) == []
