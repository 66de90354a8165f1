# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small library directory, so that tests of the loader do not depend on the stages of the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osbuild.meta import Index

from tests.conftest import REPO

OPEN = {"type": "object", "additionalProperties": True}
REFERENCED = {
    "additionalProperties": True,
    "required": ["type", "origin", "references"],
    "properties": {"type": {"type": "string"}},
}


def add_module(libdir: Path, folder: str, name: str, **members: Any) -> None:
    """Write a program and its description; without members it has an open schema."""
    (libdir / folder).mkdir(parents=True, exist_ok=True)
    program = libdir / folder / name
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    members = members or {"schema_2": {"options": OPEN, "inputs": OPEN, "devices": OPEN}}
    document = {"summary": name, "description": ["For tests."], **members}
    (libdir / folder / f"{name}.meta.json").write_text(json.dumps(document))


@pytest.fixture
def libdir(tmp_path: Path) -> Path:
    path = tmp_path / "libdir"
    path.mkdir()
    (path / "schemas").symlink_to(REPO / "engine" / "schemas")
    add_module(path, "stages", "org.osbuild.noop")
    strict = {"additionalProperties": False, "required": ["hostname"], "properties": {"hostname": {"type": "string"}}}
    add_module(path, "stages", "org.osbuild.hostname", schema=strict)
    add_module(path, "inputs", "org.osbuild.tree", schema=REFERENCED)
    add_module(path, "inputs", "org.osbuild.files", schema=REFERENCED)
    add_module(path, "sources", "org.osbuild.curl", schema={"properties": {"items": OPEN, "urls": OPEN, "options": OPEN}})
    add_module(path, "devices", "org.osbuild.loopback", schema={"required": ["filename"], "properties": {"filename": {"type": "string"}}})
    mount = {"required": ["name", "type"], "properties": {key: {} for key in ("name", "source", "target", "partition", "options")}}
    add_module(path, "mounts", "org.osbuild.ext4", schema_2=mount)
    (path / "runners").mkdir()
    for name in ("debian", "linux", "fedora30", "fedora38"):
        (path / "runners" / f"org.osbuild.{name}").write_text("#!/bin/sh\n")
    return path


@pytest.fixture
def index(libdir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Index:
    """The index of that directory, on a host that says it is Debian 12."""
    release = tmp_path / "os-release"
    release.write_text('ID=debian\nVERSION_ID="12"\n')
    monkeypatch.setattr("osbuild.util.osrelease.DEFAULT_PATHS", [str(release)])
    return Index(libdir)


@pytest.fixture
def load(index: Index) -> Callable[..., Any]:
    """Validate and load the pipelines of a manifest of version 2."""

    def loader(*pipelines: dict[str, Any], **members: Any) -> Any:
        manifest = {"version": "2", "pipelines": list(pipelines), **members}
        info = index.detect_format_info(manifest)
        assert info is not None
        result = info.module.validate(manifest, index)
        assert result.valid, result.as_dict()
        return info.module.load(manifest, index)

    return loader
