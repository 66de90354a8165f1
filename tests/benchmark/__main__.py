# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run benchmarks and report ratios.

usage: python -m tests.benchmark [--only GROUP[,GROUP]] [--runs N] [--file-system ext4|tmpfs] [--output DIRECTORY] [--check]

A group is a module of this package with a function `rows`, which takes a `Bench` and yields `Row`s; put its name in `GROUPS`.
Text goes to standard output, and text, Markdown and a picture to the output directory (default: build/benchmark).
OSBUILD_UPSTREAM names the library directory of an upstream engine to compare with. With --check the exit status is 1 when a
row is above its bar. Run as root.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmark import report
from tests.benchmark.harness import REPO, Bench, NotHere, Outcome, ProcessorTime, compare, file_system

GROUPS = ("stages", "checkpoints", "fetch", "parallel", "tasks", "trees", "again", "disks", "ostree", "makeimage")


#: Where engines keep their sockets and small files.
RUN = Path("/run/osbuild")


def in_own_mount_namespace() -> None:
    """Go on in a mount namespace of its own, whose mounts go with the last process in it, even if it is killed (unshare(1))."""
    if os.environ.get("FORGE_BENCHMARK_MOUNTS") != "own":
        environment = {**os.environ, "FORGE_BENCHMARK_MOUNTS": "own"}
        command = [sys.executable, "-m", "tests.benchmark", *sys.argv[1:]]
        os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", *command], environment)
    # As on any Debian system; in a container it may be on the disk, and that one without a journal.
    RUN.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(RUN)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of groups, with commas between them")
    parser.add_argument("--runs", type=int, help="rounds of each row")
    parser.add_argument("--file-system", choices=("ext4", "tmpfs"), default="ext4")
    parser.add_argument("--output", type=Path, default=REPO / "build" / "benchmark")
    parser.add_argument("--check", action="store_true", help="fail when a row is above its bar")
    args = parser.parse_args()
    in_own_mount_namespace()
    groups = args.only.split(",") if args.only else GROUPS
    outcomes: list[Outcome] = []
    left_out: list[str] = []
    with contextlib.ExitStack() as stack:
        cpu = ProcessorTime()
        stack.callback(cpu.close)
        place = stack.enter_context(file_system(args.file_system))
        for name in groups:
            scratch = place / name
            scratch.mkdir()
            with contextlib.ExitStack() as ends:
                # What a group leaves is removed before the next one begins, not while it is measured.
                ends.callback(shutil.rmtree, scratch, ignore_errors=True)
                try:
                    rows = importlib.import_module(f"tests.benchmark.{name}").rows
                    for row in rows(Bench(scratch, ends)):
                        outcomes.append(compare(row, cpu, args.runs))
                except (NotHere, ImportError) as reason:
                    left_out.append(f"{name}: {reason}")
    args.output.mkdir(parents=True, exist_ok=True)
    shown = report.text(outcomes, left_out)
    (args.output / "report.txt").write_text(shown)
    (args.output / "report.md").write_text(report.markdown(outcomes, left_out))
    (args.output / "report.svg").write_text(report.svg(outcomes))
    print(shown, end="")
    return 1 if args.check and not all(outcome.reached for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
