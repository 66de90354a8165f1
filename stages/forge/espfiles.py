# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Writing the files of an EFI system partition: to a directory of the tree, or as FAT32 into an image file."""

from __future__ import annotations

import os
import shutil
import tempfile
import time

from . import intree
from .fat import SECTOR, Fat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DIRECTORY = "/boot/efi"
# Reserved for the tables of the file system and what is lost in clusters.
_OVERHEAD = 0.02


def _sizes(files: Mapping[str, str | bytes]) -> int:
    return sum(len(source) if isinstance(source, bytes) else os.stat(source).st_size for source in files.values())


def check(tree: str, options: Mapping[str, Any], files: Mapping[str, str | bytes]) -> None:
    """Raise ValueError or FileNotFoundError for what `write` cannot do, before anything is changed."""
    if "filename" not in options:
        return
    filename = intree.resolve(tree, options["filename"])
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"filename: the tree of this pipeline has no image file {options['filename']}")
    available = os.stat(filename).st_size // SECTOR
    if options["start"] + options["size"] > available:
        raise ValueError(f"size: the partition would end at sector {options['start'] + options['size']}, the image has only {available}")
    needed, room = _sizes(files), int(options["size"] * SECTOR * (1 - _OVERHEAD))
    if needed > room:
        raise ValueError(f"size: the files need {needed >> 20} MiB, the partition has room for {room >> 20} MiB")


def write(tree: str, options: Mapping[str, Any], files: Mapping[str, str | bytes], epoch: int | None) -> None:
    """Write `files`, path on the partition -> file to copy or content. epoch: time stamps in an image."""
    check(tree, options, files)
    for target, source in files.items():
        print(f"{source if isinstance(source, str) else f'{len(source)} bytes'} -> {target}")
    if "filename" not in options:
        for target, source in files.items():
            place = intree.resolve(tree, f"{options.get('directory', DIRECTORY)}/{target}")
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if isinstance(source, str):
                shutil.copyfile(source, place)
            else:
                with open(place, "wb") as file:
                    file.write(source)
            os.chmod(place, 0o644)
        return
    fat = Fat(intree.resolve(tree, options["filename"]), options["start"], options["size"], int(time.time()) if epoch is None else epoch)
    fat.format(options["volume-id"], options.get("label", "ESP"))
    for target, source in files.items():
        if isinstance(source, str):
            fat.add(source, target)
            continue
        with tempfile.NamedTemporaryFile("wb") as file:
            file.write(source)
            file.flush()
            fat.add(file.name, target)


def system(args: Mapping[str, Any]) -> str:
    """The tree with the system: the input `tree`, or the stage's own. Raises ValueError when it would be the image's."""
    given = args.get("inputs", {}).get("tree")
    if given:
        return str(given["path"])
    if "filename" in args["options"]:
        raise ValueError("inputs.tree is missing: with the option filename it must be the tree with the system")
    return str(args["tree"])
