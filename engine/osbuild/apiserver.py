# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's end of the sockets that stages and services talk to (contract 4.7)."""

from __future__ import annotations

import abc
import contextlib
import os
import select
import selectors
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from .api import exception_to_client, get_exception_from_msg
from .util import jsoncomm
from .util.jsoncomm import FdSet
from .util.lockeddir import LockedDir

B = TypeVar("B", bound="BaseAPI")

# Of the directories for sockets. Other engines' are called "api-" and eight characters, and hold no lock.
PREFIX = "api-forge-"


class _Doorkeeper:
    """One thread for all servers: most of them never hear from anybody, and need none of their own until they do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._poller: select.epoll | None = None
        self._pid = 0
        self._waiting: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, action: Callable[[], None]) -> None:
        """Call `action` once when somebody connects to the listening socket `fd`."""
        with self._lock:
            if self._poller is None or self._pid != os.getpid():
                self._poller, self._pid, self._waiting = select.epoll(), os.getpid(), {}
                threading.Thread(target=self._wait, args=(self._poller,), name="api", daemon=True).start()
            self._waiting[fd] = action
            self._poller.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> bool:
        """False if somebody had connected; the action is done then."""
        with self._lock:
            if self._waiting.pop(fd, None) is None:
                return False
            assert self._poller is not None
            self._poller.unregister(fd)
            return True

    def _wait(self, poller: select.epoll) -> None:
        while True:
            for fd, _events in poller.poll():
                with self._lock:
                    action = self._waiting.pop(fd, None)
                    if action is not None:
                        poller.unregister(fd)
                        action()


_doorkeeper = _Doorkeeper()


class BaseAPI(abc.ABC):
    """A server at a socket path while the context is entered, run by one thread from the first connection on.

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
        self._server: jsoncomm.Socket | None = None
        self._wake: int = -1

    @abc.abstractmethod
    def _message(self, msg: Any, fds: FdSet | None, sock: jsoncomm.Socket) -> None:
        """Handle one message; an exception is sent back to `sock` and the server goes on."""

    def _cleanup(self) -> None:  # noqa: B027 - a hook
        """Release what was made for clients; called once the thread has ended."""

    @property
    def running(self) -> bool:
        return self._server is not None

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
        self._server = server
        _doorkeeper.add(server.fileno(), self._start)
        return self

    def _start(self) -> None:
        assert self._server is not None
        wake, self._wake = os.pipe()
        self.event_loop = selectors.DefaultSelector()
        self.event_loop.register(self._server, selectors.EVENT_READ)
        self.event_loop.register(wake, selectors.EVENT_READ)
        self.thread = threading.Thread(
            target=self._serve, args=(self.event_loop, self._server, wake), name=f"api-{self.endpoint}", daemon=True
        )
        self.thread.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        server = self._server
        if server is None:
            return
        # First of all: whoever connects at this very moment is being let in, which takes the server.
        unheard = _doorkeeper.remove(server.fileno())
        self._server = None
        if unheard:
            # Somebody may have come just now.
            self._take_leave(set(iter(server.accept, None)), server)
        else:
            assert self.thread is not None
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
        finally:
            self._take_leave(clients, server)
            selector.close()
            os.close(wake)

    def _take_leave(self, clients: set[jsoncomm.Socket], server: jsoncomm.Socket) -> None:
        """Close everything, after what was sent before the end: that still counts."""
        try:
            for client in clients:
                client.blocking = False
                while self._receive(client):
                    pass
        finally:
            for client in clients:
                client.close()
            server.close()

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
