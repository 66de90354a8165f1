# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that configure daemons, the first boot and installers: wrong values, hostile links, spelling."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ENTRIES = [{"type": "g", "name": "x"}]
JOURNAL = {"filename": "a.conf", "config": {"Journal": {"Compress": "yes"}}}
LOGIN = {"filename": "a.conf", "config": {"Login": {"ReserveVT": 1}}}
UDEV = {"filename": "/etc/udev/rules.d/a.rules", "rules": [[{"key": "NAME", "op": "=", "val": "x"}]]}
TREEINFO = {"path": "/media/.treeinfo", "treeinfo": {"release": {"version": "13"}}}
STAMP = {"arch": "x86_64", "product": "P", "version": "1", "final": False}
# Stage, options, directory it writes to, file.
WRITERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("sysctld", {"filename": "a.conf", "config": [{"key": "a.b", "value": "1"}]}, "usr/lib/sysctl.d", "a.conf"),
    ("systemd-journald", JOURNAL, "usr/lib/systemd/journald.conf.d", "a.conf"),
    ("systemd-logind", LOGIN, "usr/lib/systemd/logind.conf.d", "a.conf"),
    ("systemd-sysusers.d", {"config": {"filename": "a.conf", "entries": ENTRIES}}, "usr/lib/sysusers.d", "a.conf"),
    ("systemd.preset", {"presets": [{"name": "a", "state": "enable"}]}, "usr/lib/systemd/system-preset", "50-osbuild.preset"),
    ("udev.rules", UDEV, "etc/udev/rules.d", "a.rules"),
    ("ignition", {}, "boot", "ignition.firstboot"),
    ("sysconfig", {"desktop": {"preferred": "gnome"}}, "etc/sysconfig", "desktop"),
    ("livesys", {"livesys_session": "gnome"}, "etc/sysconfig", "livesys"),
    ("treeinfo", TREEINFO, "media", ".treeinfo"),
    ("selinux.config", {"state": "permissive"}, "etc/selinux", "config"),
    ("debug-shell", {"tty": "ttyS0"}, "etc/systemd/system", "osbuild-debug-shell.service"),
]
# Those that take the whole arguments document.
WHOLE = ("systemd-sysusers.d", "ignition")


def call(load, name: str, tree: Path, options: dict[str, Any]) -> int:
    main = load(name).main
    if name in WHOLE:
        return main({"tree": str(tree), "options": options})
    return main(str(tree), options)


@pytest.mark.parametrize(("name", "options", "directory", "file"), WRITERS, ids=[row[0] for row in WRITERS])
def test_a_directory_that_is_a_link_stays_inside(load, tree, outside, name, options, directory, file) -> None:
    (tree / directory).parent.mkdir(parents=True, exist_ok=True)
    (tree / directory).symlink_to(outside)
    Path(f"{tree}{outside}").mkdir(parents=True)
    assert call(load, name, tree, options) == 0
    assert os.listdir(outside) == []
    assert Path(f"{tree}{outside}/{file}").is_file()


@pytest.mark.parametrize(("name", "options", "directory", "file"), WRITERS, ids=[row[0] for row in WRITERS])
def test_a_file_that_is_a_link_is_not_written_through(load, tree, outside, name, options, directory, file) -> None:
    (tree / directory).mkdir(parents=True)
    Path(f"{tree}{outside}").mkdir(parents=True)
    (outside / "f").write_text("keep")
    (tree / directory / file).symlink_to(outside / "f")
    assert call(load, name, tree, options) == 0
    assert (outside / "f").read_text() == "keep"
    assert (tree / directory / file).is_symlink() == (name in ("sysconfig", "livesys", "selinux.config"))


NEED_DIRECTORY = ("sysctld", "systemd-sysusers.d", "systemd.preset", "udev.rules", "ignition", "treeinfo")
MAKE_NO_DIRECTORY = [row for row in WRITERS if row[0] in NEED_DIRECTORY]


@pytest.mark.parametrize(("name", "options", "directory", "file"), MAKE_NO_DIRECTORY, ids=[row[0] for row in MAKE_NO_DIRECTORY])
def test_a_missing_directory_is_an_error(load, tree, name, options, directory, file) -> None:
    with pytest.raises(FileNotFoundError):
        call(load, name, tree, options)
    assert os.listdir(tree) == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sysctld", {"filename": "a.conf", "config": [{"key": "a\nb", "value": "1"}]}, r"config\[0\].key must be a single line"),
        ("sysctld", {"filename": "a.conf", "config": [{"key": "a", "value": "1\nb=2"}]}, r"config\[0\].value must be a single line"),
        ("systemd-journald", {"filename": "a.conf", "config": {"Journal": {"Compress": "1\nx"}}}, "config.Journal.Compress must be"),
        ("systemd-logind", {"filename": "../a.conf", "config": {"Login": {}}}, "filename must be a plain file name"),
        ("systemd-sysusers.d", {"config": {"filename": "../a.conf", "entries": ENTRIES}}, "config.filename must be a plain file name"),
        ("systemd-sysusers.d", {"config": {"filename": "a.conf", "entries": []}}, "'entries' is required"),
        ("systemd.preset", {"presets": [{"name": "a\nenable b", "state": "disable"}]}, r"presets\[0\].name must be a single line"),
        ("tuned", {"profiles": ["../a"]}, r"profiles\[0\] must be a plain file name"),
        ("tuned", {"profiles": ["a b"]}, r"profiles\[0\] must be one word"),
        ("ignition", {"network": ["ip=dhcp", "a'b"]}, r"network\[1\] must not contain '"),
        ("sysconfig", {"kernel": {"default_kernel": "a\nb"}}, "kernel.default_kernel must be a single line"),
        ("livesys", {"livesys_session": "a\nb"}, "livesys_session must be a single line"),
        ("treeinfo", {"path": "/a", "treeinfo": {"release": {"name": "a\nb"}}}, "treeinfo.release.name must be a single line"),
        ("treeinfo", {"path": "/a", "treeinfo": {"checksums": ["../../etc/passwd"]}}, "'../../etc/passwd' is not a file of the tree"),
        ("treeinfo", {"path": "/a", "treeinfo": {"other": "x"}}, "treeinfo.other must be an object"),
        ("debug-shell", {"tty": "/dev/../etc/x"}, "tty must be a terminal like"),
        ("debug-shell", {"tty": "ttyS0\nUser=x"}, "tty must be a terminal like"),
        ("greenboot", {"config": {"monitor_services": ["a b"]}}, r"config.monitor_services\[0\] must be one word"),
        ("greenboot", {"config": {"monitor_services": ["$(a)"]}}, r"config.monitor_services\[0\] must not contain"),
        ("greenboot", {"config": {}}, "the tree has no /etc/greenboot/greenboot.conf"),
    ],
)
def test_refused_before_anything_is_written(load, tree, name, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(load, name, tree, options)
    assert os.listdir(tree) == []


class TestSysusers:
    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"type": "m", "name": "a"}, "id must be the group to join for the type m"),
            ({"type": "r", "name": "-"}, "id must be the range of ids for the type r"),
            ({"type": "u", "name": "-"}, "name must be a name for the type u"),
            ({"type": "u", "name": "a", "uid": "5"}, "has the unknown field 'uid'"),
            ({"type": "u", "name": "a", "gecos": "x\nu b"}, r"config.entries\[0\].gecos must be a single line"),
            ({"type": "u", "name": "a", "id": 5}, "id must be a string, found 5"),
        ],
    )
    def test_entries_that_systemd_would_refuse(self, load, entry, message) -> None:
        with pytest.raises(ValueError, match=message):
            load("systemd-sysusers.d").line(0, entry)

    def test_fields_with_blanks_are_quoted(self, load) -> None:
        entry = {"type": "u", "name": "a", "home": "/srv/a b", "gecos": "A"}
        assert load("systemd-sysusers.d").line(0, entry) == 'u a - "A" "/srv/a b" -\n'

    @pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="needs systemd-sysusers")
    def test_systemd_creates_what_was_written(self, load, tree) -> None:
        (tree / "etc/sysusers.d").mkdir(parents=True)
        user = {"type": "u", "name": "app", "id": "450", "gecos": "The App", "home": "/srv/a b"}
        entries = [user, {"type": "g", "name": "grp", "id": "460"}]
        call(load, "systemd-sysusers.d", tree, {"config": {"filename": "a.conf", "path-prefix": "etc", "entries": entries}})
        assert load("systemd-sysusers").main(str(tree)) == 0
        assert (tree / "etc/passwd").read_text().startswith("app:x:450:450:The App:/srv/a b:")
        assert "grp:x:460:\n" in (tree / "etc/group").read_text()

    @pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="needs systemd-sysusers")
    def test_a_tree_that_can_hold_no_users_is_an_error(self, load, tree) -> None:
        (tree / "etc").touch()
        with pytest.raises(subprocess.CalledProcessError):
            load("systemd-sysusers").main(str(tree))


class TestTuned:
    @pytest.mark.parametrize("directory", ["etc/tuned", "etc/tuned/profiles", "usr/lib/tuned", "usr/lib/tuned/profiles"])
    def test_profiles_of_old_and_new_releases(self, load, tree, directory) -> None:
        (tree / "etc/tuned").mkdir(parents=True)
        (tree / directory / "mine").mkdir(parents=True)
        (tree / directory / "mine/tuned.conf").touch()
        call(load, "tuned", tree, {"profiles": ["mine"]})
        assert (tree / "etc/tuned/active_profile").read_text() == "mine\n"
        assert (tree / "etc/tuned/profile_mode").read_text() == "manual\n"

    def test_a_directory_without_configuration_is_no_profile(self, load, tree, outside) -> None:
        (tree / "usr/lib/tuned/a").mkdir(parents=True)
        (outside / "tuned.conf").touch()
        (tree / "usr/lib/tuned/b").symlink_to(outside)
        for name in ("a", "b"):
            with pytest.raises(ValueError, match=f"TuneD profile '{name}' does not exist"):
                call(load, "tuned", tree, {"profiles": [name]})
        assert not (tree / "etc").exists()


class TestUdev:
    @pytest.mark.parametrize(
        ("item", "text"),
        [
            ({"key": {"name": "NAME"}, "op": "=", "val": 'a"b'}, 'NAME="a\\"b"'),
            ({"key": "NAME", "op": "=", "val": 'a\\"b'}, 'NAME="a\\"b"'),
            ({"key": {"name": "ENV", "arg": "X"}, "op": ":=", "val": ""}, 'ENV{X}:=""'),
        ],
    )
    def test_clauses(self, load, item, text) -> None:
        assert load("udev.rules").clause("rules[0][0]", item) == text

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            ({"key": "NAME", "op": "=", "val": "a\nb"}, r"rules\[0\]\[0\].val must be a single line"),
            ({"key": "NAME", "op": "=", "val": "a\\"}, r"rules\[0\]\[0\].val must not end with a backslash"),
            ({"key": {"name": "ENV", "arg": "X}"}, "op": "=", "val": ""}, r"rules\[0\]\[0\].key.arg must not contain"),
        ],
    )
    def test_what_would_end_a_clause_is_refused(self, load, tree, item, message) -> None:
        with pytest.raises(ValueError, match=message):
            call(load, "udev.rules", tree, {"filename": "/a.rules", "rules": [[item]]})
        assert os.listdir(tree) == []

    def test_a_comment_stays_a_comment(self, load, tree) -> None:
        with pytest.raises(ValueError, match=r"rules\[0\].comment must be a single line"):
            call(load, "udev.rules", tree, {"filename": "/a.rules", "rules": [{"comment": ["a\nNAME=x"]}]})


def test_ignition_knows_only_mounts_it_has(load, tree) -> None:
    with pytest.raises(ValueError, match="Unknown mount 'boot'"):
        call(load, "ignition", tree, {"target": "mount://boot/"})


def test_sysconfig_keeps_other_lines(load, tree) -> None:
    (tree / "etc/sysconfig").mkdir(parents=True)
    (tree / "etc/sysconfig/network").write_text("# mine\nHOSTNAME=a\nNETWORKING=no")
    interface = {"device": "eth0", "bootproto": "dhcp", "onboot": True, "type": "Ethernet", "ipv6init": False}
    options = {"network": {"networking": True, "no_zero_conf": True}, "network-scripts": {"ifcfg": {"eth0": interface}}, "kernel": {}}
    call(load, "sysconfig", tree, options)
    assert (tree / "etc/sysconfig/network").read_text() == "# mine\nHOSTNAME=a\nNETWORKING=yes\nNOZEROCONF=yes\n"
    lines = (tree / "etc/sysconfig/network-scripts/ifcfg-eth0").read_text().splitlines()
    assert lines == ["DEVICE=eth0", "BOOTPROTO=dhcp", "ONBOOT=yes", "TYPE=Ethernet", "IPV6INIT=no"]
    assert not (tree / "etc/sysconfig/kernel").exists()


def test_greenboot_changes_only_its_setting(load, tree) -> None:
    (tree / "etc/greenboot").mkdir(parents=True)
    path = tree / "etc/greenboot/greenboot.conf"
    path.write_text('A=1\nGREENBOOT_MONITOR_SERVICES="old"\n')
    call(load, "greenboot", tree, {"config": {}})
    assert path.read_text() == 'A=1\nGREENBOOT_MONITOR_SERVICES="old"\n'
    call(load, "greenboot", tree, {"config": {"monitor_services": ["ssh", "cron"]}})
    assert path.read_text() == 'A=1\nGREENBOOT_MONITOR_SERVICES="ssh cron"\n'
    assert os.listdir(tree / "etc/greenboot") == ["greenboot.conf"]


class TestInstallerFiles:
    def test_buildstamp(self, load, tree) -> None:
        load("buildstamp").main(str(tree), {**STAMP, "variant": "V", "bugurl": "https://example.com"}, 86400 * 365)
        assert (tree / ".buildstamp").read_text() == (
            "[Main]\nproduct = P\nversion = 1\nisfinal = False\nuuid = 197101010000.x86_64\nvariant = V\n"
            "bugurl = https://example.com\n\n[Compose]\nosbuild = devel\n\n"
        )

    def test_discinfo(self, load, tree) -> None:
        load("discinfo").main(str(tree), {"release": "r", "basearch": "x86_64"}, 5)
        assert (tree / ".discinfo").read_text() == "5.0000000\nr\nx86_64\n"

    def test_without_an_epoch_it_is_now(self, load, tree, monkeypatch) -> None:
        monkeypatch.setattr("time.time", lambda: 1234567890.25)
        load("discinfo").main(str(tree), {"release": "r", "basearch": "x86_64"}, None)
        assert (tree / ".discinfo").read_text().startswith("1234567890.2500000\n")

    @pytest.mark.parametrize(
        ("name", "file", "options"),
        [("buildstamp", ".buildstamp", {**STAMP, "product": "P\nx"}), ("discinfo", ".discinfo", {"release": "r\n", "basearch": "x"})],
    )
    def test_values_are_single_lines_and_links_are_replaced(self, load, tree, outside, name, file, options) -> None:
        with pytest.raises(ValueError, match="must be a single line"):
            load(name).main(str(tree), options, 0)
        assert os.listdir(tree) == []
        (tree / file).symlink_to(outside / "f")
        load(name).main(str(tree), {**STAMP, "release": "r", "basearch": "x"}, 0)
        assert os.listdir(outside) == []
        assert not (tree / file).is_symlink()

    def test_treeinfo(self, load, tree) -> None:
        (tree / "Boot.iso").write_bytes(b"x")
        sections = {
            "checksums": ["Boot.iso"],
            "general": {"platforms": ["x86_64", "xen"], "timestamp": 1417653911.0, "arch": "x86_64"},
            "images-x86_64": {"kernel": "vmlinuz"},
        }
        call(load, "treeinfo", tree, {"path": "/.treeinfo", "treeinfo": sections})
        digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        assert (tree / ".treeinfo").read_text() == (
            f"[checksums]\nBoot.iso = sha256:{digest}\n\n"
            "[general]\nplatforms = x86_64,xen\ntimestamp = 1417653911\narch = x86_64\n\n[images-x86_64]\nkernel = vmlinuz\n\n"
        )

    def test_treeinfo_sums_no_file_outside(self, load, tree, outside) -> None:
        (outside / "secret").write_text("x")
        (tree / "a").symlink_to(outside / "secret")
        with pytest.raises(ValueError, match="treeinfo.checksums: 'a' is not a file of the tree"):
            call(load, "treeinfo", tree, {"path": "/.treeinfo", "treeinfo": {"checksums": ["a"]}})


class TestFdo:
    def test_copies_the_certificates(self, load, tree, outside) -> None:
        (outside / "certs").write_text("pem")
        (tree / "fdo_diun_pub_key_root_certs.pem").symlink_to(outside / "other")
        given = {"rootcerts": {"path": str(outside), "data": {"files": {"certs": {}}}}}
        assert load("fdo").main(str(tree), given) == 0
        assert (tree / "fdo_diun_pub_key_root_certs.pem").read_text() == "pem"
        assert os.listdir(outside) == ["certs"]

    def test_needs_one_file(self, load, tree) -> None:
        with pytest.raises(ValueError, match="inputs.rootcerts is missing"):
            load("fdo").main(str(tree), {})
        with pytest.raises(ValueError, match="inputs.rootcerts must hold exactly one file, found 0"):
            load("fdo").main(str(tree), {"rootcerts": {"path": "/", "data": {"files": {}}}})
        assert os.listdir(tree) == []


class TestDebugShell:
    def test_starts_at_boot_and_can_be_set_again(self, load, tree) -> None:
        for tty in ("/dev/tty9", "ttyS1"):
            call(load, "debug-shell", tree, {"tty": tty})
        units = tree / "etc/systemd/system"
        text = (units / "osbuild-debug-shell.service").read_text()
        assert "TTYPath=/dev/ttyS1\n" in text
        assert "tty9" not in text
        link = units / "sysinit.target.wants/osbuild-debug-shell.service"
        assert os.readlink(link) == "/etc/systemd/system/osbuild-debug-shell.service"

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
    def test_systemd_understands_it(self, load, tree) -> None:
        call(load, "debug-shell", tree, {"tty": "ttyS0"})
        command = ["systemd-analyze", "verify", "--man=no", str(tree / "etc/systemd/system/osbuild-debug-shell.service")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "osbuild-debug-shell.service:" not in result.stderr
