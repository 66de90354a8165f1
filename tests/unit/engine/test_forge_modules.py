# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listing of modules, as text and as JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.meta import ModuleInfo
from osbuild.tools import modules, schematext

from tests.conftest import REPO


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = modules.main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_program_finds_its_library_directory(tmp_path: Path) -> None:
    link = tmp_path / "forge-modules"
    link.symlink_to(REPO / "engine" / "bin" / "forge-modules")
    result = subprocess.run([link, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout)
    assert found["libdir"] == str(REPO / "engine")
    names = {(each["class"], each["name"]) for each in found["modules"]}
    assert {("Stage", "org.osbuild.mkdir"), ("Source", "org.osbuild.inline"), ("Device", "org.osbuild.loopback")} <= names
    assert {each["class"] for each in found["modules"]} == set(ModuleInfo.MODULES)


@pytest.mark.parametrize("klass", ["stage", "Stage", "stages"])
def test_one_class(capsys: pytest.CaptureFixture[str], libdir: Path, klass: str) -> None:
    code, out, _err = run(capsys, "--libdir", str(libdir), klass)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["stage", "org.osbuild.hostname"], ["stage", "org.osbuild.noop"]]


def test_one_module_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "stage", "org.osbuild.mkdir")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "stage org.osbuild.mkdir"
    assert any(line.strip().startswith("path (required): ") for line in lines)
    assert "type (required): \"org.osbuild.mkdir\"" in out


def test_name_alone_is_looked_for_in_all_classes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "--json", "org.osbuild.noop")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["modules"]
    assert {"Stage", "Input", "Mount", "Assembler"} <= {each["class"] for each in found}


def test_capabilities_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, _err = run(capsys, "stage", "org.osbuild.copy")
    assert "capabilities: CAP_MAC_ADMIN" in out


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["stage", "org.osbuild.nothing"], "there is no stage 'org.osbuild.nothing'"),
        (["nothing"], "there is no module 'nothing'"),
        (["nothing", "org.osbuild.noop"], "'nothing' is no class of modules"),
        (["--libdir", "/nothing"], "there is no library directory '/nothing'"),
    ],
)
def test_what_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (1, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_outline_of_a_schema() -> None:
    schema = {
        "required": ["size"],
        "definitions": {"name": {"type": "string", "pattern": "^a"}},
        "properties": {
            "size": {"type": "integer", "minimum": 1, "default": 4, "description": "How big."},
            "names": {"type": "array", "items": {"$ref": "#/definitions/name"}},
            "kind": {"enum": ["a", "b"]},
            "any": {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "number"}}]},
        },
        "anyOf": [{"required": ["kind"]}, {"required": ["names"]}],
    }
    assert schematext.describe_schema(schema) == [
        "size (required): integer, at least 1, default 4",
        "    How big.",
        "names: array of string, matching ^a",
        'kind: one of "a", "b"',
        "any: as follows",
        "  - one of: string",
        "  - one of: object",
        "    <any name>: number",
        "needs any of: kind or names",
    ]


def test_schema_that_refers_to_itself_ends() -> None:
    schema = {"properties": {"child": {"$ref": "#"}, "tree": {"$ref": "#/definitions/t"}},
              "definitions": {"t": {"properties": {"t": {"$ref": "#/definitions/t"}}}}}  # fmt: skip
    assert schematext.describe_schema(schema)[-1].strip() == "…"
