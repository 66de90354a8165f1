# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images planned by the library and built by the checkout's engine, pipeline by pipeline."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.plan import Inputs, make_plan

from tests.conftest import REPO


def manifest(blueprint: Mapping[str, Any], image_type: str, distribution: str = "debian-13") -> dict[str, Any]:
    """The manifest of an image, of the packages that the host's mirrors have now."""
    made = make_plan(Inputs(blueprint=load(dict(blueprint)), image_type=image_type, distribution=distribution))
    return dict(json.loads(made.manifest))


def until(document: Mapping[str, Any], pipeline: str) -> dict[str, Any]:
    """*document* less what comes after *pipeline*, with a last pipeline `seen` that uses its tree.

    To keep the tree in the store by a checkpoint: the engine builds only what is exported, and that tree is big.
    """
    number = [one["name"] for one in document["pipelines"]].index(pipeline)
    tree = {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [f"name:{pipeline}"]}}
    copy = {"paths": [{"from": "input://tree/etc/hostname", "to": "tree:///hostname"}]}
    seen = {"name": "seen", "build": "name:build", "stages": [{"type": "org.osbuild.copy", "inputs": tree, "options": copy}]}
    return {**document, "pipelines": [*document["pipelines"][: number + 1], seen]}


def build(document: Mapping[str, Any], store: Path, output: Path, export: str, checkpoints: Sequence[str] = ()) -> Path:
    """Build one pipeline; returns the folder with its tree."""
    words = [word for name in checkpoints for word in ("--checkpoint", name)]
    run = subprocess.run(
        ["/usr/bin/python3", "-m", "osbuild", "--libdir", str(REPO / "engine"), "--store", str(store), "--cache-max-size", "unlimited",
         "--output-directory", str(output), "--export", export, *words, "-"],
        input=json.dumps(document), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPO / "engine"), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert run.returncode == 0, f"{export} could not be built:\n{run.stdout[-6000:]}{run.stderr[-2000:]}"
    return output / export
