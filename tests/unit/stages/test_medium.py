# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a live medium."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

EPOCH = 1_700_000_000
LOADERS = ("/usr/lib/shim/shimx64.efi.signed", "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed")
pytestmark = pytest.mark.skipif(
    not all(Path(path).exists() for path in (*LOADERS, "/usr/lib/grub/i386-pc/boot_hybrid.img")) or not shutil.which("mformat"),
    reason="shim-signed, grub-efi-amd64-signed, grub-pc-bin or mtools are not installed",
)
OPTIONS = {"architecture": "amd64", "title": "Jane's system", "kernel-opts": "boot=live quiet", "volume-id": "ABCD1234"}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    root = tmp_path / "system"
    (root / "boot").mkdir(parents=True)
    for version in ("6.9.7-amd64", "6.12.1-amd64"):
        (root / f"boot/vmlinuz-{version}").write_text(f"kernel {version}")
        (root / f"boot/initrd.img-{version}").write_text(f"initrd {version}")
    return root


def run(load, tree: Path, system: Path, **more: object) -> int:
    options = {**OPTIONS, **more}
    return int(load("debian.iso").main(str(tree), {"tree": {"path": str(system)}}, options, {"source-epoch": EPOCH}))


def test_the_newest_kernel_boots_from_a_menu(load, tree: Path, system: Path) -> None:
    assert run(load, tree, system) == 0
    assert (tree / "live/vmlinuz").read_text() == "kernel 6.12.1-amd64"
    assert (tree / "live/initrd.img").read_text() == "initrd 6.12.1-amd64"
    menu = (tree / "boot/grub/grub.cfg").read_text()
    assert "\tlinux /live/vmlinuz boot=live quiet\n\tinitrd /live/initrd.img\n" in menu
    subprocess.run(["grub-script-check", tree / "boot/grub/grub.cfg"], check=True)
    assert (tree / ".disk/info").exists(), "the signed grub looks for it"
    assert (tree / "boot/grub/eltorito.img").stat().st_size > 2048
    assert (tree / "boot/grub/i386-pc/linux.mod").exists()


def test_the_firmware_finds_shim_and_the_grub_for_media(load, tree: Path, system: Path) -> None:
    run(load, tree, system)
    for name, source in (("BOOTX64.EFI", LOADERS[0]), ("grubx64.efi", LOADERS[1])):
        image = tree / "boot/grub/efi.img"
        found = subprocess.run(["mtype", "-i", image, f"::/EFI/BOOT/{name}"], check=True, capture_output=True).stdout
        assert found == Path(source).read_bytes()


def test_equal_systems_give_equal_bytes(load, tree: Path, system: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for target in (tree, again):
        run(load, target, system)
    for name in ("boot/grub/efi.img", "boot/grub/eltorito.img", "boot/grub/grub.cfg"):
        assert (tree / name).read_bytes() == (again / name).read_bytes()


def test_a_system_without_kernel_is_refused_before_anything_is_written(load, tree: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match="the tree has no kernel"):
        run(load, tree, empty)
    assert not list(tree.iterdir())


def test_an_architecture_without_media_is_refused(load, tree: Path, system: Path) -> None:
    with pytest.raises(ValueError, match="architecture: vax has no boot loader for a medium"):
        run(load, tree, system, architecture="vax")


def test_links_out_of_the_tree_are_not_followed(load, tree: Path, system: Path, outside: Path) -> None:
    (tree / "live").symlink_to(outside)
    run(load, tree, system)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "path",
    ["live/vmlinuz", "live/initrd.img", ".disk/info"]
    + [f"boot/grub/{name}" for name in ("grub.cfg", "efi.img", "eltorito.img", "i386-pc/linux.mod")],
)
def test_a_link_in_place_of_a_file_is_not_written_through(load, tree: Path, system: Path, outside: Path, path: str) -> None:
    (outside / "f").write_text("keep")
    (tree / path).parent.mkdir(parents=True)
    (tree / path).symlink_to(outside / "f")
    Path(f"{tree}{outside}").mkdir(parents=True)
    run(load, tree, system)
    assert (outside / "f").read_text() == "keep"


def test_the_kernel_is_one_of_the_input(load, tree: Path, system: Path, outside: Path) -> None:
    (outside / "secret").write_text("secret")
    kernel = system / "boot/vmlinuz-6.12.1-amd64"
    kernel.unlink()
    kernel.symlink_to(outside / "secret")
    with pytest.raises(FileNotFoundError, match="/boot/vmlinuz-6.12.1-amd64 of the input tree is no file of it"):
        run(load, tree, system)
    assert not list(tree.iterdir())


def test_an_architecture_without_boot_loaders_is_refused(load, tree: Path, system: Path) -> None:
    with pytest.raises(ValueError, match="architecture: riscv64 has no boot loader for a medium"):
        run(load, tree, system, architecture="riscv64")
    assert not list(tree.iterdir())
