# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall, consoles, host keys, hosts, service policy, growing, cleaning."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Runner, last_line, succeeded

Stage = Callable[..., subprocess.CompletedProcess[str]]
UNITS = {
    "nftables.service": "[Install]\nWantedBy=sysinit.target\n", "serial-getty@.service": "[Install]\nWantedBy=getty.target\n",
    "systemd-repart.service": "[Unit]\n",
}
FILES = (
    "usr/sbin/nft", "usr/bin/ssh-keygen", "usr/lib/systemd/systemd-growfs", "usr/bin/systemd-repart", "usr/bin/findmnt",
    "usr/bin/partx", "usr/sbin/sfdisk",
)


@pytest.fixture
def stage(run_stage: Runner, tree: Path) -> Stage:
    return lambda name, **options: run_stage(
        f"debian.{name}", tree, None, {key.replace("_", "-"): value for key, value in options.items()}
    )


@pytest.fixture
def system(tree: Path) -> Path:
    """What the stages look for in a tree; none of it runs."""
    for path in FILES:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    (tree / "usr/lib/systemd/system").mkdir()
    for name, text in UNITS.items():
        (tree / "usr/lib/systemd/system" / name).write_text(text)
    (tree / "etc/ssh").mkdir(parents=True)
    return tree


def links(tree: Path) -> dict[str, str]:
    folder = tree / "etc/systemd/system"
    return {str(path.relative_to(folder)): os.readlink(path) for path in sorted(folder.rglob("*")) if path.is_symlink()}


class TestNftables:
    def test_a_firewall_becomes_a_ruleset_that_is_loaded_at_boot(self, stage: Stage, system: Path) -> None:
        (system / "etc/services").write_text("domain 53/tcp\ndomain 53/udp\nimaps 993/tcp secure-imap # x\n")
        succeeded(stage(
            "nftables", check="off",
            firewall={"services": ["ssh", "secure-imap", "dhcpv6-client"], "log": True,
                      "ports": [{"port": "8000-8010", "protocol": "udp", "from": ["192.0.2.0/24", "2001:db8::/32"]}]},
        ))
        path = system / "etc/nftables.conf"
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
        text = path.read_text()
        assert text.startswith("#!/usr/sbin/nft -f\n\nflush ruleset\n")
        for rule in ("tcp dport 22 accept", "tcp dport 993 accept", "ip6 saddr fe80::/10 udp dport 546 accept",
                     "ip saddr 192.0.2.0/24 udp dport 8000-8010 accept", "ip6 saddr 2001:db8::/32 udp dport 8000-8010 accept"):
            assert f"\t\t{rule}\n" in text
        assert links(system) == {"sysinit.target.wants/nftables.service": "/usr/lib/systemd/system/nftables.service"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "exactly one of ruleset and firewall"),
            ({"ruleset": "x", "firewall": {}}, "exactly one of ruleset and firewall"),
            ({"firewall": {"services": ["nothere"]}}, "option firewall.services names 'nothere'"),
            ({"firewall": {"ports": [{"port": 70000}]}}, "option firewall.ports[0].port is 70000"),
            ({"firewall": {"ports": [{"port": "9-1"}]}}, "option firewall.ports[0].port is '9-1'"),
            ({"firewall": {"ports": [{"port": 1, "from": ["x; accept"]}]}}, "option firewall.ports[0].from is 'x; accept'"),
        ],
    )
    def test_wrong_options_are_refused(self, stage: Stage, system: Path, options: Any, message: str) -> None:
        assert message in last_line(stage("nftables", check="off", **options))
        assert not (system / "etc/nftables.conf").exists()

    def test_a_tree_without_nftables_is_refused(self, stage: Stage, tree: Path) -> None:
        assert "package nftables is missing" in last_line(stage("nftables", ruleset="flush ruleset"))

    @pytest.mark.root
    @pytest.mark.parametrize(
        ("script", "check", "message"),
        [
            ("exit 0", "require", None),
            ("echo '/run/forge/nftables.conf:3:1-2: Error: syntax error'; exit 1", "auto", "nft refuses the ruleset"),
            ("echo 'netlink: Error: cache initialization failed: Operation not permitted'; exit 1", "auto", None),
            ("echo 'netlink: Error: cache initialization failed: Operation not permitted'; exit 1", "require", "cannot be checked"),
        ],
    )
    def test_the_trees_nft_is_asked(
        self, stage: Stage, bootstrap: Callable[..., Any], tree: Path, script: str, check: str, message: str | None
    ) -> None:
        succeeded(bootstrap())
        (tree / "usr/sbin/nft").write_text(f"#!/bin/sh\n{script}\n")
        (tree / "usr/sbin/nft").chmod(0o755)
        result = stage("nftables", ruleset="flush ruleset", check=check, enable=False)
        if message is None:
            succeeded(result)
            assert (tree / "etc/nftables.conf").read_text() == "#!/usr/sbin/nft -f\n\nflush ruleset\n"
        else:
            assert message in last_line(result)
            assert not (tree / "etc/nftables.conf").exists()


class TestConsole:
    def test_font_keyboard_and_serial_lines(self, stage: Stage, system: Path) -> None:
        succeeded(stage("console", fontsize="16x32", keyboard={"layout": "de"},
                        serial=[{"device": "ttyS0"}, {"device": "ttyS1", "speed": 9600, "autologin": "root"}]))
        assert 'FONTSIZE="16x32"\n' in (system / "etc/default/console-setup").read_text()
        assert 'XKBLAYOUT="de"\n' in (system / "etc/default/keyboard").read_text()
        assert links(system) == {
            f"getty.target.wants/serial-getty@ttyS{number}.service": "/usr/lib/systemd/system/serial-getty@.service"
            for number in (0, 1)
        }
        drop_in = system / "etc/systemd/system/serial-getty@ttyS1.service.d/50-console.conf"
        assert drop_in.read_text() == (
            "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noreset --noclear --keep-baud 9600 - ${TERM}\n"
        )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"fontface": 'x"\nY="'}, "option fontface is"),
            ({"keyboard": {"layout": "de;x"}}, "option keyboard.layout must be names"),
            ({"serial": [{"device": "../x"}]}, "option serial.device is '../x'"),
            ({"serial": [{"device": "ttyS0", "autologin": "a b"}]}, "option serial.autologin is 'a b'"),
        ],
    )
    def test_wrong_options_are_refused(self, stage: Stage, system: Path, options: Any, message: str) -> None:
        assert message in last_line(stage("console", **options))
        assert not (system / "etc/default").exists()

    def test_a_tree_without_systemd_has_no_serial_login(self, stage: Stage, tree: Path) -> None:
        assert "the tree has no unit serial-getty@ttyS0.service" in last_line(stage("console", serial=[{"device": "ttyS0"}]))


class TestHostKeys:
    @pytest.fixture
    def keys(self, system: Path) -> Path:
        folder = system / "etc/ssh"
        for name in ("ssh_host_rsa_key", "ssh_host_rsa_key.pub", "ssh_host_ed25519_key", "sshd_config"):
            (folder / name).touch(0o644)
        return folder

    def test_each_machine_makes_its_own(self, stage: Stage, system: Path, keys: Path) -> None:
        succeeded(stage("ssh-host-keys"))
        assert os.listdir(keys) == ["sshd_config"]
        text = (system / "etc/systemd/system/ssh-host-keys.service").read_text()
        assert "ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key\n" in text
        assert "ExecStart=/usr/bin/ssh-keygen -A\n" in text
        target = "/etc/systemd/system/ssh-host-keys.service"
        assert links(system) == {f"{name}.wants/ssh-host-keys.service": target
                                 for name in ("multi-user.target", "ssh.service", "ssh.socket")}

    def test_types_are_made_one_by_one(self, stage: Stage, system: Path, keys: Path) -> None:
        succeeded(stage("ssh-host-keys", types=["ed25519"]))
        text = (system / "etc/systemd/system/ssh-host-keys.service").read_text()
        assert "ConditionPathExists=|!/etc/ssh/ssh_host_ed25519_key\n" in text
        assert 'ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key;' in text

    def test_keys_are_kept_or_only_removed(self, stage: Stage, system: Path, keys: Path) -> None:
        succeeded(stage("ssh-host-keys", policy="keep"))
        assert stat.S_IMODE((keys / "ssh_host_rsa_key").stat().st_mode) == 0o600
        assert stat.S_IMODE((keys / "ssh_host_rsa_key.pub").stat().st_mode) == 0o644
        succeeded(stage("ssh-host-keys", policy="remove"))
        assert os.listdir(keys) == ["sshd_config"]
        assert "the tree has no host keys" in last_line(stage("ssh-host-keys", policy="keep"))
        assert not (system / "etc/systemd").exists()

    def test_what_cannot_be_is_refused(self, stage: Stage, system: Path, keys: Path) -> None:
        assert "option types is for policy first-boot" in last_line(stage("ssh-host-keys", policy="remove", types=["rsa"]))
        (system / "usr/bin/ssh-keygen").unlink()
        assert "package openssh-server is missing" in last_line(stage("ssh-host-keys"))
        assert len(os.listdir(keys)) == 4

    def test_a_link_is_removed_and_not_its_target(self, stage: Stage, system: Path, keys: Path, tmp_path: Path) -> None:
        (tmp_path / "key").touch()
        (keys / "ssh_host_ecdsa_key").symlink_to(tmp_path / "key")
        succeeded(stage("ssh-host-keys", policy="remove"))
        assert (tmp_path / "key").exists()
        assert os.listdir(keys) == ["sshd_config"]


class TestHosts:
    def test_the_own_name_comes_from_the_tree(self, stage: Stage, tree: Path) -> None:
        (tree / "etc").mkdir()
        (tree / "etc/hostname").write_text("server\n")
        succeeded(stage("hosts", domain="example.com", entries=[{"address": "192.0.2.1", "names": ["db.example.com", "db"]}]))
        assert (tree / "etc/hosts").read_text() == (
            "127.0.0.1\tlocalhost\n127.0.1.1\tserver.example.com server\n\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n192.0.2.1\tdb.example.com db\n"
        )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"hostname": "a b"}, "the host name is 'a b'"),
            ({"hostname": "a", "domain": "b\nc"}, "option domain is"),
            ({"entries": [{"address": "x", "names": ["a"]}]}, "option entries[0].address is 'x'"),
            ({"entries": [{"address": "::1", "names": ["a#"]}]}, "option entries[0].names is 'a#'"),
        ],
    )
    def test_wrong_options_are_refused(self, stage: Stage, tree: Path, options: Any, message: str) -> None:
        assert message in last_line(stage("hosts", **options))
        assert list(tree.iterdir()) == []


class TestPolicy:
    def test_services_are_told_apart(self, stage: Stage, tree: Path) -> None:
        succeeded(stage("policy-rc.d", policy="deny", services={"ssh": "allow"}))
        path = tree / "usr/sbin/policy-rc.d"
        for service, status in (("ssh", 104), ("cron", 101)):
            assert subprocess.run([str(path), service, "start"], check=False).returncode == status
        succeeded(stage("policy-rc.d", policy="remove"))
        assert not path.exists()
        succeeded(stage("policy-rc.d", policy="remove"))

    def test_wrong_options_are_refused(self, stage: Stage, tree: Path) -> None:
        assert "which is no service's name" in last_line(stage("policy-rc.d", policy="deny", services={"a) x": "deny"}))
        assert "with remove there is no policy" in last_line(stage("policy-rc.d", policy="remove", services={"a": "deny"}))
        assert list(tree.iterdir()) == []


class TestGrowroot:
    def test_systemd_repart_where_the_tree_has_it(self, stage: Stage, system: Path) -> None:
        succeeded(stage("growroot"))
        assert (system / "etc/repart.d/50-root.conf").read_text().endswith("[Partition]\nType=root\n")
        assert links(system) == {
            "sysinit.target.wants/grow-root-filesystem.service": "/etc/systemd/system/grow-root-filesystem.service"
        }
        unit = (system / "etc/systemd/system/grow-root-filesystem.service").read_text()
        assert "ExecStart=/usr/lib/systemd/systemd-growfs /\n" in unit

    def test_a_script_elsewhere(self, stage: Stage, system: Path) -> None:
        (system / "usr/bin/systemd-repart").unlink()
        succeeded(stage("growroot", mount_point="/sysroot"))
        script = system / "usr/libexec/grow-root-partition"
        assert stat.S_IMODE(script.stat().st_mode) == 0o755
        assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", str(script)], check=True)
        assert set(links(system)) == {"sysinit.target.wants/grow-root-partition.service",
                                      "sysinit.target.wants/grow-root-filesystem.service"}
        text = (system / "etc/systemd/system/grow-root-filesystem.service").read_text()
        assert "RequiresMountsFor=/sysroot\n" in text and "systemd-growfs /sysroot\n" in text

    @pytest.mark.parametrize(
        ("lacking", "options", "message"),
        [
            (["usr/bin/systemd-repart"], {"method": "repart"}, "option method is 'repart', but the tree has no"),
            (["usr/bin/systemd-repart", "usr/sbin/sfdisk"], {}, "neither systemd-repart nor /usr/sbin/sfdisk"),
            (["usr/lib/systemd/systemd-growfs"], {}, "package systemd is missing"),
            ([], {"mount_point": "/a/../b"}, "option mount-point is '/a/../b'"),
            ([], {"partition_type": "x\ny"}, "option partition-type is"),
            ([], {"partition_type": "home", "method": "script"}, "option partition-type is for method repart"),
        ],
    )
    def test_what_cannot_grow_is_refused(
        self, stage: Stage, system: Path, lacking: list[str], options: Any, message: str
    ) -> None:
        for path in lacking:
            (system / path).unlink()
        assert message in last_line(stage("growroot", **options))
        assert not (system / "etc/systemd").exists()
        assert not (system / "etc/repart.d").exists()


@pytest.mark.root
class TestCleanup:
    @pytest.fixture
    def used(self, tree: Path) -> Path:
        for path in (
            "var/log/apt/history.log", "var/log/wtmp", "var/log/journal/abc/system.journal", "var/lib/apt/lists/x_Packages",
            "var/lib/apt/lists/partial/y", "var/cache/apt/pkgcache.bin", "var/cache/apt/archives/a.deb", "etc/passwd-", "etc/passwd",
            "etc/a/b.conf.dpkg-old", "var/lib/systemd/random-seed", "tmp/.x/y", "root/.bash_history", "etc/ssh/ssh_host_rsa_key",
            "usr/share/doc/a/copyright", "usr/share/doc/a/README", "usr/share/doc/b/README", "usr/share/man/man1/a.1",
            "usr/share/man/de/man1/a.1", "usr/share/locale/de/x.mo", "usr/share/locale/de_AT/x.mo", "usr/share/locale/fr/x.mo",
            "usr/share/locale/locale.alias", "usr/lib/python3/__pycache__/a.pyc", "etc/machine-id", "var/lib/dbus/machine-id",
        ):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text("content")
        return tree

    @staticmethod
    def files(tree: Path) -> set[str]:
        return {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}

    def test_by_default_nothing_a_user_would_miss(self, stage: Stage, used: Path) -> None:
        succeeded(stage("cleanup"))
        assert self.files(used) == {
            "var/log/wtmp", "etc/passwd", "etc/ssh/ssh_host_rsa_key", "usr/share/doc/a/copyright", "usr/share/doc/a/README",
            "usr/share/doc/b/README", "usr/share/man/man1/a.1", "usr/share/man/de/man1/a.1", "usr/share/locale/de/x.mo",
            "usr/share/locale/de_AT/x.mo", "usr/share/locale/fr/x.mo", "usr/share/locale/locale.alias",
            "usr/lib/python3/__pycache__/a.pyc", "etc/machine-id",
        }
        assert (used / "etc/machine-id").read_text() == (used / "var/log/wtmp").read_text() == ""
        for path in ("var/log/apt", "var/lib/apt/lists/partial", "tmp"):
            assert (used / path).is_dir()

    def test_more_where_asked(self, stage: Stage, used: Path) -> None:
        before = self.files(used)
        off = dict.fromkeys(("logs", "caches", "apt-lists", "backups", "seeds", "temporary-files", "state", "machine-id"), False)
        succeeded(stage("cleanup", **off, docs=True, bytecode=True, **{"host-keys": True, "keep-locales": ["de_DE.UTF-8", "de"]},
                        paths=["/var/log/a*"]))
        assert before - self.files(used) == {
            "usr/share/doc/a/README", "usr/share/doc/b/README", "usr/share/locale/fr/x.mo", "usr/lib/python3/__pycache__/a.pyc",
            "etc/ssh/ssh_host_rsa_key", "var/log/apt/history.log",
        }

    @pytest.mark.parametrize("place", ["tmp", "var/log", "var/lib/apt/lists", "usr/share/doc"])
    @pytest.mark.parametrize("absolute", [True, False])
    def test_links_are_not_followed(self, stage: Stage, tree: Path, tmp_path: Path, place: str, absolute: bool) -> None:
        """Neither out of the tree, nor to another directory in it."""
        outside = tmp_path / "outside"
        kept = [outside / "file"] if absolute else [tree / "srv/file"]
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).symlink_to(outside if absolute else "/srv")
        for path in kept:
            path.parent.mkdir(exist_ok=True)
            path.touch()
        succeeded(stage("cleanup", docs=True))
        assert all(path.exists() for path in kept)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"paths": ["/"]}, "option paths has '/'"), ({"paths": ["/usr"]}, "option paths has '/usr'"),
            ({"paths": ["/usr/../x"]}, "option paths has '/usr/../x'"), ({"paths": ["/*/x"]}, "option paths has '/*/x'"),
            ({"keep_locales": ["../de"]}, "option keep-locales names '../de'"),
        ],
    )
    def test_wrong_options_are_refused(self, stage: Stage, used: Path, options: Any, message: str) -> None:
        before = self.files(used)
        assert message in last_line(stage("cleanup", **options))
        assert self.files(used) == before
