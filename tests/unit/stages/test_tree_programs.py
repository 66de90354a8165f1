# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that run programs of the tree: which they run, and what they say where there are none; SELinux labels."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.forge import treeprogram


def add_program(tree: Path, path: str) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).touch()
    (tree / path).chmod(0o755)


@pytest.fixture
def stage(load, monkeypatch):
    """A function that loads a stage with the chroot replaced; its attribute `ran` holds what would have run there."""

    def load_fake(name: str) -> Any:
        module = load(name)
        module.ran = []

        @contextlib.contextmanager
        def chroot(root):
            class Fake:
                def run(self, command, *, check):
                    assert check
                    module.ran.append(command)

            yield Fake()

        monkeypatch.setattr(module, "Chroot", chroot)
        return module

    return load_fake


class TestFind:
    def test_programs_are_looked_up_inside(self, tree, outside) -> None:
        add_program(tree, "usr/bin/a")
        (tree / "bin").symlink_to("usr/bin")
        (tree / "usr/bin/b").touch(mode=0o644)
        add_program(outside, "c")
        (tree / "usr/bin/c").symlink_to(outside / "c")
        assert [treeprogram.find(tree, name) for name in "abc"] == ["/usr/bin/a", None, None]

    def test_a_link_to_an_alternative_counts(self, tree) -> None:
        add_program(tree, "opt/x")
        (tree / "usr/sbin").mkdir(parents=True)
        (tree / "usr/sbin/x").symlink_to("/opt/x")
        assert treeprogram.find(tree, "x") == "/usr/sbin/x"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("firewall", [{"ports": ["22:tcp"]}], "no program firewall-offline-cmd: install the package firewalld"),
        ("pki.update-ca-trust", [], "no program update-ca-certificates: install the package ca-certificates"),
        ("update-crypto-policies", [{"policy": "DEFAULT"}], "no program update-crypto-policies: install the package crypto-policies"),
        ("bootupd.gen-metadata", [], "no program bootupctl: Debian has no package bootupd"),
    ],
)
def test_a_missing_program_is_named_with_the_way_out(stage, tree, name, arguments, message) -> None:
    module = stage(name)
    with pytest.raises(ValueError, match=message):
        module.main(str(tree), *arguments)
    assert module.ran == []
    assert os.listdir(tree) == []


class TestFirewall:
    @pytest.fixture
    def firewalld(self, tree) -> Path:
        add_program(tree, "usr/bin/firewall-offline-cmd")
        (tree / "usr/lib/firewalld/zones").mkdir(parents=True)
        (tree / "usr/lib/firewalld/zones/trusted.xml").touch()
        (tree / "etc").mkdir()
        (tree / "etc/protocols").touch()
        return tree

    def test_the_default_zone_is_set_before_what_belongs_to_it(self, stage, firewalld) -> None:
        module = stage("firewall")
        options = {
            "ports": ["22:tcp", "53:udp"],
            "enabled_services": ["http"],
            "disabled_services": ["ssh"],
            "default_zone": "work",
            "zones": [{"name": "mine", "sources": ["192.0.2.0/24"]}, {"name": "trusted", "sources": ["2001:db8::1", "192.0.2.1"]}],
        }
        module.main(str(firewalld), options)
        assert [command[1:] for command in module.ran] == [
            ["--new-zone=mine"],
            ["--zone=mine", "--add-source=192.0.2.0/24"],
            ["--zone=trusted", "--add-source=2001:db8::1"],
            ["--zone=trusted", "--add-source=192.0.2.1"],
            ["--set-default-zone=work"],
            ["--port=22:tcp", "--port=53:udp", "--service=http", "--remove-service=ssh"],
        ]

    def test_without_anything_to_do_no_firewalld_is_needed(self, stage, tree) -> None:
        module = stage("firewall")
        assert module.main(str(tree), {"ports": []}) == 0
        assert module.ran == []

    def test_says_that_netbase_is_missing(self, stage, firewalld) -> None:
        (firewalld / "etc/protocols").unlink()
        module = stage("firewall")
        with pytest.raises(ValueError, match="install the package netbase"):
            module.main(str(firewalld), {"ports": ["22:tcp"]})
        assert module.ran == []

    def test_refuses_blanks_before_anything_runs(self, stage, firewalld) -> None:
        module = stage("firewall")
        with pytest.raises(ValueError, match="enabled_services must be one word"):
            module.main(str(firewalld), {"default_zone": "work", "enabled_services": ["a b"]})
        assert module.ran == []


class TestCertificates:
    def test_debian_s_program_takes_certificates_laid_out_for_others(self, stage, tree, outside) -> None:
        add_program(tree, "usr/sbin/update-ca-certificates")
        anchors = tree / "etc/pki/ca-trust/source/anchors"
        anchors.mkdir(parents=True)
        (anchors / "a.pem").write_text("A")
        (anchors / "b.crt").write_text("B")
        (outside / "secret").write_text("S")
        (anchors / "c.pem").symlink_to(outside / "secret")
        local = tree / "usr/local/share/ca-certificates"
        local.mkdir(parents=True)
        (local / "a.pem.crt").symlink_to(outside / "secret")
        module = stage("pki.update-ca-trust")
        module.main(str(tree))
        assert module.ran == [["update-ca-certificates"]]
        assert {path.name: path.read_text() for path in local.iterdir()} == {"a.pem.crt": "A", "b.crt": "B"}
        assert (outside / "secret").read_text() == "S"

    def test_another_distribution_s_program_runs_where_debian_s_is_missing(self, stage, tree) -> None:
        add_program(tree, "usr/bin/update-ca-trust")
        module = stage("pki.update-ca-trust")
        module.main(str(tree))
        assert module.ran == [["update-ca-trust"]]


class TestCryptoPolicies:
    def test_sets_the_policy(self, stage, tree) -> None:
        add_program(tree, "usr/bin/update-crypto-policies")
        module = stage("update-crypto-policies")
        module.main(str(tree), {"policy": "DEFAULT:NO-SHA1"})
        assert module.ran == [["/usr/bin/update-crypto-policies", "--set", "DEFAULT:NO-SHA1"]]

    @pytest.mark.parametrize("policy", ["--reload", "a b", ""])
    def test_refuses_what_is_no_policy(self, stage, tree, policy) -> None:
        with pytest.raises(ValueError, match="policy must be"):
            stage("update-crypto-policies").main(str(tree), {"policy": policy})


class TestBootupd:
    @pytest.fixture
    def ran(self, monkeypatch) -> list[list[str]]:
        commands: list[list[str]] = []
        monkeypatch.setattr(subprocess, "run", lambda argv, **_ignored: commands.append(argv))
        return commands

    def test_metadata(self, stage, tree) -> None:
        add_program(tree, "usr/bin/bootupctl")
        module = stage("bootupd.gen-metadata")
        module.main(str(tree))
        assert module.ran == [["/usr/bin/bootupctl", "backend", "generate-update-metadata", "/"]]

    @pytest.mark.parametrize(
        ("options", "extra"),
        [
            ({}, []),
            ({"static-configs": True}, ["--with-static-configs"]),
            ({"bios": {"device": "disk"}, "static-configs": False}, ["--device=/dev/loop0"]),
            ({"bios": {"device": "disk", "partition": 2}}, ["--device=/dev/loop0p2"]),
        ],
    )
    def test_installs_from_the_mounted_system(self, load, arguments, tree, ran, options, extra) -> None:
        add_program(tree, "usr/bin/bootupctl")
        args = arguments(devices={"disk": {"path": "loop0"}}, paths={"mounts": str(tree)})
        assert load("bootupd").main(args, options) == 0
        assert ["chroot", str(tree), "/usr/bin/bootupctl", "backend", "install", *extra, str(tree)] in ran
        mounted = [argv[-1] for argv in ran if argv[0] == "mount"]
        assert str(tree / "dev") in mounted
        assert [argv[-1] for argv in ran if argv[0] == "umount"] == mounted[::-1]

    def test_mounts_go_when_it_fails_and_links_stay_inside(self, load, tree, outside, ran) -> None:
        (tree / "run").symlink_to(outside)
        with pytest.raises(KeyError), load("bootupd").bind_mounts(["/run"], str(tree)):
            raise KeyError
        assert [argv[-1] for argv in ran] == [f"{tree}{outside}"] * 2

    def test_an_unknown_device_and_a_missing_program_change_nothing(self, load, arguments, tree, ran) -> None:
        args = arguments(paths={"mounts": str(tree)})
        with pytest.raises(ValueError, match="no program bootupctl"):
            load("bootupd").main(args, {})
        add_program(tree, "usr/bin/bootupctl")
        with pytest.raises(ValueError, match="bios.device: the stage has no device 'disk'"):
            load("bootupd").main(args, {"bios": {"device": "disk"}})
        assert ran == []


class TestSelinux:
    @pytest.fixture
    def labelled(self, monkeypatch) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []
        monkeypatch.setattr(
            "osbuild.util.selinux.setfiles",
            lambda contexts, root, *paths, exclude_paths=None: calls.append((contexts, root, paths, exclude_paths)),
        )
        monkeypatch.setattr("osbuild.util.selinux.setfilecon", lambda path, label: calls.append((path, label)))
        return calls

    @pytest.mark.parametrize("contexts", ["etc/fc", "/etc/fc", "tree:///etc/fc", "../../etc/fc"])
    def test_labels_the_tree_and_single_files(self, load, arguments, tree, labelled, contexts) -> None:
        (tree / "usr/bin").mkdir(parents=True)
        (tree / "bin").symlink_to("/usr/bin")
        options = {"file_contexts": contexts, "exclude_paths": ["/bin"], "labels": {"/bin/cp": "l"}, "force_autorelabel": True}
        assert load("selinux").main(arguments(options=options)) == 0
        assert labelled == [(f"{tree}/etc/fc", str(tree), ("",), [f"{tree}/usr/bin"]), (f"{tree}/usr/bin/cp", "l")]
        assert (tree / ".autorelabel").read_bytes() == b""

    def test_labels_a_mount_with_contexts_of_an_input(self, load, arguments, tree, outside, labelled) -> None:
        options = {"target": "mount://root/", "file_contexts": "input://policy/fc"}
        args = arguments(options=options, mounts={"root": {"path": f"{outside}/."}}, inputs={"policy": {"path": "/in"}})
        load("selinux").main(args)
        assert labelled == [("/in/fc", str(outside), ("",), [])]
        assert os.listdir(tree) == []

    def test_wrong_places_and_labels(self, load, arguments, labelled) -> None:
        for options, message in (
            ({"target": "mount://root/", "labels": {}}, "Unknown mount 'root'"),
            ({"labels": {"/a": {}}}, "labels./a must be a string"),
        ):
            with pytest.raises(ValueError, match=message):
                load("selinux").main(arguments(options=options))
        assert labelled == []

    def test_says_what_is_missing(self, load, arguments, tree, monkeypatch) -> None:
        args = arguments(options={"file_contexts": "fc"})
        for error, message in (
            (FileNotFoundError("setfiles"), "no program setfiles: add the package policycoreutils"),
            (subprocess.CalledProcessError(1, ["setfiles"]), "file_contexts: there is no file .*/tree/fc"),
        ):

            def fail(*_ignored, problem=error, **_words):
                raise problem

            monkeypatch.setattr("osbuild.util.selinux.setfiles", fail)
            with pytest.raises(ValueError, match=message):
                load("selinux").main(args)

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setfiles"), reason="needs root and setfiles")
    def test_setfiles_labels_what_is_not_excluded(self, load, arguments, tree) -> None:
        for path in ("usr/bin/a", "keep/b"):
            add_program(tree, path)
        (tree / "fc").write_text("/.*\tsystem_u:object_r:default_t:s0\n/usr/bin/.*\tsystem_u:object_r:bin_t:s0\n")
        options = {"target": "mount:///", "file_contexts": "fc", "exclude_paths": ["/keep"]}
        load("selinux").main(arguments(options=options, paths={"mounts": f"{tree}/."}))
        assert os.getxattr(tree / "usr/bin/a", "security.selinux").rstrip(b"\0") == b"system_u:object_r:bin_t:s0"
        assert "security.selinux" not in os.listxattr(tree / "keep/b")

    @pytest.mark.parametrize(
        ("policies", "wanted", "written"),
        [
            ([], "targeted", "targeted"),
            (["default"], "targeted", "default"),
            (["default", "targeted"], "targeted", "targeted"),
            (["default"], "mls", "mls"),
        ],
    )
    def test_debian_calls_the_targeted_policy_default(self, load, tree, policies, wanted, written) -> None:
        for name in policies:
            (tree / "etc/selinux" / name).mkdir(parents=True)
        config = tree / "etc/selinux/config"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("# SELINUX= can take\nSELINUX=disabled\nSETLOCALDEFS=0\n")
        load("selinux.config").main(str(tree), {"state": "enforcing", "type": wanted})
        assert config.read_text() == f"# SELINUX= can take\nSELINUX=enforcing\nSETLOCALDEFS=0\nSELINUXTYPE={written}\n"
