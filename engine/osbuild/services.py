# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's side of host services: start them, call them, stop them (contract 3.5)."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Any, Protocol

from .host import ProtocolError, ServiceProtocol
from .servicehost import ServiceHost, ServiceProcess
from .util import jsoncomm
from .util.jsoncomm import FdSet


class LogSink(Protocol):
    """The part of a monitor that services need."""

    def log(self, message: str, origin: str | None = None) -> None: ...


# How long a service may take to release everything, in seconds, where its work is of no use any more. Loop devices get 30.
RELEASE_TIMEOUT = 60.0
# The same for one that does not answer: it will hardly notice that it is to stop.
HUNG_TIMEOUT = 5.0


_host = ServiceHost()


class ServiceTimeout(TimeoutError):
    """A service did not answer in time."""


class ServiceClient:
    """A running service, as the engine sees it. `timeout` limits each call, in seconds."""

    protocol = ServiceProtocol

    def __init__(
        self, uid: str, proc: subprocess.Popen[bytes] | ServiceProcess, sock: jsoncomm.Socket, timeout: float | None = None
    ) -> None:
        self.uid = uid
        self.proc = proc
        self.sock = sock
        self.timeout = timeout
        self.hung = False
        self.output_thread: threading.Thread | None = None

    def call(self, method: str, args: Any | None = None) -> Any:
        """Call `method` and return its reply. Raises as `call_with_fds`."""
        reply, fds = self.call_with_fds(method, args)
        fds.close()
        return reply

    def call_with_fds(
        self,
        method: str,
        args: Any | None = None,
        fds: list[int] | None = None,
        on_signal: Callable[[Any, FdSet], None] | None = None,
    ) -> tuple[Any, FdSet]:
        """Call `method`; signals that come before the reply go to `on_signal`.

        Raises RemoteError if the service raised, ProtocolError if it went away or talks nonsense,
        OSError (ConnectionResetError, BrokenPipeError) if it died with the call unread, ServiceTimeout.
        """
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        self.sock.send(self.protocol.encode_method(method, [] if args is None else args), fds=fds)
        while True:
            self._wait(method, deadline)
            msg, got, _ignored = self.sock.recv()
            received = got if got is not None else FdSet(rawfds=[])
            if msg is None:
                raise ProtocolError(f"service {self.uid} closed the connection during '{method}'")
            kind, data = self.protocol.decode_message(msg)
            if kind == "signal":
                value = self.protocol.decode_reply(data)
                if on_signal is not None:
                    on_signal(value, received)
                received.close()
            elif kind == "reply":
                return self.protocol.decode_reply(data), received
            else:
                received.close()
                if kind == "exception":
                    raise self.protocol.decode_exception(data)
                raise ProtocolError(f"unknown message type {kind!r} from service {self.uid}")

    def _wait(self, method: str, deadline: float | None) -> None:
        if deadline is None:
            return
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN)
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self.hung = True
            raise ServiceTimeout(f"service {self.uid} did not end '{method}' within {self.timeout} seconds")

    def stop(self, timeout: float | None = None) -> None:
        """Close the connection, wait until the service has released everything. May be called again.

        After `timeout` seconds it is killed; what it has mounted is unmounted with the directory it was mounted in.
        """
        self.sock.close()
        if self.hung:
            timeout = HUNG_TIMEOUT
        try:
            self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        if self.output_thread is not None:
            # A child of a service that was killed may hold the other end for longer.
            self.output_thread.join(timeout)
            self.output_thread = None


class ServiceManager:
    """Starts services and stops them in reverse order when left.

    `monitor` gets every line the services print; without one they are printed. `timeout` limits each call, and the stopping,
    in seconds; without one a service may take as long as it likes, unless there was an error before it is stopped.
    """

    def __init__(self, *, monitor: LogSink | None = None, timeout: float | None = None) -> None:
        self.monitor = monitor
        self.timeout = timeout
        self.services: dict[str, ServiceClient] = {}
        self.running = False

    @staticmethod
    def make_env() -> dict[str, str]:
        """The engine's environment, set up so that services import the engine's own package."""
        package_parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        return {**os.environ, "PYTHONPATH": package_parent, "PYTHONUNBUFFERED": "1"}

    @classmethod
    def get_ready(cls) -> None:
        """Prepare for services that are started soon; returns at once."""
        _host.get_ready(cls.make_env())

    def __enter__(self) -> ServiceManager:
        self.running = True
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.running = False
        grace: float | None = None
        if self.timeout is not None or exc_type is not None:
            grace = max(RELEASE_TIMEOUT, self.timeout or 0.0)
        for client in reversed(list(self.services.values())):
            client.stop(grace)
        self.services.clear()

    def start(self, uid: str, cmd: str | os.PathLike[str], extra_args: Sequence[str] | None = None) -> ServiceClient:
        """Start the program `cmd` as service `uid`.

        Raises RuntimeError outside of the context, ValueError if `uid` was started before, OSError if
        the program cannot be run.
        """
        if not self.running:
            raise RuntimeError("ServiceManager not running")
        if uid in self.services:
            raise ValueError(f"{uid} already started")
        cmd = os.fspath(cmd)
        ours, theirs = jsoncomm.Socket.new_pair()
        proc: subprocess.Popen[bytes] | ServiceProcess | None
        environment = self.make_env()
        try:
            with theirs:
                fd = theirs.fileno()
                begin = [cmd, "--service-id", uid, "--service-fd"]
                proc = _host.start([*begin, "", *(extra_args or [])], fd, environment)
                if proc is None:
                    proc = subprocess.Popen(
                        [*begin, str(fd), *(extra_args or [])],
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        close_fds=True,
                        pass_fds=(fd,),
                    )
        except BaseException:
            ours.close()
            raise
        client = ServiceClient(uid, proc, ours, self.timeout)
        self.services[uid] = client
        assert proc.stdout is not None
        thread = threading.Thread(
            target=self._forward_output, args=(f"{uid} ({os.path.basename(cmd)})", proc.stdout), daemon=True
        )
        client.output_thread = thread
        thread.start()
        return client

    def stop(self, uid: str) -> None:
        """Stop one service; its name stays taken. ValueError if there is none of that name."""
        client = self.services.get(uid)
        if client is None:
            raise ValueError(f"unknown service: {uid}")
        client.stop()

    def _forward_output(self, who: str, stream: IO[bytes]) -> None:
        with stream:
            for raw in stream:
                # With its end: what a stage prints next has to begin a line of its own.
                line = f"{who}: {raw.decode('utf-8', 'replace').rstrip()}\n"
                if self.monitor is not None:
                    self.monitor.log(line)
                else:
                    sys.stdout.write(line)
