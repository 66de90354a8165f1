# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Unpacking the layers of a container image (https://specs.opencontainers.org/image-spec/layer/)."""

from __future__ import annotations

import json
import os
import re

from . import laying, members
from .errors import StageError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_HEX = re.compile(r"[0-9a-f]{32,128}")
# Root directory of an image that does not say.
ROOT_MODE = 0o555


def layer_files(directory: str) -> list[str]:
    """Paths of the layers of an image in skopeo's dir layout, lowest first."""
    with open(os.path.join(directory, "manifest.json"), "rb") as file:
        manifest = json.load(file)
    if not isinstance(manifest.get("layers"), list):
        raise StageError(f"the image's manifest must list layers, found one of type {manifest.get('mediaType', 'unknown')}")
    return [blob(directory, layer["digest"]) for layer in manifest["layers"]]


def blob(directory: str, digest: str) -> str:
    """Path of what the manifest names by its digest. StageError for what is none: it would be a path of any kind."""
    name = digest.partition(":")[2]
    if not _HEX.fullmatch(name):
        raise StageError(f"the image's manifest names {digest[:80]!r}, which is no digest")
    return os.path.join(directory, name)


def _white_out(place: str, keep: set[str]) -> None:
    """Remove what lower layers have at `place`; what this layer has laid, and the directories on the way, stay."""
    if os.path.islink(place) or not os.path.isdir(place):
        if place not in keep:
            laying.remove(place)
        return
    for name in os.listdir(place):
        _white_out(os.path.join(place, name), keep)
    if place not in keep and not os.listdir(place):
        os.rmdir(place)


def apply(fd: int, base: str, outside: int | None = None) -> None:
    """Apply a layer to `base` of the entered tree. StageError if it is damaged or a member climbs out."""
    layer = laying.Laying(base, replace=True)
    for member in members.of_archive(fd, outside=outside):
        folder, name = os.path.split(member.path)
        if not name.startswith(WHITEOUT):
            layer.lay(member)
            continue
        if name == OPAQUE:
            place = layer.place(folder)
            if os.path.isdir(place):
                for below in os.listdir(place):
                    _white_out(os.path.join(place, below), layer.laid)
        elif name.removeprefix(WHITEOUT) in ("", ".", ".."):
            raise StageError(f"whiteout {member.path!r} names nothing")
        else:
            _white_out(layer.place(os.path.join(folder, name.removeprefix(WHITEOUT))), layer.laid)
    layer.settle()
