# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The faster sandbox, `OSBUILD_SANDBOX=fork`: the engine's side of `osbuild.forkserver`.

Only for root: in a user namespace the kernel does not let the flags of mounts be changed for whole trees at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from .util import linux

# First the number of the process, then its exit code.
STATUS = struct.Struct("i")
_PYTHON = "/usr/bin/python3"
_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forkserver.py")


def wanted() -> bool:
    """Whether it was asked for. ValueError for a kind of sandbox that there is not."""
    kind = os.environ.get("OSBUILD_SANDBOX") or "bubblewrap"
    if kind not in ("bubblewrap", "fork"):
        raise ValueError(f"OSBUILD_SANDBOX: expected bubblewrap or fork, found {kind}")
    return kind == "fork" and os.geteuid() == 0 and linux.owns_all_users()


class ForkedProcess:
    """A running sandbox, with as much of `subprocess.Popen` as a build root needs."""

    def __init__(self, stdout: IO[bytes], status: IO[bytes]) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status
        self._told = False
        self._pid: int | None = None
        self._pidfd = -1
        self._lock = threading.Lock()

    def _read(self) -> int | None:
        data = os.read(self._status.fileno(), STATUS.size)
        return STATUS.unpack(data)[0] if data else None

    def _learn(self) -> None:
        """Which process it is; its number is not another's before its end was told."""
        if self._told:
            return
        self._told = True
        self._pid = self._read()
        if self._pid is not None:
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self._pid)

    @property
    def pid(self) -> int | None:
        """The number of its first process, None if it never started."""
        with self._lock:
            self._learn()
        return self._pid

    def kill(self) -> None:
        """End all that runs in the sandbox. May be called again, and by any thread."""
        with self._lock:
            self._learn()
            if self._pidfd >= 0 and not self._has_ended():
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _has_ended(self, timeout: float = 0) -> bool:
        poller = select.poll()
        poller.register(self._status, select.POLLIN)
        return bool(poller.poll(timeout * 1000))

    def wait(self, timeout: float | None = None) -> int:
        """Until it is gone, with its mounts; returns its exit code. May be called again.

        subprocess.TimeoutExpired after `timeout` seconds.
        """
        if self.returncode is not None:
            return self.returncode
        with self._lock:
            self._learn()
        if timeout is not None and not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("", timeout)
        # Not while the lock is held: it must be possible to kill it meanwhile.
        code = self._read()
        with self._lock:
            self._status.close()
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
        self.returncode = code if code is not None else -signal.SIGKILL
        return self.returncode


class ForkServer:
    """The server process, started when it is needed; may be used by several threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def start(
        self, options: Sequence[str], program: Sequence[str], environment: dict[str, str], *, warm: bool
    ) -> ForkedProcess:
        """Run `program` in a sandbox that bubblewrap would make of `options`.

        `warm` says that the sandbox has this host's Python. OSError, RuntimeError if the server is gone.
        """
        out_read, out_write = os.pipe()
        status_read, status_write = os.pipe()
        ends = [out_read, status_read]
        request = {
            "options": _numbered(options),
            "program": list(program),
            "environment": environment,
            "warm": warm,
        }
        try:
            with self._lock:
                control = self._connect(environment)
                socket.send_fds(control, [json.dumps(request).encode()], [out_write, status_write])
        except BaseException:
            for fd in ends:
                os.close(fd)
            raise
        finally:
            os.close(out_write)
            os.close(status_write)
        return ForkedProcess(open(out_read, "rb", buffering=0), open(status_read, "rb", buffering=0))

    def _connect(self, environment: dict[str, str]) -> socket.socket:
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            with theirs:
                self._process = subprocess.Popen(
                    [_PYTHON, _SERVER, str(theirs.fileno())],
                    env={**environment, "PWD": "/"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            self._control = ours
        return self._control

    def close(self) -> None:
        """End it, and with it every sandbox that is left. May be called again."""
        with self._lock:
            control, self._control = self._control, None
            process, self._process = self._process, None
        if control is not None:
            control.close()
        if process is not None:
            process.wait()


def _numbered(options: Sequence[str]) -> list[str]:
    """The same with numbers of capabilities, not names, and without the name of the program."""
    result = list(options[1:])
    for index, option in enumerate(result[:-1]):
        if option == "--cap-add":
            result[index + 1] = str(linux.CAPABILITIES.index(result[index + 1]))
    return result
