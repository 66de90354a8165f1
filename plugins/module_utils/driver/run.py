# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""One run of an engine: started, followed, stopped.

The caller keeps the clock: ``poll`` returns at the latest after the time it was given, so that time-outs, leases
and cancellations are looked at between two calls.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .monitor import Follower, Reader, Record, Step
from .result import BuildResult, interpret

_PR_SET_PDEATHSIG = 1
_KEPT_TEXT = 1 << 20
_KEPT_RESULT = 256 << 20


def build_arguments(
    manifest: Path,
    store: Path,
    output: Path,
    exports: Sequence[str],
    *,
    checkpoints: Sequence[str] = (),
    max_size: str | None = None,
    monitor_fd: int,
) -> list[str]:
    """The options of a build (osbuild(1)), manifest last."""
    words = ["--store", str(store), "--output-directory", str(output), "--json"]
    words += ["--monitor", "JSONSeqMonitor", "--monitor-fd", str(monitor_fd)]
    if max_size:
        words += ["--cache-max-size", max_size]
    for name in checkpoints:
        words += ["--checkpoint", name]
    for name in exports:
        words += ["--export", name]
    return [*words, str(manifest)]


def die_with_parent() -> None:
    """To be called in a child before exec: the kernel kills it when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class EngineRun:
    """A running engine.

    :param command: called with the descriptor of the monitor's pipe, returns argv.
    :param log: gets every line that a person reading the log would want, as text.
    """

    def __init__(
        self, command: Callable[[int], Sequence[str]], environment: Mapping[str, str], log: Callable[[str], None]
    ) -> None:
        self.follower = Follower()
        self._log = log
        self._reader = Reader()
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._selector = selectors.DefaultSelector()
        read_end, write_end = os.pipe()
        try:
            self.process = subprocess.Popen(
                list(command(write_end)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd="/",
                pass_fds=(write_end,),
                preexec_fn=die_with_parent,  # noqa: PLW1509 - the supervisor has no threads
            )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._monitor = os.fdopen(read_end, "rb", buffering=0)
        if self.process.stdout is None or self.process.stderr is None:
            raise AssertionError("Popen was asked for pipes")
        for stream, name in (
            (self._monitor, "monitor"),
            (self.process.stdout, "stdout"),
            (self.process.stderr, "stderr"),
        ):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, name)

    @property
    def ended(self) -> bool:
        """Whether the engine is gone."""
        return self.process.poll() is not None

    def poll(self, timeout: float) -> list[Step]:
        """Take what has come, waiting up to ``timeout`` seconds for something; the steps it means."""
        steps: list[Step] = []
        if not self._selector.get_map():
            # All pipes closed but the process still there: do not spin.
            if not self.ended:
                time.sleep(min(timeout, 0.05))
            return steps
        for key, _events in self._selector.select(timeout):
            steps += self._take(key)
        return steps

    def _take(self, key: selectors.SelectorKey) -> list[Step]:
        try:
            data = os.read(key.fd, 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            self._selector.unregister(key.fileobj)
            return []
        if key.data == "monitor":
            return [step for record in self._reader.feed(data) if (step := self._record(record)) is not None]
        if key.data == "stdout":
            self._stdout += data[: max(0, _KEPT_RESULT - len(self._stdout))]
        else:
            self._log(data.decode("utf-8", "replace"))
            self._stderr += data
            del self._stderr[:-_KEPT_TEXT]
        return []

    def _record(self, record: Record) -> Step | None:
        step = self.follower.take(record)
        if step is None:
            if record.message:
                self._log(record.message if record.message.endswith("\n") else f"{record.message}\n")
            return None
        if step.kind == "pipeline":
            self._log(f"== pipeline {step.name} ({step.number} of {step.total})\n")
        elif step.kind == "source":
            self._log(f"== source {step.name}\n")
        elif step.kind == "stage":
            count = f" ({step.number} of {step.total})" if step.total else ""
            self._log(f"-- {step.pipeline}: {step.name}{count}\n")
        elif step.kind == "stage-done":
            word = "took" if step.success else "failed after"
            self._log(f"-- {step.pipeline}: {step.name} {word} {step.seconds or 0:.1f} s\n")
        return step

    def stop(self, grace: float = 15.0) -> None:
        """End the engine: as Ctrl-C would, so that it can tidy up, and by force after ``grace`` seconds."""
        for number, patience in ((signal.SIGINT, grace), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
            if self.ended:
                return
            self.process.send_signal(number)
            end = time.monotonic() + patience
            while not self.ended and time.monotonic() < end:
                self.poll(0.1)

    def finish(self) -> BuildResult:
        """Read what is still in the pipes of an engine that has ended, and say what it came to."""
        status = self.process.wait()
        # Bounded: a process that the engine left behind may hold the pipes open for ever.
        end = time.monotonic() + 2.0
        while self._selector.get_map() and time.monotonic() < end:
            if not self._selector.select(0):
                break
            self.poll(0)
        self._reader.close()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
        self._selector.close()
        for stream in (self._monitor, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        where = self.follower.stage
        if where and self.follower.pipeline:
            where = f"stage {where} of pipeline {self.follower.pipeline}"
        return interpret(
            self._stdout.decode("utf-8", "replace"),
            self._stderr.decode("utf-8", "replace"),
            status,
            self.follower.stages,
            where,
        )
