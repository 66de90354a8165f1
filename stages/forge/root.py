# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Make the tree this process's root directory, furnished for maintainer scripts: /dev, /proc, /run, no services.

Once inside, every path a package may have prepared (a link out of the tree, say) resolves below the tree.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import mounts
from .errors import StageError

#: Where the packages appear inside, below the private /run.
PACKAGES = "/run/forge/packages"
#: Scratch for this package's own use inside.
SCRATCH = "/run/forge"
#: Directories of the running system.
RUNTIME = ("dev", "proc", "run", "sys")

_NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


@dataclass
class Root:
    """The entered tree. outside: descriptor of the directory that was the root before (for programs of the build root)."""

    outside: int


def _mount_dev(target: str) -> None:
    mounts.mount("tmpfs", target, "tmpfs", mounts.NOSUID | mounts.NOEXEC, "mode=0755")
    mask = os.umask(0)
    for name, numbers in _NODES.items():
        path = os.path.join(target, name)
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(*numbers))
        except PermissionError:
            # Containers may forbid making nodes; those of the sandbox serve as well.
            with open(path, "wb"):
                pass
            mounts.mount(f"/dev/{name}", path, None, mounts.BIND)
    for name, link in _LINKS.items():
        os.symlink(link, os.path.join(target, name))
    os.mkdir(os.path.join(target, "shm"), 0o1777)
    os.chmod(os.path.join(target, "shm"), 0o1777)
    os.mkdir(os.path.join(target, "pts"), 0o755)
    os.umask(mask)
    try:
        mounts.mount(
            "devpts", os.path.join(target, "pts"), "devpts", mounts.NOSUID | mounts.NOEXEC,
            "newinstance,ptmxmode=0666,mode=0620,gid=5",
        )
    except OSError:
        os.unlink(os.path.join(target, "ptmx"))  # no script of a package opens a terminal


def _kill_strays() -> None:
    """End what maintainer scripts left running with the tree as its root (agents, say): it would keep mounts alive."""
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            same = os.path.samestat(os.stat(f"/proc/{name}/root"), os.stat("/"))
            if same and os.getsid(int(name)) != os.getsid(0):
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            continue


def enter(tree: str) -> None:
    """Make `tree` the root directory of this process, for good: no link in it leads out any more."""
    os.chroot(tree)
    os.chdir("/")
    # From here on the tree's files answer to the names of ours: nothing may be imported any more.
    sys.path.clear()


@contextmanager
def entered(tree: str, packages: str | None, furnish: Callable[[str], list[str]] | None = None) -> Iterator[Root]:
    """Enter `tree` for the rest of this process's life; `packages`: directory that appears at PACKAGES, read-only.

    furnish: mounts more, called with the tree before it is entered; returns the paths inside that it mounted on.

    What packages and their scripts write to /dev and /run goes to the mounts there, so these directories stay as
    they are. On leaving the context the mounts are gone, but the process stays inside. Raises StageError when one of
    those directories is something else in the tree.
    """
    for name in RUNTIME:
        path = os.path.join(tree, name)
        if not os.path.lexists(path):
            os.mkdir(path, 0o755)
        elif os.path.islink(path) or not os.path.isdir(path):
            raise StageError(f"/{name} of the tree is not a directory; it must be one to run package scripts")
    mounted: list[str] = []
    outside = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.own_namespace()
        _mount_dev(os.path.join(tree, "dev"))
        mounted.append("/dev")
        # The sandbox's own /proc with what it hides, not a fresh one that would show the host's.
        mounts.mount("/proc", os.path.join(tree, "proc"), None, mounts.BIND | mounts.REC)
        mounted.append("/proc")
        run = os.path.join(tree, "run")
        mounts.mount("tmpfs", run, "tmpfs", mounts.NOSUID | mounts.NODEV, "mode=0755")
        mounted.append("/run")
        os.mkdir(os.path.join(run, "lock"))
        os.chmod(os.path.join(run, "lock"), 0o1777)
        inside = tree + SCRATCH
        os.mkdir(inside, 0o700)
        if packages is not None:
            os.mkdir(tree + PACKAGES)
            mounts.bind_read_only(packages, tree + PACKAGES, mounts.NOEXEC)
        if furnish is not None:
            mounted += furnish(tree)
    except OSError as error:
        raise StageError(f"the tree cannot be prepared for package scripts: {error.strerror}") from None
    enter(tree)
    try:
        yield Root(outside)
    finally:
        _kill_strays()
        for path in reversed(mounted):
            mounts.umount(path)


def empty(directory: str) -> None:
    """Remove everything in `directory` (a path inside the entered tree), which stays."""
    if os.path.islink(directory) or not os.path.isdir(directory):
        return
    with os.scandir(directory) as found:
        for entry in list(found):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
