# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of packages against mmdebstrap with a warm cache.

Ours is timed as the whole engine process, start to export. Downloads are there before for both.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmark.harness import REPO, Bench, Command, NotHere, Row, engine, ours

DISTRIBUTION = "debian-13"
#: What an image for clouds is made of.
CLOUD = ("systemd-sysv", "dbus", "linux-image-cloud-amd64", "openssh-server", "cloud-init", "initramfs-tools", "sudo", "man-db", "vim")

#: Why it takes more than allowed for where it does.
SCRIPTS = (
    "The scripts of the packages are the floor: byte code, certificates, the hardware database, manual pages and one initramfs, "
    "more than 5000 processes, take as long as in mmdebstrap's tree, about half of its processor time."
)


def rows(bench: Bench) -> Iterator[Row]:
    if shutil.which("mmdebstrap") is None:
        raise NotHere("mmdebstrap is not installed")
    # The collection is imported by its full name, through the link tree.
    sys.path.append(str(REPO / "build" / "collections"))
    from tests.tree import minbase

    for name, include, limit in (("minbase", (), 0.42), ("cloud set", CLOUD, 0.5)):
        place = bench.scratch / name.partition(" ")[0]
        place.mkdir()
        store, output, target = place / "store", place / "output", place / "mmdebstrap"
        selection = minbase.select(DISTRIBUTION, include)
        document = place / "manifest.json"
        document.write_text(json.dumps(minbase.manifest(selection)))
        build = engine(document, store, "--output-directory", str(output), "--export", "os")
        fill(build)
        archives = minbase.archive_folder(selection, store, place / "archives")
        peer = minbase.mmdebstrap_command(
            selection, minbase.sources_file(selection, place / "debian.sources"), archives, target, include
        )
        yardstick = Command(peer, minbase.mmdebstrap_environment(place), remover(target))
        title = f"{DISTRIBUTION} {name}, {len(selection.packages)} packages"
        kept = store / "sources/org.osbuild.debian.unpacked"
        yield Row(f"{title}, empty store", Command(build, ours(), remover(output, kept)), "mmdebstrap", yardstick, limit, runs=3,
                  why=SCRIPTS)


def fill(command: list[str]) -> None:
    """Run what is measured later once, for what it leaves in the store. NotHere with the engine's output."""
    result = subprocess.run(command, env=ours(), capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotHere(f"the tree cannot be built: {result.stdout[-500:]}{result.stderr[-500:]}")


def remover(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    return remove
