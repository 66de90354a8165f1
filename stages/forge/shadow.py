# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Password hashes in a tree's shadow(5), without passing them on a command line where every process could read them."""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_PER_DAY = 86400


def today() -> int:
    """Return the day of the build as shadow(5) counts it, days since 1970-01-01; SOURCE_DATE_EPOCH decides if set."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()) // SECONDS_PER_DAY


def set_password(tree: str, name: str, password: str, *, changed_today: bool = False) -> None:
    """Store the hash `password` (crypt(5)) for the user `name`: in the tree's shadow, or in passwd where it has none.

    `changed_today` also sets the day of the last change. Raises ValueError if `password` would break the line, or the
    user has no entry.
    """
    if ":" in password or "\n" in password:
        raise ValueError(f"users.{name}.password must be a password hash, it contains a colon or a line break")
    path = f"{tree}/etc/shadow"
    if not os.path.exists(path):
        path, changed_today = f"{tree}/etc/passwd", False
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
def one_backup(tree: str) -> Iterator[None]:
    """Leave in ``shadow-`` what shadow held before the block, if the block changes it.

    So it looks as if a single usermod had made all the changes.
    """
    path = f"{tree}/etc/shadow"
    try:
        with open(path, encoding="utf8") as file:
            before = file.read()
        status = os.stat(path)
    except FileNotFoundError:
        yield
        return
    yield
    with open(path, encoding="utf8") as file:
        if file.read() == before:
            return
    # The lock file is what passwd's own tools leave behind as well.
    os.close(os.open(f"{tree}/etc/.pwd.lock", os.O_WRONLY | os.O_CREAT, 0o600))
    with open(path + "-", "w", encoding="utf8") as file:
        os.fchmod(file.fileno(), status.st_mode & 0o7777)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        file.write(before)
