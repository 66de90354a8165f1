# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""EFI boot images for optical and network boot, from the boot files of a tree in Fedora's layout."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tarfile
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    StrPath = str | os.PathLike[str]

SECTOR = 512
# What the file system itself needs, besides its files.
OVERHEAD = 2 << 20


def find_efi_source_paths(tree: StrPath) -> list[str]:
    """Return the directories named EFI in which packages of `tree` keep boot files. Raises ValueError if there is none."""
    found = sorted(glob.glob(os.path.join(glob.escape(os.fspath(tree)), "usr/lib/efi/*/*/EFI")))
    if not found:
        found = [path for path in [os.path.join(tree, "boot/efi/EFI")] if os.path.isdir(path)]
    if not found:
        raise ValueError(f"no EFI boot files in {os.fspath(tree)}: neither boot/efi/EFI nor usr/lib/efi/*/*/EFI exists")
    return found


def find_efi_vendor_dir_name(efidir: StrPath | None = None, source_tree: StrPath | None = None) -> str:
    """Return the name of the only directory besides BOOT, in `efidir` or the boot files of `source_tree`.

    Raises ValueError if there is none or more than one.
    """
    if efidir is not None:
        paths = [os.fspath(efidir)]
    elif source_tree is not None:
        paths = find_efi_source_paths(source_tree)
    else:
        raise ValueError("efidir or source_tree must be given")
    names = {name for path in paths for name in os.listdir(path) if os.path.isdir(os.path.join(path, name))} - {"BOOT"}
    if len(names) != 1:
        found = ", ".join(sorted(names)) or "none"
        raise ValueError(f"expected exactly one vendor directory in {', '.join(paths)}, found {found}")
    return names.pop()


def mkefidir(efidir: StrPath, source_tree: StrPath) -> None:
    """Fill `efidir` with the boot files of `source_tree`. Raises ValueError if there are none."""
    for path in find_efi_source_paths(source_tree):
        shutil.copytree(path, efidir, dirs_exist_ok=True)
    # The fallback loader would add entries to the firmware of every machine that boots such an image.
    for pattern in ("BOOT/fb*.efi", "*/BOOT*.CSV"):
        for path in glob.glob(os.path.join(glob.escape(os.fspath(efidir)), pattern)):
            os.unlink(path)


def mkefiboot(efidir: StrPath, output_efiboot_img: StrPath, loop_client: Any) -> None:
    """Make the FAT image `output_efiboot_img` with the files of `efidir` as /EFI.

    `loop_client` makes loop devices, like `osbuild.remoteloop.LoopClient`. Raises CalledProcessError.
    """
    with tempfile.TemporaryDirectory() as tmpdir:
        archive = os.path.join(tmpdir, "efi.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(efidir, arcname="EFI", filter=_plain)
        size = os.stat(archive).st_size + OVERHEAD
        with open(output_efiboot_img, "wb") as file:
            file.truncate(-(-size // SECTOR) * SECTOR)
        mountpoint = os.path.join(tmpdir, "mnt")
        os.mkdir(mountpoint)
        with loop_client.device(output_efiboot_img) as device:
            subprocess.run(["mkfs", "-t", "vfat", "-I", "--mbr=n", "-n", "EFI-SYSTEM", device], check=True)
            subprocess.run(["mount", "-o", "utf8", device, mountpoint], check=True)
            try:
                subprocess.run(["tar", "-C", mountpoint, "-xf", archive], check=True)
            finally:
                subprocess.run(["umount", mountpoint], check=True)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Give a member what FAT can hold: root's, and one mode for files and one for directories."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member
