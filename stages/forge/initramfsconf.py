# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Configuration files of initramfs-tools(7) and dracut.conf(5), as path in the tree -> (text, mode)."""

from __future__ import annotations

import os

from . import intree
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TOOLS = "/etc/initramfs-tools"
# Program that mkinitramfs runs for a method; without it mkinitramfs would take gzip.
COMPRESSORS = {"gzip": "gzip", "bzip2": "bzip2", "lz4": "lz4", "lzma": "xz", "lzop": "lzop", "xz": "xz", "zstd": "zstd"}

_DRACUT_LISTS = {
    "add-modules": "add_dracutmodules",
    "omit-modules": "omit_dracutmodules",
    "add-drivers": "add_drivers",
    "omit-drivers": "omit_drivers",
    "force-drivers": "force_drivers",
    "filesystems": "filesystems",
    "install": "install_items",
}


def _modules(tree: str, wanted: list[str]) -> str:
    """Text of /etc/initramfs-tools/modules: what is there, and the modules it does not name yet."""
    try:
        with open(intree.resolve(tree, f"{_TOOLS}/modules"), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = "# Kernel modules for the initial ram disk, in the order in which they are loaded; see initramfs-tools(7).\n"
    if text and not text.endswith("\n"):
        text += "\n"
    known = [line.split() for line in text.splitlines()]
    return text + "".join(f"{module}\n" for module in wanted if module.split() not in known)


def _script(field: str, content: str) -> str:
    if not content.startswith("#!"):
        raise StageError(f"{field}: must be a script beginning with #!, found {content[:40]!r}")
    return content if content.endswith("\n") else content + "\n"


def tools(tree: str, options: Mapping[str, Any], filename: str) -> dict[str, tuple[str, int]]:
    """Files for initramfs-tools. Raises StageError."""
    files = {}
    settings = []
    if "policy" in options:
        settings.append(f"MODULES={options['policy']}")
    if "compress" in options:
        settings.append(f"COMPRESS={options['compress']}")
    if "compress-level" in options:
        settings.append(f"COMPRESSLEVEL={options['compress-level']}")
    if "resume" in options:
        settings.append(f"RESUME={options['resume']}")
    if options.get("root-filesystems"):
        settings.append(f"FSTYPE={','.join(options['root-filesystems'])}")
    if settings:
        files[f"{_TOOLS}/conf.d/{filename}"] = ("\n".join(["# Written when this image was built.", *settings, ""]), 0o644)
    if options.get("modules"):
        files[f"{_TOOLS}/modules"] = (_modules(tree, options["modules"]), 0o644)
    for item in options.get("hooks", []):
        files[f"{_TOOLS}/hooks/{item['name']}"] = (_script(f"hooks: {item['name']}", item["content"]), 0o755)
    for item in options.get("scripts", []):
        path = f"{_TOOLS}/scripts/{item['phase']}/{item['name']}"
        files[path] = (_script(f"scripts: {item['name']}", item["content"]), 0o755)
    return files


def dracut(options: Mapping[str, Any], filename: str) -> dict[str, tuple[str, int]]:
    """Files for dracut."""
    lines = []
    for option, name in _DRACUT_LISTS.items():
        if options.get(option):
            lines.append(f'{name}+=" {" ".join(options[option])} "')
    if "hostonly" in options:
        lines.append(f'hostonly="{"yes" if options["hostonly"] else "no"}"')
    if "compress" in options:
        lines.append(f'compress="{options["compress"]}"')
    if not lines:
        return {}
    text = "\n".join(["# Written when this image was built.", *lines, ""])
    return {f"/etc/dracut.conf.d/{filename}.conf": (text, 0o644)}


def check_compressor(tree: str, method: str, generator: str) -> None:
    """Refuse a method whose program the tree does not have. Raises StageError."""
    program = COMPRESSORS.get(method)
    if program and not any(os.path.exists(intree.resolve(tree, f"{place}/{program}")) for place in ("/usr/bin", "/bin")):
        raise StageError(f"{generator}.compress: the tree has no program {program} for {method}; is its package installed?")
