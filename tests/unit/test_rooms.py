# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports run downwards only: each room may import what its row names, and nothing else of this repository."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LIBRARY = "ansible_collections.debian_forge.osbuild.plugins.module_utils"
ANSIBLE = ("ansible",)

# room -> prefixes of imports it must not have
FORBIDDEN = {
    "engine": ("ansible", "ansible_collections", "plugins", "services", "apt", "apt_pkg", "stages"),
    "stages": ("ansible", "ansible_collections", "plugins", "services", "apt", "apt_pkg"),
    "plugins/module_utils": ("ansible", "osbuild", "stages", "services"),
    "plugins/module_utils/manifest": (
        f"{LIBRARY}.images", f"{LIBRARY}.packages", f"{LIBRARY}.blueprint", f"{LIBRARY}.containers", f"{LIBRARY}.driver",
    ),
    "plugins/module_utils/images": (f"{LIBRARY}.driver", f"{LIBRARY}.jobs", f"{LIBRARY}.plan", "subprocess"),
    "plugins/module_utils/blueprint": (f"{LIBRARY}.images", f"{LIBRARY}.driver", f"{LIBRARY}.jobs", f"{LIBRARY}.plan"),
    "plugins/module_utils/containers": (f"{LIBRARY}.images", f"{LIBRARY}.blueprint", f"{LIBRARY}.driver", f"{LIBRARY}.plan"),
    "plugins/module_utils/packages": (f"{LIBRARY}.images", f"{LIBRARY}.driver", f"{LIBRARY}.jobs", f"{LIBRARY}.plan"),
}
APT = ("apt", "apt_pkg", "apt_inst", "aptsources")


# Modules of the bundle that are no stages lie beside the engine's and use the bundle's helpers.
BUNDLE = "org.osbuild.debian."


def is_python(path: Path) -> bool:
    if path.suffix == ".py":
        return True
    return path.name.startswith("org.osbuild.") and path.suffix != ".json" and path.read_bytes().startswith(b"#!/usr/bin/python3")


def sources(room: str) -> list[Path]:
    return [path for path in sorted((REPO / room).rglob("*")) if path.is_file() and not path.is_symlink() and is_python(path)]


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute names of all modules that a file imports, relative ones resolved."""
    package = [*LIBRARY.split(".")[:3], *path.relative_to(REPO).with_suffix("").parts] if path.is_relative_to(REPO / "plugins") else []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not package:
                continue  # a relative import outside the collection stays in its own package
            base = package[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("room", FORBIDDEN)
def test_room_imports_nothing_from_above(room: str) -> None:
    paths = sources(room)
    assert paths, f"{room} has no Python file"
    wrong = []
    for path in paths:
        for name in imports(path):
            if room == "engine" and path.name.startswith(BUNDLE) and within(name, "stages.forge"):
                continue
            own = within(name, "ansible_collections.debian_forge.osbuild")
            if any(within(name, prefix) and not (own and prefix == "ansible") for prefix in FORBIDDEN[room]):
                wrong.append(f"{path.relative_to(REPO)} imports {name}")
    assert not wrong


def test_only_packages_imports_apt() -> None:
    wrong = [
        f"{path.relative_to(REPO)} imports {name}"
        for path in sources("plugins")
        if not path.is_relative_to(REPO / "plugins/module_utils/packages")
        for name in imports(path)
        if any(within(name, apt) for apt in APT)
    ]
    assert not wrong
