# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make image` as a newcomer runs it, against the time that it may take: with nothing kept on the host, and once more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from tests.benchmark.harness import REPO, Bench, Command, Row

#: What is asked of the host's disk otherwise is more than the scratch has.
FREE_SPACE = 4000


def rows(bench: Bench) -> Iterator[Row]:
    place, output = bench.scratch / "forge", bench.scratch / "image"
    # The engine's place and the store's are its own, for it to leave the host as it was.
    variables = {
        "build_host_directory": place / "var", "build_host_engine_root": place / "lib", "build_host_free_space": FREE_SPACE,
    }
    command = [
        "make", "--silent", "-C", str(REPO), "image", f"OUTPUT={output}",
        "VARS=" + " ".join(f"{name}={value}" for name, value in variables.items()),
    ]

    def forget() -> None:
        for path in (place, output):
            shutil.rmtree(path, ignore_errors=True)

    yield Row("make image, nothing kept", Command(command, prepare=forget), "5 minutes", seconds(300), 1.0, runs=1)
    yield Row("make image, repeated", Command(command), "10 seconds", seconds(10), 1.0, runs=3)


def seconds(number: int) -> Command:
    """A yardstick that says so without taking as long; of processor time nothing is asked."""
    return Command(["echo", str(number), "0"], tells=True)
