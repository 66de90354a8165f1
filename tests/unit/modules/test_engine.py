# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's modules: install, look, remove."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import bundle
from helpers import REPO, run

STUB = REPO / "tests" / "support" / "stub_libdir"


@pytest.fixture
def args(tmp_path: Path) -> dict[str, Any]:
    return {
        "root": str(tmp_path / "root"),
        "version": "1.0.0",
        "digest": bundle.digest(STUB),
        "jobs_directory": str(tmp_path / "jobs"),
    }


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "engine.tar.gz"
    path.write_bytes(bundle.pack(STUB))
    return str(path)


def test_the_archive_is_asked_for_only_when_it_is_needed(args: dict[str, Any], archive: str, tmp_path: Path) -> None:
    first = run("engine", **args)
    assert first["changed"] and first["needs_archive"] and not (tmp_path / "root").exists()
    assert run("engine", **args, archive=archive)["changed"] is True
    again = run("engine", **args)
    assert again["changed"] is False and "needs_archive" not in again


def test_check_mode_installs_nothing(args: dict[str, Any], archive: str, tmp_path: Path) -> None:
    result = run("engine", check=True, diff=True, **args, archive=archive)
    assert result["changed"] and result["diff"]["before"] == "absent\n"
    assert not (tmp_path / "root").exists()


def test_going_back_to_an_earlier_version_needs_no_archive(args: dict[str, Any], archive: str, tmp_path: Path) -> None:
    run("engine", **args, archive=archive)
    run("engine", **{**args, "version": "2.0.0"}, archive=archive)
    assert os.readlink(tmp_path / "root" / "current") == "2.0.0"
    result = run("engine", **args)
    assert result["changed"] and "needs_archive" not in result
    assert os.readlink(tmp_path / "root" / "current") == "1.0.0"


def test_absent_removes_everything_once(args: dict[str, Any], archive: str, tmp_path: Path) -> None:
    run("engine", **args, archive=archive)
    assert run("engine", check=True, **args, state="absent")["changed"] and (tmp_path / "root").exists()
    assert run("engine", **args, state="absent")["changed"] is True
    assert not (tmp_path / "root").exists()
    assert run("engine", **args, state="absent")["changed"] is False


def test_a_wrong_archive_is_refused(args: dict[str, Any], archive: str) -> None:
    result = run("engine", **{**args, "digest": "0" * 64}, archive=archive)
    assert result["failed"] and "damaged on its way" in result["msg"]


def test_info_tells_whether_the_tree_is_intact(args: dict[str, Any], archive: str, tmp_path: Path) -> None:
    run("engine", **args, archive=archive)
    libdir = tmp_path / "root" / "1.0.0"
    found = run("engine_info", libdir=str(libdir), verify=True)["selected"]
    assert found["usable"] and found["intact"] and found["version"] == "191"
    (libdir / "stages" / "org.osbuild.debootstrap").write_text("altered")
    assert run("engine_info", libdir=str(libdir), verify=True)["selected"]["intact"] is False


def test_info_gives_the_reason_when_there_is_none() -> None:
    found = run("engine_info", libdir="/nonexistent")
    assert found["selected"] == {}
    assert [one["usable"] for one in found["engines"]] == [False, False]
    assert all(one["reason"] for one in found["engines"])
