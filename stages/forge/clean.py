# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What must not stay in a tree: logs, caches and backups that differ from build to build, identities and secrets."""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import dataclass

from .dpkgdb import write

_REMOVED = (
    "/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/bootstrap.log", "/var/log/fontconfig.log",
    "/var/log/apt/*", "/var/lib/dpkg/*-old", "/var/cache/debconf/*-old",
    # Holds inode numbers and times of the file system it was made on.
    "/var/cache/ldconfig/aux-cache",
    "/var/cache/apt/*.bin", "/var/cache/apt/archives/*.deb", "/var/cache/apt/archives/lock",
    "/var/lib/apt/lists/lock",
    "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock",
    "/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub",
    "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/catalog/database.tmp",
)
_EMPTIED = ("/tmp", "/var/tmp")
_PARTIAL = ("/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial")


_MACHINE_ID = "/etc/machine-id"


@dataclass(frozen=True)
class Before:
    """What of all that was there before packages were changed: earlier stages may have put it there on purpose."""

    paths: frozenset[str] = frozenset()
    machine_id: bytes | None = b""

    @classmethod
    def of_tree(cls) -> Before:
        """The state of the entered tree."""
        try:
            with open(_MACHINE_ID, "rb") as file:
                machine_id: bytes | None = file.read()
        except OSError:
            machine_id = None
        return cls(frozenset(_matches()), machine_id)


def _matches() -> list[str]:
    patterns = (*_REMOVED, *(f"{name}/{glob_}" for name in _EMPTIED for glob_ in ("*", ".*")))
    return [path for pattern in patterns for path in glob.glob(pattern)]


def clean(before: Before = Before()) -> None:
    """Bring the entered tree into the state a first boot expects, leaving alone what was there before."""
    for path in _matches():
        if path in before.paths:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    if before.machine_id is None:
        if os.path.lexists(_MACHINE_ID):
            os.unlink(_MACHINE_ID)
    elif os.path.isdir("/etc"):
        # Empty, not absent: systemd then makes one at first boot without running all first-boot questions.
        _replace(_MACHINE_ID, before.machine_id, 0o644)


def apt_partial() -> None:
    """The two directories apt's download user works in, owned as apt makes them. Nothing without apt."""
    owner = _uid("_apt")
    if owner is None:
        return
    for name in _PARTIAL:
        if os.path.isdir(name) and not os.path.islink(name):
            os.chown(name, owner, 0)
            os.chmod(name, 0o700)


def _uid(user: str) -> int | None:
    # Read here: the C library would load name services of the tree into this process.
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
            fields = [line.split(":") for line in file]
    except FileNotFoundError:
        return None
    return next((int(field[2]) for field in fields if field[0] == user and len(field) > 2), None)


def _replace(path: str, content: bytes, mode: int) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    write(path, content, mode)
