# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Password hashes in a tree's shadow(5), without passing them on a command line where every process could read them."""

from __future__ import annotations

import contextlib
import os
import time

from stages.forge import intree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_PER_DAY = 86400


def today() -> int:
    """Return the day of the build as shadow(5) counts it, days since 1970-01-01; SOURCE_DATE_EPOCH decides if set."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()) // SECONDS_PER_DAY


def check_hash(name: str, password: str) -> None:
    """Raise ValueError if `password` is nothing that fits a field of shadow(5)."""
    if ":" in password or "\n" in password:
        raise ValueError(f"users.{name}.password must be a password hash, it contains a colon or a line break")


def set_password(tree: str, name: str, password: str, *, changed_today: bool = False) -> None:
    """Store the hash `password` (crypt(5)) for the user `name`: in the tree's shadow, or in passwd where it has none.

    `changed_today` also sets the day of the last change. Raises ValueError as check_hash does, or if the user has no
    entry.
    """
    check_hash(name, password)
    path = intree.resolve(tree, "/etc/shadow")
    if not os.path.exists(path):
        path, changed_today = intree.resolve(tree, "/etc/passwd"), False
    with open(path, encoding="utf8") as file:
        lines = file.readlines()
    for number, line in enumerate(lines):
        fields = line.rstrip("\n").split(":")
        if fields[0] == name:
            fields[1] = password
            if changed_today:
                fields[2] = str(today())
            lines[number] = ":".join(fields) + "\n"
            break
    else:
        raise ValueError(f"users.{name}: the user has no line in {path.removeprefix(os.fspath(tree))}")
    replace(path, "".join(lines))


def replace(path: str, text: str) -> None:
    """Replace the file at once, keeping owner and mode."""
    status = os.stat(path)
    with open(path + "+", "w", encoding="utf8") as file:
        os.fchmod(file.fileno(), status.st_mode & 0o7777)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        file.write(text)
    os.rename(path + "+", path)


@contextlib.contextmanager
def backups(tree: str) -> Iterator[None]:
    """Leave in ``passwd-`` and ``shadow-`` what the files held before the block, as a single usermod would.

    The lock file is what passwd's tools leave behind as well.
    """
    before = {}
    for name in ("passwd", "shadow"):
        path = intree.resolve(tree, f"/etc/{name}")
        if os.path.exists(path):
            with open(path, encoding="utf8") as file:
                before[path] = file.read()
    yield
    os.close(os.open(intree.resolve(tree, "/etc/.pwd.lock"), os.O_WRONLY | os.O_CREAT, 0o600))
    for path, text in before.items():
        status = os.stat(path)
        with open(path + "-", "w", encoding="utf8") as file:
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
            file.write(text)
