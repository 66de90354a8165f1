# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A minbase tree: the debootstrap stage from a warm store against mmdebstrap with a warm cache.

The stage is timed as the whole engine process, start to export.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmark.harness import REPO, Bench, Command, NotHere, Row

DISTRIBUTION = "debian-13"


def rows(bench: Bench) -> Iterator[Row]:
    if shutil.which("mmdebstrap") is None:
        raise NotHere("mmdebstrap is not installed")
    # The collection is imported by its full name, through the link tree.
    sys.path.append(str(REPO / "build" / "collections"))
    from tests.tree.minbase import (
        archive_folder,
        engine_command,
        engine_environment,
        manifest,
        mmdebstrap_command,
        mmdebstrap_environment,
        select,
        sources_file,
    )

    place = bench.scratch
    selection = select(DISTRIBUTION)
    document, store, output, target = (place / name for name in ("manifest.json", "store", "output", "mmdebstrap"))
    document.write_text(json.dumps(manifest(selection)))
    stage = engine_command(document, store, output)
    filled = subprocess.run(stage, env=engine_environment(), capture_output=True, text=True, check=False)
    if filled.returncode:
        raise NotHere(f"the packages of {DISTRIBUTION} cannot be fetched: {filled.stdout[-500:]}")
    archives = archive_folder(selection, store, place / "archives")
    peer = mmdebstrap_command(selection, sources_file(selection, place / "debian.sources"), archives, target)
    yield Row(
        f"{DISTRIBUTION} minbase, {len(selection.packages)} packages",
        Command(stage, engine_environment(), remover(output)),
        "mmdebstrap", Command(peer, mmdebstrap_environment(place), remover(target)), 0.6, runs=3,
    )


def remover(path: Path) -> Callable[[], None]:
    def remove() -> None:
        if path.exists():
            shutil.rmtree(path)

    return remove
