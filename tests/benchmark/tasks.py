# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of a play: one that finds its image up to date, against one of the collection's modules that only looks at something."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmark.harness import ENGINE, REPO, Bench, Command, NotHere, Row

TASKS = 10
BLUEPRINT = """
name = "web"
version = "0.1.0"

[[packages]]
name = "nginx"

[customizations]
hostname = "web"
"""


def rows(bench: Bench) -> Iterator[Row]:
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise NotHere("ansible-playbook is not beside this Python")
    sys.path.append(str(REPO / "build" / "collections"))
    libdir, out, blueprint = bench.scratch / "lib", bench.scratch / "out", bench.scratch / "web.toml"
    blueprint.write_text(BLUEPRINT)
    task = {
        "blueprint": str(blueprint), "distribution": "debian-13", "image_type": "raw", "output_directory": str(out),
        "libdir": str(libdir), "engine": "embedded", "jobs_directory": str(bench.scratch / "jobs"),
    }
    _install(libdir)
    _pretend(out, blueprint, libdir)
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    mine, bare = (
        Command([str(program), str(_play(bench, name, args))], environment)
        for name, args in (("build", task), ("engine_info", {"libdir": str(libdir)}))
    )
    yield Row(f"{TASKS} tasks, image up to date", mine, f"{TASKS} tasks, engine_info", bare, 1.25)


def _play(bench: Bench, module: str, args: dict[str, Any]) -> Path:
    path = bench.scratch / f"{module}.json"
    task = {"name": "Measure", f"debian_forge.osbuild.{module}": args}
    play = {"name": "Measure", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task] * TASKS}
    path.write_text(json.dumps([play]))
    return path


def _install(libdir: Path) -> None:
    """The engine, with its digest beside it as on a build host."""
    from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import bundle

    shutil.copytree(ENGINE, libdir, ignore=shutil.ignore_patterns("__pycache__"))
    libdir.with_name(f"{libdir.name}.sha256").write_text(bundle.digest(libdir))


def _pretend(out: Path, blueprint: Path, libdir: Path) -> None:
    """A destination as a build leaves it, but for the image's content."""
    from ansible_collections.debian_forge.osbuild.plugins.module_utils import arguments, errors, plan
    from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import artefacts, engine, record

    out.mkdir()
    inputs = plan.Inputs(arguments.read_blueprint(str(blueprint)), "raw", "debian-13", lock=out / "lock.json")
    try:
        (out / "lock.json").write_text(plan.make_plan(inputs).lock_text or "")
        made = plan.make_plan(inputs)
    except errors.ForgeError as reason:
        raise NotHere(str(reason)) from reason
    (out / "disk.raw").write_bytes(bytes(1 << 20))
    known = record.template(
        build_id="benchmark", manifest=made.manifest_id, exports=made.exports,
        engine=engine.find_engine("embedded", libdir).as_dict(), pipelines={}, lock_digest=made.lock_digest,
        request=made.request, packages=made.packages,
    )
    files = [artefacts.describe(out / "disk.raw", "disk.raw")]
    whole = record.complete(known, artefacts=files, stages=[], started=0.0, seconds=1.0, log_path="")
    (out / artefacts.RECORD).write_bytes(record.canonical(whole))
