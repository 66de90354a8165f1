# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What the owner of a job does: wait for the store, run the engine, keep the clock, deliver the result.

The supervisor is the only process that knows when a build has to end: its wall-clock time is over, nobody asks for
it any more (the lease), or somebody wants it cancelled.  Whatever happens, it ends with ``result.json``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..driver import artefacts, record
from ..driver.monitor import Step
from ..driver.result import BuildResult, Failure, last_words, tail
from ..driver.run import EngineRun, build_arguments
from .folder import CANCELLED, DONE, FAILED, RUNNING, JobFolder, read_json
from .owner import Owner, descendants, start_time, take_over

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_MS_SLAVE_REC = 0x80000 | 0x4000
_TICK = 0.25


class Ended(Exception):
    """The build has to end before it is complete."""

    def __init__(self, state: str, failure: Failure) -> None:
        super().__init__(failure.message)
        self.state = state
        self.failure = failure


def adopt_orphans() -> None:
    """Have processes whose parent dies become our children, so that they can be found and ended (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def private_mounts() -> bool:
    """Give this process its own mount namespace: what a build mounts is gone with its last process, come what may.

    Mounts of the host still come in.  Where it is not allowed (some containers) nothing changes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return False
    return bool(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_SLAVE_REC), None) == 0)


def end_children() -> None:
    """Kill whatever the engine left behind."""
    for _attempt in range(50):
        found = descendants(os.getpid())
        for pid, started in found.items():
            if start_time(pid) == started:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if not found:
            return
        time.sleep(0.02)


@dataclass
class Watch:
    """Says when a build has to end."""

    folder: JobFolder
    timeout: float | None
    lease_seconds: float | None
    where: str = ""
    deadline: float | None = None
    asked: bool = False
    _lease_mark: int = 0
    _lease_seen: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """The build starts now; waiting for the store did not count."""
        if self.timeout:
            self.deadline = time.monotonic() + self.timeout

    def check(self) -> None:
        """:raises Ended: the build has to end."""
        at = f" in {self.where}" if self.where else ""
        reason = self.folder.cancel_reason()
        if reason is not None or self.asked:
            words = reason or "its owner was told to end"
            raise Ended(CANCELLED, Failure("cancelled", f"the build was cancelled{at}: {words}"))
        now = time.monotonic()
        if self.deadline is not None and now > self.deadline:
            message = f"the build was ended after its time of {self.timeout:g} s was over{at}"
            raise Ended(FAILED, Failure("timeout", message))
        if self.lease_seconds:
            self._check_lease(now, at)

    def _check_lease(self, now: float, at: str) -> None:
        try:
            mark = self.folder.lease.stat().st_mtime_ns
        except OSError:
            mark = 0
        # The file's time is only compared with itself: the system's clock may be set while we run.
        if mark != self._lease_mark:
            self._lease_mark, self._lease_seen = mark, now
        elif now - self._lease_seen > (self.lease_seconds or 0):
            message = f"the build was ended{at} since nobody asked for it for {self.lease_seconds:g} s"
            raise Ended(CANCELLED, Failure("cancelled", message))


class Supervisor:
    """Runs one job to its end."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder
        self.job: Mapping[str, Any] = folder.job() or {}
        self.destination = Path(self.job["destination"])
        self.staging = artefacts.staging_directory(self.destination, folder.id)
        self.watch = Watch(folder, self.job.get("timeout"), self.job.get("lease_seconds"))
        self.log: IO[str] = open(folder.log, "a", encoding="utf-8", errors="replace", buffering=1)  # noqa: SIM115
        self.progress: IO[str] = open(folder.progress, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self.run: EngineRun | None = None
        self.started = time.time()
        self.clock = time.monotonic()

    def write_log(self, text: str) -> None:
        try:
            self.log.write(text)
        except OSError:
            pass  # a full disk ends the build by itself, with a better sentence

    def step(self, step: Step) -> None:
        """Note a step of the build."""
        self.note(**step.as_dict())
        if step.kind in {"stage", "source", "pipeline"}:
            self.watch.where = f"{'stage' if step.kind == 'stage' else step.kind} {step.name}"
            if step.kind == "stage":
                self.watch.where += f" of pipeline {step.pipeline}"

    def note(self, **values: Any) -> None:
        try:
            self.progress.write(json.dumps({"time": round(time.time(), 3), **values}) + "\n")
        except OSError:
            pass

    def execute(self) -> dict[str, Any]:
        """The whole job; the result as it goes into ``result.json``."""
        try:
            with self.store_lock():
                self.started, self.clock = time.time(), time.monotonic()
                self.folder.set_state(RUNNING, started=round(self.started, 3))
                self.watch.start()
                self.make_staging()
                outcome = self.build()
            if outcome.failure is not None:
                return self.failed(FAILED, outcome.failure)
            return self.deliver(outcome)
        except Ended as ended:
            return self.failed(ended.state, ended.failure)
        except OSError as exc:
            words = f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}"
            prefix = "the disk is full: " if exc.errno in {errno.ENOSPC, errno.EDQUOT} else ""
            return self.failed(FAILED, Failure("destination", f"{prefix}the build could not be written: {words}"))
        except Exception as exc:
            return self.failed(FAILED, Failure("engine", f"the build was given up: {type(exc).__name__}: {exc}"))
        finally:
            self.clean()

    def make_staging(self) -> None:
        """An empty directory of our own; what another user put at its name (a link, say) is not followed."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700, parents=True)

    def store_lock(self) -> IO[bytes]:
        """Wait for our turn: one build at a time has a store; the kernel frees the lock when its holder dies."""
        store = Path(self.job["store"])
        store.parent.mkdir(parents=True, exist_ok=True)
        # For its owner only: it keeps whole systems, with their keys and programs that run as root.
        store.mkdir(mode=0o700, exist_ok=True)
        # Beside the store and not in it: everything inside belongs to osbuild.  Who can open it could hold up builds.
        lock = open(  # noqa: SIM115 - the caller's with closes it
            os.open(store.with_name(f"{store.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b"
        )
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if not waiting:
                    self.note(event="waiting", name=str(store), pipeline="")
                    waiting = True
            try:
                self.watch.check()
            except Ended:
                lock.close()
                raise
            time.sleep(_TICK)

    def build(self) -> BuildResult:
        """Run the engine to its end, or to ours."""
        job = self.job

        def command(descriptor: int) -> list[str]:
            arguments = build_arguments(
                self.folder.path / "manifest.json",
                Path(job["store"]),
                self.staging,
                job["exports"],
                checkpoints=job.get("checkpoints") or (),
                max_size=job.get("store_max_size"),
                monitor_fd=descriptor,
            )
            return [*job["command"], *arguments]

        environment = {**os.environ, **(job.get("environment") or {})}
        self.run = EngineRun(command, environment, self.write_log)
        try:
            while not self.run.ended:
                for step in self.run.poll(_TICK):
                    self.step(step)
                self.watch.check()
        except Ended:
            self.run.stop()
            raise
        finally:
            if not self.run.ended:
                self.run.stop(0)
            outcome = self.run.finish()
            end_children()
        return outcome

    def deliver(self, outcome: BuildResult) -> dict[str, Any]:
        """Bring what was built to its destination, with its record."""
        job, flatten = self.job, bool(self.job.get("flatten"))
        self.note(event="deliver", name=str(self.destination), pipeline="")
        found = artefacts.collect(self.staging, job["exports"], flatten)
        seconds = time.monotonic() - self.clock
        whole = record.complete(
            job["record"],
            artefacts=found,
            stages=outcome.stages,
            started=self.started,
            seconds=seconds,
            log_path=str(self.folder.log),
        )
        (self.folder.path / artefacts.RECORD).write_bytes(record.canonical(whole))
        self.log.flush()
        extra = {name: self.folder.path / source for name, source in (job.get("extra") or {}).items()}
        extra[artefacts.RECORD] = self.folder.path / artefacts.RECORD
        self.watch.check()
        artefacts.publish(self.staging, self.destination, job["exports"], flatten, extra)
        return {
            "state": DONE,
            "files": [{**one.as_dict(), "path": str(self.destination / one.path)} for one in found],
            **self.common(seconds),
        }

    def failed(self, state: str, failure: Failure) -> dict[str, Any]:
        """A result without artefacts."""
        found = failure.as_dict()
        if failure.kind == "source" and self.job["record"].get("lock_digest") and "404" in failure.message:
            # Mirrors drop what has been superseded; a lock file lives longer.
            found["message"] += " (if the mirror has dropped a locked version, build with update_lock: true)"
        if not found["tail"]:
            found["tail"] = self.log_tail()
        return {"state": state, "failure": found, **self.common(time.monotonic() - self.clock)}

    def log_tail(self) -> list[str]:
        try:
            with open(self.folder.log, "rb") as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - (1 << 16)))
                return list(tail(stream.read().decode("utf-8", "replace")))
        except OSError:
            return []

    def common(self, seconds: float) -> dict[str, Any]:
        stages = self.run.follower.stages if self.run else []
        return {
            "seconds": round(seconds, 3),
            "started": round(self.started, 3),
            "stages": [
                {"pipeline": run.pipeline, "name": run.name, "seconds": round(run.seconds, 3), "success": run.success}
                for run in stages
            ],
        }

    def clean(self) -> None:
        """Nothing half-written stays beside the destination."""
        end_children()
        shutil.rmtree(self.staging, ignore_errors=True)


def main(argv: list[str]) -> int:
    """``supervisor.pyz JOB-FOLDER [UNIT]``; the exit status is 0 whenever a result was written."""
    folder = JobFolder(Path(argv[1]))
    unit = argv[2] if len(argv) > 2 else None
    take_over(folder.path)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    lock = open(folder.owner_lock, "ab")  # noqa: SIM115 - held until this process ends
    fcntl.flock(lock, fcntl.LOCK_EX)
    if read_json(folder.path / "result.json") is not None:
        return 0
    # SIG_IGN is inherited through exec, a handler is not: the engine must be able to see Ctrl-C.
    signal.signal(signal.SIGINT, lambda *_ignored: None)
    supervisor = Supervisor(folder)
    signal.signal(signal.SIGTERM, lambda *_ignored: setattr(supervisor.watch, "asked", True))
    (folder.path / "owner.json").write_text(json.dumps(Owner.myself(unit).as_dict()), encoding="utf-8")
    adopt_orphans()
    private_mounts()
    result = supervisor.execute()
    if "failure" in result:
        supervisor.write_log(f"** {result['failure']['message']}\n")
        if not result["failure"]["message"]:
            result["failure"]["message"] = last_words(result["failure"]["tail"])
    folder.finish(result)
    return 0
