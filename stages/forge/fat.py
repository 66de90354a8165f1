# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A FAT file system inside a file, written with mtools(1): no loop device, no vfat in the kernel."""

from __future__ import annotations

import os
import subprocess

SECTOR = 512
HEADS, SECTORS_PER_TRACK = 64, 32
BACKUP_BOOT_SECTOR = 6  # where mformat, like everybody, puts FAT32's copy of the boot sector
PARTITION_TABLE = 446  # offset in a boot sector


class Fat:
    """One FAT file system inside a file.

    start, size: in sectors of 512 bytes; epoch: seconds since 1970 that all its files get.
    """

    def __init__(self, filename, start, size, epoch):
        self.filename = filename
        self.image = f"{filename}@@{start * SECTOR}"
        self.start, self.size = start, size
        self.environment = {
            **os.environ,
            "MTOOLSRC": "/dev/null",
            "MTOOLS_SKIP_CHECK": "1",
            "SOURCE_DATE_EPOCH": str(epoch),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        self.directories = set()

    def run(self, tool, *arguments):
        subprocess.run([tool, "-i", self.image, *arguments], check=True, env=self.environment)

    def format(self, volume_id, label, fat32=True):
        """Make the file system; without `fat32` mformat chooses by its size, which may be too small for FAT32."""
        self.run(
            "mformat", *(["-F"] if fat32 else []), "-v", label, "-N", volume_id, "-T", str(self.size),
            "-h", str(HEADS), "-s", str(SECTORS_PER_TRACK), "-H", str(self.start), "::",
        )  # fmt: skip
        if not fat32:
            return
        # mformat leaves something like a partition table in the boot sector and in its copy; grub-probe, looking for
        # nested tables, complains of it on the running system.
        with open(self.filename, "rb+") as file:
            for sector in (self.start, self.start + BACKUP_BOOT_SECTOR):
                file.seek(sector * SECTOR + PARTITION_TABLE)
                file.write(bytes(64))

    def add(self, source, target):
        """Copy the file `source` to the path `target` of the file system, with the directories above it."""
        parts = target.strip("/").split("/")
        for depth in range(1, len(parts)):
            directory = "/".join(parts[:depth])
            # FAT knows no case: EFI/debian and efi/DEBIAN are one directory.
            if directory.lower() not in self.directories:
                self.run("mmd", f"::/{directory}")
                self.directories.add(directory.lower())
        self.run("mcopy", "-o", source, f"::/{'/'.join(parts)}")
