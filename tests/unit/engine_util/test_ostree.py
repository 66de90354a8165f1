# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments and commits as stages ask for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from osbuild.util import ostree


def test_cli_passes_keywords_as_options_and_says_what_it_runs(monkeypatch, capsys) -> None:
    seen = []
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: seen.append((command, kwargs)))
    ostree.cli("remote", "add", "r", repo="/repo", **{"keys-file": "k"}, _input="text")
    command = ["ostree", "remote", "add", "r", "--repo=/repo", "--keys-file=k"]
    assert seen == [(command, {"encoding": "utf8", "stdout": subprocess.PIPE, "input": "text", "check": True})]
    assert capsys.readouterr().err == " ".join(command) + "\n"


def test_the_only_deployment_is_the_default_one(tmp_path: Path) -> None:
    deployments = tmp_path / "ostree/deploy/debian/deploy"
    with pytest.raises(ValueError, match="Could not find deployment"):
        ostree.parse_deployment_option(str(tmp_path), {"default": True})
    (deployments / "abc.0").mkdir(parents=True)
    assert ostree.parse_deployment_option(str(tmp_path), {"default": True}) == ("debian", "abc", "0")
    (deployments / "def.0").mkdir()
    with pytest.raises(ValueError, match="More than one deployment found"):
        ostree.parse_deployment_option(str(tmp_path), {"default": True})


def test_a_named_deployment_is_taken_as_it_is(tmp_path: Path) -> None:
    assert ostree.parse_deployment_option(str(tmp_path), {"osname": "a", "ref": "b"}) == ("a", "b", 0)


def test_the_boot_path_begins_at_the_root(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Could not find boot path"):
        ostree.default_boot_path(str(tmp_path))
    (tmp_path / "ostree/boot.1/debian/123/0").mkdir(parents=True)
    assert ostree.default_boot_path(str(tmp_path)) == "/ostree/boot.1/debian/123/0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[origin]\nrefspec=debian/13\n", ("ostree_commit", "debian/13")),
        (
            "[origin]\ncontainer-image-reference=ostree-unverified-registry:example.com/os\n",
            ("container", "ostree-unverified-registry:example.com/os"),
        ),
    ],
)
def test_origins(tmp_path: Path, text, expected) -> None:
    (tmp_path / "origin").write_text(text)
    assert ostree.parse_origin(tmp_path / "origin") == expected


def test_an_origin_must_name_something(tmp_path: Path) -> None:
    (tmp_path / "origin").write_text("[origin]\n")
    with pytest.raises(ValueError, match="names neither"):
        ostree.parse_origin(tmp_path / "origin")


def test_an_input_without_commits_is_an_error() -> None:
    assert ostree.parse_input_commits({"path": "/r", "data": {"refs": {"c": {}}}}) == ("/r", {"c": {}})
    with pytest.raises(AssertionError):
        ostree.parse_input_commits({"path": "/r", "data": {"refs": {}}})
