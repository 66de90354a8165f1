# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs over the stub engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.engine import find_engine
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.record import template
from ansible_collections.debian_forge.osbuild.plugins.module_utils.jobs.control import Job

STUB = Path(__file__).parents[2] / "support" / "stub_libdir"


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """A job of one pipeline ``tree`` with the given options of its stages."""

    def make(*stages: dict[str, Any], build_id: str = "b1", **more: Any) -> Job:
        manifest = {
            "version": "2",
            "pipelines": [
                {"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": options} for options in stages]}
            ],
        }
        engine = find_engine("embedded", STUB)
        values: dict[str, Any] = {
            "build_id": build_id,
            "engine": engine,
            "manifest": json.dumps(manifest).encode(),
            "store": tmp_path / "store",
            "exports": ["tree"],
            "destination": tmp_path / "out",
            "record": template(
                build_id=build_id,
                manifest="0" * 64,
                exports=["tree"],
                engine=engine.as_dict(),
                pipelines={"tree": "1" * 64},
                lock_digest=None,
                request={"manifest": "m.json"},
                packages={},
            ),
        }
        return Job(**{**values, **more})

    return make
