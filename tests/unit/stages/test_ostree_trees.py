# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian trees for OSTree: preparing them, deploying their commits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge import ostreeboot, ostreevar, sysroot
from stages.forge.errors import StageError
from tests.support.stage_process import RUN

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")]
KERNEL = "6.1.0-1-test"


def ostree(*args: str | Path) -> str:
    return subprocess.run(["ostree", *map(str, args)], check=True, capture_output=True, text=True).stdout.strip()


def put(tree: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    place = tree / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    return place


@pytest.fixture
def system(tree: Path) -> Path:
    """A tree with the places a Debian system has, no programs."""
    for name in ("etc", "home", "root", "srv", "opt", "mnt", "media", "boot", "tmp", "usr/local/bin", "usr/lib/tmpfiles.d", "var/log"):
        (tree / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (tree / f"usr/{name}").mkdir(exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    put(tree, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:a \"b\" 5%:/usr:/bin/false\nuser:x:1000:1000::/home/user:\n")
    put(tree, "etc/group", "root:x:0:\ndaemon:x:1:\nadm:x:4:daemon,user\nuser:x:1000:\n")
    put(tree, "etc/passwd-", "backup")
    put(tree, "etc/machine-id", "0" * 32)
    put(tree, "etc/fstab", "# comment /\nUUID=x / ext4 defaults 0 1\nUUID=y /boot/efi vfat defaults 0 1\n")
    put(tree, "usr/lib/tmpfiles.d/base.conf", "d /var/log 0755 root root -\nz /var/kept 0700 - - -\n")
    put(tree, "var/lib/dpkg/status", "Package: x\n")
    put(tree, "var/lib/app/data 1%", "data", 0o640)
    put(tree, "var/log/old.log", "log")
    (tree / os.fsdecode(b"var/lib/app/\xff")).touch()
    put(tree, "opt/app/bin/tool", "tool", 0o755)
    put(tree, "usr/local/bin/local", "local", 0o755)
    put(tree, "root/.profile", "profile")
    (tree / "var/kept").mkdir(mode=0o750)
    (tree / "var/run").symlink_to("../run")
    return tree


@pytest.fixture
def prepare(repo: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the stage in a process of its own: it changes its root."""

    def run(tree: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{repo / 'engine'}:{repo}", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-c", RUN, str(repo / "stages/org.osbuild.ostree.preptree")], env=environment,
            input=json.dumps({"tree": str(tree), "options": options}), capture_output=True, text=True, check=False,
        )

    return run


def give_kernel(tree: Path, *, lists: str = "usr/lib/ostree/ostree-prepare-root") -> None:
    """A kernel, and programs that stand in for initramfs-tools, run by the host's shell."""
    for name in ("vmlinuz", "initrd.img", "config"):
        put(tree, f"boot/{name}-{KERNEL}", name)
    (tree / "vmlinuz").symlink_to(f"boot/vmlinuz-{KERNEL}")
    (tree / f"usr/lib/modules/{KERNEL}").mkdir(parents=True)
    put(tree, ostreeboot.PREPARE_ROOT, "", 0o755)
    put(tree, "etc/initramfs-tools/modules")
    put(tree, "usr/sbin/mkinitramfs", '#!/bin/sh\necho "$3" > "$2"\n', 0o755)
    put(tree, "usr/bin/lsinitramfs", f"#!/bin/sh\necho {lists}\n", 0o755)
    shell = os.path.realpath("/bin/sh")
    for line in [shell, *subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout.split()]:
        if line.startswith("/"):
            place = tree / (line.lstrip("/") if line != shell else "usr/bin/sh")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(line), place)


class TestPreptree:
    def test_gives_the_tree_the_form_of_a_deployment(self, system, prepare) -> None:
        result = prepare(system, bootable=False, etc_group_members=["adm", "wheel"])
        assert result.returncode == 0, result.stderr
        assert "the tree has no group 'wheel'" in result.stdout
        assert "no group 'adm'" not in result.stdout
        links = {"home": "var/home", "root": "var/roothome", "opt": "var/opt", "media": "run/media", "usr/local": "../var/usrlocal",
                 "ostree": "sysroot/ostree"}
        assert {name: os.readlink(system / name) for name in links} == links
        assert [os.listdir(system / name) for name in ("var", "sysroot", "boot", "dev", "proc", "run", "sys", "tmp")] == [[]] * 8
        assert not (system / "etc").exists()
        assert (system / "usr/etc/machine-id").read_text() == ""
        assert (system / "usr/etc/fstab").read_text() == "# comment /\nUUID=y /boot/efi vfat defaults 0 1\n"
        assert not (system / "usr/etc/passwd-").exists()
        assert (system / "usr/lib/sysimage/dpkg/status").read_text() == "Package: x\n"

    def test_what_var_held_is_made_at_boot(self, system, prepare) -> None:
        assert prepare(system, bootable=False).returncode == 0
        lines = (system / "usr/lib/tmpfiles.d/zz-ostree-var.conf").read_text(errors="surrogateescape").splitlines()
        assert "L /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg" in lines
        assert 'C "/var/lib/app/data 1%%" 0640 0 0 - /usr/share/factory/var/lib/app/data 1%%' in lines
        assert (system / "usr/share/factory/var/lib/app/data 1%").read_text() == "data"
        assert "d /var/kept 0750 0 0 - -" in lines
        assert "L /var/run - - - - ../run" in lines
        assert "C /var/roothome/.profile 0644 0 0 - /usr/share/factory/var/roothome/.profile" in lines
        # Files of packages are linked, so that an upgrade reaches them.
        assert "L+ /var/opt/app/bin/tool - - - - /usr/lib/opt/app/bin/tool" in lines
        assert "L+ /var/usrlocal/bin/local - - - - /usr/lib/usrlocal/bin/local" in lines
        assert os.access(system / "usr/lib/opt/app/bin/tool", os.X_OK)
        # Declared by the tree's own configuration, and logs are of no other system.
        assert not any(line.split()[1] in ("/var/log", "/var/log/old.log") for line in lines)
        assert not (system / "usr/share/factory/var/log").exists()

    def test_tmpfiles_reads_the_lines(self, system, prepare) -> None:
        assert prepare(system, bootable=False).returncode == 0
        words = ["systemd-tmpfiles", "--create", f"--root={system}", "--prefix=/var"]
        subprocess.run([*words, str(system / "usr/lib/tmpfiles.d/zz-ostree-var.conf")], check=True, capture_output=True)
        assert (system / "var/lib/app/data 1%").read_text() == "data"
        assert (system / "var/lib/app/data 1%").stat().st_mode & 0o777 == 0o640
        assert (system / "var/lib/dpkg/status").exists()
        assert os.readlink(system / "var/opt/app/bin/tool") == "/usr/lib/opt/app/bin/tool"

    def test_system_users_keep_their_numbers(self, system, prepare) -> None:
        assert prepare(system, bootable=False).returncode == 0
        assert (system / "usr/lib/sysusers.d/00-ostree-accounts.conf").read_text().splitlines() == [
            "g daemon 1", "g adm 4", 'u daemon 1:1 "a \\"b\\" 5%%" /usr /bin/false', "m daemon adm",
        ]

    def test_tmp_can_be_a_link(self, system, prepare) -> None:
        assert prepare(system, bootable=False, **{"tmp-is-dir": False}).returncode == 0
        assert os.readlink(system / "tmp") == "sysroot/tmp"

    def test_kernel_and_initramfs_lie_beside_the_modules(self, system, prepare) -> None:
        give_kernel(system)
        result = prepare(system, **{"initramfs-args": ["--no-hostonly", "--add-drivers", "a b"]})
        assert result.returncode == 0, result.stderr
        modules = system / "usr/lib/modules" / KERNEL
        assert (modules / "vmlinuz").read_text() == "vmlinuz"
        assert (modules / "config").read_text() == "config"
        assert (modules / "initramfs.img").read_text() == f"{KERNEL}\n"
        assert not (system / "vmlinuz").is_symlink()
        assert (system / "usr/etc/initramfs-tools/modules").read_text() == "a\nb\n"
        assert (system / "usr/lib/ostree/prepare-root.conf").read_text() == "[sysroot]\nreadonly=true\n"
        for path in (ostreeboot.HOOK, ostreeboot.SCRIPT):
            place = system / path.lstrip("/")
            assert os.access(place, os.X_OK)
            subprocess.run(["sh", "-n", place], check=True)

    @pytest.mark.parametrize(
        ("change", "options", "message"),
        [
            (lambda tree: None, {}, "the tree has no kernel"),
            (lambda tree: None, {"kernel": "1"}, "kernel: the tree has no kernel '1'; it has none"),
            (lambda tree: (tree / "usr/etc").mkdir(), {"bootable": False}, "was prepared before"),
            (lambda tree: (tree / "sbin").mkdir(), {"bootable": False}, "/sbin of the tree is a directory"),
            (lambda tree: put(tree, "media/x/y"), {"bootable": False}, "/media is made anew at each boot"),
            (lambda tree: (shutil.rmtree(tree / "home"), (tree / "home").symlink_to("/")), {"bootable": False},
             "/home of the tree is a link to '/'"),
            (lambda tree: (give_kernel(tree), (tree / "usr/lib/ostree/ostree-prepare-root").unlink()), {},
             "install the package ostree-boot"),
            (lambda tree: give_kernel(tree, lists="other"), {}, "does not hold ostree-prepare-root"),
            (give_kernel, {"initramfs-args": ["--add", "lvm"]}, "initramfs-args: '--add' is an argument of dracut"),
            (lambda tree: (give_kernel(tree), (tree / "usr/lib/modules/9").mkdir(), put(tree, "boot/vmlinuz-9")), {},
             "the tree has several kernels"),
        ],
    )
    def test_what_cannot_be_prepared_is_refused(self, system, prepare, change, options, message) -> None:
        change(system)
        result = prepare(system, **options)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("error: ")
        assert message in result.stderr.splitlines()[-1]
        assert (system / "etc/passwd").exists()

    def test_links_out_of_the_tree_reach_nothing(self, system, prepare, outside) -> None:
        put(outside, "file")
        (system / "var/out").symlink_to(outside)
        (system / "opt/out").symlink_to(outside)
        (system / "var/lib/apt").mkdir()
        (system / "var/lib/apt/lists").symlink_to(outside)
        assert prepare(system, bootable=False).returncode == 0
        assert os.listdir(outside) == ["file"]


@pytest.mark.parametrize(
    ("text", "quoted"), [("/a", "/a"), ("/a b", '"/a b"'), ("/a%b", "/a%%b"), ('/a"\\', '"/a\\"\\\\"'), ("/a\tb", '"/a\\x09b"')]
)
def test_fields_of_tmpfiles_are_quoted(text, quoted) -> None:
    assert ostreevar.quote(text) == quoted


class TestDeploy:
    @pytest.fixture
    def given(self, tmp_path: Path) -> dict[str, Any]:
        """An input with a commit that boots, by the name of b."""
        source, repo = tmp_path / "source", tmp_path / "repo"
        for name in ("vmlinuz", "initramfs.img"):
            put(source, f"usr/lib/modules/{KERNEL}/{name}", name)
        put(source, "usr/lib/os-release", "NAME=Test\nID=test\nVERSION_ID=1\nPRETTY_NAME=Test\n")
        put(source, "usr/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        put(source, "usr/lib/tmpfiles.d/a.conf", "d /var/home 0755 root root -\nd /var/lib/app 0755 root root -\n")
        for name in ("sysroot", "var", "boot", "dev", "proc", "run", "sys", "tmp"):
            (source / name).mkdir()
        (source / "ostree").symlink_to("sysroot/ostree")
        ostree("init", "--mode=archive", f"--repo={repo}")
        commit = ostree("commit", f"--repo={repo}", "--branch=b", f"--tree=dir={source}", "--bootable")
        return {"commits": {"path": str(repo), "data": {"refs": {commit: {"ref": "b"}}}}}

    @pytest.fixture
    def root(self, load: Callable, tree: Path):
        load("ostree.init-fs").main(str(tree))
        load("ostree.os-init").main(str(tree), {"osname": "test"})
        ostree("config", "set", "sysroot.bootloader", "none", f"--repo={tree / 'ostree/repo'}")
        yield tree
        # What is immutable could not be removed.
        for place in sysroot.deployments(str(tree)):
            subprocess.run(["chattr", "-i", place], check=False, capture_output=True)

    def entry(self, root: Path) -> dict[str, str]:
        [path] = (root / "boot/loader/entries").iterdir()
        return dict(line.split(" ", 1) for line in path.read_text().splitlines())

    def test_arguments_keep_their_order(self, load, root, given) -> None:
        arguments = ["rw", "console=tty0", "console=ttyS0"]
        options = {"osname": "test", "kernel_opts": arguments, "rootfs": {"label": "r"}, "mounts": ["/boot/efi"]}
        load("ostree.deploy").main(str(root), given, options)
        entry = self.entry(root)
        assert entry["options"].startswith("rw console=tty0 console=ttyS0 root=LABEL=r ostree=/ostree/boot.")
        assert entry["linux"].startswith("/ostree/test-")
        assert (root / "boot/efi").stat().st_mode & 0o777 == 0o755

    def test_boot_on_the_root_file_system(self, load, root, given) -> None:
        load("ostree.config").main(str(root), {"repo": "/ostree/repo", "config": {"sysroot": {"bootprefix": True}}})
        for _again in range(2):
            load("ostree.deploy").main(str(root), given, {"osname": "test"})
            for path in (root / "boot/loader/entries").iterdir():
                assert len(re.findall(r"^(?:linux|initrd) /boot/ostree/test-", path.read_text(), re.MULTILINE)) == 2
        for line in (root / "boot/loader/entries").iterdir():
            assert "/boot/boot" not in line.read_text()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"osname": "../x"}, "osname: '../x' is no name"),
            ({"osname": "none"}, "ostree admin deploy"),
            ({"osname": "test", "remote": "a:b"}, "remote: 'a:b' is no name"),
            ({"osname": "test", "ref": "c"}, "ref is 'c', but the input 'commits' holds 'b'"),
        ],
    )
    def test_wrong_options_are_named(self, load, root, given, options, message) -> None:
        with pytest.raises(StageError, match=message):
            load("ostree.deploy").main(str(root), given, options)

    def test_needs_a_ref_or_an_input(self, load, root) -> None:
        with pytest.raises(StageError, match="ref is missing"):
            load("ostree.deploy").main(str(root), {}, {"osname": "test"})

    def test_a_sysroot_that_leads_elsewhere_is_refused(self, load, root, given, outside) -> None:
        shutil.move(root / "boot", outside / "boot")
        (root / "boot").symlink_to(outside / "boot")
        with pytest.raises(StageError, match="/boot is a link that leads out of the sysroot"):
            load("ostree.deploy").main(str(root), given, {"osname": "test"})
        assert list((outside / "boot").iterdir()) == [outside / "boot/boot"] or not list((outside / "boot").iterdir())

    def test_aleph_and_grub_name_the_deployment(self, load, root, given, arguments, outside) -> None:
        load("ostree.deploy").main(str(root), given, {"osname": "test"})
        [commit] = given["commits"]["data"]["refs"]
        # A link where the file goes leads into the tree.
        (root / ".aleph-version.json").symlink_to(outside / "x")
        (root / str(outside).lstrip("/")).mkdir(parents=True)
        load("ostree.aleph").main(arguments(options={"deployment": {"osname": "test", "ref": "b"}}))
        assert list(outside.iterdir()) == []
        assert json.loads((root / str(outside / "x").lstrip("/")).read_text())["ostree-commit"] == commit
        put(root, "grub.cfg", "linux @OSTREE@\n")
        load("ostree.grub2").main(arguments(options={"filename": "/grub.cfg"}, inputs={"tree": {"path": str(root)}}))
        assert re.fullmatch(r"linux /ostree/boot\.[01]/test/[0-9a-f]{64}/0\n", (root / "grub.cfg").read_text())

    @pytest.mark.parametrize("stage", ["ostree.aleph", "ostree.selinux", "ostree.fillvar"])
    @pytest.mark.parametrize(
        ("deployment", "message"),
        [
            ({"default": True}, "deployment: Could not find deployment"),
            ({"osname": "test", "ref": "zz"}, "deployment: error: Refspec 'zz'"),
        ],
    )
    def test_a_missing_deployment_is_named(self, load, root, arguments, stage, deployment, message) -> None:
        options = {"deployment": deployment}
        with pytest.raises(StageError, match=message):
            load(stage).main(*([arguments(options=options)] if stage == "ostree.aleph" else [str(root), options]))

    def test_fillvar_makes_the_wanted_part(self, load, root, given, monkeypatch) -> None:
        load("ostree.deploy").main(str(root), given, {"osname": "test"})
        # The process under test may not leave this one's mounts behind, nor take them away.
        monkeypatch.setattr("stages.forge.mounts.own_namespace", lambda: None)
        var = root / "ostree/deploy/test/var"
        load("ostree.fillvar").main(str(root), {"deployment": {"default": True}})
        assert ((var / "home").is_dir(), (var / "lib/app").exists()) == (True, False)
        load("ostree.fillvar").main(str(root), {"deployment": {"default": True}, "prefixes": ["/var/lib"]})
        assert (var / "lib/app").is_dir()

    @pytest.mark.parametrize("prefix", ["/etc", "/var/../etc", "/variable"])
    def test_fillvar_stays_in_var(self, load, root, prefix) -> None:
        with pytest.raises(StageError, match="is not below /var"):
            load("ostree.fillvar").main(str(root), {"deployment": {"default": True}, "prefixes": [prefix]})

    def test_selinux_labels_etc_and_var(self, load, root, given, monkeypatch) -> None:
        load("ostree.deploy").main(str(root), given, {"osname": "test"})
        [place] = sysroot.deployments(str(root))
        with pytest.raises(StageError, match="enables no SELinux policy"):
            load("ostree.selinux").main(str(root), {"deployment": {"default": True}})
        put(Path(place), "etc/selinux/config", "SELINUX=permissive\nSELINUXTYPE=default\n")
        with pytest.raises(StageError, match="policy 'default' is not installed"):
            load("ostree.selinux").main(str(root), {"deployment": {"default": True}})
        spec = put(Path(place), "etc/selinux/default/contexts/files/file_contexts")
        seen: list[tuple[str, ...]] = []
        monkeypatch.setattr("osbuild.util.selinux.setfiles", lambda *words: seen.append(words))
        load("ostree.selinux").main(str(root), {"deployment": {"default": True}})
        assert seen == [(str(spec), place, "/etc"), (str(spec), str(root / "ostree/deploy/test"), "/var")]

    def test_post_copy_protects_deployments_again(self, load, root, given) -> None:
        load("ostree.deploy").main(str(root), given, {"osname": "test"})
        [place] = sysroot.deployments(str(root))
        subprocess.run(["chattr", "-i", place], check=True)
        load("ostree.post-copy").main({"mounts": str(root.parent)}, {"sysroot": f"/{root.name}"})
        assert "i" in subprocess.run(["lsattr", "-d", place], check=True, capture_output=True, text=True).stdout.split()[0]

    def test_post_copy_needs_a_deployment(self, load, root) -> None:
        with pytest.raises((StageError, subprocess.CalledProcessError)):
            load("ostree.post-copy").main({"mounts": str(root / "boot")}, {})

    def test_deploy_from_an_image(self, load, root, given, tmp_path, monkeypatch) -> None:
        if not shutil.which("skopeo"):
            pytest.skip("needs skopeo")
        images = tmp_path / "images"
        images.mkdir()
        load("ostree.encapsulate").main(str(images), {"commit": given["commits"]}, {"filename": "a"}, {})
        entry = {"path": str(images), "data": {"archives": {"a": {"format": "oci-archive", "name": "n"}}}}
        options = {"osname": "test", "target_imgref": "ostree-unverified-registry:registry.example.com/x", "kernel_opts": ["rw"]}
        load("ostree.deploy.container").main(str(root), {"images": entry}, options)
        [place] = sysroot.deployments(str(root))
        assert sysroot.origin(place) == f"[origin]\ncontainer-image-reference={options['target_imgref']}\n"
        assert self.entry(root)["options"].startswith("rw ostree=")

    def test_deploy_from_an_image_needs_one(self, load, root) -> None:
        with pytest.raises(StageError, match="inputs.images is missing"):
            load("ostree.deploy.container").main(str(root), {}, {"osname": "test", "target_imgref": "ostree-image-signed:x"})

    def test_all_in_one(self, load, tree, given, monkeypatch) -> None:
        monkeypatch.setattr("stages.forge.mounts.own_namespace", lambda: None)
        options = {
            "osname": "test", "kernel_opts": ["rw"], "rootfs": {"uuid": "u"}, "populate_var": True,
            "mounts": [{"path": "/boot/efi", "mode": 0o700}], "remotes": [{"name": "r", "url": "https://example.com"}],
        }
        try:
            load("ostree").main(str(tree), {"commit": given["commits"]}, options)
            assert self.entry(tree)["options"].startswith("root=UUID=u rw ostree=")
            assert (tree / "ostree/deploy/test/var/home").is_dir()
            assert 'readonly=true' in (tree / "ostree/repo/config").read_text()
        finally:
            for place in sysroot.deployments(str(tree)):
                subprocess.run(["chattr", "-i", place], check=False, capture_output=True)
