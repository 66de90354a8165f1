# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Compiled modules for the Python of a build tree, kept from one run of the engine to the next until a reboot.

Python keeps what it has compiled beside the modules, apart for each of its versions (PEP 3147). A stage cannot write there, so
one whose build tree has another version than the host would compile all that it imports, each time. Here the Python of
the build tree compiles it once, in a sandbox of its own, into directories that are then mounted, read-only, where it looks.
They are for stages with the same build tree only: a Python is free to write what it likes. What is older than its module costs
time and does no harm, because Python compares time and size (py_compile).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from .bubblewrap import LIBRARY, Bind, stages_inside
from .code import SHARED_PACKAGES
from .preparedcache import state, tree_state
from .util import lockeddir, mountinfo

FOLDER = "/run/osbuild-bytecode"
# So many are kept: of a few build trees.
_MAX_FOLDERS = 4
_CACHE = "__pycache__"
_TEMPORARY = "."


class Package(NamedTuple):
    """A directory of modules: on the host, and as stages see it."""

    path: str
    inside: str

    @property
    def binaries(self) -> str:
        """Where Python looks for what is compiled."""
        return os.path.join(self.path, _CACHE)


def packages(libdir: str) -> list[Package]:
    """What stages import of a library directory, as far as there is, or can be, a place to mount something."""
    package = os.path.join(libdir, "osbuild")
    if os.path.isdir(package) and not os.listdir(package):
        package = os.path.dirname(os.path.abspath(__file__))
    places = [Package(package, f"{LIBRARY}/osbuild"), Package(f"{package}/util", f"{LIBRARY}/osbuild/util")]
    stages = os.path.realpath(os.path.join(libdir, "stages"))
    places += [Package(f"{stages}/{name}", f"{stages_inside(libdir)}/{name}") for name in SHARED_PACKAGES]
    return [place for place in places if _has_place(place)]


def _has_place(package: Package) -> bool:
    if not os.path.isfile(os.path.join(package.path, "__init__.py")) or os.path.islink(package.binaries):
        return False
    with contextlib.suppress(OSError):
        # Python itself does the same as soon as it imports anything from there.
        os.mkdir(package.binaries)
    return os.path.isdir(package.binaries)


def is_there(root: str, found: Sequence[Package]) -> bool:
    """Whether the Python of the build tree is of the host's version, which has compiled everything already."""
    program = os.path.basename(os.path.realpath(os.path.join(root, "usr/bin/python3")))
    if program != f"python{sys.version_info.major}.{sys.version_info.minor}":
        return False
    return all(os.path.exists(f"{package.binaries}/__init__.{sys.implementation.cache_tag}.pyc") for package in found)


def key(root: str, found: Sequence[Package]) -> str | None:
    """A name for what the Python of that build tree makes of the modules; None if the tree may change, being in no store."""
    tree = tree_state(root)
    if tree is None or not found:
        return None
    facts: list[object] = [tree, os.geteuid()]
    for package in found:
        facts.append(package.inside)
        names = sorted(name for name in os.listdir(package.path) if name.endswith(".py"))
        facts += [state(os.path.join(package.path, name)) for name in names]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def command(found: Sequence[Package]) -> list[str]:
    """The program that compiles the modules, inside. Of the package `osbuild` only what all stages import."""
    words = ["/usr/bin/python3", "-m", "compileall", "-q", "-l"]
    # With a source epoch in the environment it would have Python read each module to compare its content.
    words += ["--invalidation-mode", "timestamp"]
    for package in found:
        if package.inside == f"{LIBRARY}/osbuild":
            words += [f"{package.inside}/__init__.py", f"{package.inside}/api.py"]
        else:
            words.append(package.inside)
    return words


class Compiled:
    """A directory with one for each package, which nobody removes until `close`."""

    def __init__(self, path: str, fd: int, found: Sequence[Package]) -> None:
        self.path = path
        self._fd = fd
        self._found = found

    def binds(self, *, writable: bool = False) -> list[Bind]:
        return [
            Bind(os.path.join(self.path, str(number)), f"{package.inside}/{_CACHE}", writable)
            for number, package in enumerate(self._found)
        ]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Remove what is of no use."""
        mountinfo.remove_tree(self.path)
        self.close()

    def keep(self, name: str) -> None:
        """Have later runs find it under that name. OSError if there is something of that name already."""
        path = os.path.join(FOLDER, name)
        os.rename(self.path, path)
        self.path = path
        fcntl.flock(self._fd, fcntl.LOCK_SH)


def load(name: str, found: Sequence[Package]) -> Compiled | None:
    """What was kept under that name."""
    path = os.path.join(FOLDER, name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    compiled = Compiled(path, fd, found)
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.fstat(fd).st_uid == os.geteuid() and os.path.samestat(os.fstat(fd), os.stat(path)):
            # The time says when it was of use.
            os.utime(path)
            return compiled
    compiled.close()
    return None


def new(found: Sequence[Package]) -> Compiled:
    """An empty directory of the kind, for the sandbox to write into. OSError."""
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    lockeddir.remove_stale(FOLDER, _TEMPORARY)
    _remove_oldest()
    with lockeddir.shared(FOLDER):
        path = lockeddir.make_directory(FOLDER, _TEMPORARY, mode=0o700)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
    compiled = Compiled(path, fd, found)
    for bind in compiled.binds():
        os.mkdir(bind.source, 0o755)
    return compiled


def _remove_oldest() -> None:
    paths = [entry.path for entry in os.scandir(FOLDER) if not entry.name.startswith(_TEMPORARY)]
    paths.sort(key=lambda path: os.lstat(path).st_mtime)
    for path in paths[: 1 - _MAX_FOLDERS]:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # Not those that are mounted somewhere.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mountinfo.remove_tree(path)
        finally:
            os.close(fd)
