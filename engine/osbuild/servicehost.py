# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Host services without an interpreter's start for each: the engine's side of `osbuild.serviceserver`."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from .forksandbox import ForkedProcess

_PYTHON = "/usr/bin/python3"
_SHEBANG = b"#!/usr/bin/python3\n"
_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_SERVER = os.path.join(_PACKAGE, "serviceserver.py")


class ServiceProcess(ForkedProcess):
    """A running service, with as much of `subprocess.Popen` as its client needs."""


class ServiceHost:
    """The server process, started when it is needed; may be used by several threads."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        # What a new process has of this one: another server is needed when that changes.
        self._world: object = None
        self._lock = threading.Lock()

    def start(self, command: Sequence[str], service: int, environment: dict[str, str]) -> ServiceProcess | None:
        """Run a service, the number of whose socket belongs where `command` has an empty word.

        None if it has to be started as a program: because it is no program for this Python, or brings another `osbuild` along,
        or there is no server. OSError where there are no descriptors.
        """
        if not _is_ours(command[0]):
            return None
        out_read, out_write = os.pipe()
        status_read, status_write = os.pipe()
        request = [word or None for word in command]
        try:
            with self._lock:
                control = self._connect(environment)
                socket.send_fds(control, [json.dumps(request).encode()], [service, out_write, status_write])
        except OSError:
            os.close(out_read)
            os.close(status_read)
            return None
        finally:
            os.close(out_write)
            os.close(status_write)
        output: IO[bytes] = open(out_read, "rb")  # noqa: SIM115 - whoever reads it closes it
        return ServiceProcess(output, open(status_read, "rb", buffering=0))

    def get_ready(self, environment: dict[str, str]) -> None:
        """Start the server, so that the first service need not wait until it has read what it needs."""
        with contextlib.suppress(OSError), self._lock:
            self._connect(environment)

    def _connect(self, environment: dict[str, str]) -> socket.socket:
        world = (os.getpid(), os.getcwd(), os.geteuid(), os.stat("/proc/self/ns/mnt").st_ino, environment)
        if self._control is not None and self._world != world:
            # It ends when the services that it has started have.
            self._control.close()
            self._control = None
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [_PYTHON, _SERVER, str(theirs.fileno())],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            threading.Thread(target=process.wait, daemon=True).start()
            self._control, self._world = ours, world
        return self._control


def _is_ours(program: str) -> bool:
    try:
        with open(program, "rb") as file:
            if file.readline(len(_SHEBANG)) != _SHEBANG or not os.access(program, os.X_OK):
                return False
        beside = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(program))), "osbuild")
        return os.path.samefile(beside, _PACKAGE)
    except OSError:
        return False
