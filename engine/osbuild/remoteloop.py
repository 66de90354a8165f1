# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Loop devices for stages, which cannot make them in the sandbox (contract 4.7).

This file is the stage's side; the server is loaded on first use from `osbuild.loopserver`.
"""

from __future__ import annotations

import contextlib
import os

from .util import jsoncomm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .loopserver import LoopServer as LoopServer

__all__ = ["LoopClient", "LoopServer"]


def __getattr__(name: str) -> Any:
    if name == "LoopServer":
        from .loopserver import LoopServer

        return LoopServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class LoopClient:
    """Client of the server at the socket path `connect_to`."""

    def __init__(self, connect_to: str) -> None:
        self.client = jsoncomm.Socket.new_client(connect_to)

    def __del__(self) -> None:
        # The attribute is missing if the connection failed.
        with contextlib.suppress(AttributeError):
            self.client.close()

    @contextlib.contextmanager
    def device(
        self,
        filename: str | os.PathLike[str],
        offset: int | None = None,
        sizelimit: int | None = None,
        lock: bool = False,
        partscan: bool = False,
        read_only: bool = False,
        sector_size: int = 512,
    ) -> Iterator[str]:
        """The path of a loop device for `filename`; sizes in bytes.

        At the end only the path goes away, the device itself with the stage. RuntimeError with what the
        engine says.
        """
        req: dict[str, Any] = {
            "fd": 0,
            "dir_fd": 1,
            "lock": lock,
            "partscan": partscan,
            "read_only": read_only,
            "sector_size": sector_size,
        }
        if offset:
            req["offset"] = offset
        if sizelimit:
            req["sizelimit"] = sizelimit
        with contextlib.ExitStack() as stack:
            fd = os.open(filename, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            dir_fd = os.open("/dev", os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, dir_fd)
            self.client.send(req, fds=[fd, dir_fd])
        reply, _ignored, _ignored = self.client.recv()
        if reply is None:
            raise RuntimeError("the engine closed the connection")
        if reply.get("method") == "exception":
            raise RuntimeError({"type": "exception", "data": reply["exception"]})
        path = os.path.join("/dev", reply["devname"])
        try:
            yield path
        finally:
            os.unlink(path)
