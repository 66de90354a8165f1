# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines that do not need each other, at the same time and one after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.harness import ENGINE, PYTHON, Bench, Command, NotHere, Row, engine, ours

_STAGE = """#!/usr/bin/python3
import hashlib
import osbuild.api
data = b"x" * (1 << 20)
for _ignored in range(osbuild.api.arguments()["options"]["megabytes"]):
    hashlib.sha256(data).digest()
"""
MEGABYTES = 1500
_META = {"summary": "Work", "description": ["For benchmarks"], "schema_2": {"options": {"type": "object"}}}


def libdir(path: Path) -> Path:
    """One with a stage that keeps a core busy."""
    (path / "stages").mkdir(parents=True)
    (path / "osbuild").mkdir()
    for name in ("sources", "inputs", "devices", "mounts", "runners", "schemas"):
        (path / name).symlink_to(ENGINE / name)
    stage = path / "stages" / "org.osbuild.work"
    stage.write_text(_STAGE)
    stage.chmod(0o755)
    (path / "stages" / "org.osbuild.work.meta.json").write_text(json.dumps(_META))
    return path


def rows(bench: Bench) -> Iterator[Row]:
    if (os.cpu_count() or 1) < 2:
        raise NotHere("pipelines at the same time need two cores")
    modules = libdir(bench.scratch / "lib")
    stages = [[{"type": "org.osbuild.work", "options": {"megabytes": MEGABYTES, "number": number}}] for number in range(2)]
    document = bench.scratch / "manifest.json"
    document.write_text(json.dumps(
        {"version": "2", "pipelines": [{"name": name, "runner": "org.osbuild.debian12", "stages": each}
                                       for name, each in zip("ab", stages, strict=True)]}
    ))
    target = ["--output-directory", str(bench.scratch / "out"), "--export", "a", "--export", "b"]
    one, two = (
        Command(engine(document, bench.scratch / "store", *target, "--jobs", jobs, libdir=modules), ours())
        for jobs in ("1", "2")
    )
    work = f"{PYTHON} -c 'import hashlib; data = bytes(1 << 20); [hashlib.sha256(data).digest() for _ in range({MEGABYTES})]'"
    floor = Command(["/bin/sh", "-c", f"{work} & {work}; wait"])
    yield Row(
        "two independent pipelines, two cores", two, "one after the other", one, 0.6, floor=floor, wall_only=True,
        why="The floor is the same work as two bare processes at once: where that is no faster, other programs have the cores.",
    )
