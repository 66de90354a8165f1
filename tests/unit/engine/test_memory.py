# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of which nothing is kept are made in memory: where there is enough, and with the same result where there is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.objectstore import ObjectStore
from osbuild.util import linux, memory

ENGINE = Path(__file__).resolve().parents[3] / "engine"
MIB = 1 << 20


def test_budget_hands_out_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 10)
    monkeypatch.setattr(memory, "MOST", 40)
    budget = memory.Budget(75)
    assert (budget.take(), budget.take(), budget.take()) == (40, 35, 0)
    budget.give_back(9)
    assert budget.take() == 0
    budget.give_back(1)
    assert budget.take() == 10


def test_half_of_what_is_available_is_taken_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 6 << 30)
    assert memory.Budget().take() == 3 << 30
    monkeypatch.setattr(memory, "available", lambda: 1 << 30)
    assert memory.Budget().take() == 0


def test_available_is_the_least_of_machine_and_control_group(tmp_path: Path) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    meminfo.write_text("MemTotal:  9000 kB\nMemAvailable:   8000 kB\n")
    group.mkdir()
    assert memory.available(str(meminfo), str(group)) == 8000 * 1024
    (group / "memory.max").write_text("max\n")
    assert memory.available(str(meminfo), str(group)) == 8000 * 1024
    (group / "memory.stat").write_text("anon 9\ninactive_file 300\nactive_file 20\n")
    for name, text in (("memory.max", "5000\n"), ("memory.current", "4000\n")):
        (group / name).write_text(text)
    assert memory.available(str(meminfo), str(group)) == 1320
    assert memory.available(str(tmp_path / "absent"), str(group)) == 0


@pytest.mark.parametrize("used", [0, 3 * MIB])
def test_a_tree_in_memory_is_one_as_any_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int) -> None:
    if not linux.owns_all_users():
        pytest.skip("mounting takes root")
    monkeypatch.setattr(memory, "LEAST", MIB)
    monkeypatch.setattr(memory, "MOST", 16 * MIB)
    with ObjectStore(tmp_path / "store") as store:
        store.memory = memory.Budget(20 * MIB)
        obj = store.new("a" * 64)
        if not obj.into_memory():
            pytest.skip("this kernel's file system in memory has no user attributes")
        assert obj.in_memory and os.path.ismount(obj.tree)
        Path(obj.tree, "file").write_bytes(bytes(used))
        obj.finalize()
        # What it does not use others may have.
        rest = store.memory.take()
        assert 20 * MIB - used - MIB < rest + 4 * MIB <= 20 * MIB
        store.memory.give_back(rest)
        obj.export(tmp_path / "out", consume=True)
        assert (tmp_path / "out/file").stat().st_size == used
        tree = obj.tree
        obj.cleanup()
        assert tree not in Path("/proc/self/mounts").read_text()
        assert store.memory.take() == 16 * MIB


# Sizes in which it is quickly seen whether something fits.
SMALL = """
import sys
from osbuild.util import memory
memory.LEAST = memory.MOST = {size}
from osbuild.main_cli import osbuild_cli
sys.exit(osbuild_cli(own_process=True))
"""
#: A stage that says where the tree is, and writes 8 MiB.
STAGE = """\
#!/usr/bin/python3
import os, sys
import osbuild.api
args = osbuild.api.arguments()
print("tree on", os.stat(args["tree"]).st_dev)
with open(os.path.join(args["tree"], args["options"]["name"]), "wb") as file:
    file.write(bytes(8 << 20))
"""


@pytest.fixture
def libdir(tmp_path: Path) -> Path:
    path = tmp_path / "lib"
    shutil.copytree(ENGINE, path, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
    stage = path / "stages/org.osbuild.test.fill"
    stage.write_text(STAGE)
    stage.chmod(0o755)
    schema = {"schema_2": {"options": {"type": "object"}, "inputs": {"type": "object"}}}
    (path / "stages/org.osbuild.test.fill.meta.json").write_text(json.dumps({"summary": "Fill", "description": ["."], **schema}))
    return path


def stage(name: str) -> dict[str, Any]:
    return {"type": "org.osbuild.test.fill", "options": {"name": name}}


def build(tmp_path: Path, libdir: Path, size: int, *options: str, disks: bool = True, **environment: str) -> tuple[list[bool], str]:
    """Whether the trees of two pipelines, the second of which holds the first's, were in the store; and what was said."""
    take = {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:passing"]}}
    copy = {"type": "org.osbuild.copy", "inputs": take, "options": {"paths": [{"from": "input://tree/", "to": "tree:///"}]}}
    disk = {"type": "org.osbuild.truncate", "options": {"filename": "one", "size": "8388608"}}
    passing = {"name": "passing", "runner": "org.osbuild.linux", "stages": [*([disk] if disks else []), stage("one"), stage("two")]}
    manifest = {"version": "2", "pipelines": [passing, {**passing, "name": "last", "stages": [copy, stage("three")]}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    result = subprocess.run(
        ["/usr/bin/python3", "-c", SMALL.format(size=size), "--libdir", str(libdir), "--store", str(tmp_path / "store"), "--export", "last",
         "--output-directory", str(tmp_path / "out"), *options, str(tmp_path / "manifest.json")],
        env={**os.environ, "PYTHONPATH": str(libdir), **environment}, capture_output=True, text=True, check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    names = {path.name: path.stat().st_size for path in (tmp_path / "out/last").iterdir()}
    assert names == dict.fromkeys(("one", "two", "three"), 8 * MIB)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    disk = f"tree on {(tmp_path / 'store').stat().st_dev}"
    return [line == disk for line in result.stdout.splitlines() if line.startswith("tree on ")], result.stdout


@pytest.mark.root
def test_what_passes_is_in_memory_and_what_is_exported_is_not(tmp_path: Path, libdir: Path) -> None:
    assert build(tmp_path, libdir, 64 * MIB)[0] == [False, False, True]


@pytest.mark.root
def test_a_tree_that_is_listed_is_not_in_memory(tmp_path: Path, libdir: Path) -> None:
    assert build(tmp_path, libdir, 64 * MIB, disks=False)[0] == [True, True, True]


@pytest.mark.root
def test_a_tree_that_does_not_fit_is_made_anew_on_the_disk(tmp_path: Path, libdir: Path) -> None:
    places, said = build(tmp_path, libdir, 12 * MIB)
    # The second stage of the first try may not have said anything before it failed.
    assert places[0] is False and places[-3:] == [True] * 3
    assert "the tree of pipeline passing is too big for the memory there is" in said


@pytest.mark.root
@pytest.mark.parametrize(("options", "environment"), [
    (["--checkpoint", "passing", "--cache-max-size", "1GiB"], {}), ([], {"OSBUILD_SCRATCH": "disk"}),
])
def test_what_is_kept_is_on_the_disk_and_so_is_all_if_wanted(
    tmp_path: Path, libdir: Path, options: list[str], environment: dict[str, str]
) -> None:
    assert all(build(tmp_path, libdir, 64 * MIB, *options, **environment)[0])
