# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages for Fedora's layout of grub, for boot loader entries and for bootctl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = "11111111-2222-3333-4444-555555555555"
ENTRY = {"default": True, "id": "1", "product": {"name": "Debian", "version": "13"}, "kernel": "6.12.1-amd64"}
ISO = {"product": {"name": "D", "version": "1"}, "kernel": {"dir": "/live"}, "isolabel": "DEB"}


@pytest.fixture
def packages(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with Debian's boot loaders, and a build root without any."""
    from stages.forge import bootfiles

    exists = os.path.exists
    monkeypatch.setattr(bootfiles.os.path, "exists", lambda path: exists(path) and str(path).startswith(str(tree.parent)))
    files = {
        "usr/lib/shim/shimx64.efi.signed": b"shim",
        "usr/lib/shim/mmx64.efi.signed": b"mm",
        "usr/lib/shim/fbx64.efi.signed": b"fb",
        "usr/lib/shim/BOOTX64.CSV": b"csv",
        "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": b"grub /EFI/debian\0",
        "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed": b"gcd",
        "usr/lib/grub/i386-pc/normal.mod": b"normal",
        "usr/lib/grub/i386-pc/boot.img": b"boot",
        "usr/share/grub/unicode.pf2": b"font",
    }
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    return tree


def check_script(text: str, tmp_path: Path) -> None:
    """What Debian's grub takes for a script (it does not know blscfg, which is a command and no syntax)."""
    if shutil.which("grub-script-check"):
        (tmp_path / "grub.cfg").write_text(text)
        subprocess.run(["grub-script-check", tmp_path / "grub.cfg"], check=True)


class TestGrub2:
    def run(self, load, tree, **options):
        return load("grub2").main(str(tree), {"root_fs_uuid": ROOT, **options})

    def test_the_script_is_valid_with_every_feature(self, load, tree, tmp_path):
        self.run(load, tree, ignition=True, greenboot=True, config={"serial": "serial --unit=0", "terminal_input": ["serial"]})
        text = (tree / "boot/grub2/grub.cfg").read_text()
        check_script(text, tmp_path)
        assert text.index("ignition_firstboot") < text.index("boot_counter") < text.index("serial --unit=0") < text.index("blscfg")

    def test_installs_debians_signed_boot_loaders(self, load, packages):
        self.run(load, packages, uefi={"vendor": "debian", "install": True, "unified": True})
        efi = packages / "boot/efi/EFI"
        assert {str(path.relative_to(efi)): path.read_bytes() for path in efi.rglob("*") if path.name != "grub.cfg" and path.is_file()} == {
            "BOOT/BOOTX64.EFI": b"shim", "BOOT/fbx64.efi": b"fb", "debian/shimx64.efi": b"shim", "debian/mmx64.efi": b"mm",
            "debian/grubx64.efi": b"grub /EFI/debian\0", "debian/BOOTX64.CSV": b"csv",
        }  # fmt: skip
        assert "configfile $prefix/grub.cfg" in (efi / "debian/grub.cfg").read_text()

    def test_installs_from_a_populated_directory_if_there_is_one(self, load, packages, outside):
        for name in ("BOOT/BOOTX64.EFI", "x/grubx64.efi"):
            (outside / name).parent.mkdir()
            (outside / name).write_text(name)
        self.run(load, packages, uefi={"vendor": "x", "install": True, "efi_src_dir": str(outside)})
        assert (packages / "boot/efi/EFI/x/grubx64.efi").read_text() == "x/grubx64.efi"

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"uefi": {"vendor": "debian"}}, FileNotFoundError, "the tree has no directory /boot/efi/EFI/debian"),
            ({"uefi": {"vendor": "../.."}}, ValueError, "uefi.vendor must be the name of a directory"),
            ({"uefi": {"vendor": "..", "install": True}}, ValueError, "uefi.vendor must be the name of a directory"),
            ({"uefi": {"vendor": "fedora", "install": True}}, ValueError, "does not look for its configuration in EFI/fedora"),
            ({"uefi": {"vendor": "x", "install": True, "efi_src_dir": "/none"}}, FileNotFoundError, "no directory /none/x"),
            ({"legacy": "arm-none"}, FileNotFoundError, "has /usr/lib/grub/arm-none"),
            ({"legacy": "../i386-pc"}, ValueError, "platform of grub must be a name"),
            ({"kernel_opts": "a\nsaved_entry=x"}, ValueError, "kernel_opts must be one line"),
            ({"kernel_opts": "x" * 1000}, ValueError, "environment block has 1024 bytes"),
        ],
    )
    def test_what_cannot_work_is_refused_before_anything_is_written(self, load, packages, options, error, message):
        with pytest.raises(error, match=message):
            self.run(load, packages, **options)
        assert not (packages / "boot").exists() and not (packages / "etc").exists()

    def test_nothing_is_written_through_a_link_out_of_the_tree(self, load, tree, outside):
        (tree / "boot").symlink_to(outside)
        (tree / "etc").mkdir()
        (tree / "etc/default").symlink_to(outside)
        self.run(load, tree)
        assert not list(outside.iterdir())


class TestGrub2Legacy:
    def run(self, load, tree, **options):
        return load("grub2.legacy").main(str(tree), {"rootfs": {"uuid": ROOT}, "entries": [ENTRY], **options})

    def test_kernels_of_debian_get_the_names_and_commands_of_debian(self, load, packages, tmp_path):
        (packages / "boot").mkdir()
        (packages / "boot/initrd.img-6.12.1-amd64").touch()
        self.run(load, packages, bios={"platform": "i386-pc"}, entries=[ENTRY, {**ENTRY, "default": False, "kernel": "old", "id": "it's"}])
        text = (packages / "boot/grub2/grub.cfg").read_text()
        check_script(text, tmp_path)
        assert "\tinitrd /boot/initrd.img-6.12.1-amd64\n" in text and "\tinitrd16 /boot/initramfs-old.img\n" in text
        assert sorted(os.listdir(packages / "boot/grub2/i386-pc")) == ["normal.mod"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rootfs": {"device": "/dev/sda1"}}, "rootfs: grub cannot find a file system by its kernel device /dev/sda1"),
            ({"entries": [ENTRY, ENTRY]}, "entries: only one can be the default, found 2"),
            ({"config": {"cmdline": "a\nb"}}, "config.cmdline must be one line"),
        ],
    )
    def test_wrong_options(self, load, packages, options, message):
        with pytest.raises(ValueError, match=message):
            self.run(load, packages, bios={"platform": "i386-pc"}, **options)
        assert not (packages / "boot").exists()


class TestIso:
    @pytest.mark.parametrize("stage", ["grub2.iso", "grub2.iso.legacy"])
    def test_the_menu_is_as_asked_for(self, load, packages, tmp_path, stage):
        custom = [{"name": "Jane's", "linux": "/x/vmlinuz a=b", "initrd": "/x/initrd"}]
        options = {**ISO, "fips": True, "test": False, "custom": custom, "config": {"timeout": 3, "default": 2}}
        load(stage).main(str(packages), options)
        text = next(packages.rglob("grub.cfg" if stage.endswith("legacy") else "EFI/BOOT/grub.cfg")).read_text()
        check_script(text, tmp_path)
        titles = [line.split(" --class")[0].strip() for line in text.splitlines() if "menuentry" in line]
        assert titles[:3] == ["menuentry 'Install D 1'", "menuentry 'Install D 1 in FIPS mode'", "menuentry 'Jane'\\''s'"]
        assert 'set default="2"\n' in text and "set timeout=3\n" in text and "\tlinux /x/vmlinuz a=b\n" in text

    def test_debians_grub_for_cds_finds_the_medium_and_the_menu(self, load, packages):
        load("grub2.iso").main(str(packages), ISO)
        efi = packages / "EFI/BOOT"
        assert [(efi / name).read_bytes() for name in ("BOOTX64.EFI", "mmx64.efi", "grubx64.efi", "fonts/unicode.pf2")] == [
            b"shim", b"mm", b"gcd", b"font",
        ]  # fmt: skip
        assert "configfile ($root)/EFI/BOOT/grub.cfg" in (packages / "boot/grub/grub.cfg").read_text()
        assert (packages / ".disk/info").is_file()

    @pytest.mark.parametrize(
        ("stage", "options", "error", "message"),
        [
            ("grub2.iso", {"architectures": ["VAX"]}, ValueError, "architectures: must be of X64, IA32, AA64, found 'VAX'"),
            ("grub2.iso", {"architectures": ["AA64"]}, FileNotFoundError, "shimaa64|mmaa64"),
            ("grub2.iso", {"vendor": "../x"}, ValueError, "vendor must be the name of a directory"),
            ("grub2.iso.legacy", {"grub2dir": "../.."}, ValueError, "grub2dir must be a directory below"),
            ("grub2.iso.legacy", {"config": {"default": 9}}, ValueError, "the menu has the entries 0 to 2, found 9"),
            ("grub2.iso.legacy", {"isolabel": "a\nb"}, ValueError, "isolabel must be one line"),
            (
                "grub2.iso.legacy",
                {"install": False, "test": False, "troubleshooting": False},
                ValueError,
                "the menu would have no entry",
            ),
        ],
    )
    def test_wrong_options(self, load, packages, stage, options, error, message):
        with pytest.raises(error, match=message):
            load(stage).main(str(packages), {**ISO, **options})


class TestGrub2D:
    def test_a_link_out_of_the_tree_is_followed_inside_it(self, load, arguments, tree, outside):
        (tree / "etc").symlink_to(outside)
        options = {"path": "tree:///etc/x.cfg", "config": {"serial": "serial"}}
        load("grub2.d").main(arguments(), options)
        assert not list(outside.iterdir())
        assert (tree / str(outside)[1:] / "x.cfg").read_text() == "serial\n"

    @pytest.mark.parametrize(
        ("path", "config", "message"),
        [
            ("tree:///etc/", {"serial": "serial"}, "path must name a file"),
            ("mount://none/x", {"serial": "serial"}, "Unknown mount 'none'"),
            ("tree:///x", {"terminal_input": ["a\nb"]}, r"config.terminal_input\[0\] must be one line"),
        ],
    )
    def test_wrong_options(self, load, arguments, path, config, message):
        with pytest.raises(ValueError, match=message):
            load("grub2.d").main(arguments(), {"path": path, "config": config})


class TestBootLoaderEntries:
    def entry(self, tree: Path, text: str) -> Path:
        path = tree / "boot/loader/entries/a.conf"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    @pytest.mark.parametrize(
        ("options", "before", "after"),
        [
            ({}, "linux /run/osbuild/tree/boot/vmlinuz", "linux /boot/vmlinuz"),
            ({"prefix": ""}, "linux /run/osbuild/tree/boot/vmlinuz", "linux /vmlinuz"),
            ({"prefix": ""}, "initrd /a/boot/x /boot/y $tuned", "initrd /x /boot/y $tuned"),
            ({}, "options root=/a/boot/b", "options root=/a/boot/b"),
            ({"require_boot_prefix": False}, "linux /vmlinuz", "linux /boot/vmlinuz"),
            ({"require_boot_prefix": False}, "linux /boot/vmlinuz", "linux /boot/vmlinuz"),
            ({"require_boot_prefix": False, "prefix": ""}, "linux /a/boot/vmlinuz", "linux /vmlinuz"),
        ],
    )
    def test_paths_are_those_the_boot_loader_sees(self, load, tree, options, before, after):
        path = self.entry(tree, f"title /a/boot/x\n{before}\n")
        load("fix-bls").main(str(tree), options)
        assert path.read_text() == f"title /a/boot/x\n{after}\n"

    def test_entries_are_not_written_through_a_link(self, load, tree, arguments, outside):
        (outside / "victim").write_text("linux /a/boot/x\noptions a\n")
        folder = tree / "boot/loader/entries"
        folder.mkdir(parents=True)
        (folder / "a.conf").symlink_to(outside / "victim")
        with pytest.raises(FileNotFoundError):
            load("fix-bls").main(str(tree), {})
        with pytest.raises(ValueError, match="is reached by a link"):
            load("kernel-cmdline.bls-append").main(arguments(), {"kernel_opts": ["b"]})
        assert (outside / "victim").read_text() == "linux /a/boot/x\noptions a\n"

    def test_one_argument_is_one_line(self, load, tree, arguments):
        self.entry(tree, "options a\n")
        with pytest.raises(ValueError, match=r"kernel_opts\[1\] must be one line"):
            load("kernel-cmdline.bls-append").main(arguments(), {"kernel_opts": ["b", "c\nd"]})


@pytest.mark.root
@pytest.mark.skipif(shutil.which("bootctl") is None, reason="systemd-boot is not installed")
class TestBootctl:
    def run(self, repo: Path, tree: Path, **options) -> subprocess.CompletedProcess[str]:
        """In a process of its own: the stage gives itself mounts."""
        script = (
            "import sys, json; from importlib.machinery import SourceFileLoader as L; import importlib.util as u\n"
            "sys.dont_write_bytecode = True\n"
            f"s = u.spec_from_loader('s', L('s', {str(repo / 'stages/org.osbuild.bootctl.install.root')!r}))\n"
            "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
            "a = json.loads(sys.argv[1]); sys.exit(m.main(a, a['options']))"
        )
        document = {"tree": str(tree), "mounts": {}, "options": {"root": "tree:///", **options}}
        return subprocess.run(
            ["/usr/bin/python3", "-c", script, json.dumps(document)],
            env={**os.environ, "PYTHONPATH": str(repo / "engine")}, capture_output=True, encoding="utf8", check=False,
        )  # fmt: skip

    @pytest.fixture
    def system(self, tree: Path) -> Path:
        for name, content in {"usr/lib/systemd/boot/efi/systemd-bootx64.efi": "fake", "etc/os-release": "ID=debian\n"}.items():
            (tree / name).parent.mkdir(parents=True)
            (tree / name).write_text(content)
        (tree / "efi").mkdir()
        return tree

    def test_a_plain_directory_will_do_if_checks_are_relaxed(self, repo, system):
        result = self.run(repo, system, **{"relax-esp-checks": True, "random-seed": "no", "entry-token": "os-id"})
        assert result.returncode == 0, result.stderr
        assert (system / "efi/EFI/BOOT/BOOTX64.EFI").read_text() == "fake"
        assert (system / "efi/loader/loader.conf").is_file() and not (system / "efi/loader/random-seed").exists()
        assert str(system) not in Path("/proc/mounts").read_text()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"esp-path": "efi"}, "esp-path must be an absolute path below the root"),
            ({"relax-esp-checks": True, "esp-path": "/none"}, "/none is no directory of the root"),
            ({"root": "mount://none/"}, "Unknown mount 'none'"),
        ],
    )
    def test_wrong_options(self, repo, system, options, message):
        result = self.run(repo, system, **options)
        assert result.returncode == 1 and message in result.stderr


LEGACY = {"rootfs": {"uuid": ROOT}, "entries": [ENTRY], "bios": {"platform": "i386-pc"}}
FILES = [
    ("grub2", {"root_fs_uuid": ROOT, "legacy": "i386-pc"}, path)
    for path in ("etc/default/grub", *(f"boot/grub2/{name}" for name in ("grub.cfg", "grubenv", "fonts/unicode.pf2", "i386-pc/normal.mod")))
]
FILES += [("grub2.legacy", LEGACY, f"boot/grub2/{name}") for name in ("grub.cfg", "fonts/unicode.pf2", "i386-pc/normal.mod")]
FILES += [("grub2.iso", ISO, f"EFI/BOOT/{name}") for name in ("grub.cfg", "BOOTX64.EFI", "fonts/unicode.pf2")]
FILES += [("grub2.iso", ISO, path) for path in ("boot/grub/grub.cfg", ".disk/info")]
FILES += [("grub2.iso.legacy", ISO, f"boot/grub2/{name}") for name in ("grub.cfg", "i386-pc/normal.mod")]
FILES += [
    ("debian.grub", {"root-fs-uuid": ROOT, "platforms": ["i386-pc"]}, path)
    for path in ("etc/default/grub.d/50-image.cfg", *(f"boot/grub/{name}" for name in ("grub.cfg", "grubenv", "i386-pc/normal.mod")))
]


class TestLinksThatLeadOut:
    @pytest.fixture
    def system(self, packages: Path) -> Path:
        (packages / "boot").mkdir()
        for name in ("vmlinuz-6.12.1-amd64", "initrd.img-6.12.1-amd64"):
            (packages / "boot" / name).touch()
        return packages

    @pytest.mark.parametrize(("name", "options", "path"), FILES)
    def test_one_in_place_of_a_file_is_not_written_through(self, load, system, outside, name, options, path):
        (outside / "f").write_text("keep")
        (system / path).parent.mkdir(parents=True, exist_ok=True)
        (system / path).symlink_to(outside / "f")
        Path(f"{system}{outside}").mkdir(parents=True)
        load(name).main(str(system), options)
        assert (outside / "f").read_text() == "keep"
        assert (Path(f"{system}{outside}/f") if (system / path).is_symlink() else system / path).is_file()

    @pytest.mark.parametrize(("name", "options", "path"), FILES)
    def test_one_in_place_of_a_directory_is_not_followed(self, load, system, outside, name, options, path):
        (system / path).parent.parent.mkdir(parents=True, exist_ok=True)
        (system / path).parent.symlink_to(outside)
        Path(f"{system}{outside}").mkdir(parents=True)
        load(name).main(str(system), options)
        assert not list(outside.iterdir())
        assert Path(f"{system}{outside}", Path(path).name).is_file()

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("grub2", {"root_fs_uuid": ROOT, "legacy": "i386-pc"}),
            ("grub2.legacy", LEGACY),
            ("debian.grub", {"root-fs-uuid": ROOT, "platforms": ["i386-pc"]}),
        ],
    )
    def test_one_among_the_modules_is_not_read(self, load, system, outside, name, options):
        (outside / "secret").write_text("secret")
        (system / "usr/lib/grub/i386-pc/normal.mod").unlink()
        (system / "usr/lib/grub/i386-pc/normal.mod").symlink_to(outside / "secret")
        with pytest.raises(ValueError, match=r"normal.mod among the modules of grub is a link; it must be a file"):
            load(name).main(str(system), options)
        assert not list((system / "boot").glob("**/normal.mod"))
