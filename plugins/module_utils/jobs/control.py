# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Start or join, wait for, cancel, list and prune jobs."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..driver.artefacts import staging_directory
from ..driver.engine import Engine, passed_environment, system_python
from ..errors import BuildError, BuildTimeout, ForgeError
from .archive import supervisor_archive
from .folder import CANCELLED, ENDED, FAILED, JOBS, LOST, QUEUED, JobFolder
from .owner import Owner, launch, systemd_runs, unit_name

#: Finished jobs whose folders (logs) are kept.
KEPT_JOBS = 50

# Longer than the supervisor itself needs at most to end an engine (driver.run.EngineRun.stop).
_CANCEL_SECONDS = 40.0


@dataclass(frozen=True)
class Job:
    """What a job shall do.

    :param manifest: bytes of the manifest.
    :param destination: output directory.
    :param flatten: files of an export lie directly in the output directory.
    :param extra: name at the destination (or absolute path) -> bytes; the log is delivered as ``build.log``.
    :param record: the part of the build record that is known (``driver.record.template``).
    :param manifest_mode: permissions of the manifest, in the job folder and at the destination.
    :param timeout: wall-clock seconds for the build, None for no limit.
    :param lease_seconds: how long the build goes on when nobody asks for it, None for ever.
    :param environment: what the engine shall have set beside what it needs itself.
    """

    build_id: str
    engine: Engine
    manifest: bytes
    store: Path
    exports: Sequence[str]
    destination: Path
    record: Mapping[str, Any]
    flatten: bool = False
    checkpoints: Sequence[str] = ()
    store_max_size: str | None = None
    extra: Mapping[str, bytes] = field(default_factory=dict)
    timeout: float | None = None
    lease_seconds: float | None = None
    manifest_mode: int = 0o644
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """A job as it is now.

    :param position: where to go on reading steps (``JobFolder.steps``).
    """

    build_id: str
    state: str
    job: Mapping[str, Any]
    result: Mapping[str, Any] | None
    folder: JobFolder

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def status(build_id: str, root: Path = JOBS) -> Status | None:
    """A job as it is now, None if there is no such job.

    :raises ForgeError: the id is no name for a folder.
    """
    folder = JobFolder.of(build_id, root)
    state = folder.state()
    if state is None:
        return None
    return Status(folder.id, state, folder.job() or {}, folder.result(), folder)


def start(job: Job, root: Path = JOBS) -> tuple[Status, bool]:
    """Start a job, or join it if a job of that id is running.

    :returns: the job, and whether it was started by this call.
    :raises BuildError: it could not be started.
    """
    folder = JobFolder.of(job.build_id, root)
    try:
        return _start(job, folder)
    except OSError as exc:
        full = "the disk is full: " if exc.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        raise BuildError(f"{full}the job folder {folder.path} cannot be written: {exc.strerror or exc}") from exc


def _start(job: Job, folder: JobFolder) -> tuple[Status, bool]:
    root = folder.path.parent
    root.mkdir(parents=True, exist_ok=True, mode=0o755)
    with folder.exclusive():
        if folder.state() not in {None, *ENDED}:
            folder.touch_lease()
            return _known(job.build_id, root), False
        prune(root, keep=folder.id)
        previous = Owner.from_dict(folder.owner())
        if previous is not None:
            # It has said how the job ended and is about to end itself; its unit holds the name until then.
            previous.wait_gone(10)
        try:
            _write(job, folder)
        except OSError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        unit = unit_name(folder.id) if systemd_runs() else None
        command = [system_python(), "-I", str(folder.path / "supervisor.pyz"), str(folder.path)]
        limit = None if job.timeout is None else job.timeout + 24 * 3600
        command = [*command, unit] if unit else command
        try:
            launch(command, folder.id, passed_environment(), limit, folder.path / "supervisor.log")
        except BuildError as exc:
            # Else the job would count as queued, and the next task would join it.
            folder.finish(_without_artefacts(FAILED, "engine", str(exc)))
            raise
        _wait_for_owner(folder)
    return _known(job.build_id, root), True


def _known(build_id: str, root: Path) -> Status:
    found = status(build_id, root)
    if found is None:
        raise BuildError(f"the job folder of build {build_id} was taken away")
    return found


def _write(job: Job, folder: JobFolder) -> None:
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    manifest = folder.path / "manifest.json"
    manifest.write_bytes(job.manifest)
    manifest.chmod(job.manifest_mode)
    (folder.path / "supervisor.pyz").write_bytes(supervisor_archive())
    (folder.path / "supervisor.log").write_bytes(b"")
    extra = {"manifest.json": "manifest.json", "build.log": "log"}
    for number, (name, content) in enumerate(sorted(job.extra.items())):
        (folder.path / f"extra.{number}").write_bytes(content)
        extra[name] = f"extra.{number}"
    folder.create(
        {
            "format": 1,
            "command": job.engine.command(),
            "environment": {**job.engine.environment, **job.environment},
            "engine": job.engine.as_dict(),
            "store": str(job.store),
            "store_max_size": job.store_max_size,
            "exports": list(job.exports),
            "checkpoints": list(job.checkpoints),
            "destination": str(job.destination),
            "flatten": job.flatten,
            "extra": extra,
            "record": dict(job.record),
            "timeout": job.timeout,
            "lease_seconds": job.lease_seconds,
        }
    )


def _wait_for_owner(folder: JobFolder, seconds: float = 30.0) -> None:
    """The job counts as started when its owner has said who it is."""
    end = time.monotonic() + seconds
    while folder.owner() is None and folder.result() is None:
        if time.monotonic() > end:
            words = (folder.path / "supervisor.log").read_text(encoding="utf-8", errors="replace").strip()
            last = words.splitlines()[-1] if words else "it said nothing"
            raise BuildError(f"the process that should own build {folder.id} did not come up: {last}")
        time.sleep(0.02)


def wait(
    build_id: str, interval: float = 1.0, each: Callable[[Status], None] | None = None, root: Path = JOBS
) -> Status:
    """Wait until a job has ended, renewing its lease; its own time-out bounds the wait.

    :param interval: seconds between two looks.
    """
    pause = min(0.1, interval)
    while True:
        found = _known(build_id, root)
        if each is not None:
            each(found)
        if found.ended:
            return found
        found.folder.touch_lease()
        time.sleep(pause)
        pause = min(interval, pause * 1.5)


def cancel(build_id: str, reason: str = "it was asked for", root: Path = JOBS) -> tuple[Status | None, bool]:
    """End a job and everything it started; returns the job and whether there was anything to end.

    The supervisor is asked first and given time to tidy up; if it does not answer it is killed with all its
    processes, after comparing start times.
    """
    found = status(build_id, root)
    if found is None:
        return None, False
    if found.ended:
        if found.state == LOST:
            _mark(found.folder, "its owner was gone")
        return _known(build_id, root), False
    folder = found.folder
    folder.request_cancel(reason)
    owner = Owner.from_dict(folder.owner())
    if owner is not None:
        owner.ask_to_end()
        if not owner.wait_gone(_CANCEL_SECONDS):
            owner.kill()
            owner.wait_gone(5)
    end = time.monotonic() + 2
    while folder.owned() and time.monotonic() < end:
        time.sleep(0.05)
    if folder.result() is None:
        _mark(folder, reason)
    return _known(build_id, root), True


def _mark(folder: JobFolder, reason: str) -> None:
    """Write the result for an owner that could not do it, and take away what it left beside the destination."""
    job = folder.job() or {}
    if job.get("destination"):
        shutil.rmtree(staging_directory(Path(job["destination"]), folder.id), ignore_errors=True)
    folder.finish(_without_artefacts(CANCELLED, "cancelled", f"the build was cancelled: {reason}"))


def _without_artefacts(state: str, kind: str, message: str) -> dict[str, Any]:
    failure = {"kind": kind, "message": message, "pipeline": "", "stage": "", "tail": []}
    return {"state": state, "failure": failure, "stages": [], "seconds": 0.0, "started": 0.0}


def listing(root: Path = JOBS) -> list[Status]:
    """All jobs, the newest first."""
    found = []
    for name in os.listdir(root) if root.is_dir() else []:
        try:
            one = status(name, root)
        except ForgeError:
            continue
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda one: float(one.job.get("created", 0)), reverse=True)


def prune(root: Path = JOBS, kept: int = KEPT_JOBS, keep: str = "") -> None:
    """Remove the folders of the oldest ended jobs beyond ``kept``; ``keep`` names one that stays."""
    ended = [one for one in listing(root) if one.ended and one.build_id != keep]
    for one in ended[kept:]:
        shutil.rmtree(one.folder.path, ignore_errors=True)


def _culprit(failure: Mapping[str, Any]) -> dict[str, str]:
    if failure["kind"] == "source":
        return {"failed_source": failure["stage"]}
    if failure["kind"] == "stage":
        return {"failed_stage": failure["stage"], "failed_pipeline": failure["pipeline"]}
    return {}


def error_of(found: Status) -> BuildError | None:
    """The error that a job's end means, None for success or a job that still runs.

    Its ``result`` has what a user needs to see at once: stage, pipeline, the last lines of its log, the log's path.
    """
    log_path = str(found.folder.log)
    if found.state == LOST:
        return BuildError(
            f"build {found.build_id} is lost: its owner ended without a word (killed, or the host was restarted);"
            f" run the task again, the log is {log_path}",
            build_id=found.build_id,
            state=LOST,
            log_path=log_path,
        )
    failure = (found.result or {}).get("failure")
    if not found.ended or not failure:
        return None
    kind = BuildTimeout if failure["kind"] == "timeout" else BuildError
    return kind(
        f"{failure['message'][:1000]}; the log is {log_path}",
        build_id=found.build_id,
        state=found.state,
        error=kind.__name__,
        **_culprit(failure),
        log_tail=[line[:300] for line in failure["tail"][-40:]],
        log_path=log_path,
        duration=(found.result or {}).get("seconds"),
    )


__all__ = ["Job", "Status", "cancel", "error_of", "listing", "prune", "start", "status", "wait", "QUEUED"]
