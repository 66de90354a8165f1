# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that climb and links that lead out: whatever a stage writes, reads or hands to a program lies in the tree."""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from osbuild.util import chroot

from stages.forge import imagelayers, ostreerepo
from stages.forge.errors import StageError

UUID = "11111111-2222-3333-4444-555555555555"
MIB = 1 << 20
# The option's path stands for @. It ends like this, which one of the stages insists on.
LEAF = "x.vmdk"
IMAGE = {"filename": "@", "start": 0, "size": 64}
ETHERNET = {"connection": {"id": "e", "uuid": UUID, "type": "ethernet"}}
CORE = {"type": "mkimage", "partlabel": "gpt", "filesystem": "ext4"}

# Options, what the path must be before (nothing, a file, an image, a directory, a repository), and inputs.
PATHS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "chmod": ({"items": {"/@": {"mode": "600"}}}, "file", ()),
    "containers.storage.conf": ({"filename": "@", "config": {}}, "", ()),
    "copy": ({"paths": [{"from": "input://tree/f", "to": "tree:///@"}]}, "", ("tree",)),
    "cpio.out": ({"filename": "@"}, "", ("tree",)),
    "createaddrsize": ({"initrd": "initrd", "addrsize": "@"}, "", ()),
    "dd": ({"src": "input://tree/f", "dst": "@", "count": 1}, "", ("tree",)),
    "debian.btrfs": ({**IMAGE, "uuid": UUID}, "image", ("tree",)),
    "debian.disk": ({"filename": "@", "size": MIB, "uuid": UUID}, "", ()),
    "debian.esp": ({**IMAGE, "volume-id": "ABCD1234"}, "image", ("tree",)),
    "debian.ext4": ({**IMAGE, "uuid": UUID}, "image", ("tree",)),
    "debian.swap": ({**IMAGE, "uuid": UUID}, "image", ()),
    "debian.verity": (
        {
            "filename": "@",
            "data": {"start": 0, "size": 64},
            "hash": {"start": 64, "size": 64},
            "uuid": UUID,
            "root-hash-file": "@.h",
        },
        "image",
        (),
    ),
    "dmverity": ({"root_hash_file": "@"}, "", ()),
    "erofs": ({"filename": "@"}, "", ("tree",)),
    "experimental.ostree.config": ({"repo": "@", "config": {"integrity": {"composefs": "true"}}}, "repository", ()),
    "grub2.d": ({"path": "tree:///@", "config": {}}, "", ()),
    "grub2.inst": (
        {
            "filename": "@",
            "platform": "i386-pc",
            "location": 1,
            "core": CORE,
            "prefix": {"type": "path", "path": "/boot/grub"},
        },
        "image",
        (),
    ),
    "gunzip": ({"path": "@"}, "", ("file",)),
    "gzip": ({"filename": "@"}, "", ("file",)),
    "hmac": ({"paths": ["@"], "algorithm": "sha512"}, "file", ()),
    "implantisomd5": ({"filename": "@"}, "file", ()),
    "ln": ({"paths": [{"target": "t", "link_name": "tree:///@", "symbolic": True}]}, "", ()),
    "mkdir": ({"paths": [{"path": "tree:///@"}]}, "", ()),
    "nginx.conf": ({"path": "@"}, "", ()),
    "nm.conf": ({"path": "@", "settings": {}}, "", ()),
    "nm.conn": ({"path": "@", "settings": ETHERNET}, "", ()),
    "oci-archive": ({"filename": "@", "architecture": "amd64"}, "", ("base",)),
    "ostree.config": ({"repo": "@", "config": {"sysroot": {"readonly": True}}}, "repository", ()),
    "ostree.genkey": ({"publickey": "@", "secretkey": "@.secret"}, "", ()),
    "ostree.init": ({"path": "@"}, "", ()),
    "ostree.remotes": ({"repo": "@", "remotes": [{"name": "r", "url": "http://example.com"}]}, "repository", ()),
    "ovf": ({"vmdk": "@"}, "file", ()),
    "qemu": ({"filename": "@", "format": {"type": "raw"}}, "", ("image",)),
    "squashfs": ({"filename": "@"}, "", ("tree",)),
    "systemd-repart.create": ({"size": "auto", "path": "@"}, "", ("root-tree",)),
    "tar": ({"filename": "@"}, "", ("tree",)),
    "treeinfo": ({"path": "@", "treeinfo": {}}, "", ()),
    "truncate": ({"filename": "@", "size": "1"}, "", ()),
    "udev.rules": ({"filename": "@", "rules": []}, "", ()),
    "untar": ({"prefix": "@"}, "directory", ("file",)),
    "xorrisofs": ({"filename": "@", "volid": "V"}, "", ("tree",)),
    "xz": ({"filename": "@"}, "", ("file",)),
    "zip": ({"filename": "@"}, "", ("tree",)),
    "zstd": ({"filename": "@"}, "", ("file",)),
}

# Files whose places the stages know, with what must be in them before.
FIXED: list[tuple[str, dict[str, Any], str, str]] = [
    ("debian.initramfs", {"initramfs-tools": {"modules": ["loop"]}}, "etc/initramfs-tools/modules", "x\n"),
    ("debian.keyboard", {"layout": "de"}, "etc/default/keyboard", ""),
    ("debian.timezone", {"zone": "UTC"}, "etc/timezone", ""),
    ("debug-shell", {"tty": "ttyS0"}, "etc/systemd/system/osbuild-debug-shell.service", ""),
    ("first-boot", {"commands": ["true"]}, "etc/osbuild-first-boot", ""),
    ("first-boot", {"commands": ["true"]}, "usr/lib/systemd/system/osbuild-first-boot.service", ""),
    ("fstab", {"filesystems": []}, "etc/fstab", ""),
    ("hostname", {"hostname": "h"}, "etc/hostname", ""),
    ("ignition", {}, "boot/ignition.firstboot", ""),
    ("kernel-cmdline", {"kernel_opts": "quiet"}, "etc/kernel/cmdline", ""),
    ("keymap", {"keymap": "de", "x11-keymap": {"layouts": ["de"]}}, "etc/X11/xorg.conf.d/00-keyboard.conf", ""),
    ("keymap", {"keymap": "de"}, "etc/vconsole.conf", ""),
    ("locale", {"language": "C.UTF-8"}, "etc/locale.conf", ""),
    ("machine-id", {"first-boot": "yes"}, "etc/machine-id", ""),
    ("sshd.config", {"config": {"PermitRootLogin": False}}, "etc/ssh/sshd_config", "x\n"),
    ("sysctld", {"filename": "a.conf", "config": [{"key": "a", "value": "b"}]}, "usr/lib/sysctl.d/a.conf", ""),
    (
        "systemd.unit",
        {"unit": "a.service", "dropin": "a.conf", "config": {}},
        "usr/lib/systemd/system/a.service.d/a.conf",
        "",
    ),
    ("test", {"script": "true"}, "etc/systemd/system/osbuild-test.service", ""),
    ("timezone", {"zone": "UTC"}, "etc/localtime", ""),
    ("tmpfilesd", {"filename": "a.conf", "config": [{"type": "d", "path": "/x"}]}, "usr/lib/tmpfiles.d/a.conf", ""),
    ("vagrant", {"provider": "virtualbox", "virtualbox": {"mac_address": "0" * 12}}, "Vagrantfile", ""),
    ("vagrant", {"provider": "virtualbox", "virtualbox": {"mac_address": "0" * 12}}, "metadata.json", ""),
]

Calls = list[list[str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Command lines of the programs that stages would run."""
    found: Calls = []
    really = subprocess.run

    def run(argv: list[Any], **more: Any) -> subprocess.CompletedProcess[Any]:
        found.append([os.fspath(word) for word in argv])
        if argv[0] == "openssl":  # knows no paths
            return really(argv, check=more.pop("check", False), **more)
        if argv[-1] == "--help":
            return subprocess.CompletedProcess(argv, 0, "--subvol --offline", "")
        return subprocess.CompletedProcess(argv, 0, '{"format": "vmdk", "virtual-size": 1}', "")

    monkeypatch.setattr(subprocess, "run", run)
    return found


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that makes an input with one file."""

    def make(name: str) -> dict[str, Any]:
        place = tmp_path / f"input-{name}"
        place.mkdir()
        (place / "f").write_text("f")
        return {"path": str(place), "data": {"files": {"f": {}}}}

    return make


def start(stage: ModuleType, tree: Path, options: dict[str, Any], inputs: dict[str, Any] | None = None) -> Any:
    """Call `main` with whatever parts of the arguments document it takes."""
    document = {
        "tree": str(tree), "inputs": inputs or {}, "options": options, "mounts": {}, "meta": {"source-epoch": 0},
        "devices": {name: {"path": "/dev/null"} for name in ("device", "data_device", "hash_device")},
    }  # fmt: skip
    parts = {
        **document, "args": document, "given": document["inputs"], "output": str(tree), "output_dir": str(tree), "epoch": 0,
        "script": options.get("script"),
    }  # fmt: skip
    return stage.main(**{name: parts[name] for name in inspect.signature(stage.main).parameters})


def filled(node: Any, path: str) -> Any:
    if isinstance(node, str):
        return node.replace("@", path)
    if isinstance(node, list):
        return [filled(item, path) for item in node]
    return {filled(key, path): filled(value, path) for key, value in node.items()} if isinstance(node, dict) else node


def prepare(place: Path, kind: str) -> None:
    place.parent.mkdir(parents=True)
    if kind in ("directory", "repository"):
        place.mkdir()
    if kind == "repository":
        (place / "objects").mkdir()
    if kind in ("file", "image"):
        place.touch()
        os.truncate(place, 4 * MIB if kind == "image" else 1)


@pytest.mark.parametrize("how", ["climbs", "link"])
@pytest.mark.parametrize("name", PATHS)
def test_a_path_of_the_options_stays_in_the_tree(load, tree, outside, calls, given, monkeypatch, name, how) -> None:
    options, kind, inputs = PATHS[name]
    (tree / "initrd").touch()
    if how == "climbs":
        path, place = f"../../outside/{LEAF}", tree / "outside" / LEAF
    else:
        (tree / "link").symlink_to(outside)
        path, place = f"link/{LEAF}", Path(f"{tree}{outside}") / LEAF
    prepare(place, kind)
    stage = load(name)
    if name == "grub2.inst":
        monkeypatch.setattr(stage, "read", lambda _path: bytes(1024))
    # What is only pretended to be made here is no ext4.
    with pytest.raises(OSError, match="cannot open the new file system") if name == "debian.ext4" else contextlib.nullcontext():
        start(stage, tree, filled(options, path), {item: given(item) for item in inputs})
    assert os.listdir(outside) == []
    words = [word.replace(str(place.parent), "") for argv in calls for word in argv]
    assert not [word for word in words if str(outside) in word or "/.." in word]
    assert os.path.lexists(place) or any(str(place) in word for argv in calls for word in argv)


@pytest.mark.parametrize(
    ("name", "options", "file", "before"), FIXED, ids=[f"{name}-{file}" for name, _o, file, _b in FIXED]
)
def test_a_link_in_place_of_a_file_is_not_followed_out(
    load, tree, outside, calls, given, name, options, file, before
) -> None:
    (outside / "f").write_text("keep")
    place, inside = tree / file, Path(f"{tree}{outside}") / "f"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside / "f")
    inside.parent.mkdir(parents=True)
    if before:
        inside.write_text(before)
    start(load(name), tree, options, {"image": given("image")} if name == "vagrant" else {})
    assert os.listdir(outside) == ["f"]
    assert (outside / "f").read_text() == "keep"
    if place.is_symlink() and os.readlink(place) == str(outside / "f"):
        # Followed as the system in the tree would follow it.
        assert inside.is_file()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("first-boot", "usr/lib/systemd/system/default.target.wants"),
        ("test", "etc/systemd/system/multi-user.target.wants"),
        ("debug-shell", "etc/systemd/system/sysinit.target.wants"),
    ],
)
def test_units_are_enabled_in_the_tree(load, tree, outside, name, folder) -> None:
    (tree / folder).parent.mkdir(parents=True)
    (tree / folder).symlink_to(outside)
    start(load(name), tree, {"commands": ["true"], "script": "true", "tty": "ttyS0"})
    assert os.listdir(outside) == []
    assert len(os.listdir(f"{tree}{outside}")) == 1


@pytest.mark.parametrize("name", ["squashfs", "erofs", "dd", "write-device", "copy"])
def test_what_is_read_is_of_the_tree(load, tree, outside, calls, monkeypatch, name) -> None:
    (outside / "f").write_text("secret")
    (tree / "link").symlink_to(outside)
    inside = Path(f"{tree}{outside}") / "f"
    inside.parent.mkdir(parents=True)
    inside.write_text("x")
    stage = load(name)
    if name == "write-device":
        monkeypatch.setattr(stage, "device_size", lambda _device: 100)
    location = "tree:///link/f"
    options = {"filename": "o", "dst": "o", "count": 1, "paths": [{"from": location, "to": "tree:///o"}]}
    start(stage, tree, {**options, "source": location, "src": location, "from": location})
    words = [word for argv in calls for word in argv]
    assert any(str(inside) in word for word in words)
    assert not any(str(outside) in word.replace(str(inside), "") for word in words)


class TestCopy:
    @pytest.fixture
    def source(self, tree: Path, outside: Path) -> Path:
        (outside / "f").write_text("keep")
        place = tree / "source/d"
        place.mkdir(parents=True)
        (place / "f").write_text("new")
        (tree / "target/d").mkdir(parents=True)
        (tree / "target/d/f").symlink_to(outside / "f")
        return tree

    @pytest.mark.parametrize(
        ("origin", "target"),
        [
            ("source/", "target/"),
            ("source/d", "target/"),
            ("source/d", "target"),
            ("source/d/f", "target/d/"),
            ("source/d/f", "target/d/f"),
        ],  # fmt: skip
    )
    def test_a_link_below_the_target_is_not_written_through(self, load, source, outside, origin, target) -> None:
        options = {"paths": [{"from": f"tree:///{origin}", "to": f"tree:///{target}"}]}
        with pytest.raises(ValueError, match="link that leaves its root"):
            start(load("copy"), source, options)
        assert (outside / "f").read_text() == "keep"
        options["paths"][0]["remove_destination"] = True
        start(load("copy"), source, options)
        assert (outside / "f").read_text() == "keep"
        assert (source / "target/d/f").read_text() == "new"

    def test_links_inside_are_written_through(self, load, source) -> None:
        (source / "target/d/f").unlink()
        (source / "target/d/f").symlink_to("../g")
        (source / "target/g").touch()
        start(load("copy"), source, {"paths": [{"from": "tree:///source/", "to": "tree:///target/"}]})
        assert (source / "target/g").read_text() == "new"


class TestUntar:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "content/var/run").mkdir(parents=True)
        (tmp_path / "content/var/run/f").write_text("f")
        subprocess.run(["tar", "-C", tmp_path / "content", "-cf", tmp_path / "a.tar", "var/run/f"], check=True)
        return {"file": {"path": str(tmp_path), "data": {"files": {"a.tar": {}}}}}

    def test_a_link_of_the_tree_that_leads_out_is_refused(self, load, tree, outside, archive) -> None:
        (tree / "var").mkdir()
        (tree / "var/run").symlink_to(outside)
        with pytest.raises(
            ValueError, match="the archive has files in var/run, which a link of the tree leads out of it"
        ):
            start(load("untar"), tree, {}, archive)
        assert os.listdir(outside) == []

    def test_one_that_stays_inside_is_followed(self, load, tree, archive) -> None:
        (tree / "var").mkdir()
        (tree / "run").mkdir()
        (tree / "var/run").symlink_to("../run")
        start(load("untar"), tree, {}, archive)
        assert (tree / "run/f").read_text() == "f"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("zip", {"filename": "z", "include": ["a", "-TT", "touch x"]}, r"include\[1\] must not begin with a dash"),
        (
            "clevis.luks-bind",
            {"passphrase": "p", "pin": "-f", "policy": "{}"},
            "pin must be a name like tang or tpm2, found '-f'",
        ),
    ],
)
def test_no_value_passes_for_an_option(load, tree, calls, given, name, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        start(load(name), tree, options, {"tree": given("tree")})
    assert calls == []


def test_the_default_target_is_no_option(load, tree, calls) -> None:
    start(load("systemd"), tree, {"default_target": "--global"})
    assert calls == [["systemctl", "--root", str(tree), "set-default", "--", "--global"]]


@pytest.mark.parametrize("digest", ["sha256:../../etc/shadow", "sha256:", "abc", "sha256:/etc/passwd"])
def test_a_layer_is_named_by_a_digest(tmp_path, digest) -> None:
    with pytest.raises(StageError, match="which is no digest"):
        imagelayers.blob(str(tmp_path), digest)
    assert imagelayers.blob("/image", "sha256:" + "a" * 64) == "/image/" + "a" * 64


def test_a_repository_whose_parts_lie_outside_is_refused(tree, outside) -> None:
    (tree / "repo").mkdir()
    (tree / "repo/objects").symlink_to(outside)
    with pytest.raises(StageError, match="repo: objects in the repository is a link that leads out of the tree"):
        ostreerepo.locate(str(tree), "/repo")


def test_a_chroot_mounts_inside_the_tree(tree, outside, calls) -> None:
    (tree / "proc").symlink_to(outside)
    with chroot.Chroot(str(tree)):
        pass
    words = [word for argv in calls for word in argv]
    assert f"{tree}{outside}" in words
    assert str(outside) not in words and str(tree / "proc") not in words


@pytest.mark.parametrize("osname", ["../../../../outside", "link"])
def test_a_deployment_is_one_of_the_tree(load, tree, outside, monkeypatch, osname) -> None:
    from osbuild.util import ostree

    monkeypatch.setattr(ostree, "rev_parse", lambda _repo, ref: ref)
    (tree / "ostree/deploy").mkdir(parents=True)
    (tree / "ostree/deploy/link").symlink_to(outside)
    (outside / "deploy/c.0/etc").mkdir(parents=True)
    options = {"filesystems": [], "ostree": {"deployment": {"osname": osname, "ref": "c"}}}
    with pytest.raises(FileNotFoundError):
        start(load("fstab"), tree, options)
    assert os.listdir(outside / "deploy/c.0/etc") == []
    assert load("bootupd").system_root(str(tree), options["ostree"]["deployment"]).startswith(f"{tree}/")
