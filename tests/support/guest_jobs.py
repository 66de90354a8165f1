# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the guest of :mod:`tests.support.guest`: the commands of `jobs.json`, one after the other, and notes what became of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def left(work: Path) -> list[str]:
    """What a build holds of the kernel while it runs, and must not hold afterwards."""
    mapped = subprocess.run(["dmsetup", "ls"], capture_output=True, text=True, check=False).stdout.splitlines()
    loops = subprocess.run(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True, check=False).stdout
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [
        *(line for line in mapped if line != "No devices found"),
        *loops.splitlines(),
        *(one for one in mounts if one.startswith((f"{work}/", "/run/osbuild"))),
    ]


def say(text: str) -> None:
    with open("/dev/kmsg", "w", encoding="utf-8") as log:
        log.write(f"<2>forge-guest: {text}")


def run(job: dict, results: Path, work: Path) -> None:
    folder = results / job["name"]
    folder.mkdir(parents=True)
    begin = time.monotonic()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        try:
            status = subprocess.run(job["argv"], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                    timeout=job["timeout"], check=False).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            status = -1
    seconds = round(time.monotonic() - begin, 1)
    state = {"status": status, "seconds": seconds, "left": left(work)}
    (folder / "state.json").write_text(json.dumps(state))
    say(f"{job['name']}: status {status} after {seconds} s, left {len(state['left'])}")


def main() -> None:
    work = Path(sys.argv[1])
    say("begin")
    for job in json.loads((work / "jobs.json").read_text()):
        run(job, work / "results", work)


if __name__ == "__main__":
    main()
