# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[3]
SHARED = Path(os.environ.get("FORGE_SHARED", REPO.parent / "shared"))
CLASSES = ("sources", "inputs", "devices", "mounts")
PROGRAMS = sorted(path.relative_to(REPO / "engine") for cls in CLASSES for path in (REPO / "engine" / cls).glob("*.*")
                  if not path.name.endswith(".meta.json") and path.is_file())  # fmt: skip


def load(program: Path) -> dict[str, Any]:
    path = REPO / "engine" / program
    document: dict[str, Any] = json.loads(path.with_name(f"{path.name}.meta.json").read_text())
    return document


def test_the_programs_of_a_debian_build_are_there() -> None:
    names = {str(program) for program in PROGRAMS}
    assert {"sources/org.osbuild.curl", "inputs/org.osbuild.files", "devices/org.osbuild.loopback"} <= names


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program_is_executable_and_described(program: Path) -> None:
    path = REPO / "engine" / program
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/python3\n")
    document = load(program)
    assert isinstance(document["summary"], str) and document["summary"]
    assert document["description"] and all(isinstance(text, str) and text for text in document["description"])
    assert set(document) <= {"summary", "description", "schema", "schema_2", "capabilities"}


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program_brings_its_own_package(program: Path, tmp_path: Path) -> None:
    """Another engine puts its own first, which lacks some of what is imported."""
    (tmp_path / "osbuild").mkdir()
    (tmp_path / "osbuild" / "__init__.py").write_text("raise ImportError('of another engine')\n")
    result = subprocess.run(
        [REPO / "engine" / program, "--help"], env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, "--service-fd" in result.stdout) == (0, True), result.stderr


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_schema_is_the_one_manifests_are_written_for(program: Path) -> None:
    recorded = SHARED / "conformance" / "schemas" / f"{program}.json"
    if not recorded.exists():
        pytest.skip(f"no recorded schema for {program} (FORGE_SHARED)")
    document = load(program)
    assert {key: document[key] for key in document if key not in ("summary", "description")} == json.loads(
        recorded.read_text()
    )


@pytest.mark.parametrize("name", ["org.osbuild.debian", "org.osbuild.ubuntu1804", "org.osbuild.linux"])
def test_runner_is_executable(name: str) -> None:
    assert os.access(REPO / "engine/runners" / name, os.X_OK)
