# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few hundred wrong manifests, each answered cleanly; tests/acceptance/test_fuzz_manifests.py has more of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import manifest_fuzz

NOOP = {"type": "org.osbuild.noop"}
TREE = {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:build"]}


@pytest.fixture
def judge(tmp_path: Path) -> manifest_fuzz.Judge:
    origins = manifest_fuzz.corpus(60)
    return manifest_fuzz.Judge(manifest_fuzz.open_libdir(tmp_path / "lib", origins), tmp_path)


def test_wrong_manifests_are_refused_cleanly(judge: manifest_fuzz.Judge, tmp_path: Path) -> None:
    answers = ((each, judge.in_process(each)) for each in manifest_fuzz.mutants(200, seed=20, most=60))
    assert manifest_fuzz.complaints(answers, tmp_path / "kept") == []
    assert set(judge.codes) == {0, 1, 2}


def manifest(*stages: Any, **members: Any) -> dict[str, Any]:
    return {"version": "2", "pipelines": [{"name": "build"}, {"name": "tree", **members, "stages": list(stages)}]}


@pytest.mark.parametrize(
    ("document", "code", "place"),
    [
        ({"version": "2", "pipelines": [{"stages": [NOOP]}]}, 1, "pipelines[0] has no name"),
        (manifest({**NOOP, "mounts": [3]}), 1, "pipelines[1].stages[0].mounts[0] must be an object, found a number"),
        (manifest({**NOOP, "inputs": {"one": []}}), 1, "pipelines[1].stages[0].inputs.one must be an object, found an array"),
        (manifest({**NOOP, "devices": {"disk": 3}}), 1, "pipelines[1].stages[0].devices.disk must be an object"),
        (manifest({**NOOP, "inputs": {"a/../../../b": TREE}}), 1, "no name for an input"),
        (manifest(NOOP, **{"source-epoch": 2**63}), 1, "pipelines[1].source-epoch"),
        ({"version": "2", "pipelines": [7]}, 2, None),
        (manifest(3), 2, None),
        (manifest({"type": "org.osbuild.noop.meta.json"}), 2, None),
        (manifest({"type": "a\0b"}), 2, None),
        (manifest({"type": "x" * 300}), 2, None),
        (manifest({"type": "../org.osbuild.noop"}), 2, None),
        (manifest({"options": {}}), 2, None),
        (manifest({**NOOP, "mounts": [{"type": "org.osbuild.ext4"}]}), 2, None),
    ],
)  # fmt: skip
def test_holes_in_the_structure_are_named(
    judge: manifest_fuzz.Judge, document: dict[str, Any], code: int, place: str | None
) -> None:
    answer, out = judge.inspect(json.dumps(document).encode())
    assert answer == ""
    assert list(judge.codes) == [code]
    if place is not None:
        assert place in json.loads(out)["error"]["details"]["message"]
