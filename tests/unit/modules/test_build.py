# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build module over the stub engine: identity, check mode, failures, waiting and cancelling."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import REPO, run

STUB = REPO / "tests" / "support" / "stub_libdir"

Build = Callable[..., dict[str, Any]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def call(*stages: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        pipeline = {"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": one} for one in stages]}
        values: dict[str, Any] = {
            "manifest": {"version": "2", "pipelines": [pipeline]},
            "libdir": str(STUB),
            "output_directory": str(tmp_path / "out"),
            "store": str(tmp_path / "store"),
            "jobs_directory": str(tmp_path / "jobs"),
            "poll_interval": 0.1,
        }
        values.update(more)
        return run("build", check=check, **{key: value for key, value in values.items() if value is not None})

    return call


def starts(tmp_path: Path) -> int:
    path = tmp_path / "store" / "starts"
    return len(path.read_text().split()) if path.exists() else 0


GOOD = {"write": {"etc/x": "y"}}


def test_the_second_run_changes_nothing_and_starts_no_engine(build: Build, tmp_path: Path) -> None:
    first = build(GOOD)
    assert first["changed"] and first["state"] == "done", first
    assert first["reason"] == "nothing was built here yet"
    assert first["artifact"]["path"] == str(tmp_path / "out" / "tree")
    jobs = sorted(os.listdir(tmp_path / "jobs"))
    second = build(GOOD)
    assert second["changed"] is False and second["artifact"] == first["artifact"]
    assert second["build_id"] == first["build_id"]
    assert starts(tmp_path) == 1 and sorted(os.listdir(tmp_path / "jobs")) == jobs


def test_check_mode_tells_what_would_be_built_and_writes_nothing(build: Build, tmp_path: Path) -> None:
    result = build(GOOD, check=True)
    assert result["changed"] and result["would_build"] and result["state"] == "planned"
    assert [one["name"] for one in result["pipelines"]] == ["tree"] and len(result["pipelines"][0]["id"]) == 64
    assert os.listdir(tmp_path) == []
    real = build(GOOD)
    assert real["build_id"] == result["build_id"]
    again = build(GOOD, check=True)
    assert again["changed"] is False and again["would_build"] is False


def test_a_changed_manifest_builds_again(build: Build, tmp_path: Path) -> None:
    build(GOOD)
    result = build({"write": {"etc/other": "y"}})
    assert result["changed"] and result["reason"] == "the manifest is another"
    assert os.listdir(tmp_path / "out" / "tree" / "etc") == ["other"]


def test_a_deleted_artefact_builds_again(build: Build, tmp_path: Path) -> None:
    build(GOOD)
    (tmp_path / "out" / "tree").rename(tmp_path / "elsewhere")
    assert build(GOOD)["reason"] == "tree is missing"


def test_rebuild_builds_again(build: Build, tmp_path: Path) -> None:
    build(GOOD)
    assert build(GOOD, rebuild=True)["changed"] and starts(tmp_path) == 2


def test_a_failing_stage_fails_the_task_with_its_last_lines(build: Build, tmp_path: Path) -> None:
    result = build({"print": "working\n", "fail": "no such thing"})
    assert result["failed"] and result["error"] == "BuildError"
    assert result["msg"].startswith("stage org.osbuild.noop of pipeline tree failed: no such thing; the log is ")
    assert result["log_tail"] == ["working", "no such thing"]
    assert Path(result["log_path"]).is_file()
    assert not (tmp_path / "out").exists()


def test_a_failed_build_leaves_the_old_one_where_it_was(build: Build, tmp_path: Path) -> None:
    build(GOOD)
    before = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert build({"fail": "no"})["failed"]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == before
    assert build(GOOD)["changed"] is False


def test_results_stay_small(build: Build) -> None:
    stages = [{"print": "x" * 2000 + "\n"} for _ignored in range(120)]
    assert len(json.dumps(build(*stages))) < 16 * 1024
    lines = "\n".join("y" * 500 for _ignored in range(500)) + "\n"
    assert len(json.dumps(build({"print": lines, "fail": "z" * 5000}))) < 24 * 1024


def test_a_build_can_be_started_looked_at_and_cancelled(build: Build, tmp_path: Path) -> None:
    jobs = str(tmp_path / "jobs")
    started = build({"sleep": 60}, wait=False, build_id="mine")
    assert started["state"] in {"queued", "running"} and started["build_id"] == "mine"
    joined = build({"sleep": 60}, wait=False, build_id="mine")
    assert joined["joined"] is True and "was running already" in joined["msg"]
    found = run("build_info", build_id="mine", jobs_directory=jobs, progress_offset=0)["builds"][0]
    assert found["progress_offset"] >= 0 and isinstance(found["steps"], list)
    checked = run("build", check=True, state="cancelled", build_id="mine", jobs_directory=jobs)
    assert checked["changed"] is True
    assert run("build_info", jobs_directory=jobs)["builds"][0]["state"] in {"queued", "running"}
    cancelled = run("build", state="cancelled", build_id="mine", jobs_directory=jobs)
    assert cancelled["changed"] and cancelled["state"] == "cancelled"
    assert run("build", state="cancelled", build_id="mine", jobs_directory=jobs)["changed"] is False
    assert run("build", state="cancelled", build_id="other", jobs_directory=jobs)["changed"] is False
    ended = run("build_info", build_id="mine", jobs_directory=jobs)["builds"][0]
    assert "cancelled" in ended["error"]["msg"]


def test_a_time_limit_fails_the_task_as_such(build: Build) -> None:
    result = build({"sleep": 60}, timeout=1)
    assert result["failed"] and result["error"] == "BuildTimeout" and "after its time of 1 s was over" in result["msg"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"manifest": "/nonexistent/m.json"}, "manifest /nonexistent/m.json cannot be read: No such file or directory"),
        ({"manifest": "{broken"}, "the manifest is no JSON"),
        ({"manifest": {"version": "2", "pipelines": []}}, "has no named pipelines"),
        ({"exports": ["zz"]}, "exports has 'zz', but the manifest's pipelines are tree"),
        ({"manifest": None}, "any of the following are missing: blueprint, manifest"),
        ({"manifest": None, "blueprint": {"name": "x"}}, "image_type"),
        ({"output_directory": "/"}, "output_directory is /"),
        ({"output_directory": "/proc/version/x"}, "/proc/version is no directory"),
        ({"libdir": "/nonexistent"}, "no osbuild engine is installed below /nonexistent"),
        ({"bundle_digest": "0" * 64, "libdir": None}, "engine"),
        ({"build_id": "../../etc"}, "build_id is '../../etc'"),
        ({"state": "cancelled"}, "build_id"),
        (
            {"manifest": {"version": "2", "pipelines": [{"name": "tree", "stages": [{"type": "com.acme.x"}]}]}},
            "pipelines[0].stages[0]: could not find schema information for 'com.acme.x'",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    build: Build, tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    result = build(GOOD, **more)
    assert result["failed"] and words in result["msg"]
    assert "\n" not in result["msg"] and "Traceback" not in result["msg"]
    assert [name for name in os.listdir(tmp_path) if name != "jobs"] == []


def test_password_hashes_are_for_root_only_and_in_no_result(build: Build, tmp_path: Path) -> None:
    secret = {"users": {"x": {"password": "$6$hash"}}}
    pipelines = [{"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": {**GOOD, **secret}}]}]
    result = build(manifest={"version": "2", "pipelines": pipelines})
    assert result["state"] == "done" and "$6$hash" not in json.dumps(result)
    out = tmp_path / "out"
    assert (out / "manifest.json").stat().st_mode & 0o777 == 0o600
    assert (out / "record.json").stat().st_mode & 0o777 == 0o644
    assert all("$6$hash" not in (out / name).read_text() for name in ("record.json", "build.log"))


def test_an_output_directory_in_the_store_is_refused(build: Build, tmp_path: Path) -> None:
    result = build(GOOD, output_directory=str(tmp_path / "store" / "out"))
    assert "lies in the store" in result["msg"]


def test_a_manifest_can_be_a_file_or_a_text(build: Build, tmp_path: Path) -> None:
    text = json.dumps({"version": "2", "pipelines": [{"name": "tree", "stages": [{"type": "org.osbuild.noop"}]}]})
    (tmp_path / "m.json").write_text(text)
    first = build(manifest=str(tmp_path / "m.json"))
    assert first["changed"], first
    assert build(manifest=text)["changed"] is False
