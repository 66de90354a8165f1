# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The `/dev` of a build root, to which host services add the devices of a stage, and what else of it lies in memory."""

from __future__ import annotations

import contextlib
import os
import stat

from .util import linux
from .util.lockeddir import LockedDir, remove_stale

PREFIX = "dev-"

# Character devices by (major, minor); Documentation/admin-guide/devices.txt of the kernel.
_NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    # Not the machine's console: a stage has no business there. Programs that insist on writing to one can.
    "console": (1, 3),
}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


class DevFS:
    """Makes the directory below `rundir`; `path` is its place on the host. OSError where mounts are not permitted."""

    def __init__(self, rundir: str | os.PathLike[str]) -> None:
        os.makedirs(rundir, exist_ok=True)
        self._dir = LockedDir(rundir, PREFIX)
        # One below the locked directory: a mount would hide the lock from others.
        self._memory = os.path.join(self._dir.path, "memory")
        self._mounted = False
        self.path = os.path.join(self._memory, "dev")
        try:
            # One file system for all: mounting and unmounting takes as long as all that is made in it.
            os.mkdir(self._memory, 0o755)
            linux.mount("devfs", self._memory, "tmpfs", linux.MS_NOSUID, "mode=0755")
            self._mounted = True
            self._fill()
        except BaseException:
            self.remove()
            raise

    def directory(self, name: str) -> str:
        """A new directory in memory beside the `/dev`, gone with it."""
        path = os.path.join(self._memory, name)
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)
        return path

    def _fill(self) -> None:
        self.directory("dev")
        for name, (major, minor) in _NODES.items():
            self._node(name, os.makedev(major, minor))
        with contextlib.suppress(FileNotFoundError):
            self._node("fuse", os.stat("/dev/fuse").st_rdev)
        for name, target in _LINKS.items():
            os.symlink(target, os.path.join(self.path, name))
        os.mkdir(os.path.join(self.path, "shm"), 0o1777)
        pts = os.path.join(self.path, "pts")
        os.mkdir(pts, 0o755)
        # Without pseudo terminals a build still works; a user namespace may refuse them.
        with contextlib.suppress(OSError):
            linux.mount(
                "devpts", pts, "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"
            )

    def _node(self, name: str, rdev: int) -> None:
        path = os.path.join(self.path, name)
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, rdev)
            os.chmod(path, 0o666)
        except PermissionError:
            # In a user namespace nobody makes nodes, but the host's can be borrowed.
            with open(path, "x", encoding="ascii"):
                pass
            linux.mount("/dev/null" if name == "console" else f"/dev/{name}", path, None, linux.MS_BIND)

    def remove(self) -> None:
        """Unmount and remove. May be called again."""
        if self._mounted:
            self._mounted = False
            # With what is mounted below it; what stays is looked for when the directory is removed.
            with contextlib.suppress(OSError):
                linux.umount(self._memory, linux.MNT_DETACH)
        self._dir.remove()


def remove_dead(rundir: str | os.PathLike[str]) -> None:
    """Remove what engines that have died left in `rundir`: their `/dev` and their sockets."""
    from . import apiserver

    remove_stale(rundir, PREFIX)
    remove_stale(rundir, apiserver.PREFIX)
    # Of engines that know no locks.
    remove_stale(rundir, "api-", _nobody_listens)


def _nobody_listens(path: str) -> bool:
    """Whether all sockets in the directory are dead; one without sockets may be of somebody who is just starting."""
    from .util import jsoncomm

    names = os.listdir(path)
    for name in names:
        try:
            jsoncomm.Socket.new_client(os.path.join(path, name)).close()
        except ConnectionRefusedError:
            continue
        except OSError:
            return False
        return False
    return bool(names)
