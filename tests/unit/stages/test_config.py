# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that write one configuration file: wrong values, odd trees, and what the recorded cases do not show."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.forge import ini, keyfile, settings, yamltext

ETHERNET = {"connection": {"id": "e", "uuid": "5fb8f75a-7fde-4906-a51e-a70e56c58742", "type": "ethernet"}}
UNIT = {"Unit": {}, "Container": {"Image": "i"}, "Install": {}}
LIMIT = {"domain": "*", "type": "-", "item": "core", "value": 1}
YAML_OTHERS = ["yes", "1e3", "0x1f", "12:30:45", "2024-01-01", "~", ".5"]
YAML_SYNTAX = ["> /a", "| tee", "a: b", "a #b", "-", "'", "a\nb"]

# The file each stage writes, with options that do it, and what must be in the file before.
WRITERS = [
    ("chrony", "etc/chrony.conf", {"timeservers": ["a"]}, "x\n"),
    ("cloud-init", "etc/cloud/cloud.cfg.d/a.cfg", {"filename": "a.cfg", "config": {"ssh_pwauth": True}}, None),
    ("containers.storage.conf", "etc/containers/storage.conf", {"config": {"storage": {"driver": "vfs"}}}, None),
    ("containers.unit.create", "usr/share/containers/systemd/a.container", {"filename": "a.container", "config": UNIT}, None),
    ("cron.script", "etc/cron.daily/a", {"filename": "a", "interval": "daily", "simple": {"command": "x"}}, None),
    ("crypttab", "etc/crypttab", {"volumes": [{"volume": "a", "path": "/b"}]}, None),
    ("dracut.conf", "usr/lib/dracut/dracut.conf.d/a.conf", {"filename": "a.conf", "config": {"compress": "xz"}}, None),
    ("gcp.guest-agent.conf", "etc/default/instance_configs.cfg", {"config": {"Daemons": {"network_daemon": True}}}, None),
    ("modprobe", "usr/lib/modprobe.d/a.conf", {"filename": "a.conf", "commands": [{"command": "blacklist", "modulename": "a"}]}, None),
    ("nginx.conf", "etc/nginx/nginx.conf", {}, None),
    ("nm.conf", "etc/NetworkManager/a.conf", {"path": "/etc/NetworkManager/a.conf", "settings": {"main": {"plugins": ["x"]}}}, None),
    ("nm.conn", "usr/lib/NetworkManager/system-connections/e.nmconnection", {"filename": "e.nmconnection", "settings": ETHERNET}, None),
    ("pam.limits.conf", "etc/security/limits.d/a.conf", {"filename": "a.conf", "config": [LIMIT]}, None),
    ("pwquality.conf", "etc/security/pwquality.conf", {"config": {"minlen": 8}}, "x\n"),
    ("resolv-conf", "etc/resolv.conf", {"nameserver": ["192.0.2.1"]}, None),
    ("shell.init", "etc/profile.d/a.sh", {"files": {"a.sh": {"env": [{"key": "A", "value": "b"}]}}}, None),
    ("waagent.conf", "etc/waagent.conf", {"config": {"Provisioning.Enabled": True}}, "x\n"),
    ("wsl.conf", "etc/wsl.conf", {"boot": {"systemd": True}}, None),
    ("wsl-distribution.conf", "etc/wsl-distribution.conf", {"oobe": {"default_uid": 1000}}, None),
]
NAMES = [name for name, *_rest in WRITERS]
MAKE_DIRECTORIES = {"dracut.conf", "gcp.guest-agent.conf", "modprobe", "nm.conf", "nm.conn", "resolv-conf"}


@pytest.mark.parametrize(("name", "path", "options", "before"), WRITERS, ids=NAMES)
class TestEveryWriter:
    def test_a_link_out_of_the_tree_is_not_followed(self, load, tree, outside, name, path, options, before) -> None:
        (outside / "f").write_text("keep")
        (tree / path).parent.mkdir(parents=True)
        (tree / path).symlink_to(outside / "f")
        inside = Path(f"{tree}{outside}")
        inside.mkdir(parents=True)
        if before:
            (inside / "f").write_text(before)
        load(name).main(str(tree), options)
        assert (outside / "f").read_text() == "keep"
        written = inside / "f" if (tree / path).is_symlink() else tree / path
        assert len(written.read_text()) > len(before or "")

    def test_a_directory_that_links_out_of_the_tree_is_not_followed(
        self, load, tree, outside, name, path, options, before
    ) -> None:
        first, rest = path.split("/", 1)
        (tree / first).symlink_to(outside)
        inside = Path(f"{tree}{outside}") / rest
        inside.parent.mkdir(parents=True)
        if before:
            inside.write_text(before)
        load(name).main(str(tree), options)
        assert os.listdir(outside) == []
        assert len(inside.read_text()) > len(before or "")

    def test_the_directory_must_exist_or_is_made(self, load, tree, name, path, options, before) -> None:
        if name in MAKE_DIRECTORIES:
            load(name).main(str(tree), options)
            assert (tree / path).is_file()
        else:
            with pytest.raises(FileNotFoundError):
                load(name).main(str(tree), options)
            assert os.listdir(tree) == []

    def test_running_twice_gives_the_same(self, load, tree, name, path, options, before) -> None:
        (tree / path).parent.mkdir(parents=True)
        if before:
            (tree / path).write_text(before)
        load(name).main(str(tree), options)
        first = (tree / path).read_bytes()
        load(name).main(str(tree), options)
        assert (tree / path).read_bytes() == first


WRONG = [
    ("chrony", {"timeservers": ["a\nb"]}, "servers.hostname must be one word"),
    ("chrony", {"leapsectz": "a b"}, "leapsectz must be one word"),
    ("chrony", {"refclocks": [{"driver": {"name": "SOCK", "path": "/a b"}}]}, "refclocks.driver must be one word"),
    ("cloud-init", {"filename": "a.cfg\n", "config": {}}, "filename must be a plain file name"),
    ("containers.storage.conf", {"comment": ["a\n[storage]"], "config": {}}, "comment must be a single line"),
    ("containers.unit.create", {"filename": "a.volume", "config": UNIT}, "must have the section Volume for a file named a.volume"),
    ("containers.unit.create", {"filename": "../a.container", "config": UNIT}, "filename must be a plain file name"),
    ("cron.script", {"filename": "..", "interval": "daily", "simple": {"command": "x"}}, "filename must be a plain file name"),
    ("cron.script", {"filename": "a", "interval": "daily", "simple": {"comment": ["a\nb"], "command": "x"}}, "simple.comment must be"),
    ("crypttab", {"volumes": [{"volume": "a b", "path": "/b"}]}, "volumes.volume must be one word"),
    ("crypttab", {"volumes": [{"volume": "a", "uuid": ""}]}, "volumes.uuid must be one word"),
    ("crypttab", {"volumes": [{"volume": "a", "path": "/b", "options": "a, b"}]}, "volumes.options must be one word"),
    ("dracut.conf", {"filename": "a.conf", "config": {"compress": 'x"; id #'}}, "config.compress must not contain"),
    ("dracut.conf", {"filename": "a.conf", "config": {"drivers": ["a", "b\nc"]}}, "config.drivers must be a single line"),
    ("gcp.guest-agent.conf", {"config": {"Accounts": {"useradd_cmd": "a\n[b]"}}}, "config.Accounts.useradd_cmd must be a single"),
    ("modprobe", {"filename": "a.conf", "commands": [{"command": "blacklist", "modulename": "a b"}]}, "commands.modulename must be"),
    (
        "modprobe",
        {"filename": "a.conf", "commands": [{"command": "install", "modulename": "a", "cmdline": "b\nc"}]},
        "commands.cmdline must be",
    ),
    ("nginx.conf", {"config": {"root": "/a; deny all"}}, "config.root must not contain ; { }, found ;"),
    ("nm.conf", {"path": "/a", "settings": {"device": [{"name": "a]\n[b", "config": {}}]}}, "section's name must not contain"),
    ("nm.conn", {"filename": "../a", "settings": ETHERNET}, "filename must be a plain file name"),
    ("nm.conn", {"path": "/a", "settings": {"ethernet": {"a\nb": "c"}}}, "ethernet: a setting's name must be"),
    ("pam.limits.conf", {"filename": "a.conf", "config": [{**LIMIT, "domain": "a b"}]}, "config.domain must be one word"),
    ("resolv-conf", {"nameserver": ["192.0.2.1 192.0.2.2"]}, "nameserver must be one word"),
    ("resolv-conf", {"search": [""]}, "search must be one word"),
    ("shell.init", {"files": {"..": {"env": []}}}, "files must be a plain file name"),
    ("shell.init", {"files": {"a.sh": {"env": []}, "b.sh": {}}}, "files.b.sh must have variables in env"),
    ("wsl-distribution.conf", {"oobe": {"default_name": "a\nb"}}, "oobe.default_name must be a single line"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_a_wrong_value_is_named_before_anything_changes(load, tree, name, options, message) -> None:
    with pytest.raises(ValueError, match=message.replace("{", "\\{")):
        load(name).main(str(tree), options)
    assert os.listdir(tree) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nginx.conf", {"path": "/../../outside/f"}),
        ("nm.conf", {"path": "../outside/f", "settings": {}}),
        ("nm.conn", {"path": "/a/../../outside/f", "settings": ETHERNET}),
    ],
)
def test_a_path_that_climbs_stays_in_the_tree(load, tree, outside, name, options) -> None:
    (tree / "outside").mkdir()
    load(name).main(str(tree), options)
    assert os.listdir(outside) == []
    assert (tree / "outside/f").is_file()


class TestChrony:
    def test_the_file_of_debian_is_changed(self, load, tree) -> None:
        (tree / "etc/chrony").mkdir(parents=True)
        path = tree / "etc/chrony/chrony.conf"
        path.write_text("confdir /etc/chrony/conf.d\npool 2.debian.pool.example.com iburst\n PEER x\n#server y\n\n")
        load("chrony").main(str(tree), {"servers": [{"hostname": "a", "minpoll": 0}], "leapsectz": "right/UTC"})
        assert path.read_text() == "leapsectz right/UTC\nserver a iburst minpoll 0\nconfdir /etc/chrony/conf.d\n#server y\n\n"
        assert not (tree / "etc/chrony.conf").exists()

    def test_the_file_in_etc_comes_first(self, load, tree) -> None:
        (tree / "etc/chrony").mkdir(parents=True)
        for path in ("chrony.conf", "chrony/chrony.conf"):
            (tree / "etc" / path).write_text("old\n")
        load("chrony").main(str(tree), {"timeservers": ["a"], "servers": [{"hostname": "b", "iburst": False}]})
        assert (tree / "etc/chrony.conf").read_text() == "server a iburst\nserver b\nold\n"
        assert (tree / "etc/chrony/chrony.conf").read_text() == "old\n"

    def test_without_chrony_it_says_what_is_missing(self, load, tree) -> None:
        with pytest.raises(FileNotFoundError, match="the package chrony must be installed first"):
            load("chrony").main(str(tree), {"timeservers": ["a"]})


class TestContainers:
    def test_storage_starts_from_the_base_file(self, load, tree) -> None:
        (tree / "etc/containers").mkdir(parents=True)
        (tree / "usr/share/containers").mkdir(parents=True)
        (tree / "usr/share/containers/storage.conf").write_text(
            '# c\n[storage]\ndriver = "vfs"\nrunroot = "/r"\n[storage.options.overlay]\nmountopt = "nodev"\nsize = "1G"\n'
        )
        options = {
            "filebase": "/usr/share/containers/storage.conf",
            "comment": ["mine"],
            "config": {"storage": {"driver": "overlay", "options": {"overlay": {"mountopt": "x"}}}},
        }
        load("containers.storage.conf").main(str(tree), options)
        assert (tree / "etc/containers/storage.conf").read_text().partition("# \n")[2] == (
            '# mine\n\n\n[storage]\ndriver = "overlay"\nrunroot = "/r"\n\n'
            '[storage.options.overlay]\nmountopt = "x"\nsize = "1G"\n'
        )

    def test_storage_with_a_base_file_that_is_missing_fails(self, load, tree, outside) -> None:
        (tree / "etc/containers").mkdir(parents=True)
        (outside / "base").write_text("[storage]\n")
        with pytest.raises(FileNotFoundError):
            load("containers.storage.conf").main(str(tree), {"filebase": "../outside/base", "config": {"storage": {}}})
        assert os.listdir(tree / "etc/containers") == []


class TestCron:
    OPTIONS = {"interval": "daily", "filename": "job", "simple": {"comment": ["one", "two"], "command": "echo ran"}}

    @pytest.mark.skipif(not shutil.which("run-parts"), reason="needs run-parts")
    def test_the_script_runs_on_debian(self, load, tree) -> None:
        (tree / "etc/cron.daily").mkdir(parents=True)
        (tree / "var/lib/dpkg").mkdir(parents=True)
        (tree / "var/lib/dpkg/status").touch()
        load("cron.script").main(str(tree), self.OPTIONS)
        assert (tree / "etc/cron.daily/job").read_text() == "#!/bin/bash\n# one\n# two\necho ran\n"
        command = ["run-parts", str(tree / "etc/cron.daily")]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "ran\n"

    def test_a_name_that_debian_passes_over_is_noted(self, load, tree, capsys) -> None:
        (tree / "etc/cron.daily").mkdir(parents=True)
        load("cron.script").main(str(tree), {**self.OPTIONS, "filename": "job.sh"})
        assert "files with a dot in the name, such as job.sh" in capsys.readouterr().out


class TestNetworkManager:
    def test_only_root_may_read_a_file_that_was_open_before(self, load, tree) -> None:
        path = tree / "a/b.nmconnection"
        path.parent.mkdir()
        path.write_text("something long that must not be left behind\n" * 9)
        path.chmod(0o666)
        options = {**ETHERNET, "ipv4": {"method": "manual", "address": ["192.0.2.5/24", "192.0.2.6/24,192.0.2.1"]}}
        load("nm.conn").main(str(tree), {"path": "/a/b.nmconnection", "settings": options})
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == (
            "[connection]\nid=e\nuuid=5fb8f75a-7fde-4906-a51e-a70e56c58742\ntype=ethernet\n\n"
            "[ipv4]\nmethod=manual\naddress1=192.0.2.5/24\naddress2=192.0.2.6/24,192.0.2.1\n\n"
        )

    def test_no_value_reaches_the_log(self, load, tree, capsys) -> None:
        main = load("nm.conn").main
        main(str(tree), {"path": "/a", "settings": {**ETHERNET, "ethernet": {"wake-on-lan-password": "s3cret"}}})
        assert "s3cret" in (tree / "a").read_text()
        with pytest.raises(ValueError, match="ethernet.x must be a string") as error:
            main(str(tree), {"path": "/a", "settings": {**ETHERNET, "ethernet": {"x": {"y": "s3cret"}}}})
        shown = capsys.readouterr()
        assert "s3cret" not in shown.out + shown.err + str(error.value)

    def test_values_are_written_as_glib_reads_them(self) -> None:
        written = keyfile.section("s", {"a": "  x\n[y]\\", "b": -5.0, "c": True, "d": ["x", "y"]})
        assert written == "[s]\na=\\s\\sx\\n[y]\\\\\nb=-5\nc=true\nd=x;y\n\n"

    def test_the_schema_takes_one_connection(self, meta) -> None:
        jsonschema = pytest.importorskip("jsonschema")
        check = jsonschema.Draft4Validator(meta("nm.conn")["schema"]).is_valid
        assert check({"filename": "e.nmconnection", "settings": {**ETHERNET, "ipv6": {"method": "ignore"}}})
        assert not check({"filename": "e.nmconnection", "path": "/x", "settings": ETHERNET})


def test_guest_agent_of_a_distribution_has_its_own_file(load, tree, meta) -> None:
    options = {"config_scope": "distro", "config": {"InstanceSetup": {"host_key_types": ["rsa", "ecdsa"]}}}
    assert options["config_scope"] in meta("gcp.guest-agent.conf")["schema"]["properties"]["config_scope"]["enum"]
    load("gcp.guest-agent.conf").main(str(tree), options)
    assert os.listdir(tree / "etc/default") == ["instance_configs.cfg.distro"]
    assert (tree / "etc/default/instance_configs.cfg.distro").read_text() == "[InstanceSetup]\nhost_key_types = rsa, ecdsa"


def test_resolv_conf_has_one_search_line(load, tree) -> None:
    load("resolv-conf").main(str(tree), {"search": ["a.example.com", "b.example.com"], "nameserver": ["192.0.2.1", "2001:db8::1"]})
    assert (tree / "etc/resolv.conf").read_text().splitlines()[1:] == [
        "nameserver 192.0.2.1",
        "nameserver 2001:db8::1",
        "search a.example.com b.example.com",
    ]


@pytest.mark.parametrize("text", ["old\n", "[a\nx=1\n", "[a]\nx\n", "[a]\n x=1\nnothing\n"])
def test_what_is_no_ini_file_is_left_alone(load, tree, text) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/wsl.conf").write_text(text)
    with pytest.raises(ValueError, match="/etc/wsl.conf: line"):
        load("wsl.conf").main(str(tree), {"boot": {"systemd": True}})
    assert (tree / "etc/wsl.conf").read_text() == text


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("", {"a": {"x": "1", "y": "2"}, "b": {"z": "3"}}, "[a]\nx = 1\ny = 2\n\n[b]\nz = 3"),
        ("# top\n\n[a]\n# c1\nx=5\n# c2\n\n[c]\nq=1", {"a": {"x": "1", "y": "2"}}, "# top\n\n[a]\n# c1\nx=1\ny = 2\n# c2\n\n[c]\nq=1"),
        ("[a]\nX : 5  ; why\n", {"a": {"x": "1"}}, "[a]\nX : 1  ; why\n"),
        ("[a]\nx=5\n cont\n cont\nr=1\n", {"a": {"x": "2"}}, "[a]\nx=2\nr=1\n"),
        ("[a]\nq=5\n cont\n\n", {"a": {"x": "2"}}, "[a]\nq=5\n cont\nx = 2\n\n"),
        ("[a]\nx=1\nx=2\n[b]\n[a]\nr=1\n", {"a": {"x": "3", "n": "4"}}, "[a]\nx=1\nx=3\n[b]\n[a]\nr=1\nn = 4\n"),
        ("[A]\nx=1\n", {"a": {"x": "2"}}, "[A]\nx=1\n\n\n[a]\nx = 2"),
        ("[a]\n\n[b]\nz=1", {"a": {"q": "2"}}, "[a]\nq = 2\n\n[b]\nz=1"),
        ("[a]\r\nx = 5\r\n", {"a": {"x": "2"}}, "[a]\r\nx = 2\r\n"),
        ("[a]\n#x = 5\n", {"a": {"x": ""}}, "[a]\nx = \n#x = 5\n"),
    ],
)
def test_ini_files_keep_what_is_not_changed(before, wanted, after) -> None:
    assert ini.change(before, wanted) == after


def test_settings_are_replaced_wherever_they_stand() -> None:
    text = "# a = 1\na=1\n a = 2 # c\n\nb"
    assert settings.change(text, {"a": "3", "c": "4"}, " = ") == "# a = 1\na = 3\na = 3\n\nb\nc = 4\n"


@pytest.mark.parametrize("value", [*YAML_OTHERS, *YAML_SYNTAX, "é\x7f", "😀", ""])
def test_yaml_strings_stay_strings(value) -> None:
    data = {"k": value, "l": [value, {value: [None, 1.5, True]}], "d": {"e": {}, value: 1e30}}
    assert yaml.safe_load(yamltext.dump(data)) == data
