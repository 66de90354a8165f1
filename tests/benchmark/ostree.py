# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of committing a tree whose parent is known, against `ostree commit` into the same kind of repository."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.checkpoints import make_tree
from tests.benchmark.harness import PYTHON, Bench, Command, NotHere, Row, ours

REF = "debian/edge"
#: One file in so many is another in the second commit.
SHARE = 100

# What the stage org.osbuild.ostree.commit does between its options and the signature.
_COMMIT = """
import sys
from stages.forge import ostreecommit
tree, repo, source, parent = sys.argv[1:]
words = ostreecommit.arguments({"ref": "debian/edge", "parent": parent}, tree, parent, 1750000000)
ostreecommit.make_repository(repo, {})
ostreecommit.commit(repo, tree, words, {"ref": "debian/edge"}, (source, parent))
"""


def change(tree: Path) -> None:
    """Give one file in `SHARE` another content of the same size."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    for path in random.Random(2).sample(files, len(files) // SHARE):
        path.write_bytes(os.urandom(path.stat().st_size))


def ostree(*words: object) -> str:
    return subprocess.run(["ostree", *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()


def rows(bench: Bench) -> Iterator[Row]:
    if shutil.which("ostree") is None:
        raise NotHere("ostree is not installed")
    tree, first, plain, made = (bench.scratch / name for name in ("tree", "first", "plain", "made"))
    make_tree(tree)
    ostree("init", f"--repo={first}", "--mode=archive")
    parent = ostree("commit", f"--repo={first}", f"--branch={REF}", f"--tree=dir={tree}", "--timestamp=@1740000000", "--fsync=false")
    change(tree)
    script = bench.scratch / "commit.py"
    script.write_text(_COMMIT)

    def fresh() -> None:
        for path in (plain, made):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(first, plain, copy_function=os.link)

    yield Row(
        "second commit of 400 MB, 1 % changed", Command([PYTHON, str(script), str(tree), str(made), str(first), parent], ours(), fresh),
        "ostree commit",
        Command(["ostree", "commit", f"--repo={plain}", f"--branch={REF}", f"--parent={parent}", f"--tree=dir={tree}",
                 "--timestamp=@1750000000", "--fsync=false"], prepare=fresh),
        0.12, figure="cpu", runs=3,
    )  # fmt: skip
