# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemas, modules and the shape of errors (contract, sections 1.8 and 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from osbuild import meta
from osbuild.formats import v2
from osbuild.meta import Index, ModuleInfo, Schema, ValidationError, ValidationResult

from .conftest import add_module


def errors(index: Index, manifest: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    result = v2.validate({"version": "2", **manifest}, index)
    return [(error.message, list(error.path)) for error in result]


def one_stage(**members: Any) -> dict[str, Any]:
    return {"pipelines": [{"name": "p", "stages": [{"type": "org.osbuild.noop", **members}]}]}


STAGE = ["pipelines", 0, "stages", 0]


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        ({"foo": 1}, []),
        ({"pipelines": "x"}, ["pipelines"]),
        ({"pipelines": [5]}, ["pipelines", 0]),
        ({"pipelines": [{"name": "p", "stages": {}}]}, ["pipelines", 0, "stages"]),
        ({"pipelines": [{"name": "p", "stages": [{}]}]}, STAGE),
        ({"pipelines": [{"name": "p", "source-epoch": 1.0}]}, ["pipelines", 0, "source-epoch"]),
        (one_stage(id="x"), STAGE),
        (one_stage(mounts=[{"type": "org.osbuild.ext4"}]), [*STAGE, "mounts", 0]),
        ({"sources": {"org.osbuild.curl": {}}}, ["sources", "org.osbuild.curl"]),
    ],
)
def test_wrong_structure_is_an_error_at_its_place(index: Index, manifest: dict[str, Any], path: list[Any]) -> None:
    assert path in [found for _ignored, found in errors(index, manifest)]


def test_unknown_modules_are_named(index: Index) -> None:
    manifest = {
        "sources": {"org.osbuild.no1": {"items": {}}},
        "pipelines": [
            {
                "name": "p",
                "stages": [
                    {"type": "org.osbuild.no2"},
                    {
                        "type": "org.osbuild.noop",
                        "inputs": {"i": {"type": "org.osbuild.no3", "origin": "org.osbuild.source", "references": {}}},
                        "devices": {"d": {"type": "org.osbuild.no4"}},
                        "mounts": [{"name": "m", "type": "org.osbuild.no5"}],
                    },
                ],
            }
        ],
    }
    second = ["pipelines", 0, "stages", 1]
    paths = [["sources", "org.osbuild.no1"], STAGE, [*second, "inputs", "i"], [*second, "devices", "d"], [*second, "mounts", "m"]]
    expected = {(f"could not find schema information for 'org.osbuild.no{i}'", str(path)) for i, path in enumerate(paths, 1)}
    assert {(message, str(path)) for message, path in errors(index, manifest)} == expected


def test_errors_of_a_module_are_moved_to_its_place_and_sorted(index: Index) -> None:
    manifest = {"pipelines": [{"name": "p", "stages": [{"type": "org.osbuild.hostname", "options": {"name": "x"}}]}]}
    assert errors(index, manifest) == [
        ("'hostname' is a required property", [*STAGE, "options"]),
        ("Additional properties are not allowed ('name' was unexpected)", [*STAGE, "options"]),
    ]


def test_an_empty_list_of_references_is_ambiguous_and_an_empty_object_is_not(index: Index) -> None:
    def inputs(references: Any) -> dict[str, Any]:
        return {"i": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": references}}

    assert errors(index, one_stage(inputs=inputs([]))) != []
    assert errors(index, one_stage(inputs=inputs(["a", {"id": "b"}]))) != []
    assert errors(index, one_stage(inputs=inputs({}))) == []


def test_a_stage_that_declares_no_inputs_refuses_them(index: Index) -> None:
    stage = {"type": "org.osbuild.hostname", "options": {"hostname": "h"}, "inputs": {}, "devices": {}, "mounts": []}
    manifest = {"pipelines": [{"name": "p", "stages": [stage]}]}
    assert errors(index, manifest) == [("Additional properties are not allowed ('inputs' was unexpected)", STAGE)]


@pytest.mark.parametrize("version", ["3", 2, 1, None, True])
def test_only_the_texts_1_and_2_are_versions(index: Index, version: Any) -> None:
    assert index.detect_format_info({"version": version}) is None


def test_absent_version_is_1(index: Index) -> None:
    info = index.detect_format_info({})
    assert info is not None
    assert info.version == "1"


def test_an_empty_library_directory_knows_nothing(tmp_path: Path) -> None:
    found = errors(Index(tmp_path), one_stage())
    assert sorted(found, key=str) == [
        ("could not find schema information for 'Manifest'", []),
        ("could not find schema information for 'org.osbuild.noop'", STAGE),
    ]


def test_a_name_from_a_manifest_does_not_leave_the_directory(libdir: Path) -> None:
    (libdir / "outside.meta.json").write_text(json.dumps({"summary": "", "description": [], "schema": {}}))
    (libdir / "outside").write_text("")
    assert ModuleInfo.load(libdir, "Stage", "../outside") is None


def test_embedded_schemas_are_read_without_running_the_program(libdir: Path) -> None:
    program = libdir / "stages" / "org.osbuild.old"
    program.write_text(
        '#!/usr/bin/python3\n"""Do it\n\nIn the old way.\n"""\nraise SystemExit(1)\n'
        'SCHEMA = """\n"properties": {"a": {}}\n"""\nSCHEMA_2 = r"""\n"options": {"type": "object"}\n"""\n'
        'CAPABILITIES = ["CAP_MAC_ADMIN"]\n'
    )
    info = ModuleInfo.load(libdir, "Stage", "org.osbuild.old")
    assert info is not None
    assert (info.desc, info.info, info.caps) == ("Do it", "In the old way.", {"CAP_MAC_ADMIN"})
    assert info.opts == {"1": {"properties": {"a": {}}}, "2": {"options": {"type": "object"}}}


def test_broken_embedded_schema_tells_the_line(libdir: Path) -> None:
    program = libdir / "stages" / "org.osbuild.old"
    program.write_text('import os\n\nSCHEMA = """\n"properties": {\n"a" 1}\n"""\n')
    with pytest.raises(SyntaxError, match=r"Invalid schema: Expecting ':' delimiter.*\(org.osbuild.old, line 5\)"):
        ModuleInfo.load(libdir, "Stage", "org.osbuild.old")


def test_broken_meta_json_is_a_syntax_error(libdir: Path) -> None:
    (libdir / "stages" / "org.osbuild.noop.meta.json").write_text("{")
    with pytest.raises(SyntaxError, match="Invalid schema: Expecting property name"):
        ModuleInfo.load(libdir, "Stage", "org.osbuild.noop")


def test_invalid_meta_json_is_a_warning_and_no_module(libdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (libdir / "stages" / "org.osbuild.noop.meta.json").write_text('{"summary": "s", "schema": {}}')
    assert ModuleInfo.load(libdir, "Stage", "org.osbuild.noop") is None
    err = capsys.readouterr().err
    assert err.startswith(f"WARNING: schema for {libdir}/stages/org.osbuild.noop is invalid: [")
    assert "'description' is a required property" in err


@pytest.mark.parametrize("data", [{"summary": "", "description": []}, {"summary": "", "description": [], "schema": 1}])
def test_meta_json_without_a_schema_has_one_error(data: dict[str, Any]) -> None:
    assert len(Schema(meta.META_JSON_SCHEMA, "meta.json").validate(data)) == 1


def test_definitions_are_hoisted(libdir: Path) -> None:
    definition = {"name": {"type": "string"}}
    options = {"properties": {"a": {"$ref": "#/definitions/name"}}}
    add_module(libdir, "stages", "org.osbuild.one", schema={**options, "definitions": definition})
    add_module(libdir, "stages", "org.osbuild.two", schema_2={"options": options, "definitions": definition})
    for name in ("org.osbuild.one", "org.osbuild.two"):
        info = ModuleInfo.load(libdir, "Stage", name)
        assert info is not None
        schema = Schema(info.get_schema("2"), name)
        assert schema.check().valid
        assert schema.validate({"type": name, "options": {"a": "x"}}).valid
        assert not schema.validate({"type": name, "options": {"a": 1}}).valid


def test_version_1_has_the_name_in_place_of_the_type(index: Index) -> None:
    schema = index.get_schema("Stage", "org.osbuild.hostname", version="1")
    assert schema.validate({"name": "org.osbuild.hostname", "options": {"hostname": "h"}}).valid
    assert not schema.validate({"type": "org.osbuild.hostname", "options": {"hostname": "h"}}).valid


def test_path_texts() -> None:
    error = ValidationError("wrong")
    assert error.id == "."
    error.rebase(["a", 0, "b c"])
    error.rebase(["top"])
    assert error.id == ".top.a[0].'b c'"
    assert error.as_dict() == {"message": "wrong", "path": ["top", "a", 0, "b c"]}


def test_results_drop_duplicates_and_can_be_asked_by_path() -> None:
    result = ValidationResult("x")
    part = ValidationResult("y")
    part.fail("one")
    result.merge(part, path=["a"])
    result.merge(part, path=["a"])
    assert len(result) == 1
    assert [error.message for error in result[".a"]] == ["one"]
    assert [error.id for error in part] == ["."]
    with pytest.raises(IndexError):
        result[".b"]
    assert ValidationResult("z").as_dict() == {}


def test_modules_are_listed(index: Index, libdir: Path) -> None:
    (libdir / "stages" / "helpers").mkdir()
    assert index.list_modules_for_class("Stage") == ["org.osbuild.hostname", "org.osbuild.noop"]
    assert index.list_modules_for_class("Assembler") == []
    with pytest.raises(ValueError, match="Unsupported type: Thing"):
        index.list_modules_for_class("Thing")
