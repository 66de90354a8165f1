# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stage of the bundle is complete, and those upstream has too take exactly its options."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[3]
STAGES = sorted(path for path in (REPO / "stages").glob("org.osbuild.*") if path.suffix != ".json")
HEAD = [
    "#!/usr/bin/python3",
    "# SPDX-FileCopyrightText: 2026 Debian Forge contributors",
    "# SPDX-License-{}".format("Identifier: Apache-2.0"),  # so that no licence scanner takes it for this file's
]
# Design: names of stages that upstream does not have.
OWN = re.compile(r"org\.osbuild\.(debian\..*|debootstrap|apt|apt\.config|sbuild)")
# Stages of upstream's of which no schema was recorded.
NOT_RECORDED = {"org.osbuild.gcp.guest-agent.conf"}
META_KEYS = {"summary", "description", "capabilities", "schema", "schema_2"}
# Keywords of JSON schema that hold schemas by name: a key below them is a name and no keyword.
NAMED = {"properties", "patternProperties", "definitions"}


def read_meta(stage: Path) -> dict[str, Any]:
    return json.loads(stage.with_name(stage.name + ".meta.json").read_text())


def without_prose(node: Any, named: bool = False) -> Any:
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {key: without_prose(value) for key, value in node.items()}
    return {
        key: without_prose(value, key in NAMED)
        for key, value in node.items()
        if key not in ("description", "title", "default")
    }


def without_own(ours: Any, theirs: Any, names: bool = False) -> Any:
    """Return our schema without the options that upstream's has not: own ones may be added, none may be required."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [without_own(mine, other) for mine, other in zip(ours, theirs, strict=True)]
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return ours
    return {
        key: without_own(value, theirs[key], key == "properties") if key in theirs else value
        for key, value in ours.items()
        if key in theirs or not names
    }


def properties(node: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return all options in a schema with their paths."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(node, list):
        for item in node:
            found += properties(item, path)
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "properties" and isinstance(value, dict):
                found += [(f"{path}.{name}", schema) for name, schema in value.items()]
                for name, schema in value.items():
                    found += properties(schema, f"{path}.{name}")
            elif key in ("patternProperties", "definitions"):
                for schema in value.values():
                    found += properties(schema, path)
            elif key not in ("required", "enum", "default", "oneOf", "anyOf", "not"):
                found += properties(value, path)
    return found


def test_the_bundle_has_stages() -> None:
    assert len(STAGES) > 30


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: path.name)
class TestStage:
    def test_is_an_executable_python_program_with_licence(self, stage: Path) -> None:
        assert os.access(stage, os.X_OK)
        assert stage.read_text().splitlines()[:3] == HEAD

    def test_describes_itself_completely(self, stage: Path) -> None:
        meta = read_meta(stage)
        assert set(meta) <= META_KEYS
        assert meta["summary"]
        assert meta["description"]
        assert all(isinstance(line, str) for line in meta["description"])
        assert " ".join(meta["description"]).strip()
        assert "schema" in meta or "schema_2" in meta
        for path, schema in properties([meta.get("schema"), meta.get("schema_2")]):
            if "$ref" not in schema:
                assert schema.get("description"), f"option {path} has no description"

    def test_imports_only_what_a_build_root_has(self, stage: Path) -> None:
        names = set()
        for node in ast.walk(ast.parse(stage.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        foreign = {name for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "osbuild", "stages"}}
        assert not foreign


# Stages of our own have nothing to be compared with.
@pytest.mark.parametrize(
    "stage",
    [path for path in STAGES if not OWN.fullmatch(path.name) and path.name not in NOT_RECORDED],
    ids=lambda path: path.name.removeprefix("org.osbuild."),
)
def test_takes_the_options_upstream_takes(stage: Path, conformance: Path) -> None:
    theirs = json.loads((conformance / "schemas" / "stages" / f"{stage.name}.json").read_text())
    ours = {key: value for key, value in read_meta(stage).items() if key not in ("summary", "description")}
    assert without_own(without_prose(ours), without_prose(theirs)) == without_prose(theirs)


def test_prose_is_told_from_an_option_called_description() -> None:
    schema = {"description": "x", "properties": {"description": {"type": "string", "description": "y"}}}
    assert without_prose(schema) == {"properties": {"description": {"type": "string"}}}


def test_only_added_options_are_overlooked() -> None:
    theirs = {"required": ["a"], "properties": {"a": {"type": "string"}}}
    added = {"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    assert without_own(added, theirs) == theirs
    assert without_own({**added, "required": ["a", "b"]}, theirs) != theirs
    assert without_own({**added, "additionalProperties": True}, theirs) != theirs
    assert without_own({"required": ["a"], "properties": {"a": {"type": "number"}}}, theirs) != theirs
