# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The stages that write a bootable disk from the system's tree."""

from __future__ import annotations

from typing import Any

from ..manifest import Stage, tree_input
from .definition import Definition
from .layout import SECTOR, Layout, Partition

# Name of the disk inside the pipeline ``image``, unless that is what is exported.
RAW = "disk.raw"


def _table(layout: Layout, filename: str) -> Stage:
    return Stage(
        "org.osbuild.debian.disk",
        {
            "filename": filename,
            "size": layout.size,
            "uuid": layout.uuid,
            "partitions": [
                {"start": one.first_sector, "size": one.sectors, "type": one.type, "uuid": one.uuid, "name": one.name}
                for one in layout.partitions
            ],
        },
    )


def _filesystem(layout: Layout, partition: Partition, tree: str, filename: str) -> Stage:
    below = [
        one.mountpoint
        for one in layout.partitions
        if one.filesystem == "ext4"
        and one.mountpoint != partition.mountpoint
        and one.mountpoint.startswith(partition.mountpoint.rstrip("/") + "/")
    ]
    options: dict[str, Any] = {
        "filename": filename,
        "start": partition.first_sector,
        "size": partition.sectors,
        "uuid": partition.fs_id,
        "label": partition.name[:16],
    }
    if partition.mountpoint != "/":
        options["source"] = partition.mountpoint
    if below:
        prefix = partition.mountpoint.rstrip("/")
        # Nested ones are empty with their parent already.
        outer = [path for path in below if not any(path.startswith(f"{other}/") for other in below)]
        options["exclude"] = [path[len(prefix) :] for path in sorted(outer)]
    return Stage("org.osbuild.debian.ext4", options, inputs={"tree": tree_input(tree)})


def _esp(definition: Definition, layout: Layout, partition: Partition, tree: str, filename: str) -> Stage:
    return Stage(
        "org.osbuild.debian.esp",
        {
            "filename": filename,
            "start": partition.first_sector,
            "size": partition.sectors,
            "volume-id": partition.fs_id,
            "architecture": definition.architecture.name,
            "grub": {"fs-uuid": layout.boot.fs_id, "prefix": _grub_directory(layout)},
        },
        inputs={"tree": tree_input(tree)},
    )


def _grub_directory(layout: Layout) -> str:
    return "/boot/grub" if layout.boot is layout.root else "/grub"


def _bios(definition: Definition, layout: Layout, partition: Partition, filename: str) -> Stage:
    boot = definition.architecture.boot_loader
    return Stage(
        "org.osbuild.grub2.inst",
        {
            "filename": filename,
            "platform": boot.bios,
            "location": partition.first_sector,
            "core": {"type": "mkimage", "partlabel": "gpt", "filesystem": "ext4", "binary": "grub-mkimage"},
            "prefix": {
                "type": "partition",
                "partlabel": "gpt",
                # The stage counts from 0.
                "number": layout.number(layout.boot) - 1,
                "path": _grub_directory(layout),
            },
            "sector-size": SECTOR,
        },
    )


def disk_stages(definition: Definition, layout: Layout, tree: str, filename: str = RAW) -> tuple[Stage, ...]:
    """A bootable disk with the tree of the pipeline *tree* on it, made without loop devices or mounts of the image."""
    stages = [_table(layout, filename)]
    stages += [_filesystem(layout, one, tree, filename) for one in layout.partitions if one.filesystem == "ext4"]
    if layout.esp is not None:
        stages.append(_esp(definition, layout, layout.esp, tree, filename))
    if layout.bios is not None:
        stages.append(_bios(definition, layout, layout.bios, filename))
    return tuple(stages)
