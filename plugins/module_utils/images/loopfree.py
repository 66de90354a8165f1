# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""File systems written straight into the image file, by stages that take care of devices themselves if they need any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..manifest import Stage, tree_input
from .layout import Layout, Mount, Partition

# What is filled from the tree; the ESP has a stage of its own.
_FILLED = ("ext4", "xfs", "btrfs")


def _below(layout: Layout, partition: Partition, mountpoint: str) -> list[str]:
    """Mount points of other partitions below *mountpoint*; nested ones are left out, being empty with their parent."""
    prefix = mountpoint.rstrip("/") + "/"
    own = {one.mountpoint for one in partition.mounts()}
    found = [
        one.mountpoint
        for one in layout.mounts
        if one.filesystem in _FILLED and one.mountpoint not in own and one.mountpoint.startswith(prefix)
    ]
    return sorted(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def _where(partition: Partition, filename: str, label: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "filename": filename,
        "start": partition.first_sector,
        "size": partition.sectors,
        "uuid": partition.fs_id,
    }
    return {**options, "label": label} if label else options


def _filled(layout: Layout, mount: Mount, tree: str, filename: str) -> Stage:
    options = _where(mount.partition, filename, mount.label)
    if mount.mountpoint != "/":
        options["source"] = mount.mountpoint
    if excluded := _below(layout, mount.partition, mount.mountpoint):
        prefix = len(mount.mountpoint.rstrip("/"))
        options["exclude"] = [path[prefix:] for path in excluded]
    return Stage(f"org.osbuild.debian.{mount.filesystem}", options, inputs={"tree": tree_input(tree)})


def _subvolumes(layout: Layout, partition: Partition, tree: str, filename: str) -> Stage:
    options = _where(partition, filename, partition.label)
    options["subvolumes"] = [{"name": one.name, "source": one.mountpoint} for one in partition.volumes]
    if excluded := sorted({path for one in partition.volumes for path in _below(layout, partition, one.mountpoint)}):
        options["exclude"] = excluded
    return Stage("org.osbuild.debian.btrfs", options, inputs={"tree": tree_input(tree)})


def filesystem_stages(layout: Layout, tree: str, filename: str) -> Iterator[Stage]:
    """The stages that make and fill all file systems of *layout* but the ESP's from the pipeline *tree*, and its swap."""
    done: set[str] = set()
    for mount in layout.mounts:
        if mount.filesystem == "swap":
            yield Stage("org.osbuild.debian.swap", _where(mount.partition, filename, mount.label))
        elif mount.subvolume and mount.partition.uuid not in done:
            done.add(mount.partition.uuid)
            yield _subvolumes(layout, mount.partition, tree, filename)
        elif mount.filesystem in _FILLED and not mount.subvolume:
            yield _filled(layout, mount, tree, filename)
