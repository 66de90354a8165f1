# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blueprints of small systems on volume groups and in LUKS containers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

MIB = 1024**2
USER, PASSWORD = "forge", "hello-debian"
# Of the password above, in crypt(5)'s form.
HASH = "$6$hellodebian$Mo8TybQ8wWZG4iuqa9/WD8o3dCw3wIjY/I4LCW3qJptHvNWgNoPOOMhuafgmdw7AGlTNjB3H5PiyrO/CrYn78/"
PASSPHRASE = "correct horse battery staple"

LVM = {
    "type": "lvm",
    "name": "sys-vg",
    "logical_volumes": [
        {"name": "root-lv", "mountpoint": "/", "minsize": 1400 * MIB},
        {"name": "home", "mountpoint": "/home", "minsize": 64 * MIB},
        {"name": "swap", "fs_type": "swap", "minsize": 64 * MIB},
    ],
}
BTRFS = {"type": "btrfs", "subvolumes": [{"name": "@", "mountpoint": "/"}, {"name": "@home", "mountpoint": "/home"}]}

LAYOUTS = ("lvm", "encrypted", "encrypted-lvm", "encrypted-btrfs")
# What findmnt(8) says of what is mounted where.
_VOLUMES = {"/": "/dev/mapper/sys--vg-root--lv", "/home": "/dev/mapper/sys--vg-home"}
EXPECTED = {
    "lvm": _VOLUMES,
    "encrypted": {"/": "/dev/mapper/root"},
    "encrypted-lvm": _VOLUMES,
    "encrypted-btrfs": {"/": "/dev/mapper/root[/@]", "/home": "/dev/mapper/root[/@home]"},
}


def layouts(key: Path) -> dict[str, dict[str, Any]]:
    """Customizations by name; *key* holds the passphrase of the encrypted ones."""
    checksum = f"sha256:{hashlib.sha256(key.read_bytes()).hexdigest()}"
    secret = {"encryption": {"key_file": str(key), "key_checksum": checksum}}
    disks: dict[str, dict[str, Any]] = {"lvm": {"disk": {"partitions": [LVM]}}, "btrfs": {"disk": {"partitions": [BTRFS]}}}
    return {name: disks.get(name.removeprefix("encrypted-"), {}) | ({"debian": secret} if "encrypted" in name else {}) for name in LAYOUTS}


def blueprint(name: str, customizations: dict[str, Any]) -> dict[str, Any]:
    """A system that can be logged in to; a small kernel, since emulated processors are slow to read a big one."""
    own = {
        "hostname": name,
        "kernel": {"name": "linux-image-cloud-amd64"},
        "user": [{"name": USER, "password": HASH, "groups": ["sudo"], "shell": "/bin/bash"}],
    }
    return {"name": name, "packages": [], "customizations": {**own, **customizations}}
