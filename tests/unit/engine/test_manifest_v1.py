# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of version 1 (contract, section 1.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from osbuild.formats import v1
from osbuild.meta import Index
from osbuild.pipeline import Manifest

from .conftest import add_module

NOOP = {"name": "org.osbuild.noop"}


def load(manifest: dict[str, Any], index: Index) -> Manifest:
    result = v1.validate(manifest, index)
    assert result.valid, result.as_dict()
    return v1.load(manifest, index)


def test_empty_object_is_a_manifest_with_an_empty_tree(index: Index) -> None:
    manifest = load({}, index)
    assert list(manifest.pipelines) == ["tree"]
    assert manifest["tree"].id is None
    assert v1.describe(manifest, with_id=True) == {"pipeline": {}}


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        ({"foo": 42}, []),
        ({"pipeline": {"stages": [{"name": "org.osbuild.nosuch"}]}}, ["pipeline", "stages", 0]),
        ({"pipeline": {"assembler": {"name": "org.osbuild.nosuch"}}}, ["pipeline", "assembler"]),
        (
            {"pipeline": {"build": {"pipeline": {"stages": [{"name": 5}]}, "runner": "r"}}},
            ["pipeline", "build", "pipeline", "stages", 0, "name"],
        ),
        ({"sources": {"org.osbuild.nosuch": {}}}, ["sources", "org.osbuild.nosuch"]),
        ({"pipeline": []}, ["pipeline"]),
    ],
)
def test_errors_are_at_their_places(index: Index, manifest: dict[str, Any], path: list[Any]) -> None:
    assert path in [list(error.path) for error in v1.validate(manifest, index)]


def test_nested_builds_become_pipelines(index: Index) -> None:
    innermost = {"stages": [NOOP]}
    build = {"stages": [{**NOOP, "options": {"b": 1}}], "build": {"pipeline": innermost, "runner": "org.osbuild.linux"}}
    main = {"stages": [{**NOOP, "options": {"t": 1}}], "build": {"pipeline": build, "runner": "org.osbuild.fedora38"}}
    manifest = load({"pipeline": main}, index)
    assert list(manifest.pipelines) == ["build-build", "build", "tree"]
    assert manifest["tree"].build == manifest["build"].id
    assert manifest["build"].build == manifest["build-build"].id
    runners = {pipeline.name: pipeline.runner.name for pipeline in manifest}
    assert runners == {"tree": "org.osbuild.fedora38", "build": "org.osbuild.linux", "build-build": "org.osbuild.debian"}
    assert v1.describe(manifest) == {"pipeline": main}


def test_assembler_reads_the_tree(index: Index, libdir: Path) -> None:
    add_module(libdir, "assemblers", "org.osbuild.noop", schema={})
    manifest = load({"pipeline": {"stages": [NOOP], "assembler": NOOP}}, index)
    stage = manifest["assembler"].stages[0]
    assert stage.info.type == "Assembler"
    assert stage.inputs["tree"].refs == {manifest["tree"].id: {}}


def test_files_are_downloaded_by_curl(index: Index) -> None:
    sources = {"org.osbuild.files": {"urls": {"sha256:a": "http://example.com/a"}}}
    manifest = load({"sources": sources}, index)
    assert [(source.info_name, source.items) for source in manifest.sources] == [
        ("org.osbuild.curl", {"sha256:a": "http://example.com/a"})
    ]
    assert v1.describe(manifest)["sources"] == sources


def test_packages_of_the_rpm_stage_become_an_input(index: Index, libdir: Path) -> None:
    add_module(libdir, "stages", "org.osbuild.rpm", schema={})
    packages = ["sha256:a", {"checksum": "sha256:b", "check_gpg": True}]
    manifest = load({"pipeline": {"stages": [{"name": "org.osbuild.rpm", "options": {"packages": packages}}]}}, index)
    ip = manifest["tree"].stages[0].inputs["packages"]
    assert ip.refs == {"sha256:a": {}, "sha256:b": {"metadata": {"rpm.check_gpg": True}}}
