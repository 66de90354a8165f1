# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads stages by their names: they have no suffix, so Python's import does not find them."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that gives the module of a stage, by its name without org.osbuild."""
    # The files share one name for their byte code, org.osbuild.cpython-311.pyc: none may be written.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load_stage(name: str) -> ModuleType:
        loader = SourceFileLoader(f"stage_{name}", str(repo / "stages" / f"org.osbuild.{name}"))
        spec = importlib.util.spec_from_loader(loader.name, loader)
        assert spec
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        return module

    return load_stage


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the tree, for hostile links to point to."""
    path = tmp_path / "outside"
    path.mkdir()
    return path


@pytest.fixture
def arguments(tree: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the arguments document of a stage."""

    def make(**parts: Any) -> dict[str, Any]:
        return {"tree": str(tree), "inputs": {}, "devices": {}, "mounts": {}, "options": {}, **parts}

    return make


@pytest.fixture
def meta(repo: Path) -> Callable[[str], dict[str, Any]]:
    def read(name: str) -> dict[str, Any]:
        return json.loads((repo / "stages" / f"org.osbuild.{name}.meta.json").read_text())

    return read
