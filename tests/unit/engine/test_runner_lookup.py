# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runner is taken (contract, section 1.7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osbuild.formats import v2
from osbuild.meta import Index, RunnerInfo

NOOP = {"type": "org.osbuild.noop"}


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("org.osbuild.debian12", ("org.osbuild.debian", 12)),
        ("org.osbuild.debian", ("org.osbuild.debian", 0)),
        ("org.osbuild.ubuntu2404", ("org.osbuild.ubuntu", 2404)),
        ("org.osbuild.rhel8arm7", ("org.osbuild.rhel8arm", 7)),
    ],
)
def test_names_are_split_at_trailing_digits(name: str, parsed: tuple[str, int]) -> None:
    assert RunnerInfo.parse_name(name) == parsed


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("fedora30", "fedora30"), ("fedora37", "fedora30"), ("fedora38", "fedora38"), ("fedora99", "fedora38"), ("debian13", "debian")],
)
def test_highest_version_not_above_is_taken(index: Index, wanted: str, found: str) -> None:
    assert index.detect_runner(f"org.osbuild.{wanted}").path.name == f"org.osbuild.{found}"


@pytest.mark.parametrize("wanted", ["org.osbuild.fedora29", "org.osbuild.nosuch99", "org.osbuild.fed"])
def test_no_runner_is_an_error(index: Index, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"No suitable runner for {RunnerInfo.parse_name(wanted)[0]}"):
        index.detect_runner(wanted)


def test_runners_are_listed_by_distribution_and_version(index: Index) -> None:
    assert [info.path.name for info in index.list_runners("org.osbuild.fedora")] == [
        "org.osbuild.fedora30",
        "org.osbuild.fedora38",
    ]
    assert len(index.list_runners()) == 4


def test_unknown_host_gets_the_general_runner_and_a_warning(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = tmp_path / "other-release"
    release.write_text("ID=nosuch\nVERSION_ID=7.1\n")
    monkeypatch.setattr("osbuild.util.osrelease.DEFAULT_PATHS", [str(release)])
    assert index.detect_host_runner().path.name == "org.osbuild.linux"
    assert "no runner for the host (org.osbuild.nosuch71), using org.osbuild.linux" in capsys.readouterr().err


def test_runner_is_for_those_built_with_the_pipeline(load: Callable[..., Any]) -> None:
    manifest = load(
        {"name": "build", "runner": "org.osbuild.fedora39", "stages": [NOOP]},
        {"name": "tree", "runner": "org.osbuild.linux", "build": "name:build", "stages": [NOOP]},
    )
    build, tree = manifest.pipelines["build"], manifest.pipelines["tree"]
    assert (build.runner.name, build.runner.exec) == ("org.osbuild.debian", "org.osbuild.debian")
    assert (tree.runner.name, tree.runner.exec) == ("org.osbuild.fedora39", "org.osbuild.fedora38")
    shown = v2.describe(manifest)["pipelines"]
    assert [pipeline.get("runner") for pipeline in shown] == ["org.osbuild.fedora39", None]


def test_of_two_equal_pipelines_the_last_one_declares_the_runner(load: Callable[..., Any]) -> None:
    manifest = load(
        {"name": "a", "runner": "org.osbuild.fedora38", "stages": [NOOP]},
        {"name": "b", "runner": "org.osbuild.linux", "stages": [NOOP]},
        {"name": "tree", "build": "name:a", "stages": [NOOP]},
    )
    assert manifest.pipelines["tree"].runner.name == "org.osbuild.linux"
