# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's side of `osbuild.remoteloop`."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from .apiserver import BaseAPI
from .loop import Loop, LoopControl
from .util import jsoncomm
from .util.jsoncomm import FdSet


class LoopServer(BaseAPI):
    """Makes loop devices and keeps them until it ends."""

    endpoint = "remoteloop"

    def __init__(self, *, socket_address: str | None = None, rundir: str | os.PathLike[str] = "/run/osbuild") -> None:
        super().__init__(socket_address, rundir)
        self._control: LoopControl | None = None
        self._loops: list[Loop] = []

    def _cleanup(self) -> None:
        loops, self._loops = self._loops, []
        for loop in reversed(loops):
            with contextlib.suppress(OSError):
                loop.flush_buf()
            # Bound with autoclear: the kernel frees the device with its last user.
            loop.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    def _message(self, msg: Any, fds: FdSet | None, sock: jsoncomm.Socket) -> None:
        if fds is None or len(fds) < 2:
            raise ValueError("a loop device needs two descriptors: its file and a directory")
        if self._control is None:
            self._control = LoopControl()
        loop = self._control.loop_for_fd(
            fds[msg["fd"]],
            lock=msg.get("lock", False),
            offset=msg.get("offset"),
            sizelimit=msg.get("sizelimit"),
            blocksize=msg.get("sector_size", 512),
            partscan=msg.get("partscan", False),
            read_only=msg.get("read_only", False),
            autoclear=True,
        )
        self._loops.append(loop)
        # Always a node, never a bind: the directory came from a sandbox, in whose mounts we cannot reach.
        os.mknod(loop.devname, stat.S_IFBLK | 0o600, os.makedev(Loop.LOOP_MAJOR, loop.minor), dir_fd=fds[msg["dir_fd"]])
        sock.send({"devname": loop.devname})
