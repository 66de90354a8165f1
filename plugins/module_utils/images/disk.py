# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The stages that write a bootable disk from the system's tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..manifest import Manifest, Stage, tree_input
from .definition import Definition
from .kernelargs import kernel_arguments
from .kernelinstall import TOKEN
from .layout import SECTOR, Layout, Partition
from .loopfree import filesystem_stages
from .mounteddisk import mounted_stages

# Name of the disk inside the pipeline ``image``, unless that is what is exported.
RAW = "disk.raw"
# Where the root hash is kept between the stages, beside the disk.
ROOT_HASH = "roothash"


def _table(layout: Layout, filename: str) -> Stage:
    partitions = []
    for one in layout.partitions:
        item: dict[str, Any] = {"start": one.first_sector, "size": one.sectors, "type": one.type}
        if layout.label == "gpt":
            item |= {"uuid": one.uuid, "name": one.name}
        elif one.mountpoint == layout.boot.mountpoint:
            item["bootable"] = True
        partitions.append(item)
    options: dict[str, Any] = {"filename": filename, "size": layout.size, "uuid": layout.uuid, "partitions": partitions}
    if layout.label != "gpt":
        options["label"] = layout.label
    return Stage("org.osbuild.debian.disk", options)


def grub_directory(layout: Layout) -> str:
    """grub's directory on the file system that holds it."""
    boot = layout.boot
    prefix = f"/{boot.subvolume}" if boot.subvolume else ""
    return f"{prefix}/boot/grub" if boot.mountpoint == "/" else f"{prefix}/grub"


def _esp(definition: Definition, layout: Layout, partition: Partition, tree: str, filename: str) -> Iterator[Stage]:
    where: dict[str, Any] = {
        "filename": filename,
        "start": partition.first_sector,
        "size": partition.sectors,
        "volume-id": partition.fs_id,
        "architecture": definition.architecture.name,
    }
    inputs = {"tree": tree_input(tree)}
    if definition.boot_loader == "grub":
        grub = {"fs-uuid": layout.boot.fs_id, "prefix": grub_directory(layout)}
        yield Stage("org.osbuild.debian.esp", {**where, "grub": grub}, inputs=inputs)
        return
    arguments = f"{root_argument(layout)} {kernel_arguments(definition)}"
    if definition.boot_loader == "systemd-boot":
        options = {**where, "kernel-opts": arguments, "entry-token": TOKEN, "timeout": 1}
        yield Stage("org.osbuild.debian.systemd-boot", options, inputs=inputs)
        return
    options = {**where, "kernel-opts": arguments, "entry-token": TOKEN, "fallback": True}
    if layout.hashes is not None:
        options["roothash"] = f"tree:///{ROOT_HASH}"
    yield Stage("org.osbuild.debian.uki", options, inputs=inputs)


def root_argument(layout: Layout) -> str:
    """How the kernel's command line names the root file system."""
    if layout.hashes is not None:
        # Opened and checked by the initial ram disk under this name.
        return f"root=/dev/mapper/root verity.data=PARTUUID={layout.root.partition.uuid} verity.hash=PARTUUID={layout.hashes.uuid} ro"
    if layout.root.subvolume:
        return f"root=UUID={layout.root.fs_id} rootflags=subvol={layout.root.subvolume} ro"
    return f"root=UUID={layout.root.fs_id} ro"


def _bios(definition: Definition, layout: Layout, filename: str) -> Iterator[Stage]:
    boot = definition.architecture.boot_loader
    if not boot.bios or definition.boot_loader != "grub":
        return
    # On a dos disk the core image lies in the gap behind the table.
    location = layout.bios.first_sector if layout.bios is not None else 1
    yield Stage(
        "org.osbuild.grub2.inst",
        {
            "filename": filename,
            "platform": boot.bios,
            "location": location,
            "core": {
                "type": "mkimage",
                "partlabel": layout.label,
                "filesystem": layout.boot.filesystem,
                "binary": "grub-mkimage",
            },
            "prefix": {
                "type": "partition",
                "partlabel": layout.label,
                # The stage counts from 0.
                "number": layout.number(layout.boot.partition) - 1,
                "path": grub_directory(layout),
            },
            "sector-size": SECTOR,
        },
    )


def _verity(layout: Layout, filename: str) -> Iterator[Stage]:
    if layout.hashes is None:
        return
    data = layout.root.partition
    yield Stage(
        "org.osbuild.debian.verity",
        {
            "filename": filename,
            "data": {"start": data.first_sector, "size": data.sectors},
            "hash": {"start": layout.hashes.first_sector, "size": layout.hashes.sectors},
            "uuid": layout.hashes.fs_id,
            "root-hash-file": ROOT_HASH,
        },
    )


def disk_stages(
    definition: Definition, layout: Layout, manifest: Manifest, tree: str, filename: str = RAW, boot_files: str = ""
) -> tuple[Stage, ...]:
    """A bootable disk with the tree of the pipeline *tree* on it.

    *boot_files* is the pipeline whose tree has what goes to the ESP, by default the same.

    Wherever possible it is made without loop devices or mounts of the image; the files in it are the same.
    """
    stages = [_table(layout, filename)]
    if layout.loop_free:
        stages += filesystem_stages(layout, tree, filename)
    else:
        stages += mounted_stages(definition, layout, manifest, tree, filename)
    stages += _verity(layout, filename)
    if layout.esp is not None:
        stages += _esp(definition, layout, layout.esp, boot_files or tree, filename)
    stages += _bios(definition, layout, filename)
    return tuple(stages)
