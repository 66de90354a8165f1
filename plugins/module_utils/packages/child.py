# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Run a function in a forked child: apt's configuration is global to a process and must not leak into ours."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import PackageError

_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A running child; :meth:`result` waits for it."""

    pid: int
    pipe: int
    log: BinaryIO
    what: str

    def result(self, deadline: float) -> Any:
        """What the function returned.  Raises PackageError: the child's own, or one saying how the child ended."""
        chunks: list[bytes] = []
        try:
            while True:
                ready, _write, _error = select.select([self.pipe], [], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise PackageError(f"{self.what}: not done when its time was over")
                chunk = os.read(self.pipe, 1 << 16)
                if not chunk:
                    break
                chunks.append(chunk)
        except BaseException:
            self.kill()
            raise
        os.close(self.pipe)
        self.pipe = -1
        _pid, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return self._answer(b"".join(chunks), status)

    def kill(self) -> None:
        """End the child and the apt methods it started; harmless when it has ended."""
        if self.pid:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = 0
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        self.log.close()

    def _answer(self, data: bytes, status: int) -> Any:
        self.log.seek(0)
        output = self.log.read().decode("utf-8", "replace").strip()
        self.log.close()
        try:
            answer = json.loads(data)
        except ValueError:
            how = (
                f"signal {os.WTERMSIG(status)}"
                if os.WIFSIGNALED(status)
                else f"exit {os.waitstatus_to_exitcode(status)}"
            )
            last = f": {output.splitlines()[-1]}" if output else ""
            raise PackageError(
                f"{self.what}: the process that runs apt ended early ({how}){last}", output=output
            ) from None
        if "error" in answer:
            details = dict(answer.get("result", {}))
            if output:
                details.setdefault("output", output)
            raise PackageError(answer["error"], **details)
        return answer["ok"]


def start(what: str, function: Callable[[], Any]) -> Child:
    """Fork and run ``function``; what it returns must be JSON-able.  ``what`` begins messages about the child."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the Child closes it
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)
        return Child(pid, reader, log, what)
    # In the child: whatever happens, never return into the caller's code.
    code = 1
    try:
        os.close(reader)
        _isolate(log.fileno())
        payload = json.dumps(_call(function)).encode()
        with os.fdopen(writer, "wb") as answer:
            answer.write(payload)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code)


def _isolate(log: int) -> None:
    with contextlib.suppress(PermissionError):
        os.setpgid(0, 0)
    # A killed parent must not leave a solver behind.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115


def _call(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"ok": function()}
    except PackageError as error:
        return {"error": error.message, "result": error.result}
