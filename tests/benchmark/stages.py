# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own share: stages that do nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.harness import Bench, Command, Row, against_upstream, engine, floor, ours, upstream

#: MiB of upstream's engine process, as recorded; where it is here, it is measured.
UPSTREAM_PEAK = 30

_WHY = (
    "The floor is bubblewrap around /bin/true. A forked stage pays for its namespaces as that does, for two copies of a Python's "
    "page tables, and for a root of its own."
)


def manifest(path: Path, count: int) -> Path:
    stages = [{"type": "org.osbuild.noop"}] * count
    pipeline = {"name": "tree", "runner": "org.osbuild.debian12", "stages": stages}
    path.write_text(json.dumps({"version": "2", "pipelines": [pipeline]}))
    return path


def run(bench: Bench, count: int, *, theirs: Path | None = None, **environment: str) -> Command:
    document = manifest(bench.scratch / f"{count}.json", count)
    target = ["--output-directory", str(bench.scratch / "out"), "--export", "tree"]
    if theirs is not None:
        return Command(engine(document, bench.scratch / "theirs", *target, libdir=theirs), {"PYTHONPATH": str(theirs)})
    return Command(engine(document, bench.scratch / "store", *target), {**ours(), **environment})


def rows(bench: Bench) -> Iterator[Row]:
    peer = upstream()
    one, fifty = (run(bench, count, theirs=peer) if peer else None for count in (1, 50))
    # As many sandboxes with nothing in them.
    bare = floor(50)
    yield dataclasses.replace(against_upstream("50 trivial stages, bubblewrap", run(bench, 50), fifty, "50 stages", 0.12), floor=bare)
    forking = run(bench, 50, OSBUILD_SANDBOX="fork")
    row = against_upstream("50 trivial stages, forking sandbox", forking, fifty, "50 stages", 0.05)
    yield dataclasses.replace(row, floor=bare, why=_WHY)
    yield against_upstream("one trivial stage, whole process", run(bench, 1), one, "1 stage", 0.35)
    if one is not None:
        yield Row("peak memory of the engine", run(bench, 50), "upstream", one, 1.0, figure="peak")
    else:
        blank = Command(["/usr/bin/python3", "-I", "-c", f"data = b'x' * ({UPSTREAM_PEAK - 9} << 20)"])
        yield Row("peak memory of the engine", run(bench, 50), f"{UPSTREAM_PEAK} MiB", blank, 1.0, figure="peak",
                  instead_of="upstream")
