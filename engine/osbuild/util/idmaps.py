# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A user namespace in which an ordinary user is root, by the ids that the host lends (user_namespaces(7), subuid(5))."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from . import linux


class IdRange(NamedTuple):
    """`length` ids from `inside` on are those from `outside` on in the namespace of the caller."""

    inside: int
    outside: int
    length: int


class IdMaps:
    """The ids of a user namespace: 0 is the user, 1 and up are what /etc/subuid and /etc/subgid give the user."""

    def __init__(self, uids: list[IdRange], gids: list[IdRange]) -> None:
        self.uids = uids
        self.gids = gids

    @classmethod
    def for_user(cls, subuid: str = "/etc/subuid", subgid: str = "/etc/subgid") -> IdMaps:
        """The maps of the user that runs this. Raises OSError, and LookupError for one to whom nothing is lent."""
        import pwd

        uid = os.getuid()
        try:
            names = {str(uid), pwd.getpwuid(uid).pw_name}
        except KeyError:
            names = {str(uid)}
        uids, gids = (_with_root(own, _lent(path, names)) for own, path in ((uid, subuid), (os.getgid(), subgid)))
        return cls(uids, gids)

    def apply(self, pid: int) -> None:
        """Set the maps of the new user namespace of the process `pid`. Raises OSError if the helpers refuse or are missing."""
        for program, ranges in (("newuidmap", self.uids), ("newgidmap", self.gids)):
            words = [str(number) for each in ranges for number in each]
            result = subprocess.run(
                [program, str(pid), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            if result.returncode != 0:
                raise OSError(f"{program} failed: {result.stdout.strip()}")

    def enter(self) -> None:
        """Move this process to a new user namespace with these maps. Raises OSError, then it is where it was.

        Nothing may be half done: a process whose namespace has no maps is nobody for ever. So a child makes the namespace,
        gets its maps, and is then followed.
        """
        told, tell = os.pipe()
        held, hold = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(hold)
                linux.Libc.default().unshare(linux.Libc.CLONE_NEWUSER)
                os.write(tell, b"!")
                os.read(held, 1)
            finally:
                os._exit(0)
        try:
            os.close(tell)
            if not os.read(told, 1):
                raise PermissionError("the kernel permits no user namespace")
            self.apply(pid)
            namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                linux.Libc.default().setns(namespace, linux.Libc.CLONE_NEWUSER)
            finally:
                os.close(namespace)
        finally:
            for fd in (told, held, hold):
                os.close(fd)
            os.waitpid(pid, 0)


def _lent(path: str, names: set[str]) -> list[tuple[int, int]]:
    """Start and count of what the file lends to any of `names`. Raises LookupError if that is nothing."""
    found = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            parts = line.strip().split(":")
            if len(parts) == 3 and parts[0] in names and parts[1].isdigit() and parts[2].isdigit():
                found.append((int(parts[1]), int(parts[2])))
    if not found:
        raise LookupError(f"{path} has no entry for this user")
    return found


def _with_root(own: int, lent: list[tuple[int, int]]) -> list[IdRange]:
    ranges = [IdRange(0, own, 1)]
    for start, count in lent:
        ranges.append(IdRange(ranges[-1].inside + ranges[-1].length, start, count))
    return ranges
