# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built, in which order, and what is kept (contract, sections 6.7 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from osbuild.pipeline import Manifest

Load = Callable[..., Manifest]


class Store:
    def __init__(self, *ids: str | None) -> None:
        self.ids = ids

    def contains(self, object_id: str | None, /) -> bool:
        return object_id in self.ids


def pipeline(name: str, *stages: list[str], build: str | None = None) -> dict[str, Any]:
    """A pipeline with one stage for each list of names of pipelines that it reads."""
    result: dict[str, Any] = {"name": name, "stages": []}
    for i, needs in enumerate(stages):
        stage: dict[str, Any] = {"type": "org.osbuild.noop", "options": {name: i}}
        if needs:
            references = [f"name:{each}" for each in needs]
            stage["inputs"] = {"t": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": references}}
        result["stages"].append(stage)
    if build:
        result["build"] = f"name:{build}"
    return result


@pytest.fixture
def manifest(load: Load) -> Manifest:
    return load(
        pipeline("unused", []),
        pipeline("build", []),
        pipeline("base", [], build="build"),
        pipeline("extra", [], build="build"),
        pipeline("tree", ["extra"], ["base"], build="build"),
        pipeline("image", ["tree"], build="build"),
    )


def test_everything_needed_comes_first(manifest: Manifest) -> None:
    assert manifest.depsolve(Store(), ["image"]) == ["build", "base", "extra", "tree", "image"]


def test_nothing_wanted_nothing_built(manifest: Manifest) -> None:
    assert manifest.depsolve(Store(), []) == []


def test_targets_come_once(manifest: Manifest) -> None:
    assert manifest.depsolve(Store(), ["base", "tree", "base"]) == ["build", "base", "extra", "tree"]


def test_a_stored_pipeline_needs_nothing(manifest: Manifest) -> None:
    assert manifest.depsolve(Store(manifest["image"].id), ["image"]) == []
    assert manifest.depsolve(Store(manifest["tree"].id), ["image"]) == ["build", "image"]


def test_what_came_before_a_stored_stage_is_not_needed(manifest: Manifest) -> None:
    store = Store(manifest["tree"].stages[0].id)
    assert manifest.depsolve(store, ["tree"]) == ["build", "base", "tree"]


def test_unknown_targets_are_errors(manifest: Manifest) -> None:
    with pytest.raises(KeyError):
        manifest.depsolve(Store(), ["nosuch"])


def test_deep_and_wide_manifests_are_solved_quickly(load: Load) -> None:
    layers = [pipeline("l0", [])]
    layers += [pipeline(f"l{i}", [f"l{i - 1}"], [f"l{i - 1}"]) for i in range(1, 200)]
    manifest = load(*layers)
    assert manifest.depsolve(Store(), ["l199"]) == [f"l{i}" for i in range(200)]


def test_checkpoints_by_pipeline_stage_id_and_type(manifest: Manifest) -> None:
    tree = manifest["tree"]
    assert manifest.mark_checkpoints(["tree"]) == {tree.id}
    assert [stage.checkpoint for stage in tree.stages] == [False, True]
    assert manifest.mark_checkpoints([tree.stages[0].id]) == {tree.stages[0].id}
    assert manifest.mark_checkpoints(["bu*", "ex*"]) == {manifest[name].id for name in ("build", "extra")}
    assert manifest.mark_checkpoints(["nosuch"]) == set()
    assert len(manifest.mark_checkpoints(["org.osbuild.noop"])) == 7
