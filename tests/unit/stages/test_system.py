# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host name, locale, keyboard, time zone, machine id, fstab, command line, units: wrong values and odd trees."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.forge import envfile, unitfile

FOREIGN_NAMES = ["", "bad_host", "-a", "a-", "a..b", ".a", "ä", "a b", "a\n", "x" * 65]


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_hostname_refuses_what_is_no_host_name(load, tree, name) -> None:
    with pytest.raises(ValueError, match="hostname must be labels of letters"):
        load("hostname").main(str(tree), {"hostname": name})
    assert os.listdir(tree) == []


def test_hostname_does_not_write_through_a_link(load, tree, outside) -> None:
    (tree / "etc").mkdir()
    (outside / "f").write_text("keep")
    (tree / "etc/hostname").symlink_to(outside / "f")
    load("hostname").main(str(tree), {"hostname": "Box.example.com."})
    assert (tree / "etc/hostname").read_text() == "Box.example.com\n"
    assert (outside / "f").read_text() == "keep"


@pytest.mark.parametrize("value", ["", "a/b", "..", 'a"b', "a\nLANGUAGE=x", "a" * 128])
def test_locale_and_keymap_refuse_what_is_no_name(load, tree, value) -> None:
    with pytest.raises(ValueError, match="language must"):
        load("locale").main(str(tree), {"language": value})
    with pytest.raises(ValueError, match="keymap must"):
        load("keymap").main(str(tree), {"keymap": value})
    with pytest.raises(ValueError, match="font must"):
        load("keymap").main(str(tree), {"keymap": "us", "font": value})
    assert os.listdir(tree) == []


def test_locale_writes_where_debian_13_links_to(load, tree) -> None:
    (tree / "etc/default").mkdir(parents=True)
    (tree / "etc/locale.conf").write_text("LANG=old\n")
    (tree / "etc/default/locale").symlink_to("../locale.conf")
    load("locale").main(str(tree), {"language": "C.UTF-8"})
    assert (tree / "etc/default/locale").read_text() == "LANG=C.UTF-8\n"
    assert (tree / "etc/default/locale").is_symlink()


def test_keymap_refuses_layouts_that_end_the_string(load, tree) -> None:
    with pytest.raises(ValueError, match="x11-keymap.layouts must not contain quotes"):
        load("keymap").main(str(tree), {"keymap": "us", "x11-keymap": {"layouts": ['us"\nx']}})
    assert os.listdir(tree) == []


def test_values_are_quoted_for_the_shell() -> None:
    assert envfile.quote("de_DE.UTF-8") == "de_DE.UTF-8"
    assert envfile.quote('a b$"') == '"a b\\$\\""'


@pytest.mark.parametrize("zone", ["", "/etc/passwd", "../../etc/passwd", "Europe//Berlin", "Mars/Olympus", "Europe"])
def test_timezone_refuses_what_is_no_zone(load, tree, zone) -> None:
    with pytest.raises(ValueError, match="zone"):
        load("timezone").main(str(tree), {"zone": zone})
    assert os.listdir(tree) == []


def test_timezone_takes_a_zone_only_the_tree_has(load, tree) -> None:
    (tree / "usr/share/zoneinfo/Mars").mkdir(parents=True)
    (tree / "usr/share/zoneinfo/Mars/Olympus").write_bytes(b"TZif2")
    load("timezone").main(str(tree), {"zone": "Mars/Olympus"})
    assert os.readlink(tree / "etc/localtime") == "../usr/share/zoneinfo/Mars/Olympus"


def test_machine_id_is_written_where_the_tree_links_to(load, tree, outside) -> None:
    (tree / "etc").mkdir()
    (outside / "id").write_text("keep")
    (tree / "etc/machine-id").symlink_to(outside / "id")
    Path(f"{tree}{outside}").mkdir(parents=True)
    load("machine-id").main(str(tree), {"first-boot": "yes"})
    assert (outside / "id").read_text() == "keep"
    assert Path(f"{tree}{outside}/id").read_text() == "uninitialized\n"


def test_machine_id_to_preserve_must_be_there(load, tree, capsys) -> None:
    assert load("machine-id").main(tree, {"first-boot": "preserve"}) == 1
    assert capsys.readouterr().out == f"{tree}/etc/machine-id cannot be preserved, it does not exist\n"


class TestFstab:
    def test_writes_all_fields_and_escapes_blanks(self, load, tree) -> None:
        (tree / "etc").mkdir()
        filesystems = [
            {"label": "my disk", "path": "/srv/a b", "vfs_type": "ext4", "options": "ro", "freq": 1.0, "passno": 2},
            {"device": "/dev/vdb", "path": "none"},
            {"partlabel": "x", "path": "/x"},
        ]
        load("fstab").main(str(tree), {"filesystems": filesystems})
        assert (tree / "etc/fstab").read_text().splitlines() == [
            "LABEL=my\\040disk\t/srv/a\\040b\text4\tro\t1\t2",
            "/dev/vdb\tnone\tnone\tdefaults\t0\t0",
            "PARTLABEL=x\t/x\tnone\tdefaults\t0\t0",
        ]

    @pytest.mark.skipif(not shutil.which("ostree"), reason="needs ostree")
    @pytest.mark.parametrize("chosen", [{"default": True}, {"osname": "debian", "ref": "debian/13"}])
    def test_writes_into_a_deployment(self, load, tree, chosen) -> None:
        repo = f"--repo={tree}/ostree/repo"
        (tree / "ostree").mkdir()
        (tree / "content").mkdir()
        subprocess.run(["ostree", "init", repo, "--mode=bare-user-only"], check=True)
        command = ["ostree", "commit", repo, "--branch=debian/13", f"{tree}/content"]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        etc = tree / "ostree/deploy/debian/deploy" / f"{commit}.0" / "etc"
        etc.mkdir(parents=True)
        options = {"filesystems": [{"uuid": "u", "path": "/"}], "ostree": {"deployment": chosen}}
        load("fstab").main(str(tree), options)
        assert (etc / "fstab").read_text() == "UUID=u\t/\tnone\tdefaults\t0\t0\n"

    @pytest.mark.skipif(not shutil.which("ostree"), reason="needs ostree")
    def test_a_missing_deployment_is_an_error(self, load, tree) -> None:
        for chosen, message in (
            ({"osname": "a", "ref": "b"}, "opening repo"),
            ({"default": True}, "not find deployment"),
        ):
            with pytest.raises((RuntimeError, ValueError), match=message):
                load("fstab").main(str(tree), {"filesystems": [], "ostree": {"deployment": chosen}})

    def test_a_tree_without_etc_fails(self, load, tree) -> None:
        with pytest.raises(FileNotFoundError):
            load("fstab").main(str(tree), {"filesystems": []})


@pytest.mark.parametrize(
    ("machine", "limit"), [("x86_64", 2048), ("aarch64", 2048), ("s390x", 4096), ("riscv64", 1024)]
)
def test_kernel_cmdline_is_as_long_as_the_kernel_takes(load, tree, monkeypatch, machine, limit) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    main = load("kernel-cmdline").main
    main(str(tree), {"kernel_opts": "a" * limit})
    with pytest.raises(ValueError, match=f"cannot be larger than {limit}"):
        main(str(tree), {"kernel_opts": "a" * (limit + 1)})
    assert len((tree / "etc/kernel/cmdline").read_text()) == limit


class TestUnits:
    def test_lists_and_assignments(self) -> None:
        config = {"Service": {"Environment": [{"key": "A", "value": "b c"}], "ExecStart": ["/x", "/y"]}, "Install": {}}
        assert unitfile.render(config) == '[Service]\nEnvironment="A=b c"\nExecStart=/x\nExecStart=/y\n\n[Install]\n\n'

    def test_a_masked_unit_is_replaced(self, load, tree) -> None:
        (tree / "etc/systemd/system").mkdir(parents=True)
        unit = tree / "etc/systemd/system/a.service"
        unit.symlink_to("/dev/null")
        options = {"filename": "a.service", "unit-path": "etc", "config": {"Unit": {}, "Service": {}, "Install": {}}}
        load("systemd.unit.create").main(str(tree), options)
        assert not unit.is_symlink()
        assert unit.read_text().startswith("[Unit]")

    @pytest.mark.parametrize("name", ["../x", "", "..", "a/b"])
    def test_a_generator_is_a_plain_name(self, load, tree, name) -> None:
        with pytest.raises(ValueError, match="masked_generators must be plain file names"):
            load("systemd").main(str(tree), {"masked_generators": ["ok", name]})
        assert os.listdir(tree) == []

    def test_masking_a_generator_twice_is_fine(self, load, tree) -> None:
        for _ignored in range(2):
            load("systemd").main(str(tree), {"masked_generators": ["x"]})
        assert os.readlink(tree / "etc/systemd/system-generators/x") == "/dev/null"

    def test_first_boot_refuses_a_command_that_adds_settings(self, load, tree) -> None:
        with pytest.raises(ValueError, match="commands must be single lines"):
            load("first-boot").main(str(tree), {"commands": ["/bin/true\nUser=nobody"]})
        assert os.listdir(tree) == []

    def test_first_boot_can_run_again_on_the_same_tree(self, load, tree) -> None:
        for command in ("/a", "/b"):
            load("first-boot").main(str(tree), {"commands": [command]})
        unit = tree / "usr/lib/systemd/system/osbuild-first-boot.service"
        assert unit.read_text().endswith("ExecStart=/b\n")

    def test_the_self_test_starts_at_boot(self, load, tree) -> None:
        (tree / "etc/systemd/system").mkdir(parents=True)
        load("test").main(str(tree), "/usr/bin/true --all")
        unit = tree / "etc/systemd/system/osbuild-test.service"
        assert "ExecStart=/usr/bin/true --all\n" in unit.read_text()
        assert (
            os.readlink(tree / "etc/systemd/system/multi-user.target.wants/osbuild-test.service")
            == f"/{unit.relative_to(tree)}"
        )

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
    def test_systemd_understands_the_self_test(self, load, tree) -> None:
        (tree / "etc/systemd/system").mkdir(parents=True)
        load("test").main(str(tree), "/usr/bin/true --all")
        unit = tree / "etc/systemd/system/osbuild-test.service"
        command = ["systemd-analyze", "verify", "--man=no", str(unit)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "osbuild-test.service:" not in result.stderr


class TestSshd:
    def test_settings_are_found_in_any_spelling(self, load, tree) -> None:
        (tree / "etc/ssh").mkdir(parents=True)
        path = tree / "etc/ssh/sshd_config"
        path.write_text("passwordauthentication yes\n#PermitRootLogin no\n")
        load("sshd.config").main(str(tree), {"config": {"PasswordAuthentication": False, "PermitRootLogin": True}})
        assert path.read_text() == "PasswordAuthentication no\n#PermitRootLogin no\nPermitRootLogin yes\n"


def test_tmpfiles_lines_have_dashes_up_to_the_last_field(load) -> None:
    line = load("tmpfilesd").line
    assert line({"type": "d", "path": "/x"}) == "d /x\n"
    assert line({"type": "L", "path": "/x", "argument": "/y z"}) == "L /x - - - - /y z\n"
