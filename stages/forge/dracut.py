# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""dracut(8) from stage options."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

# Options that are lists and become one word with blanks.
_LISTS = {
    "modules": "--modules",
    "add_modules": "--add",
    "omit_modules": "--omit",
    "drivers": "--drivers",
    "add_drivers": "--add-drivers",
    "omit_drivers": "--omit-drivers",
    "force_drivers": "--force-drivers",
    "filesystems": "--filesystems",
    "install": "--install",
}

_MODULES = "/usr/lib/dracut/modules.d"
_VERSION = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~_-"
_NAME = "forge-remove"


def check_kernel(version: str) -> str:
    """Return `version` if it can be that of a kernel. Raises StageError."""
    if not version or version.startswith((".", "-")) or not set(version) <= set(_VERSION):
        raise StageError(f"kernel must be the version of a kernel as in /usr/lib/modules, found {version!r}")
    return version


def _include(item: Mapping[str, Any], number: int) -> list[str]:
    if set(item) != {"src", "dst"} or not all(isinstance(path, str) and path.startswith("/") for path in item.values()):
        raise StageError(f"include[{number}] must have src and dst, absolute paths of the tree and of the image; found {dict(item)}")
    return ["--include", item["src"], item["dst"]]


def arguments(options: Mapping[str, Any]) -> list[str]:
    """dracut's arguments for the options that are the same for all kernels. Raises StageError."""
    if options.get("initoverlayfs", False):
        raise StageError("initoverlayfs must be false: Debian does not have the program that makes such images")
    result = []
    if "compress" in options:
        result.append(f"--compress={options['compress']}")
    for option, flag in _LISTS.items():
        for word in options.get(option, []):
            if not word or any(char.isspace() for char in word):
                raise StageError(f"{option}: an item must be one word, found {word!r}")
        if option in options:
            result += [flag, " ".join(options[option])]
    for number, item in enumerate(options.get("include", [])):
        result += _include(item, number)
    result.append("--early-microcode" if options.get("early_microcode", False) else "--no-early-microcode")
    result.append("--reproducible" if options.get("reproducible", True) else "--no-reproducible")
    return result + list(options.get("extra", []))


@contextmanager
def removing(paths: Sequence[str]) -> Iterator[list[str]]:
    """Provide a dracut module that takes paths out of the image again; yields the arguments that add it.

    Runs in the entered tree, whose dracut has no option for it. The module comes after all others and is gone afterwards.
    """
    for path in paths:
        if not path.startswith("/") or ".." in path.split("/") or "\n" in path or not path.strip("/"):
            raise StageError(f"remove: must be absolute paths of the image without '..', found {path!r}")
    if not paths:
        yield []
        return
    if not os.path.isdir(_MODULES):
        raise StageError(f"the tree has no {_MODULES}; Debian's package dracut-core ships it")
    folder = f"{_MODULES}/99{_NAME}"
    os.mkdir(folder)
    quoted = " ".join('"${initdir}"\'' + path.replace("'", "'\\''") + "'" for path in paths)
    try:
        with open(os.path.join(folder, "module-setup.sh"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/bash\ncheck() {{ return 255; }}\ndepends() {{ return 0; }}\ninstall() {{ rm -rf -- {quoted}; }}\n")
        os.chmod(os.path.join(folder, "module-setup.sh"), 0o755)
        yield ["--add", _NAME]
    finally:
        shutil.rmtree(folder)
