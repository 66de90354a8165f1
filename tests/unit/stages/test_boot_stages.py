# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages that configure grub and write files into a tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = "00000000-0000-4000-8000-000000000001"
BOOT = "00000000-0000-4000-8000-000000000002"
EPOCH = 1_700_000_000


@pytest.fixture
def bootable(tree: Path) -> Path:
    """A tree with three kernels and grub's modules."""
    (tree / "boot").mkdir()
    for version in ("6.9.7-amd64", "6.12.1-amd64", "6.12.1~rc2-amd64"):
        (tree / f"boot/vmlinuz-{version}").touch()
        (tree / f"boot/initrd.img-{version}").touch()
    modules = tree / "usr/lib/grub/i386-pc"
    modules.mkdir(parents=True)
    for name in ("normal.mod", "command.lst", "boot.img"):
        (modules / name).write_text(name)
    (tree / "etc").mkdir()
    (tree / "etc/os-release").write_text('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\n')
    return tree


class TestGrub:
    def grub(self, load, tree, **options):
        assert load("debian.grub").main(str(tree), {"root-fs-uuid": ROOT, **options}) == 0
        return (tree / "boot/grub/grub.cfg").read_text()

    def test_the_newest_kernel_is_the_default_and_every_kernel_has_an_entry(self, load, bootable):
        text = self.grub(load, bootable, **{"kernel-opts": "console=ttyS0 quiet"})
        lines = [line.split() for line in text.splitlines() if line.startswith("\tlinux ")]
        assert [line[1] for line in lines[::2]] == [
            "/boot/vmlinuz-6.12.1-amd64",
            "/boot/vmlinuz-6.12.1~rc2-amd64",
            "/boot/vmlinuz-6.9.7-amd64",
        ]
        assert lines[0][2:] == [f"root=UUID={ROOT}", "ro", "console=ttyS0", "quiet"]
        assert "single" in lines[1]
        assert text.index("menuentry 'Debian GNU/Linux'") < text.index("with Linux 6.9.7-amd64")
        assert "set default=0" in text

    def test_a_boot_file_system_of_its_own_has_the_kernels_at_its_root(self, load, bootable):
        text = self.grub(load, bootable, **{"boot-fs-uuid": BOOT})
        assert f"--set=root {BOOT}" in text and "linux /vmlinuz-6.12.1-amd64 root=UUID=" + ROOT in text

    def test_a_subvolume_is_named_to_the_kernel_and_is_part_of_grubs_path(self, load, bootable):
        text = self.grub(load, bootable, **{"root-subvolume": "@", "kernel-opts": "quiet"})
        assert f"linux /@/boot/vmlinuz-6.12.1-amd64 root=UUID={ROOT} ro rootflags=subvol=@ quiet\n" in text
        assert f"root=UUID={ROOT} ro rootflags=subvol=@ single quiet\n" in text
        assert "initrd /@/boot/initrd.img-6.12.1-amd64" in text

    def test_with_a_boot_file_system_the_roots_subvolume_is_the_kernels_affair(self, load, bootable):
        text = self.grub(load, bootable, **{"boot-fs-uuid": BOOT, "root-subvolume": "@"})
        assert f"linux /vmlinuz-6.12.1-amd64 root=UUID={ROOT} ro rootflags=subvol=@\n" in text
        text = self.grub(load, bootable, **{"boot-fs-uuid": ROOT, "root-subvolume": "@", "boot-subvolume": "@boot"})
        assert f"linux /@boot/vmlinuz-6.12.1-amd64 root=UUID={ROOT} ro rootflags=subvol=@\n" in text

    @pytest.mark.skipif(shutil.which("grub-script-check") is None, reason="grub-common is not installed")
    def test_grub_understands_the_configuration(self, load, bootable):
        options = {"title": "Jane's \"box\"; $HOME", "serial": "--unit=0 --speed=115200", "timeout": -1}
        self.grub(load, bootable, **options)
        subprocess.run(["grub-script-check", bootable / "boot/grub/grub.cfg"], check=True)

    def test_update_grub_will_use_the_same_settings(self, load, bootable):
        self.grub(load, bootable, **{"kernel-opts": "console=ttyS0 a='b'", "serial": "--unit=0", "timeout": 3})
        script = f". {bootable}/etc/default/grub.d/50-image.cfg; echo \"$GRUB_TIMEOUT|$GRUB_CMDLINE_LINUX|$GRUB_TERMINAL\""
        shown = subprocess.run(["sh", "-c", script], check=True, capture_output=True, encoding="utf8").stdout
        assert shown == "3|console=ttyS0 a='b'|console serial\n"

    def test_modules_are_copied_and_the_environment_block_is_one_kibibyte(self, load, bootable):
        self.grub(load, bootable, platforms=["i386-pc"])
        assert sorted(os.listdir(bootable / "boot/grub/i386-pc")) == ["command.lst", "normal.mod"]
        block = (bootable / "boot/grub/grubenv").read_text()
        assert len(block) == 1024 and block.startswith("# GRUB Environment Block\n#")

    def test_what_is_missing_is_named(self, load, bootable):
        with pytest.raises(FileNotFoundError, match="no /usr/lib/grub/x86_64-efi"):
            self.grub(load, bootable, platforms=["x86_64-efi"])
        (bootable / "boot/initrd.img-6.12.1-amd64").unlink()
        with pytest.raises(FileNotFoundError, match=r"no initial ram disk /boot/initrd.img-6.12.1-amd64"):
            self.grub(load, bootable)
        for path in (bootable / "boot").glob("vmlinuz-*"):
            path.unlink()
        with pytest.raises(FileNotFoundError, match="is a linux-image package installed"):
            self.grub(load, bootable)


@pytest.fixture
def source(tmp_path: Path) -> dict[str, object]:
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "sha256:a").write_text("content\n")
    return {"files": {"path": str(folder), "data": {"files": {"sha256:a": {}}}}}


@pytest.fixture
def accounts(tree: Path) -> Path:
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\njane:x:1234:1235::/home/jane:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\nstaff:x:4242:\n")
    return tree


@pytest.mark.root
class TestFiles:
    def write(self, load, tree, inputs, **options):
        return load("debian.files").main(str(tree), inputs, options, {"source-epoch": EPOCH})

    def test_content_mode_owner_and_time_are_set(self, load, accounts, source):
        (accounts / "etc/motd").write_text("old")
        self.write(
            load,
            accounts,
            source,
            directories=[{"path": "/srv/a/b", "mode": "2750", "user": "jane", "group": "staff", "ensure_parents": True}],
            files=[
                {"path": "/etc/motd", "source": "sha256:a"},
                {"path": "/srv/a/b/tool", "source": "sha256:a", "mode": "4755", "user": 7, "group": "staff"},
            ],
        )
        assert (accounts / "etc/motd").read_text() == "content\n"
        for name, mode, user, group in (
            ("etc/motd", 0o644, 0, 0),
            ("srv/a/b", 0o2750, 1234, 4242),
            ("srv/a", 0o755, 0, 0),
            ("srv/a/b/tool", 0o4755, 7, 4242),
        ):
            status = (accounts / name).stat()
            assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, user, group), name
        assert (accounts / "etc/motd").stat().st_mtime == EPOCH

    def test_links_are_followed_inside_the_tree_and_a_link_in_place_of_the_file_is_replaced(
        self, load, accounts, source, outside
    ):
        (accounts / "usr/share").mkdir(parents=True)
        (accounts / "link").symlink_to("/usr/share")
        (accounts / "etc/resolv.conf").symlink_to(outside / "victim")
        self.write(
            load,
            accounts,
            source,
            files=[
                {"path": "/link/file", "source": "sha256:a"},
                {"path": "/etc/resolv.conf", "source": "sha256:a"},
            ],
        )
        assert (accounts / "usr/share/file").is_file()
        assert not (accounts / "etc/resolv.conf").is_symlink()
        assert not list(outside.iterdir())

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"files": [{"path": "/no/file", "source": "sha256:a"}]}, "/no/file: /no does not exist"),
            ({"files": [{"path": "/etc", "source": "sha256:a"}]}, "/etc: is a directory"),
            ({"files": [{"path": "/etc/a", "source": "sha256:b"}]}, "holds nothing called sha256:b"),
            ({"files": [{"path": "/etc/a", "source": "sha256:a", "user": "joe"}]}, "the tree has no user 'joe'"),
            ({"directories": [{"path": "/etc/passwd"}]}, "/etc/passwd: exists in the tree and is not a directory"),
            ({"directories": [{"path": "/a/b"}]}, "/a/b: /a does not exist"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, load, accounts, source, options, words):
        with pytest.raises(ValueError, match=words):
            self.write(load, accounts, source, **options)
