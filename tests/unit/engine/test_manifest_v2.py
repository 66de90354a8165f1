# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading manifests of version 2 (contract, sections 1 and 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from osbuild.formats import v2
from osbuild.pipeline import DownloadResult, Manifest, ManifestBuildResult, PipelineResult, StageResult
from osbuild.sources import SourceItemResult, SourceResults

Load = Callable[..., Manifest]
NOOP = {"type": "org.osbuild.noop"}


def stage(options: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {**NOOP, "options": options or {}, **members}


def tree_input(*references: Any) -> dict[str, Any]:
    return {"t": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": list(references)}}


def files_input(references: Any) -> dict[str, Any]:
    return {"f": {"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": references}}


def curl(*items: str) -> dict[str, Any]:
    return {"org.osbuild.curl": {"items": {item: "http://example.com/" + item for item in items}}}


def test_build_by_name_and_by_id_are_the_same(load: Load) -> None:
    build = {"name": "build", "stages": [NOOP]}
    by_name = load(build, {"name": "tree", "build": "name:build", "stages": [NOOP]})
    build_id = by_name.pipelines["build"].id
    by_id = load(build, {"name": "tree", "build": build_id, "stages": [NOOP]})
    assert by_name.pipelines["tree"].build == build_id
    assert by_id.pipelines["tree"].id == by_name.pipelines["tree"].id


@pytest.mark.parametrize("reference", ["name:later", "name:nosuch"])
def test_build_must_be_an_earlier_pipeline(load: Load, reference: str) -> None:
    with pytest.raises(ValueError, match=f"Unknown pipeline reference: {reference}"):
        load({"name": "tree", "build": reference, "stages": [NOOP]}, {"name": "later", "stages": [NOOP]})


def test_build_that_is_no_id_is_named(load: Load) -> None:
    with pytest.raises(KeyError, match="build 'later' of pipeline 'tree'"):
        load({"name": "tree", "build": "later", "stages": [NOOP]})


def test_name_must_be_unique(load: Load) -> None:
    with pytest.raises(ValueError, match="Name tree already exists"):
        load({"name": "tree"}, {"name": "tree"})


@pytest.mark.parametrize("pipeline", [{"stages": []}, {"name": 5}])
def test_pipeline_without_name_is_refused(load: Load, pipeline: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"pipelines\[0\] has no name"):
        load(pipeline)


def test_empty_pipeline_has_no_id_and_means_no_build(load: Load) -> None:
    manifest = load({"name": "build"}, {"name": "tree", "build": "name:build", "stages": [NOOP]})
    assert manifest.pipelines["build"].id is None
    assert manifest.pipelines["tree"].build is None


@pytest.mark.parametrize(
    "references",
    [
        ["sha256:a", "sha256:b"],
        {"sha256:a": {}, "sha256:b": {}},
        {"sha256:a": None, "sha256:b": {}},
        [{"id": "sha256:a"}, {"id": "sha256:b", "options": {}}],
    ],
)
def test_forms_of_references_are_equal(load: Load, references: Any) -> None:
    manifest = load(
        {"name": "tree", "stages": [stage(inputs=files_input(references))]}, sources=curl("sha256:a", "sha256:b")
    )
    assert manifest.pipelines["tree"].stages[0].inputs["f"].refs == {"sha256:a": {}, "sha256:b": {}}


def test_reference_to_unknown_source_item_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match=r"Unknown source reference\(s\) \['sha256:b'\]"):
        load({"name": "tree", "stages": [stage(inputs=files_input(["sha256:b"]))]}, sources=curl("sha256:a"))


def test_reference_without_prefix_is_dropped_with_a_warning(load: Load) -> None:
    manifest = load({"name": "tree", "stages": [stage(inputs=tree_input("foo"))]})
    assert manifest.pipelines["tree"].stages[0].inputs["t"].refs == {}
    assert ["reference 'foo'" in warning for warning in manifest.warnings] == [True]


def test_stages_that_differ_in_devices_only_are_warned_about(load: Load) -> None:
    def device(name: str) -> dict[str, Any]:
        return {"d": {"type": "org.osbuild.loopback", "options": {"filename": name}}}

    one = {"name": "one", "stages": [stage(devices=device("a"))]}
    other = {"name": "other", "stages": [stage(devices=device("b"))]}
    manifest = load(one, other)
    assert manifest.pipelines["one"].id == manifest.pipelines["other"].id
    assert len(manifest.warnings) == 1
    assert load(one, {**one, "name": "same"}).warnings == []


def test_devices_are_sorted_by_parents_and_stably() -> None:
    devices = {"c": {"parent": "b"}, "x": {}, "b": {"parent": "a"}, "a": {}, "y": {"parent": "x"}}
    assert list(v2.sort_devices(devices)) == ["x", "a", "y", "b", "c"]


def test_devices_need_their_parents() -> None:
    with pytest.raises(ValueError, match="Missing parent device 'zz' for 'd'"):
        v2.sort_devices({"d": {"parent": "zz"}})
    with pytest.raises(ValueError, match="Cycle"):
        v2.sort_devices({"a": {"parent": "b"}, "b": {"parent": "a"}})


def test_mounts_are_checked(load: Load) -> None:
    mount = {"name": "root", "type": "org.osbuild.ext4", "target": "/"}
    with pytest.raises(ValueError, match="Duplicated mount 'root'"):
        load({"name": "tree", "stages": [stage(mounts=[mount, mount])]})
    with pytest.raises(ValueError, match="Unknown device 'zz' for mount 'root'"):
        load({"name": "tree", "stages": [stage(mounts=[{**mount, "source": "zz"}])]})


def test_metadata_are_echoed(load: Load) -> None:
    manifest = load(metadata={"generators": [{"name": "g"}]})
    assert v2.describe(manifest) == {"version": "2", "pipelines": [], "metadata": {"generators": [{"name": "g"}]}}


class FakeTree:
    def __init__(self, metadata: dict[str, Any]) -> None:
        self.meta = SimpleNamespace(get=metadata.get)


def result_of(manifest: Manifest, *, failing: str | None = None) -> ManifestBuildResult:
    result = ManifestBuildResult(DownloadResult())
    for pipeline in manifest:
        pipeline_result = PipelineResult(pipeline.name)
        for each in pipeline.stages:
            error = {"type": "exception", "data": {}} if each.id == failing else None
            pipeline_result.add_stage(StageResult(each, 1 if each.id == failing else 0, "text", error))
        result.add_pipeline(pipeline.id, pipeline_result)
    return result


def test_output_of_success_merges_metadata_by_type(load: Load) -> None:
    manifest = load({"name": "tree", "stages": [stage({"a": 1}), stage({"a": 2})]}, {"name": "empty"})
    first, second = (each.id for each in manifest.pipelines["tree"].stages)
    tree = FakeTree({first: {"x": 1, "y": 1}, second: {"y": 2}})
    store: Any = SimpleNamespace(get=lambda object_id: tree if object_id == second else None)
    document = v2.output(manifest, result_of(manifest), store)
    assert document == {
        "type": "result",
        "success": True,
        "metadata": {"tree": {"org.osbuild.noop": {"x": 1, "y": 2}}},
        "sources": {"success": True},
        "log": {"tree": [{"id": each, "type": "org.osbuild.noop", "output": "text"} for each in (first, second)]},
    }


def test_output_of_a_failed_stage_names_it(load: Load) -> None:
    manifest = load({"name": "tree", "stages": [stage({"a": 1}), stage({"a": 2})]})
    failing = manifest.pipelines["tree"].id
    document = v2.output(manifest, result_of(manifest, failing=failing))
    error = {"type": "exception", "data": {}}
    details = {"id": failing, "type": "org.osbuild.noop", "output": "text", "error": error}
    assert document["error"] == {"type": "org.osbuild.error.stage", "details": {"stage": details}}
    assert document["log"]["tree"][-1]["success"] is False
    assert document["log"]["tree"][-1]["error"] == error
    assert "success" not in document["log"]["tree"][0]


def test_output_of_a_failed_source_names_its_first_failed_item(load: Load) -> None:
    manifest = load(sources=curl("sha256:a"))
    results = SourceResults("org.osbuild.curl")
    results.add(SourceItemResult(metadata={"checksum": "sha256:a", "cached": True}))
    for error in ("first", "second"):
        item = SourceItemResult()
        item.set_error(error)
        results.add(item)
    download = DownloadResult()
    download.add("org.osbuild.curl", results)
    document = v2.output(manifest, ManifestBuildResult(download))
    assert document["error"] == {
        "type": "org.osbuild.error.source",
        "details": {"source": {"type": "org.osbuild.curl", "output": "first"}},
    }
    assert document["sources"] == {
        "success": False,
        "org.osbuild.curl": [{"checksum": "sha256:a", "cached": True}, {"error": "first"}, {"error": "second"}],
    }
    assert document["log"] == {}
