# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Laying files over a tree, from a directory or an archive.

All of it runs in a process whose root directory is the tree (`enter`), so that links, of the tree or of a hostile
archive, lead where they would on the system that boots from it and never out of it.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field

from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    class Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...

CHUNK = 1 << 20


@dataclass
class Member:
    """What is to be laid: `path` is relative and clean; `target` is that of a link (of a hard link: a member's path)."""

    path: str
    kind: str  # directory, file, symlink, hardlink, fifo, char, block
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: float = 0
    target: str = ""
    device: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    data: Readable | None = None


def clean(name: str, what: str = "member") -> str:
    """Return a path without empty parts; one that begins with a slash is relative to the tree. StageError if it climbs."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise StageError(f"{what} {name!r} climbs out of the tree: '..' is not allowed")
    return "/".join(parts)


def enter(tree: str) -> None:
    """Make the tree the root directory of this process, for good."""
    os.chroot(tree)
    os.chdir("/")
    os.umask(0)


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


class Laying:
    """Lays members below `base` of the entered tree.

    replace=False, for overlays: directories of the tree, and links to directories, stay as they are and are filled;
    files replace files. replace=True, for the layers of a container image: what a layer holds wins whatever was there,
    and its directories' attributes are set. root_owned: everything belongs to root. latest: no time after it is set.
    """

    def __init__(self, base: str = "/", *, replace: bool = False, root_owned: bool = False, latest: int | None = None) -> None:
        self._base = base
        self._replace = replace
        self._root_owned = root_owned
        self._latest = latest
        self._times: dict[str, float] = {}
        #: Places of what was laid so far.
        self.laid: set[str] = set()

    def place(self, path: str) -> str:
        return os.path.join(self._base, path) if path else self._base

    def lay_all(self, members: Iterable[Member]) -> None:
        for member in members:
            self.lay(member)
        self.settle()

    def lay(self, member: Member) -> None:
        place = self.place(member.path)
        try:
            self._make_parents(place)
            if member.kind == "directory":
                self._directory(member, place)
            else:
                self._clear(member, place)
                self._make[member.kind](self, member, place)
        except OSError as error:
            raise StageError(f"cannot lay {place}: {error.strerror or error}") from None
        self.laid.add(place)

    def settle(self) -> None:
        """Set the times of the directories, which filling them changed; deepest first."""
        for place in sorted(self._times, reverse=True):
            os.utime(place, (self._times[place],) * 2)
        self._times.clear()

    def _make_parents(self, place: str) -> None:
        missing = []
        parent = os.path.dirname(place)
        while not os.path.isdir(parent):
            if os.path.lexists(parent):
                if not self._replace:
                    raise StageError(f"cannot lay {place}: {parent} of the tree is not a directory, nor a link to one in the tree")
                remove(parent)
            missing.append(parent)
            parent = os.path.dirname(parent)
        for parent in reversed(missing):
            os.mkdir(parent, 0o755)

    def _directory(self, member: Member, place: str) -> None:
        is_directory = os.path.isdir(place) and not (self._replace and os.path.islink(place) and member.path)
        if is_directory and not self._replace:
            return
        if not is_directory:
            if os.path.lexists(place):
                if not self._replace:
                    raise StageError(f"{place} is a directory here and something else in the tree")
                remove(place)
            os.mkdir(place, 0o700)
        self._attributes(member, place)
        self._times[place] = self._time(member)

    def _clear(self, member: Member, place: str) -> None:
        if os.path.isdir(place) and not os.path.islink(place):
            if not self._replace:
                raise StageError(f"{place} is a directory in the tree and a {member.kind} here")
            shutil.rmtree(place)
        elif os.path.lexists(place):
            os.unlink(place)

    def _file(self, member: Member, place: str) -> None:
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            if member.data is not None:
                shutil.copyfileobj(member.data, file, CHUNK)
        self._attributes(member, place)
        os.utime(place, (self._time(member),) * 2)

    def _symlink(self, member: Member, place: str) -> None:
        os.symlink(member.target, place)
        self._attributes(member, place)
        os.utime(place, (self._time(member),) * 2, follow_symlinks=False)

    def _hardlink(self, member: Member, place: str) -> None:
        if not self._replace and self.place(member.target) not in self.laid:
            raise StageError(f"hard link {member.path!r} points to {member.target!r}, which is no file laid before it")
        os.link(self.place(member.target), place, follow_symlinks=False)

    def _special(self, member: Member, place: str) -> None:
        kinds = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}
        os.mknod(place, 0o600 | kinds[member.kind], member.device)
        self._attributes(member, place)
        os.utime(place, (self._time(member),) * 2)

    _make: dict[str, Callable[[Laying, Member, str], None]] = {
        "file": _file, "symlink": _symlink, "hardlink": _hardlink, "fifo": _special, "char": _special, "block": _special,
    }

    def _time(self, member: Member) -> float:
        return member.mtime if self._latest is None else min(member.mtime, self._latest)

    def _attributes(self, member: Member, place: str) -> None:
        owner = (0, 0) if self._root_owned else (member.uid, member.gid)
        os.chown(place, *owner, follow_symlinks=False)
        # After chown(2), which clears set-user-ID and file capabilities.
        if member.kind != "symlink":
            os.chmod(place, member.mode & 0o7777)
        for name, value in member.xattrs.items():
            os.setxattr(place, name, value, follow_symlinks=False)
