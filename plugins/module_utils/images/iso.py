# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A live medium: the system as a squashfs that live-boot(7) mounts, and boot loaders for both firmwares.

The same file boots from a CD and, written to it as it is, from a USB stick.
"""

from __future__ import annotations

from typing import Any

from ..manifest import Stage, tree_input
from .definition import Definition
from .kernelargs import SERIAL_SPEED, kernel_arguments

# Where live-boot looks for the system (live-boot(7), live-media-path).
_LIVE = "live"
_LEVEL = 9


def iso_pipelines(definition: Definition, tree: str) -> list[tuple[str, tuple[Stage, ...]]]:
    """Pipelines ``iso-tree``, what is on the medium, and ``iso``, the medium."""
    wanted = definition.customizations.iso
    volume = wanted.volume_id or _volume(definition)
    boot = definition.architecture.boot_loader
    content = (
        Stage("org.osbuild.mkdir", {"paths": [{"path": f"/{_LIVE}"}]}),
        Stage(
            "org.osbuild.squashfs",
            {"filename": f"{_LIVE}/filesystem.squashfs", "compression": {"method": "zstd", "level": _LEVEL},
             # The medium has its own copies.
             "exclude_paths": ["boot/vmlinuz-.*", "boot/initrd.img-.*"]},
            inputs={"tree": tree_input(tree)},
        ),
        Stage(
            "org.osbuild.debian.iso",
            {
                "architecture": definition.architecture.name,
                "title": f"{definition.blueprint.name} {definition.blueprint.version}",
                "kernel-opts": f"boot=live {kernel_arguments(definition)}",
                "volume-id": definition.volume_id("filesystem esp"),
                **({"serial": f"--unit=0 --speed={SERIAL_SPEED}"} if boot.bios else {}),
                "path": _LIVE,
            },
            inputs={"tree": tree_input(tree)},
        ),
    )  # fmt: skip
    options: dict[str, Any] = {
        "filename": definition.image_type.filename,
        "volid": volume,
        "isolevel": 3,
        "efi": "boot/grub/efi.img",
    }
    if boot.bios:
        options["boot"] = {"image": "boot/grub/eltorito.img", "catalog": "boot/grub/boot.cat"}
        options["grub2mbr"] = f"/usr/lib/grub/{boot.bios}/boot_hybrid.img"
    if wanted.publisher:
        options["pub"] = wanted.publisher
    if wanted.application_id:
        options["appid"] = wanted.application_id
    medium = Stage("org.osbuild.xorrisofs", options, inputs={"tree": tree_input("iso-tree")})
    return [("iso-tree", content), ("iso", (medium,))]


def _volume(definition: Definition) -> str:
    """A volume id from the blueprint's name: capital letters, digits and _ (ECMA-119, 7.4.2), 32 at most."""
    text = "".join(char if char.isalnum() and char.isascii() else "_" for char in definition.blueprint.name.upper())
    return text[:32]
