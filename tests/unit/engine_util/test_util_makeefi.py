# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild.testutil import make_fake_tree, mock_command
from osbuild.util import makeefi

FILES = {
    "BOOT/BOOTX64.EFI": "shim",
    "BOOT/fbx64.efi": "fallback",
    "fedora/BOOTX64.CSV": "x",
    "fedora/grubx64.efi": "grub",
}


@pytest.mark.parametrize("places", [["boot/efi/EFI"], ["usr/lib/efi/grub2/2.12/EFI", "usr/lib/efi/shim/15.8/EFI"]])
def test_boot_files_are_collected_without_the_fallback(tmp_path: Path, places: list[str]) -> None:
    tree = tmp_path / "tree"
    for number, (name, content) in enumerate(FILES.items()):
        make_fake_tree(tree, {f"{places[number % len(places)]}/{name}": content})
    assert makeefi.find_efi_source_paths(tree) == [f"{tree}/{place}" for place in places]
    assert makeefi.find_efi_vendor_dir_name(source_tree=tree) == "fedora"
    efidir = tmp_path / "efi"
    makeefi.mkefidir(efidir, tree)
    assert sorted(str(path.relative_to(efidir)) for path in efidir.rglob("*") if path.is_file()) == [
        "BOOT/BOOTX64.EFI", "fedora/grubx64.efi",
    ]  # fmt: skip
    assert makeefi.find_efi_vendor_dir_name(efidir) == "fedora"
    (efidir / "other").mkdir()
    with pytest.raises(ValueError, match="exactly one vendor directory in .*, found fedora, other"):
        makeefi.find_efi_vendor_dir_name(efidir=efidir)


def test_tree_without_boot_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no EFI boot files"):
        makeefi.mkefidir(tmp_path / "efi", tmp_path)
    with pytest.raises(ValueError, match="must be given"):
        makeefi.find_efi_vendor_dir_name()


class Loops:
    @contextlib.contextmanager
    def device(self, filename: Any) -> Iterator[str]:
        assert os.path.getsize(filename) % 512 == 0
        yield "/dev/loop99"


def test_image_is_made_of_plain_files_and_unmounted_even_on_failure(tmp_path: Path) -> None:
    make_fake_tree(tmp_path / "efi", FILES)
    (tmp_path / "efi/BOOT/BOOTX64.EFI").chmod(0o600)
    image = tmp_path / "efiboot.img"
    with (
        mock_command("mkfs", "") as mkfs,
        mock_command("mount", "") as mount,
        mock_command("umount", "") as umount,
        mock_command("tar", f"cp $4 {tmp_path}/seen.tar; exit 3") as tar,
    ):
        with pytest.raises(Exception, match="exit status 3"):
            makeefi.mkefiboot(tmp_path / "efi", image, Loops())
        assert mkfs.call_args_list == [["-t", "vfat", "-I", "--mbr=n", "-n", "EFI-SYSTEM", "/dev/loop99"]]
        ((*options, mountpoint),) = mount.call_args_list
        assert options == ["-o", "utf8", "/dev/loop99"]
        assert umount.call_args_list == [[mountpoint]]
        assert tar.call_args_list[0][:3] == ["-C", mountpoint, "-xf"]
    size = (tmp_path / "seen.tar").stat().st_size
    assert image.stat().st_size == size + (2 << 20)
    with tarfile.open(tmp_path / "seen.tar") as archive:
        members = archive.getmembers()
    assert {member.name for member in members if member.isfile()} == {f"EFI/{name}" for name in FILES}
    assert {(member.uid, member.gid, member.isdir(), member.mode) for member in members} == {
        (0, 0, True, 0o755), (0, 0, False, 0o644),
    }  # fmt: skip
