# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The pipelines that turn the system's tree into a file: disk image, qcow2, archive."""

from __future__ import annotations

from typing import Any

from ..manifest import Stage, pipeline_file_input, tree_input
from .definition import Definition
from .layout import SECTOR, Layout, Partition

# Name of the disk inside the pipeline ``image``; it is what the image type raw exports.
RAW = "disk.raw"


def _table(layout: Layout) -> Stage:
    return Stage(
        "org.osbuild.debian.disk",
        {
            "filename": RAW,
            "size": layout.size,
            "uuid": layout.uuid,
            "partitions": [
                {"start": one.first_sector, "size": one.sectors, "type": one.type, "uuid": one.uuid, "name": one.name}
                for one in layout.partitions
            ],
        },
    )


def _filesystem(layout: Layout, partition: Partition, tree: str) -> Stage:
    below = [
        one.mountpoint
        for one in layout.partitions
        if one.filesystem == "ext4"
        and one.mountpoint != partition.mountpoint
        and one.mountpoint.startswith(partition.mountpoint.rstrip("/") + "/")
    ]
    options: dict[str, Any] = {
        "filename": RAW,
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


def _esp(definition: Definition, layout: Layout, partition: Partition, tree: str) -> Stage:
    return Stage(
        "org.osbuild.debian.esp",
        {
            "filename": RAW,
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


def _bios(definition: Definition, layout: Layout, partition: Partition) -> Stage:
    boot = definition.architecture.boot_loader
    return Stage(
        "org.osbuild.grub2.inst",
        {
            "filename": RAW,
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


def disk_stages(definition: Definition, layout: Layout, tree: str) -> tuple[Stage, ...]:
    """A bootable disk with the tree of the pipeline *tree* on it, made without loop devices or mounts of the image."""
    stages = [_table(layout)]
    stages += [_filesystem(layout, one, tree) for one in layout.partitions if one.filesystem == "ext4"]
    if layout.esp is not None:
        stages.append(_esp(definition, layout, layout.esp, tree))
    if layout.bios is not None:
        stages.append(_bios(definition, layout, layout.bios))
    return tuple(stages)


def qcow2_stage(filename: str, pipeline: str) -> Stage:
    """The disk of *pipeline* as qcow2, compressed with zlib, which every qemu reads."""
    return Stage(
        "org.osbuild.qemu",
        {"filename": filename, "format": {"type": "qcow2", "compat": "1.1", "compression": True}},
        inputs={"image": pipeline_file_input(pipeline, RAW)},
    )


def archive_stage(filename: str, tree: str) -> Stage:
    """The tree as a tar archive; owners by number, since names are those of the system inside."""
    return Stage(
        "org.osbuild.tar",
        {"filename": filename, "compression": "zstd", "numeric-owner": True, "root-node": "include"},
        inputs={"tree": tree_input(tree)},
    )
