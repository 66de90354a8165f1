# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's end of the sockets that stages and services talk to (contract 4.7)."""

from __future__ import annotations

import abc
import contextlib
import os
import selectors
import sys
import threading
from types import TracebackType
from typing import Any, TypeVar

from .api import exception_to_client, get_exception_from_msg
from .util import jsoncomm
from .util.jsoncomm import FdSet
from .util.lockeddir import LockedDir

B = TypeVar("B", bound="BaseAPI")

# Of the directories for sockets. Other engines' are called "api-" and eight characters, and hold no lock.
PREFIX = "api-forge-"


class BaseAPI(abc.ABC):
    """A server at a socket path, run by one thread while the context is entered.

    Without `socket_address` it listens at `<rundir>/api-forge-XXXXXXXX/<endpoint>`, a directory made for
    it. AssertionError when entered twice.
    """

    endpoint: str

    def __init__(self, socket_address: str | None = None, rundir: str | os.PathLike[str] = "/run/osbuild") -> None:
        self.socket_address = socket_address
        self.rundir = os.fspath(rundir)
        self.thread: threading.Thread | None = None
        # What the thread waits on: the listening socket, its clients, and the end of the run.
        self.event_loop: selectors.BaseSelector | None = None
        self._tmpdir: LockedDir | None = None
        self._wake: int = -1

    @abc.abstractmethod
    def _message(self, msg: Any, fds: FdSet | None, sock: jsoncomm.Socket) -> None:
        """Handle one message; an exception is sent back to `sock` and the server goes on."""

    def _cleanup(self) -> None:  # noqa: B027 - a hook
        """Release what was made for clients; called once the thread has ended."""

    @property
    def running(self) -> bool:
        return self.thread is not None

    def __enter__(self: B) -> B:
        assert not self.running, f"API '{self.endpoint}' is active already"
        if not self.socket_address:
            os.makedirs(self.rundir, exist_ok=True)
            self._tmpdir = LockedDir(self.rundir, PREFIX)
            self.socket_address = os.path.join(self._tmpdir.path, self.endpoint)
        try:
            server = jsoncomm.Socket.new_server(self.socket_address)
        except BaseException:
            self._remove_tmpdir()
            raise
        server.listen()
        wake, self._wake = os.pipe()
        self.event_loop = selectors.DefaultSelector()
        self.event_loop.register(server, selectors.EVENT_READ)
        self.event_loop.register(wake, selectors.EVENT_READ)
        self.thread = threading.Thread(
            target=self._serve, args=(self.event_loop, server, wake), name=f"api-{self.endpoint}", daemon=True
        )
        self.thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.thread is None:
            return
        os.close(self._wake)
        self._wake = -1
        self.thread.join()
        self.thread = None
        self.event_loop = None
        try:
            self._cleanup()
        finally:
            self._remove_tmpdir()

    def _remove_tmpdir(self) -> None:
        if self._tmpdir is not None:
            self._tmpdir.remove()
            self._tmpdir = None
            self.socket_address = None

    def _serve(self, selector: selectors.BaseSelector, server: jsoncomm.Socket, wake: int) -> None:
        clients: set[jsoncomm.Socket] = set()
        try:
            while True:
                ready = [key.fileobj for key, _ignored in selector.select()]
                while (new := server.accept()) is not None:
                    clients.add(new)
                    selector.register(new, selectors.EVENT_READ)
                if wake in ready:
                    break
                for client in [c for c in clients if c in ready]:
                    if not self._receive(client):
                        selector.unregister(client)
                        clients.discard(client)
                        client.close()
            # What was sent before the end still counts.
            for client in clients:
                client.blocking = False
                while self._receive(client):
                    pass
        finally:
            for client in clients:
                client.close()
            server.close()
            selector.close()
            os.close(wake)

    def _receive(self, client: jsoncomm.Socket) -> bool:
        """Handle one message of a client; False if there is no more."""
        try:
            msg, fds, _ignored = client.recv()
        except BlockingIOError:
            return False
        except (BufferError, OSError) as e:
            print(f"{self.endpoint}: {e}", file=sys.stderr)
            return False
        if msg is None:
            return False
        try:
            self._message(msg, fds, client)
        except Exception as e:
            with contextlib.suppress(OSError):
                exception_to_client(e, client)
        finally:
            if fds is not None:
                fds.close()
        return True


class API(BaseAPI):
    """What a stage may tell the engine: the exception it dies of, kept in `error`."""

    endpoint = "osbuild"

    def __init__(self, *, socket_address: str | None = None, rundir: str | os.PathLike[str] = "/run/osbuild") -> None:
        super().__init__(socket_address, rundir)
        self.error: dict[str, Any] | None = None

    def _message(self, msg: Any, fds: FdSet | None, sock: jsoncomm.Socket) -> None:
        self.error = get_exception_from_msg(msg)
