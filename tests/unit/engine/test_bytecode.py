# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Modules are compiled once for the Python of a build tree, and only for that one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from osbuild import bytecode
from osbuild.buildroot import BuildRoot, CompletedBuild
from osbuild.preparedroot import Kept
from osbuild.util import linux, mountinfo

ENGINE = Path(__file__).resolve().parents[3] / "engine"

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

LOOK = """
import json, os, sys
import osbuild.api, osbuild.util.path, stages.forge.tool
def writable(path):
    try:
        open(os.path.dirname(path) + "/mine", "x").close()
    except OSError:
        return False
    return True
modules = (osbuild.api, osbuild.util.path, stages.forge.tool)
print(json.dumps([
    [os.path.exists(module.__cached__) for module in modules], [writable(module.__cached__) for module in modules],
    stages.forge.tool.VALUE,
]))
"""


class Silent:
    def log(self, message: str, origin: str | None = None) -> None:
        pass


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bytecode"
    monkeypatch.setattr(bytecode, "FOLDER", str(path))
    return path


@pytest.fixture(params=["inside", "beside"])
def libdir(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A library directory of which nothing is compiled; the stages lie in it, or are a link to a directory beside it."""
    path = tmp_path / "libdir"
    shutil.copytree(ENGINE / "osbuild", path / "osbuild", ignore=shutil.ignore_patterns("__pycache__"))
    stages = path / "stages" if request.param == "inside" else tmp_path / "stages"
    (stages / "forge").mkdir(parents=True)
    (stages / "forge/__init__.py").touch()
    (stages / "forge/tool.py").write_text("VALUE = 1\n")
    if request.param == "beside":
        (path / "stages").symlink_to("../stages")
    return path


@contextlib.contextmanager
def programs(path: Path) -> Iterator[Path]:
    """A tree with the host's."""
    (path / "usr").mkdir(parents=True)
    linux.bind_mount("/usr", path / "usr")
    try:
        yield path
    finally:
        linux.umount(path / "usr")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """An object of a store with the host's programs."""
    with programs(tmp_path / "objects/id/data/tree") as path:
        yield path


def look(root: Path, libdir: Path, tmp_path: Path, kept: Kept) -> CompletedBuild:
    runner = tmp_path / "org.osbuild.test"
    runner.write_text('#!/bin/sh\nmkdir -p /etc\nexec "$@"\n')
    runner.chmod(0o755)
    tmp = tmp_path / "tmp"
    tmp.mkdir(exist_ok=True)
    with BuildRoot(root, runner, libdir, tmp, rundir=tmp_path / "run") as build_root:
        build_root.kept = kept
        # As stages of a pipeline with a source epoch, for which Python compiles otherwise.
        result = build_root.run(["/usr/bin/python3", "-c", LOOK], Silent(), extra_env={"SOURCE_DATE_EPOCH": "1700000000"})
    assert mountinfo.mounts_below(tmp) == []
    assert os.listdir(tmp) == []
    return result


def seen(root: Path, libdir: Path, tmp_path: Path) -> list[object]:
    kept = Kept()
    result = look(root, libdir, tmp_path, kept)
    assert result.returncode == 0, result.output
    kept.close()
    answer: list[object] = json.loads(result.output)
    return answer


@pytest.mark.root
@needs_bwrap
def test_compiled_once_for_a_build_tree(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    assert seen(tree, libdir, tmp_path) == [[True] * 3, [False] * 3, 1]
    (kept,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.pyc")}
    assert len(before) > 3
    assert seen(tree, libdir, tmp_path) == [[True] * 3, [False] * 3, 1]
    assert list(folder.iterdir()) == [kept]
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.pyc")} == before
    # Nothing is written where the host's Python would take it.
    assert list(libdir.rglob("*.pyc")) == list(libdir.parent.glob("stages/**/*.pyc")) == []


@pytest.mark.root
@needs_bwrap
def test_a_module_that_has_changed_is_compiled_anew(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    seen(tree, libdir, tmp_path)
    (libdir / "stages/forge/tool.py").write_text("VALUE = 22\n")
    assert seen(tree, libdir, tmp_path) == [[True] * 3, [False] * 3, 22]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.root
@needs_bwrap
def test_another_build_tree_has_its_own(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    seen(tree, libdir, tmp_path)
    with programs(tmp_path / "objects/other/data/tree") as other:
        assert seen(other, libdir, tmp_path) == [[True] * 3, [False] * 3, 1]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.root
@needs_bwrap
def test_a_tree_that_may_change_has_none(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    with programs(tmp_path / "built/id/data/tree") as other:
        assert seen(other, libdir, tmp_path) == [[False] * 3, [False] * 3, 1]
    assert not folder.exists()


@pytest.mark.root
@needs_bwrap
def test_modules_that_do_not_compile_leave_nothing(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    (libdir / "stages/forge/bad.py").write_text("this is no Python\n")
    kept = Kept()
    result = look(tree, libdir, tmp_path, kept)
    assert json.loads(result.output) == [[False] * 3, [False] * 3, 1]
    assert "bad.py" not in result.output
    assert list(folder.iterdir()) == []
    # It is not tried for each stage again.
    assert list(kept.compiled.values()) == [None]


@pytest.mark.root
@needs_bwrap
def test_the_hosts_version_needs_no_more(tree: Path, libdir: Path, tmp_path: Path, folder: Path) -> None:
    found = bytecode.packages(str(libdir))
    assert not bytecode.is_there(str(tree), found)
    version = os.path.basename(os.path.realpath("/usr/bin/python3")).removeprefix("python").replace(".", "")
    for package in found:
        Path(package.path, f"__pycache__/__init__.cpython-{version}.pyc").touch()
    assert seen(tree, libdir, tmp_path)[2] == 1
    # Depends on the Python that runs this.
    assert folder.exists() is not bytecode.is_there(str(tree), found)


def test_only_packages_with_a_place_for_it(libdir: Path) -> None:
    inside = [package.inside for package in bytecode.packages(str(libdir))]
    assert inside[:2] == ["/run/osbuild/lib/osbuild", "/run/osbuild/lib/osbuild/util"]
    assert inside[2] in ("/run/osbuild/lib/stages/forge", "/run/osbuild/stages/forge")
    cache = libdir / "osbuild/util/__pycache__"
    cache.rmdir()
    cache.symlink_to("/tmp")
    (libdir / "stages/forge/__init__.py").unlink()
    assert [package.inside for package in bytecode.packages(str(libdir))] == inside[:1]


def test_the_oldest_go_but_not_what_is_in_use(libdir: Path, folder: Path) -> None:
    found = bytecode.packages(str(libdir))
    names = [f"name{number}" for number in range(6)]
    for number, name in enumerate(names):
        made = bytecode.new(found)
        made.keep(name)
        if number:
            made.close()
        os.utime(folder / name, (number, number))
    # The first is held still, whatever comes.
    assert {path.name for path in folder.iterdir()} == {names[0], *names[2:]}
    held = bytecode.load(names[0], found)
    assert held is not None
    assert [bind.writable for bind in held.binds()] == [False] * 3


def test_what_is_being_removed_is_not_taken(libdir: Path, folder: Path) -> None:
    found = bytecode.packages(str(libdir))
    made = bytecode.new(found)
    made.keep("name")
    made.close()
    fd = os.open(folder / "name", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert bytecode.load("name", found) is None
    finally:
        os.close(fd)
    loaded = bytecode.load("name", found)
    assert loaded is not None
    loaded.close()
    assert bytecode.load("other", found) is None


def test_what_another_has_made_stays(libdir: Path, folder: Path) -> None:
    found = bytecode.packages(str(libdir))
    first, second = bytecode.new(found), bytecode.new(found)
    first.keep("name")
    with pytest.raises(OSError, match="not empty"):
        second.keep("name")
    second.discard()
    first.close()
    assert [path.name for path in folder.iterdir()] == ["name"]
