# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Which paths ``customizations.files``, ``.directories`` and ``.filesystem`` may name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import BlueprintError
from .model import Directory, File

_ROOTS = ("/etc", "/opt", "/srv", "/usr/local", "/root", "/var/lib")
# Written by other customizations, by packages' scripts or by the machine itself.
_OWNED = {
    **dict.fromkeys(
        ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"),
        "customizations.user and customizations.group",
    ),
    "/etc/fstab": "customizations.filesystem",
    "/etc/crypttab": "customizations.filesystem",
    "/etc/machine-id": "nothing: each machine makes its own at first boot",
}
_DATABASES = ("/var/lib/dpkg", "/var/lib/apt")

_MOUNT_EXACT = ("/", "/boot")
_MOUNT_BELOW = ("/data", "/home", "/opt", "/srv", "/tmp", "/usr", "/var")
# Links of the merged /usr, what they point at, and what /usr must have at the very start.
_USR_NEVER = re.compile(r"/usr/(?:bin|sbin|lib[^/]*|etc)(?:/.*)?")
_VAR_LINKS = re.compile(r"/var/(?:run|lock)(?:/.*)?")


def canonical(path: str) -> str | None:
    """What is wrong with ``path`` as an absolute canonical one; None when nothing is."""
    if not path.startswith("/"):
        return "must be an absolute path"
    if any(ord(char) < 32 or ord(char) == 127 for char in path):
        return "must not hold control characters"
    if path != "/" and (path.endswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:])):
        return "must be canonical: no '..', '.', doubled or trailing slash"
    if len(path.encode()) > 4095 or any(len(part.encode()) > 255 for part in path.split("/")):
        return "is too long"
    return None


def node_problem(path: str) -> str | None:
    """Why a file or directory may not be made at ``path``; None when it may."""
    problem = canonical(path)
    if problem:
        return problem
    if path in _OWNED:
        return f"is not for files of one's own; use {_OWNED[path]}"
    if path.startswith(tuple(f"{name}/" for name in _DATABASES)) or path in _DATABASES:
        return "belongs to the package database; use packages"
    if not path.startswith(tuple(f"{root}/" for root in _ROOTS)):
        return f"is outside of what may be customised: below {', '.join(_ROOTS)}"
    return None


def mountpoint_problem(path: str) -> str | None:
    """Why ``path`` may not be a mount point; None when it may."""
    problem = canonical(path)
    if problem:
        return problem
    below = any(path == root or path.startswith(f"{root}/") for root in _MOUNT_BELOW)
    if path in _MOUNT_EXACT or (below and not _USR_NEVER.fullmatch(path) and not _VAR_LINKS.fullmatch(path)):
        return None
    return f"is not allowed as a mount point; allowed are {', '.join(_MOUNT_EXACT)} and {', '.join(_MOUNT_BELOW)} and below"


def check_nodes(files: Sequence[File], directories: Sequence[Directory]) -> None:
    """Raises BlueprintError for a path that comes twice, or for a file that another path needs as a directory."""
    taken: dict[str, str] = {}
    nodes = [(node.path, f"customizations.directories[{n}]") for n, node in enumerate(directories)]
    nodes += [(node.path, f"customizations.files[{n}]") for n, node in enumerate(files)]
    for path, where in nodes:
        if path in taken:
            raise BlueprintError(
                f"{where}.path: '{path}' is given twice (first in {taken[path]})", field=f"{where}.path"
            )
        taken[path] = where
    for path, where in nodes:
        for number, file in enumerate(files):
            if path.startswith(f"{file.path}/"):
                raise BlueprintError(
                    f"{where}.path: '{path}' lies below '{file.path}', which customizations.files[{number}] makes a file",
                    field=f"{where}.path",
                )
