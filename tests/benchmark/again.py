# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built again, more or less: another image of mostly the same packages, the same manifest, one with another file.

As tasks do it: manifests are those of the planner or made of the same stages, and the store keeps what the planner wants kept.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.disks import MKE2FS, SIZE, qcow2_script
from tests.benchmark.harness import PYTHON, REPO, Bench, Command, NotHere, Row, engine, ours
from tests.benchmark.tasks import BLUEPRINT
from tests.benchmark.trees import CLOUD, DISTRIBUTION, fill, remover

#: What all images of the kind have, and what the second has instead of what the first adds: one package in twenty is another.
BASE = CLOUD[:-1]
OTHER = (*BASE, "nano", "tmux", "htop", "rsync")
#: As much as is built here.
_LIMIT = ("--cache-max-size", "20GB")

_MORE = """
[customizations.locale]
languages = ["en_GB.UTF-8"]

[[customizations.files]]
path = "/etc/motd"
data = "{motd}"
"""


def rows(bench: Bench) -> Iterator[Row]:
    # The collection is imported by its full name, through the link tree.
    sys.path.append(str(REPO / "build" / "collections"))
    if shutil.which("mmdebstrap") is not None:
        yield from _trees(bench.scratch)
    yield from _images(bench.scratch)


def _trees(place: Path) -> Iterator[Row]:
    from tests.tree import minbase

    store, output, target = place / "store", place / "output", place / "mmdebstrap"
    kept = store / "sources/org.osbuild.debian.unpacked"
    first, other = (minbase.select(DISTRIBUTION, include, base=BASE) for include in (CLOUD, OTHER))
    documents = {}
    for name, selection in (("first", first), ("second", other)):
        documents[name] = place / f"{name}.json"
        documents[name].write_text(json.dumps(minbase.manifest_in_steps(selection)))
    checkpoint = ("--checkpoint", "org.osbuild.debootstrap", *_LIMIT)
    export = ("--output-directory", str(output), "--export", "os")
    second = engine(documents["second"], store, *checkpoint, *export)
    fill(second)
    fill(engine(documents["first"], store, *checkpoint, *export))
    archives = minbase.archive_folder(other, store, place / "archives")
    sources = minbase.sources_file(other, place / "debian.sources")
    yardstick = Command(minbase.mmdebstrap_command(other, sources, archives, target, OTHER),
                        minbase.mmdebstrap_environment(place), remover(target))
    news = {f"sha256:{package.sha256}" for package in other.packages} - {f"sha256:{one.sha256}" for one in first.packages}

    def forget() -> None:
        remover(output)()
        for checksum in news:
            (kept / checksum).unlink(missing_ok=True)

    yield Row(f"second image, {len(news)} of {len(other.packages)} packages new", Command(second, ours(), forget),
              "mmdebstrap", yardstick, 0.25, runs=3)
    same = engine(documents["second"], store, "--checkpoint", "os", *_LIMIT)
    fill(same)
    yield Row("unchanged manifest", Command(same, ours()), "mmdebstrap", yardstick, 0.01, runs=3)
    for path in (store, output, target, archives):
        shutil.rmtree(path, ignore_errors=True)


def _images(place: Path) -> Iterator[Row]:
    from ansible_collections.debian_forge.osbuild.plugins.module_utils import arguments, errors, plan

    store, empty, output = place / "images", place / "images-empty", place / "disk"
    commands = []
    for number, where in enumerate((empty, store)):
        blueprint, document = place / f"web-{number}.toml", place / f"web-{number}.json"
        blueprint.write_text(BLUEPRINT + _MORE.format(motd=f"version {number}"))
        try:
            made = plan.make_plan(plan.Inputs(arguments.read_blueprint(str(blueprint)), "qcow2", DISTRIBUTION))
        except errors.ForgeError as reason:
            raise NotHere(str(reason)) from reason
        document.write_bytes(made.manifest)
        words = [word for name in made.checkpoints for word in ("--checkpoint", name)]
        words += [*_LIMIT, "--output-directory", str(output), *(word for name in made.exports for word in ("--export", name))]
        commands.append(engine(document, where, *words))
        if where is empty:
            # What the other has before.
            fill(engine(document, store, *words))

    downloads = Path("sources/org.osbuild.files")

    def start_empty() -> None:
        remover(empty, output)()
        shutil.copytree(store / downloads, empty / downloads, copy_function=_link)

    def no_output() -> None:
        remover(output)()
        # What the first build before it has left to be written is none of its work.
        os.sync()

    def no_disk() -> None:
        for path in (raw, disk):
            path.unlink(missing_ok=True)

    # The raw disk in memory, where the engine has it, too.
    raw, disk, script = Path("/run/osbuild/floor.raw"), place / "disk.qcow2", place / "qcow2.py"
    script.write_text(qcow2_script())
    kept = max((store / "objects").glob("*/object.info"), key=lambda path: json.loads(path.read_text())["size"]).parent
    bare = f"{shlex.join((*MKE2FS, '-d', str(kept / 'data/tree'), str(raw), f'{SIZE >> 10}k'))} && "
    bare += shlex.join((PYTHON, str(script), str(raw), str(disk)))
    yield Row(
        "image rebuilt after one changed file", Command(commands[1], ours(), no_output),
        "first build, packages there", Command(commands[0], ours(), start_empty), 0.1, runs=3,
        floor=Command(["/bin/sh", "-c", bare], prepare=no_disk),
        why="The floor is mke2fs -d of the whole tree and the compression of the disk, nothing else; nine more stages "
        "come on top, 40 to 100 ms each.",
    )


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
