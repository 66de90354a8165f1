# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time a minbase tree: the debootstrap stage from a warm store against mmdebstrap with a warm cache.

usage: minbase.py [--distribution debian-13] [--runs 5] [--file-system tmpfs|ext4] [--bar 0.5]

Runs alternate, so that the machine's drift hits both alike, and ratios are taken round by round. The stage is timed as
the whole engine process, start to export. Processor time comes from a control group where one can be made: bubblewrap
does not reap what runs in it. Scratch is a fresh tmpfs, or a fresh ext4 on a loop device. With --bar the exit status
is 1 when the median ratio of wall times is above it. Run as root from the checkout's virtual environment.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "build/collections")]

from tree.minbase import (  # noqa: E402 - the path comes first
    archive_folder,
    engine_command,
    engine_environment,
    manifest,
    mmdebstrap_command,
    mmdebstrap_environment,
    select,
    sources_file,
)

GROUPS = Path("/sys/fs/cgroup/cpuacct")
IMAGE_SIZE = 8 << 30


@contextmanager
def scratch(file_system: str) -> Iterator[Path]:
    """A fresh file system, unmounted and removed at the end."""
    # An image on a tmpfs keeps the disk below from being measured.
    place = Path(tempfile.mkdtemp(prefix="forge-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    target = place / "mnt"
    target.mkdir()
    try:
        if file_system == "tmpfs":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(target)], check=True)
        else:
            with open(place / "image", "wb") as file:
                file.truncate(IMAGE_SIZE)
            subprocess.run(["mkfs.ext4", "-q", str(place / "image")], check=True)
            subprocess.run(["mount", "-o", "loop", str(place / "image"), str(target)], check=True)
        try:
            yield target
        finally:
            subprocess.run(["umount", str(target)], check=True)
    finally:
        shutil.rmtree(place)


@contextmanager
def control_group() -> Iterator[Path | None]:
    """A group of its own to count processor time in, or None."""
    path = GROUPS / f"forge-bench-{os.getpid()}"
    try:
        path.mkdir()
    except OSError:
        yield None
        return
    try:
        yield path
    finally:
        path.rmdir()


def timed(argv: Sequence[str], environment: Mapping[str, str], group: Path | None) -> tuple[float, float]:
    """(wall, processor) seconds of a command. RuntimeError with its output when it fails."""

    def enter() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def used() -> float:
        if group is not None:
            return int((group / "cpuacct.usage").read_text()) / 1e9
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, start = used(), time.monotonic()
    result = subprocess.run(
        argv, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        preexec_fn=enter,
    )
    wall = time.monotonic() - start
    if result.returncode:
        raise RuntimeError(f"{argv[0]} failed:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return wall, used() - before


def table(results: Mapping[str, list[tuple[float, float]]], title: str) -> str:
    """The results as Markdown; the first command is the yardstick."""
    base = next(iter(results.values()))
    lines = [f"#### {title}", "", "| command | wall min / med / max | cpu min / med / max | wall ratio | cpu ratio |",
             "|---|---|---|---|---|"]
    for name, runs in results.items():
        columns = [" / ".join(f"{pick(values):.2f}" for pick in (min, statistics.median, max))
                   for values in ([wall for wall, _ignored in runs], [cpu for _ignored, cpu in runs])]
        ratios = [statistics.median(run[at] / yardstick[at] for run, yardstick in zip(runs, base, strict=True))
                  for at in (0, 1)]
        lines.append(f"| {name} | {columns[0]} | {columns[1]} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distribution", default="debian-13")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--file-system", choices=("tmpfs", "ext4"), default="tmpfs")
    parser.add_argument("--bar", type=float, help="highest ratio of wall times that passes")
    args = parser.parse_args()
    selection = select(args.distribution)
    with scratch(args.file_system) as place, control_group() as group:
        document, store = place / "manifest.json", place / "store"
        document.write_text(json.dumps(manifest(selection)))
        output, target = place / "output", place / "mmdebstrap"
        stage = engine_command(document, store, output)
        timed(stage, engine_environment(), None)
        archives = archive_folder(selection, store, place / "archives")
        peer = mmdebstrap_command(selection, sources_file(selection, place / "debian.sources"), archives, target)
        shutil.rmtree(output)
        results: dict[str, list[tuple[float, float]]] = {"mmdebstrap": [], "org.osbuild.debootstrap": []}
        for _ignored in range(args.runs):
            results["mmdebstrap"].append(timed(peer, mmdebstrap_environment(place), group))
            shutil.rmtree(target)
            results["org.osbuild.debootstrap"].append(timed(stage, engine_environment(), group))
            shutil.rmtree(output)
            print(f"# {results['mmdebstrap'][-1]} {results['org.osbuild.debootstrap'][-1]} "
                  f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    load = f"load {os.getloadavg()[0]:.1f}"
    print(table(results, f"{args.distribution} minbase, {len(selection.packages)} packages, {args.file_system}, "
                         f"{args.runs} runs, {load}"))
    ratio = statistics.median(
        stage[0] / peer[0]
        for peer, stage in zip(results["mmdebstrap"], results["org.osbuild.debootstrap"], strict=True)
    )
    if args.bar is not None and ratio > args.bar:
        print(f"ratio {ratio:.2f} is above the bar of {args.bar}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
