# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Host services: programs that do for a build what must be done outside the sandbox (contract 3.5).

This file is the service's side and the protocol, kept light because every source, input, device
and mount starts with it. The engine's side (`ServiceManager`, `ServiceClient`) is loaded on
first use from `osbuild.services`.
"""

from __future__ import annotations

import abc
import contextlib
import os
import signal

from .util import jsoncomm
from .util.jsoncomm import FdSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from types import TracebackType
    from typing import Any, TypeVar

    from .services import ServiceClient as ServiceClient
    from .services import ServiceManager as ServiceManager

    S = TypeVar("S", bound="Service")

__all__ = ["ProtocolError", "RemoteError", "Service", "ServiceClient", "ServiceManager", "ServiceProtocol"]


def __getattr__(name: str) -> Any:
    if name in ("ServiceClient", "ServiceManager"):
        from . import services

        return getattr(services, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class ProtocolError(Exception):
    """The peer sent something that is no message, or nothing where a message was due."""


class RemoteError(Exception):
    """A service raised an exception: its class `name`, its text `value` and its `stack`."""

    def __init__(self, name: str, value: str, stack: str) -> None:
        self.name = name
        self.value = value
        self.stack = stack
        super().__init__(f"{name}: {value}\n {stack}")


class ServiceProtocol:
    """The four kinds of message between the engine and a service."""

    @staticmethod
    def decode_message(msg: Any) -> tuple[str, Any]:
        """Kind and content. ProtocolError if one of them is missing."""
        if not msg:
            raise ProtocolError("message empty")
        kind, data = msg.get("type"), msg.get("data")
        if not kind:
            raise ProtocolError("'type' missing from message")
        if not data:
            raise ProtocolError("'data' missing from message")
        return kind, data

    @staticmethod
    def encode_method(name: str, arguments: Any) -> dict[str, Any]:
        return {"type": "method", "data": {"name": name, "args": arguments}}

    @staticmethod
    def decode_method(data: dict[str, Any]) -> tuple[str, Any]:
        name = data.get("name")
        if not name:
            raise ProtocolError("'name' missing from method call")
        return name, data.get("args", [])

    @staticmethod
    def encode_reply(reply: Any) -> dict[str, Any]:
        return {"type": "reply", "data": {"reply": reply}}

    @staticmethod
    def decode_reply(data: dict[str, Any]) -> Any:
        if "reply" not in data:
            raise ProtocolError("'reply' missing from reply")
        return data["reply"]

    @staticmethod
    def encode_signal(sig: Any) -> dict[str, Any]:
        return {"type": "signal", "data": {"reply": sig}}

    @staticmethod
    def encode_exception(value: BaseException, tb: TracebackType | None) -> dict[str, Any]:
        import traceback

        return {
            "type": "exception",
            "data": {
                "name": type(value).__name__,
                "value": str(value),
                "backtrace": "".join(traceback.format_tb(tb)),
            },
        }

    @staticmethod
    def decode_exception(data: dict[str, Any]) -> RemoteError:
        return RemoteError(str(data.get("name")), str(data.get("value")), str(data.get("backtrace", "")))


class Service(abc.ABC):
    """Base of all service programs: answers calls until the engine closes its end, then stops.

    `args` carries `service_fd` (the socket) and `service_id` (`source/…`, `input/…`, … or None).
    """

    protocol = ServiceProtocol

    def __init__(self, args: argparse.Namespace) -> None:
        self.sock = jsoncomm.Socket.new_from_fd(args.service_fd)
        self.id: str = args.service_id

    @classmethod
    def from_args(cls: type[S], argv: list[str]) -> S:
        """An instance from a program's arguments; unknown options end the program with status 2."""
        return cls(cls.prepare_argument_parser().parse_args(argv))

    @classmethod
    def prepare_argument_parser(cls) -> argparse.ArgumentParser:
        import argparse

        parser = argparse.ArgumentParser(description="host service of osbuild")
        parser.add_argument("--service-fd", metavar="FD", type=int, help="socket of the engine")
        parser.add_argument("--service-id", metavar="ID", type=str, help="name of this service")
        return parser

    @abc.abstractmethod
    def dispatch(self, method: str, args: Any, fds: FdSet) -> tuple[Any, list[int] | None]:
        """Do `method`; returns the reply and descriptors for it, which are closed once sent."""

    def stop(self) -> None:  # noqa: B027 - a hook; not every service holds something
        """Undo everything; called once, when the engine has closed its end."""

    def main(self) -> None:
        """Serve until the engine goes away."""
        # Closing the connection is the only stop signal: a Ctrl-C in the terminal reaches the whole
        # process group and must not end a service before it has released what it holds.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.serve()
        finally:
            self.stop()

    def serve(self) -> None:
        """Answer one call after the other."""
        while True:
            msg, fds, _ignored = self.sock.recv()
            if not msg:
                return
            reply_fds: list[int] | None = None
            try:
                reply, reply_fds = self._handle_message(msg, fds if fds is not None else FdSet(rawfds=[]))
            except Exception as e:
                reply = self.protocol.encode_exception(e, e.__traceback__)
            finally:
                if fds is not None:
                    fds.close()
            try:
                self.sock.send(reply, fds=reply_fds)
            except BrokenPipeError:
                return
            finally:
                _close_all(reply_fds)

    def _handle_message(self, msg: Any, fds: FdSet) -> tuple[dict[str, Any], list[int] | None]:
        kind, data = self.protocol.decode_message(msg)
        if kind != "method":
            raise ProtocolError(f"expected a method call, got {kind!r}")
        name, args = self.protocol.decode_method(data)
        ret, reply_fds = self.dispatch(name, args, fds)
        try:
            _check_fds(reply_fds)
        except BaseException:
            _close_all(reply_fds)
            raise
        return self.protocol.encode_reply(ret), reply_fds

    def emit_signal(self, data: Any, fds: list[int] | None = None) -> None:
        """Tell the engine something during a call; the descriptors stay open here."""
        _check_fds(fds)
        self.sock.send(self.protocol.encode_signal(data), fds=fds)


def _check_fds(fds: list[int] | None) -> None:
    """OSError if one of `fds` is not open."""
    if not fds:
        return
    import fcntl

    for fd in fds:
        fcntl.fcntl(fd, fcntl.F_GETFD)


def _close_all(fds: list[int] | None) -> None:
    for fd in fds or []:
        with contextlib.suppress(OSError):
            os.close(fd)
