# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Enabling units of a tree without systemctl in the build root. Source: systemd.unit(5), "[Install] section options"."""

from __future__ import annotations

import os
import re

from . import intree, unitfile
from .errors import StageError

_ETC = "/etc/systemd/system"
_PLACES = (_ETC, "/usr/lib/systemd/system", "/lib/systemd/system")
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.[a-z]+")


def find(tree: str, unit: str) -> str | None:
    """Path, as the system in the tree sees it, of the unit's file; of the template for an instance."""
    name, at, rest = unit.partition("@")
    names = [unit] + ([f"{name}@.{rest.rpartition('.')[2]}"] if at else [])
    for candidate in names:
        for place in _PLACES:
            if os.path.isfile(intree.resolve(tree, f"{place}/{candidate}")):
                return f"{place}/{candidate}"
    return None


def _install(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[Install]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            key, _ignored, value = line.partition("=")
            found.setdefault(key.strip(), []).extend(value.split())
    return found


def link(tree: str, place: str, target: str) -> None:
    """A link below /etc/systemd/system, replacing one that is there."""
    folder, _ignored, name = place.rpartition("/")
    directory = intree.resolve(tree, f"{_ETC}/{folder}")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name)
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.lexists(path):
        raise StageError(f"{_ETC}/{place} of the tree is no link, so the unit cannot be enabled there")
    os.symlink(target, path)


def enable(tree: str, unit: str, wanted_by: str | None = None) -> None:
    """Enable the unit as its own [Install] section says, or for `wanted_by`. StageError when the tree has no such unit."""
    seen: set[str] = set()
    pending = [unit]
    while pending:
        name = pending.pop()
        if name in seen or not _NAME.fullmatch(name):
            continue
        seen.add(name)
        path = find(tree, name)
        if path is None:
            if name == unit:
                raise StageError(f"the tree has no unit {unit}")
            continue
        target = path if not path.startswith("/lib/") else f"/usr{path}"
        with open(intree.resolve(tree, path), encoding="utf-8", errors="replace") as file:
            install = _install(file.read())
        if wanted_by is not None and name == unit:
            install = {"WantedBy": [wanted_by]}
        for key, suffix in (("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")):
            for other in install.get(key, []):
                if _NAME.fullmatch(other):
                    link(tree, f"{other}.{suffix}/{name}", target)
        for alias in install.get("Alias", []):
            if _NAME.fullmatch(alias) and alias != name:
                link(tree, alias, target)
        pending += install.get("Also", [])


def write(tree: str, unit: str, text: str) -> None:
    """Write a unit of the image's own to /etc/systemd/system."""
    folder, _ignored, name = unit.rpartition("/")
    directory = intree.resolve(tree, f"{_ETC}/{folder}")
    os.makedirs(directory, exist_ok=True)
    unitfile.write(os.path.join(directory, name), text)
