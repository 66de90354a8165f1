# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""File systems written straight into the image file: no loop device, no mount of the image."""

from __future__ import annotations

from typing import Any

from ..manifest import Stage, tree_input
from .layout import Layout, Mount

_WRITERS = {"ext4": "org.osbuild.debian.ext4", "xfs": "org.osbuild.debian.xfs"}


def filesystem_stage(layout: Layout, mount: Mount, tree: str, filename: str) -> Stage | None:
    """The stage that makes and fills what *mount* says; None for what the ESP's own stage writes."""
    partition = mount.partition
    options: dict[str, Any] = {
        "filename": filename,
        "start": partition.first_sector,
        "size": partition.sectors,
        "uuid": mount.fs_id,
    }
    if mount.label:
        options["label"] = mount.label
    if mount.filesystem == "swap":
        return Stage("org.osbuild.debian.swap", options)
    if mount.filesystem not in _WRITERS:
        return None
    if mount.mountpoint != "/":
        options["source"] = mount.mountpoint
    prefix = mount.mountpoint.rstrip("/")
    below = [
        one.mountpoint
        for one in layout.mounts
        if one.filesystem in _WRITERS and one.mountpoint != mount.mountpoint and one.mountpoint.startswith(f"{prefix}/")
    ]
    # Nested ones are empty with their parent already.
    outer = [path for path in below if not any(path.startswith(f"{other}/") for other in below)]
    if outer:
        options["exclude"] = [path[len(prefix) :] for path in sorted(outer)]
    return Stage(_WRITERS[mount.filesystem], options, inputs={"tree": tree_input(tree)})
