# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What forge-store tells of a store and removes from it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from osbuild.objectstore import ObjectStore
from osbuild.tools import store as forge_store
from osbuild.util.fscache import FsCache

from tests.conftest import REPO

DAY = 86400


def add_object(path: Path, name: str, *, days: int = 0, content: str = "hello") -> None:
    """An object that was used `days` days ago."""
    with ObjectStore(path) as store:
        obj = store.new(name)
        (Path(obj.tree) / "file").write_text(content)
        obj.meta.set(f"stage-of-{name}", {"a": 1})
        store.commit(obj, name)
        obj.finalize()
    used = time.time() - days * DAY
    os.utime(path / "objects" / name / "object.lock", (used, used))


def add_source(path: Path, content: bytes, name: str | None = None, *, days: int = 0) -> Path:
    directory = path / "sources" / "org.osbuild.files"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / (name or f"sha256:{hashlib.sha256(content).hexdigest()}")
    file.write_bytes(content)
    os.utime(file, (time.time() - days * DAY,) * 2)
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with three objects, `a` used longest ago, and one download."""
    store = tmp_path / "store"
    with ObjectStore(store) as opened:
        opened.maximum_size = "unlimited"
    for name, days in (("c", 1), ("a", 30), ("b", 10)):
        add_object(store, name, days=days)
    add_source(store, b"hello")
    return store


def run(capsys: pytest.CaptureFixture[str], path: Path, *argv: str) -> tuple[int, Any]:
    code = forge_store.main([*argv, "--store", str(path), "--json"])
    return code, json.loads(capsys.readouterr().out)


def text(capsys: pytest.CaptureFixture[str], path: Path, *argv: str) -> str:
    assert forge_store.main(["--store", str(path), *argv]) == 0
    return capsys.readouterr().out


def size_file(path: Path) -> int:
    return int((path / "cache.size").read_text())


def recorded(path: Path) -> int:
    return sum(json.loads(info.read_text())["size"] for info in path.glob("objects/*/object.info"))


def test_program_runs_from_anywhere(path: Path) -> None:
    command = [REPO / "engine" / "bin" / "forge-store", "size", "--store", path]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert "limit unlimited" in result.stdout


def test_list(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    _code, found = run(capsys, path, "list")
    assert [each["id"] for each in found["objects"]] == ["a", "b", "c"]
    first = found["objects"][0]
    assert first["stages"] == ["stage-of-a"]
    assert abs(first["created"] - time.time()) < 600
    assert abs(first["last-used"] - (time.time() - 30 * DAY)) < 600
    assert first["size"] == json.loads((path / "objects" / "a" / "object.info").read_text())["size"]
    assert [each["content"] for each in found["sources"]] == ["org.osbuild.files"]
    assert "org.osbuild.files: 1 items" in text(capsys, path, "list")
    assert "sha256:2cf24dba" in text(capsys, path, "list", "--all")


def test_looking_does_not_count_as_use(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    before = {name: (path / "objects" / name / "object.lock").stat().st_atime_ns for name in "abc"}
    for command in ("list", "size", "verify"):
        assert run(capsys, path, command)[0] == 0
    assert {name: (path / "objects" / name / "object.lock").stat().st_atime_ns for name in "abc"} == before


def test_size(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    _code, found = run(capsys, path, "size")
    assert found["objects"] == size_file(path) == recorded(path) > 0
    assert found["maximum-size"] == "unlimited"
    assert found["count"] == 3
    assert found["sources"] > 0


def test_limit_of_zero_is_said_plainly(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    for command in (["limit", "0"], ["limit"], ["size"], ["list"]):
        assert forge_store.KEEPS_NOTHING in text(capsys, path, *command)
    assert forge_store.KEEPS_NOTHING not in text(capsys, path, "limit", "1MiB")
    assert json.loads((path / "cache.info").read_text())["maximum-size"] == 1024**2


def test_limit_below_what_is_there_tells_how_to_get_there(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    assert "forge-store prune --max-size 1" in text(capsys, path, "limit", "1")


def test_prune_by_age(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    _code, dry = run(capsys, path, "prune", "--older-than", "1w", "--dry-run")
    assert [each["object"] for each in dry["removed"]] == ["a", "b"]
    assert (path / "objects" / "a").is_dir()
    _code, found = run(capsys, path, "prune", "--older-than", "1w")
    assert found["removed"] == dry["removed"]
    assert os.listdir(path / "objects") == ["c"]
    assert size_file(path) == recorded(path)


def test_prune_to_a_size_takes_the_longest_unused(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    run(capsys, path, "prune", "--max-size", str(size_file(path) - 1))
    assert sorted(os.listdir(path / "objects")) == ["b", "c"]
    run(capsys, path, "prune", "--max-size", "0")
    assert os.listdir(path / "objects") == []
    assert size_file(path) == 0


def test_prune_leaves_what_is_in_use(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    with FsCache("osbuild", path) as cache:
        held = cache.load("a")
        assert held is not None
        _code, found = run(capsys, path, "prune", "--max-size", "0")
        held.release()
    assert found["in-use"] == ["a"]
    assert os.listdir(path / "objects") == ["a"]


def test_downloads_are_pruned_only_when_nobody_may_need_them(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    old = next((path / "sources" / "org.osbuild.files").iterdir())
    with FsCache("osbuild", path):
        assert run(capsys, path, "prune", "--older-than", "0", "--sources")[0] == 1
        assert old.exists()
    assert run(capsys, path, "prune", "--older-than", "1h", "--sources")[0] == 0
    assert old.exists()
    assert run(capsys, path, "prune", "--older-than", "0", "--sources")[0] == 0
    assert not old.exists()


def test_verify_finds_what_is_wrong(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    assert run(capsys, path, "verify") == (
        0, {"success": True, "checked": {"objects": 3, "sources": 1}, "problems": [], "leftovers": []}
    )  # fmt: skip
    damaged = add_source(path, b"other", f"sha256:{'0' * 64}")
    (path / "objects" / "a" / "object.info").unlink()
    (path / "objects" / "b" / "data" / "meta" / "info.json").write_text("{")
    (path / "objects" / "c" / "object.lock").unlink()
    (path / "cache.size").write_text("7")
    code, found = run(capsys, path, "verify")
    assert code == 1
    assert {each["place"] for each in found["problems"]} == {
        "objects/a", "objects/b", "objects/c", f"sources/org.osbuild.files/{damaged.name}", "cache.size",
    }  # fmt: skip


def test_gc_removes_what_the_dead_left_and_nothing_else(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    dead = path / "stage" / ("uuid-" + "0" * 32)
    (dead / "data" / "tree").mkdir(parents=True)
    (dead / "object.lock").touch()
    (path / "tmp" / "engine-00000000").mkdir()
    (path / "cache.size").write_text("123456789")
    assert sorted(run(capsys, path, "verify")[1]["leftovers"]) == [str(dead), str(path / "tmp" / "engine-00000000")]
    with ObjectStore(path) as store:
        live = store.new("live")
        (dead / "data").mkdir(parents=True, exist_ok=True)
        (dead / "object.lock").touch()
        code, found = run(capsys, path, "gc")
        assert code == 0
        assert found["removed"] == [str(dead)]
        assert Path(live.tree).is_dir()
    (path / "cache.size").write_text("123456789")
    code, found = run(capsys, path, "gc")
    assert (code, found["kept"]) == (0, [])
    assert size_file(path) == recorded(path)
    assert sorted(os.listdir(path / "objects")) == ["a", "b", "c"]


@pytest.mark.parametrize("argv", [["list"], ["gc"], ["limit", "5"]])
def test_no_store_is_made_where_there_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, argv: list[str]) -> None:
    code, found = run(capsys, tmp_path / "nothing", *argv)
    assert code == 1
    assert "there is no store" in found["error"]
    assert os.listdir(tmp_path) == []


def test_store_of_another_format_is_left_alone(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    (path / "cache.info").write_text('{"version": 2}')
    (path / "cache.size").write_text("5")
    left = path / "stage" / "uuid-x"
    left.mkdir()
    assert run(capsys, path, "gc")[0] == 1
    with FsCache("osbuild", path) as cache:
        cache.remove_leftovers()
    assert left.is_dir()
    assert size_file(path) == 5


@pytest.mark.parametrize("words", [["prune"], ["prune", "--sources", "--max-size", "0"]])
def test_prune_has_to_be_told_what(capsys: pytest.CaptureFixture[str], path: Path, words: list[str]) -> None:
    assert run(capsys, path, *words)[0] == 1
    assert len(os.listdir(path / "objects")) == 3


@pytest.mark.parametrize("age", ["1y", "-1", "", "d"])
def test_ages_are_checked(path: Path, age: str) -> None:
    with pytest.raises(SystemExit) as caught:
        forge_store.main(["--store", str(path), "prune", f"--older-than={age}"])
    assert caught.value.code == 2
