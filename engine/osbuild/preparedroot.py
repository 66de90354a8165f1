# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a runner makes of an empty build root, kept to be laid under every stage of the same build tree.

A runner makes a library cache, users and volatile files before each stage, from nothing but the build tree: a hundred small
files, for which it needs a dozen times as long as writing them anew takes. Only runners that say they do nothing else (a line
`MARK` among their first) are spared; others may set an environment, or look at the stage.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from .forksandbox import ForkServer
from .sparevar import SpareVars

if TYPE_CHECKING:
    from .bubblewrap import Layout
    from .bytecode import Compiled

MARK = b"# The engine may run this once per build tree: it only makes files.\n"
# Where the mark has to be, in bytes from the begin of the program.
_HEAD = 2048
# More than this is no preparation any more: bytes of files, and how many entries.
_MAX_BYTES = 16 << 20
_MAX_ENTRIES = 4000
# What the sandbox itself mounts or links into the root.
_OF_SANDBOX = frozenset(("usr", "lib", "lib64", "bin", "sbin", "dev", "proc", "sys", "boot", "ostree", "var"))
_API = "run/osbuild"


class NotKept(Exception):
    """A root that cannot be laid under another stage."""


class Entry(NamedTuple):
    """`path` is relative to the root; `content` is that of a file, or a link's target, None for a directory."""

    path: str
    mode: int
    owner: tuple[int, int]
    content: bytes | None
    attributes: tuple[tuple[str, bytes], ...]


def only_makes_files(runner: str) -> bool:
    try:
        with open(runner, "rb") as file:
            return MARK in file.read(_HEAD)
    except OSError:
        return False


class Kept:
    """What is the same for all stages of an engine's run, by build root."""

    def __init__(self) -> None:
        self.roots: dict[Any, PreparedRoot | None] = {}
        self.layouts: dict[Any, Layout] = {}
        self.compiled: dict[Any, Compiled | None] = {}
        self.vars = SpareVars()
        self.forkserver = ForkServer()
        # Held by the stage that uses devices.
        self.devices = threading.Lock()

    def close(self) -> None:
        """End what was started for all stages, and let go of what others may remove then."""
        self.forkserver.close()
        for compiled in self.compiled.values():
            if compiled is not None:
                compiled.close()


class PreparedRoot:
    """The content of a root directory and of its `/var`, which lies elsewhere."""

    def __init__(self, root: list[Entry], var: list[Entry]) -> None:
        self.root = root
        self.var = var

    @classmethod
    def read(cls, root: str, var: str) -> PreparedRoot:
        """What is in the two directories. NotKept if it is too much or of a kind that cannot be made again; OSError."""
        return cls(_read(root, _OF_SANDBOX), _read(var, frozenset()))

    def write_root(self, root: str) -> None:
        """Make the root directory again in a new directory. OSError."""
        _write(self.root, root)

    def write_var(self, var: str) -> None:
        """Make `/var` again in a new directory. OSError."""
        _write(self.var, var)

    def is_var(self, var: str) -> bool:
        """Whether the directory has what `write_var` makes, and nothing else."""
        try:
            return _read(var, frozenset()) == self.var
        except (NotKept, OSError):
            return False


def _read(top: str, left_out: frozenset[str]) -> list[Entry]:
    entries = [_entry(top, "")]
    size = 0
    pending = [""]
    while pending:
        folder = pending.pop()
        for name in sorted(os.listdir(os.path.join(top, folder))):
            path = f"{folder}/{name}" if folder else name
            if path in left_out or path == _API:
                continue
            entry = _entry(top, path)
            entries.append(entry)
            size += len(entry.content or b"")
            if size > _MAX_BYTES or len(entries) > _MAX_ENTRIES:
                raise NotKept("the runner makes too much to keep it")
            if stat.S_ISDIR(entry.mode):
                pending.append(path)
    return entries


def _entry(top: str, path: str) -> Entry:
    place = os.path.join(top, path)
    info = os.lstat(place)
    content: bytes | None = None
    if stat.S_ISREG(info.st_mode):
        if info.st_size > _MAX_BYTES:
            raise NotKept(f"'{path}' is too big to keep it")
        with open(place, "rb") as file:
            content = file.read()
    elif stat.S_ISLNK(info.st_mode):
        content = os.fsencode(os.readlink(place))
    elif not stat.S_ISDIR(info.st_mode):
        raise NotKept(f"'{path}' is neither file, directory nor link")
    attributes: list[tuple[str, bytes]] = []
    with contextlib.suppress(OSError):
        attributes = [
            (name, os.getxattr(place, name, follow_symlinks=False))
            for name in os.listxattr(place, follow_symlinks=False)
        ]
    return Entry(path, info.st_mode, (info.st_uid, info.st_gid), content, tuple(attributes))


def _write(entries: list[Entry], top: str) -> None:
    mine = (os.geteuid(), os.getegid())
    masked = _umask()
    for entry in entries:
        path, mode, owner, content, attributes = entry
        place = f"{top}/{path}" if path else top
        permissions = mode & 0o7777
        link = stat.S_ISLNK(mode)
        if content is None:
            if path:
                os.mkdir(place, permissions)
        elif link:
            os.symlink(content, os.fsencode(place))
        else:
            fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, permissions)
            try:
                os.write(fd, content)
            finally:
                os.close(fd)
        if owner != mine:
            os.chown(place, *owner, follow_symlinks=False)
        # What creating could not set: what the mask takes away, and bits that a change of the owner clears.
        if not link and (permissions & (masked | 0o7000) or not path):
            os.chmod(place, permissions)
        for name, value in attributes:
            os.setxattr(place, name, value, follow_symlinks=False)


def _umask() -> int:
    """This process's (proc(5)): setting it to read it would disturb other threads."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o777
