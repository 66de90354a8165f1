# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: a place to work in, alternating runs, processor time of all that ran.

A row compares one command with its yardstick. Both run in turn, so that the machine's drift hits both alike, and the ratio is
taken round by round. Processor time comes from a control group where one can be made: bubblewrap leaves without reaping what
ran in it, so what wait4(2) says of a sandbox is next to nothing.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
ENGINE = REPO / "engine"
#: Python as users' programs are run: not the virtual environment's, nor a wrapper's.
PYTHON = "/usr/bin/python3"
_GROUPS = Path("/sys/fs/cgroup/cpuacct")
_GROUPS_2 = Path("/sys/fs/cgroup")
_IMAGE_SIZE = 8 << 30
# Of memory, which commands find in the machine's hands.
_AT_HAND = 2 << 30


class NotHere(Exception):
    """This machine cannot run a row: one sentence."""


@dataclass(frozen=True)
class Command:
    """`prepare` is called before each run, untimed. With `tells` the command itself prints the seconds, of wall-clock and of
    processor time, as its last two words."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    tells: bool = False


@dataclass(frozen=True)
class Run:
    """Seconds, seconds and MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Row:
    """A command and what it is compared with: `command` may take `limit` times as much of `figure` as the yardstick, and of
    processor time, too, unless it is `wall_only`.

    `factor` is how many times its figure the yardstick stands for: of a floor, how much more than it is allowed for.
    `instead_of` names the yardstick that was wanted but is not here. `floor` is the least that such work takes on any way, run
    beside both; `why` says, for a row above its bar, what keeps it there.
    """

    name: str
    command: Command
    yardstick_name: str
    yardstick: Command
    limit: float
    factor: float = 1.0
    figure: str = "wall"
    runs: int = 5
    instead_of: str = ""
    floor: Command | None = None
    why: str = ""
    wall_only: bool = False


@dataclass(frozen=True)
class Outcome:
    row: Row
    ours: list[Run]
    yardstick: list[Run]
    floor: list[Run] = field(default_factory=list)

    def figures(self, runs: list[Run]) -> list[float]:
        return [getattr(run, self.row.figure) for run in runs]

    @property
    def ratio(self) -> float:
        return self._ratio(self.ours)

    @property
    def floor_ratio(self) -> float | None:
        return self._ratio(self.floor) if self.floor else None

    def _ratio(self, runs: list[Run]) -> float:
        pairs = zip(self.figures(runs), self.figures(self.yardstick), strict=True)
        return statistics.median(one / (yardstick * self.row.factor) for one, yardstick in pairs)

    @property
    def cpu_ratio(self) -> float | None:
        pairs = list(zip(self.ours, self.yardstick, strict=True))
        if self.row.figure != "wall" or any(not yardstick.cpu for _ignored, yardstick in pairs):
            return None
        return statistics.median(ours.cpu / (yardstick.cpu * self.row.factor) for ours, yardstick in pairs)

    @property
    def reached(self) -> bool:
        # What a yardstick that is not here would take of it is not known: only its time by the clock is on record.
        cpu = None if self.row.wall_only or self.row.instead_of else self.cpu_ratio
        return self.ratio <= self.row.limit and (cpu is None or cpu <= self.row.limit)


@dataclass(frozen=True)
class Bench:
    """Where a group of rows works: an empty directory that is removed afterwards, and what is to be ended then."""

    scratch: Path
    stack: contextlib.ExitStack


@contextlib.contextmanager
def file_system(kind: str) -> Iterator[Path]:
    """A fresh one, "tmpfs" or "ext4" (with a journal, on a loop device); unmounted and removed at the end."""
    # An image on a tmpfs keeps the disk below from being measured.
    place = Path(tempfile.mkdtemp(prefix="forge-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    target = place / "mnt"
    target.mkdir()
    try:
        if kind == "tmpfs":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(target)], check=True)
        else:
            with open(place / "image", "wb") as file:
                file.truncate(_IMAGE_SIZE)
            subprocess.run(["mkfs.ext4", "-q", str(place / "image")], check=True)
            subprocess.run(["mount", "-o", "loop", str(place / "image"), str(target)], check=True)
        try:
            yield target
        finally:
            subprocess.run(["umount", str(target)], check=True)
    finally:
        shutil.rmtree(place)


class ProcessorTime:
    """Counts what a command and all it starts use, in a control group of its own or, without one, by getrusage(2)."""

    def __init__(self) -> None:
        self._group: Path | None = None
        self._version = 1
        for parent, version in ((_GROUPS, 1), (_GROUPS_2, 2)):
            path = parent / f"forge-bench-{os.getpid()}"
            with contextlib.suppress(OSError):
                path.mkdir()
                if (path / ("cpuacct.usage" if version == 1 else "cpu.stat")).exists():
                    self._group, self._version = path, version
                    break
                path.rmdir()

    def enter(self) -> None:
        """To be called in the child."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(os.getpid()))

    def used(self) -> float:
        if self._group is None:
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime
        if self._version == 1:
            return int((self._group / "cpuacct.usage").read_text()) / 1e9
        return int((self._group / "cpu.stat").read_text().split()[1]) / 1e6

    def close(self) -> None:
        if self._group is not None:
            # The last process of a sandbox may still be dying.
            for _ignored in range(50):
                with contextlib.suppress(OSError):
                    self._group.rmdir()
                    return
                time.sleep(0.1)


def take_memory() -> None:
    """Have memory for what runs next: a virtual machine gives back what was free for seconds, and to get it again takes longer
    than to work with it. Without this whoever comes after a pause pays for whoever comes at once.
    """
    size = min(_AT_HAND, os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE // 2)
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def once(command: Command, cpu: ProcessorTime) -> Run:
    """Run it. RuntimeError with its output when it fails."""
    if command.prepare is not None:
        command.prepare()
    take_memory()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    with tempfile.TemporaryFile() as output:
        before, start = cpu.used(), time.monotonic()
        process = subprocess.Popen(
            command.argv, env={**environment, **command.environment}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=cpu.enter,  # noqa: PLW1509 - there are no threads here
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command.argv[:4])} … failed:\n{text[-3000:]}")
    if command.tells:
        told = [float(word) for word in text.split()[-2:]]
        return Run(told[0], told[1], usage.ru_maxrss / 1024)
    return Run(wall, cpu.used() - before, usage.ru_maxrss / 1024)


def compare(row: Row, cpu: ProcessorTime, runs: int | None = None) -> Outcome:
    """One round to warm up, then as many as the row wants."""
    ours: list[Run] = []
    yardstick: list[Run] = []
    floor: list[Run] = []
    for number in range(-1, runs or row.runs):
        pair = once(row.yardstick, cpu), once(row.command, cpu)
        least = once(row.floor, cpu) if row.floor is not None else None
        if number >= 0:
            if least is not None:
                floor.append(least)
            yardstick.append(pair[0])
            ours.append(pair[1])
            print(f"# {row.name}: {pair[1].wall:.3f} s, {row.yardstick_name} {pair[0].wall:.3f} s, "
                  f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return Outcome(row, ours, yardstick, floor)


# -- engines ----------------------------------------------------------------------------------------------------------------


def engine(manifest: Path, store: Path, *arguments: str, libdir: Path = ENGINE) -> list[str]:
    """Argument list of an engine; which one PYTHONPATH says."""
    return [PYTHON, "-m", "osbuild", "--libdir", str(libdir), "--store", str(store), "--quiet", *arguments, str(manifest)]


def ours() -> dict[str, str]:
    return {"PYTHONPATH": str(ENGINE)}


def upstream() -> Path | None:
    """The library directory of the engine to compare with, with its Python package in it, from OSBUILD_UPSTREAM."""
    name = os.environ.get("OSBUILD_UPSTREAM")
    if not name:
        return None
    if not (Path(name) / "osbuild" / "main_cli.py").exists():
        raise NotHere(f"OSBUILD_UPSTREAM={name} is no library directory of an engine")
    return Path(name)


#: Upstream's version 191 on an idle machine with two cores, in seconds, and what a sandbox took there: the scale for others.
RECORDED = {"1 stage": 0.365, "50 stages": 11.638, "fetch 0 ms": 1.071, "fetch 25 ms": 1.390, "all cached": 0.226}
RECORDED_SANDBOX = 0.0073
SANDBOXES = 20


def floor(number: int = SANDBOXES) -> Command:
    """So many sandboxes, with what a stage has mounted, around a program that does nothing."""
    if shutil.which("bwrap") is None:
        raise NotHere("bubblewrap is not installed")
    options = ["--chdir", "/", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    options += ["--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "sbin"):
        options += ["--symlink", f"usr/{name}", f"/{name}"]
    options += ["--dev-bind", "/dev", "/dev", "--tmpfs", "/dev/shm", "--dir", "/etc", "--tmpfs", "/run", "--tmpfs", "/tmp"]
    options += ["--bind", str(REPO / "build"), "/var", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
    for name in ("alternatives", "ssl/certs", "containers"):
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    options += ["--ro-bind", str(ENGINE), "/run/osbuild/lib", "--ro-bind", "/proc/cmdline", "/proc/cmdline"]
    for name in ("tree", "meta", "mounts", "inputs", "bin", "api/arguments", "api/osbuild", "api/remoteloop", "runner"):
        options += ["--ro-bind", str(ENGINE), f"/run/osbuild/{name}"]
    loop = 'for number in $(seq "$0"); do bwrap "$@" -- /bin/true; done'
    return Command(["/bin/sh", "-c", loop, str(number), *options])


def against_upstream(name: str, command: Command, theirs: Command | None, recorded: str, limit: float, runs: int = 5) -> Row:
    """A row against upstream's engine; without one, against what it took elsewhere, scaled by what sandboxes take here."""
    if theirs is not None:
        return Row(name, command, "upstream", theirs, limit, runs=runs)
    factor = RECORDED[recorded] / (RECORDED_SANDBOX * SANDBOXES)
    return Row(name, command, f"{SANDBOXES} sandboxes x {factor:.1f}", floor(), limit, factor, runs=runs, instead_of="upstream")
