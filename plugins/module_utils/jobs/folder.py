# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A job's folder: ``job.json``, ``progress.jsonl``, ``log``, ``result.json``, ``lease``.

``job.json``       what is to be done, and the state; written by rename
``progress.jsonl`` one JSON object for each step of the build
``log``            what the stages printed
``result.json``    how it ended; written by rename, never changed
``lease``          its time of last change says when somebody last asked for the job
``owner.json``     which process owns the job; ``owner.lock`` is held by it for its whole life
``cancel``         somebody wants the job to end; holds the reason
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ForgeError

JOBS = Path("/var/lib/debian-forge/jobs")

QUEUED, RUNNING, DONE, FAILED, CANCELLED, LOST = "queued", "running", "done", "failed", "cancelled", "lost"
ENDED = frozenset({DONE, FAILED, CANCELLED, LOST})

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Room that is given back when the result must be written to a disk that is full.
_RESERVE = 64 * 1024


def check_id(value: str) -> str:
    """The id itself, if it may be a folder's name.

    :raises ForgeError: it may not.
    """
    if not _ID.fullmatch(value):
        raise ForgeError(f"build_id is {value!r}; letters, digits, '.', '_' and '-' are allowed, 64 at most")
    return value


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file, None if there is none (yet)."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def owner_lock(self) -> Path:
        return self.path / "owner.lock"

    @classmethod
    def of(cls, build_id: str, root: Path = JOBS) -> JobFolder:
        """The folder for an id, which need not exist.

        :raises ForgeError: the id is no name for a folder.
        """
        return cls(root / check_id(build_id))

    def job(self) -> dict[str, Any] | None:
        return read_json(self.path / "job.json")

    def result(self) -> dict[str, Any] | None:
        return read_json(self.path / "result.json")

    def owner(self) -> dict[str, Any] | None:
        return read_json(self.path / "owner.json")

    def create(self, job: Mapping[str, Any]) -> None:
        """Make the folder (readable by root only: jobs may tell of private mirrors) and write the job, state queued.

        Files of an earlier attempt are taken away, its log is kept as ``log.previous``.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if self.log.exists():
            self.log.replace(self.path / "log.previous")
        for name in ("result.json", "owner.json", "cancel", "progress.jsonl"):
            (self.path / name).unlink(missing_ok=True)
        (self.path / "reserve").write_bytes(os.urandom(_RESERVE))
        self.progress.touch()
        self.log.touch()
        self.touch_lease()
        write_json(self.path / "job.json", {**job, "id": self.id, "state": QUEUED, "created": round(time.time(), 3)})

    def set_state(self, state: str, **values: Any) -> None:
        """Change the state in ``job.json``; a full disk is no reason to stop for (the result tells in the end)."""
        try:
            write_json(self.path / "job.json", {**(self.job() or {}), "state": state, **values})
        except OSError:
            pass

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result, once, and the state it means."""
        (self.path / "reserve").unlink(missing_ok=True)
        write_json(self.path / "result.json", result)
        self.set_state(str(result["state"]))

    def touch_lease(self) -> None:
        """Say that somebody still waits for this job."""
        self.lease.touch()
        os.utime(self.lease)

    def request_cancel(self, reason: str) -> None:
        (self.path / "cancel").write_text(reason, encoding="utf-8")

    def cancel_reason(self) -> str | None:
        try:
            return (self.path / "cancel").read_text(encoding="utf-8") or "it was asked for"
        except OSError:
            return None

    def owned(self) -> bool:
        """Whether a live process owns the job: the kernel frees the lock with the process, whatever ended it."""
        try:
            with open(self.owner_lock, "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def state(self) -> str | None:
        """The state, None if there is no such job; ``lost`` when its owner went without writing a result."""
        job = self.job()
        if job is None:
            return None
        result = self.result()
        if result is not None:
            return str(result["state"])
        state = str(job.get("state"))
        if state in ENDED or self.owned():
            return state
        # A job just started has no owner yet, and one just ended may have written its result since we looked.
        result = self.result()
        if result is not None:
            return str(result["state"])
        starting = state == QUEUED and self.owner() is None and time.time() - float(job.get("created", 0)) < 30
        return QUEUED if starting else LOST

    def steps(self, offset: int = 0, limit: int = 64 * 1024) -> tuple[list[dict[str, Any]], int]:
        """Steps since ``offset`` (bytes), at most ``limit`` bytes of them, and the offset to go on from."""
        try:
            with open(self.progress, "rb") as stream:
                stream.seek(offset)
                data = stream.read(limit)
        except OSError:
            return [], offset
        whole = data.rfind(b"\n") + 1
        steps = []
        for line in data[:whole].splitlines():
            try:
                steps.append(json.loads(line))
            except ValueError:
                continue
        return steps, offset + whole

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else starts or takes away this job meanwhile."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self.path / "start.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
