# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded ids: our loader must compute what upstream's did, and refuse what upstream's refused.

Many of these manifests use stages and runners of other distributions. What the bundle does not have is put in with an open
schema, which is all that an id needs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from osbuild.meta import Index, ModuleInfo, RunnerInfo, Schema

from tests.conftest import REPO, shared_dir

IDS = shared_dir() / "conformance" / "ids"
VECTORS: list[dict[str, Any]] = json.loads((IDS / "INDEX.json").read_text())["vectors"] if IDS.is_dir() else []
ACCEPTED = [vector["name"] for vector in VECTORS if vector["rc"] == 0]
REFUSED = [(vector["name"], vector["rc"]) for vector in VECTORS if vector["rc"] != 0]
NOTHING = [pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded ids at {IDS}: set FORGE_SHARED"))]


class OpenIndex(Index):
    """The library directory, with every module and runner that it lacks."""

    def get_module_info(self, klass: str, name: str) -> ModuleInfo | None:
        made_up = {"desc": "", "info": "", "schema": None, "schema_2": None}
        return super().get_module_info(klass, name) or ModuleInfo(klass, name, f"/nowhere/{name}", made_up)

    def get_schema(self, klass: str, name: str | None = None, version: str = "1") -> Schema:
        if klass != "Manifest" and not (self.path / ModuleInfo.MODULES[klass] / f"{name}.meta.json").exists():
            return Schema({"type": "object"}, name)
        return super().get_schema(klass, name, version)

    def detect_runner(self, name: str) -> RunnerInfo:
        return RunnerInfo.from_path(Path("/nowhere") / name)

    def detect_host_runner(self) -> RunnerInfo:
        # The ids were recorded on Debian 12, whose runner is the one for all versions.
        return self.detect_runner("org.osbuild.debian")


def read(name: str, kind: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((IDS / f"{name}.{kind}.json").read_text())
    return document


@pytest.fixture(scope="module")
def open_index() -> OpenIndex:
    return OpenIndex(REPO / "engine")


@pytest.mark.parametrize("name", ACCEPTED or NOTHING)
def test_ids_agree(name: str, open_index: OpenIndex) -> None:
    manifest = read(name, "manifest")
    info = open_index.detect_format_info(manifest)
    assert info is not None
    result = info.module.validate(manifest, open_index)
    assert result.valid, result.as_dict()
    described = info.module.describe(info.module.load(manifest, open_index), with_id=True)
    assert json.loads(json.dumps(described)) == read(name, "inspect")


@pytest.mark.parametrize(("name", "code"), REFUSED or [pytest.param(None, 0, marks=NOTHING[0].marks)])
def test_refused_as_recorded(name: str, code: int) -> None:
    """Exit code 2 stands for the format or the schemas, 1 for what only loading can see."""
    manifest = read(name, "manifest")
    index = Index(REPO / "engine")
    info = index.detect_format_info(manifest)
    if info is None:
        assert code == 2
        return
    result = info.module.validate(manifest, index)
    assert result.valid == (code == 1), result.as_dict()
    if code == 1:
        with pytest.raises((ValueError, KeyError)):
            info.module.load(manifest, index)
