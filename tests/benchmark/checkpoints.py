# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping a tree of 400 MB in the store, going on from it, and bringing it out, against copying it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.harness import PYTHON, Bench, Command, Row, ours

FILES = 14000
DIRECTORIES = 1700
BYTES = 416 << 20

_WHY = "The store says of each tree how much it takes; the floor is counting that, du -s. Keeping the tree itself is a rename."

# Times one step on a tree that is made before, untimed.
_STEP = """
import os, resource, sys, time
from osbuild.objectstore import ObjectStore
step, source, place = sys.argv[1:]
with ObjectStore(os.path.join(place, "store")) as store:
    store.maximum_size = "unlimited"
    tree = store.new("b" * 64)
    os.rmdir(tree.tree)
    os.rename(source, tree.tree)
    if step == "start":
        store.commit(tree, "b" * 64)
        tree = store.new("c" * 64)
    def used():
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    start, before = time.monotonic(), used()
    if step == "checkpoint":
        store.commit(tree, "a" * 64)
    elif step == "last":
        store.commit(tree, "b" * 64)
    elif step == "start":
        tree.init(store.get("b" * 64))
    else:
        tree.finalize()
        tree.export(os.path.join(place, "out"), consume=True)
    print(time.monotonic() - start, used() - before)
"""


def make_tree(path: Path) -> None:
    """Sizes and depths as a Debian system has them: most files are small, a few hold most of the bytes."""
    chance = random.Random(1)
    weights = [chance.paretovariate(0.9) for _ignored in range(FILES)]
    unit = BYTES / sum(weights)
    folders = [path]
    path.mkdir()
    for number in range(DIRECTORIES):
        parent = chance.choice(folders[-200:])
        folders.append(parent / f"d{number}")
        folders[-1].mkdir()
    block = os.urandom(1 << 20)
    for number, weight in enumerate(weights):
        size = int(weight * unit)
        with open(chance.choice(folders) / f"f{number}", "wb") as file:
            while size > 0:
                size -= file.write(block[: min(size, len(block))])


def rows(bench: Bench) -> Iterator[Row]:
    tree, copy, place = (bench.scratch / name for name in ("tree", "copy", "place"))
    make_tree(tree)
    script = bench.scratch / "step.py"
    script.write_text(_STEP)

    def fresh() -> None:
        # Of a copy, and the copy of the round before is gone: what is left over from it would be measured, too.
        for path in (copy, place):
            shutil.rmtree(path, ignore_errors=True)
        place.mkdir()
        copying = ["cp", "-a", str(tree), str(place / "source")]
        os.spawnvp(os.P_WAIT, "cp", copying)

    counting = Command(["du", "-s", str(tree)])
    yardstick = Command(["cp", "-a", str(tree), str(copy)], prepare=fresh)
    for name, step, limit in (
        ("checkpoint, and go on", "checkpoint", 0.05),
        ("checkpoint of the last stage", "last", 0.05),
        ("start from a checkpoint", "start", 0.05),
        ("export what is not kept", "export", 0.4),
    ):
        command = Command([PYTHON, str(script), step, str(place / "source"), str(place)], ours(), fresh, tells=True)
        measured = step in ("checkpoint", "last")
        yield Row(
            f"{name}, 400 MB", command, "cp -a", yardstick, limit, runs=3, floor=counting if measured else None,
            why=_WHY if measured else "",
        )
