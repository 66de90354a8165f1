# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The process that owns a job.

Where systemd runs it is the main process of a transient unit (systemd-run(1)), else the leader of a session of its
own.  It is known by pid, start time and boot id together, so that no stranger who got the pid later is ever killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import BuildError


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), stat, field 22); None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class Owner:
    """A process that is known for certain.

    :param unit: name of its transient unit, None for a session leader.
    """

    pid: int
    started: int
    boot: str
    unit: str | None = None

    @classmethod
    def myself(cls, unit: str | None = None) -> Owner:
        return cls(os.getpid(), start_time(os.getpid()) or 0, boot_id(), unit)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Owner | None:
        try:
            return None if values is None else cls(values["pid"], values["started"], values["boot"], values.get("unit"))
        except KeyError:
            return None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def alive(self) -> bool:
        """Whether this very process still lives."""
        return self.boot == boot_id() and start_time(self.pid) == self.started

    def ask_to_end(self) -> None:
        """Ask it to end in order (SIGTERM)."""
        if self.alive():
            _signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started, by force."""
        if self.unit and shutil.which("systemctl"):
            subprocess.run(
                ["systemctl", "kill", "--signal=SIGKILL", self.unit],
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
        if not self.alive():
            return
        # Looked up while the owner lives: afterwards its children are somebody else's.
        found = descendants(self.pid)
        _signal(self.pid, signal.SIGKILL)
        for pid, started in found.items():
            if start_time(pid) == started:
                _signal(pid, signal.SIGKILL)

    def wait_gone(self, seconds: float) -> bool:
        """Wait until it is gone; False if it still lives after ``seconds``."""
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def descendants(pid: int) -> dict[int, int]:
    """All processes below ``pid``, with their start times."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    found: dict[int, int] = {}
    todo = [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            started = start_time(child)
            if started is not None:
                found[child] = started
            todo.append(child)
    return found


def systemd_runs() -> bool:
    """Whether systemd is the system's manager (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemd-run") is not None


def unit_name(job_id: str) -> str:
    return f"debian-forge-{job_id}.service"


def hand_over(folder: Path, environment: Mapping[str, str]) -> None:
    """Leave the environment for a process that systemd starts; everybody may read what a unit's settings hold."""
    path = folder / "environment"
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(dict(environment), stream)


def take_over(folder: Path) -> None:
    """Take the environment that was left in a job folder, and the file away."""
    path = folder / "environment"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    path.unlink(missing_ok=True)
    os.environ.clear()
    os.environ.update(found)


def launch(
    command: Sequence[str], job_id: str, environment: Mapping[str, str], limit: float | None, log: Path
) -> str | None:
    """Start the owner of a job and return at once.

    :param environment: everything the process gets; values never appear in argv (they may hold proxy passwords).
    :param limit: seconds after which systemd ends the unit should the supervisor itself hang; None for never.
    :param log: gets what the supervisor itself has to say.
    :returns: the unit's name, None for a session leader.
    :raises BuildError: it could not be started.
    """
    if systemd_runs():
        unit = unit_name(job_id)
        # A failed unit of an earlier attempt would hold the name.
        subprocess.run(["systemctl", "reset-failed", unit], check=False, capture_output=True, stdin=subprocess.DEVNULL)
        words = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--service-type=exec"]
        words += [f"--description=debian_forge.osbuild build {job_id}", "--property=KillMode=mixed"]
        words += ["--property=TimeoutStopSec=60", "--property=StandardInput=null", "--property=OOMPolicy=continue"]
        words += [f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}"]
        if limit is not None:
            words.append(f"--property=RuntimeMaxSec={limit:.0f}")
        hand_over(log.parent, environment)
        for _attempt in range(20):
            started = subprocess.run(
                [*words, "--", *command],
                check=False,
                capture_output=True,
                text=True,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
            )
            # The unit of a build that has just ended holds the name for a moment.
            if started.returncode == 0 or "already" not in started.stderr:
                break
            time.sleep(0.1)
        if started.returncode != 0:
            (log.parent / "environment").unlink(missing_ok=True)
            raise BuildError(
                f"systemd-run could not start the build: {started.stderr.strip() or started.stdout.strip()}"
            )
        return unit
    try:
        with open(log, "ab") as output:
            # The intermediate shell-less parent ends at once: the owner must not stay a child of the module, which
            # would have to wait for it.
            middle = subprocess.Popen(
                [command[0], "-I", "-c", _DOUBLE_FORK, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
    except OSError as exc:
        raise BuildError(f"the build could not be started: {exc}") from exc
    if middle.wait() != 0:
        raise BuildError(f"the build could not be started, see {log}")
    return None


_DOUBLE_FORK = "import os, sys\nif os.fork() == 0:\n    os.setsid()\n    os.execv(sys.argv[1], sys.argv[1:])\n"
