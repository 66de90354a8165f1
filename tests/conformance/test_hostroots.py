# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded cases that need an archive of the host's own programs, which the data's runner leaves out.

Ids depend on that archive's checksum. They are compared by their places: wherever a recorded id stands, the one that this
engine gives to the same stage has to stand.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import hostroots
from tests.conformance.hostroots import FIXTURES, needs
from tests.conformance.test_golden import CASES, wanted
from tests.conftest import REPO


def load() -> dict[str, dict[str, Any]]:
    cases = {}
    for path in sorted((CASES / "stages").rglob("*.json")):
        case = json.loads(path.read_text())
        if isinstance(case, dict) and needs(case) and wanted(case):
            cases[case["name"]] = case
    return cases


ALL = load() if CASES.is_dir() else {}


@functools.cache
def golden() -> Any:
    """The data's own runner as a module."""
    spec = importlib.util.spec_from_file_location("run_golden", CASES / "run_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[argparse.Namespace]:
    runner = golden()
    runner.SCRATCH = os.path.realpath(tmp_path_factory.mktemp("hostroots"))
    libdir = str(REPO / "engine")
    settings = argparse.Namespace(libdir=libdir, pythonpath=libdir, timeout=300, running=set(), www=f"{runner.SCRATCH}/www")
    settings.port = runner.serve(CASES / "fixtures", settings.www)
    settings.members = {
        name: hostroots.pack(CASES / "fixtures" / f"{name}.list.txt", Path(settings.www, f"{name}.tar")) for name in FIXTURES
    }
    yield settings
    runner.cleanup(runner.SCRATCH)


def with_archive(case: dict[str, Any], fixture: str, archive: Path) -> dict[str, Any]:
    """The case with the checksum of this host's archive in the place of the recorded one's."""
    items = case["manifest"]["sources"]["org.osbuild.curl"]["items"]
    (recorded,) = [checksum for checksum, item in items.items() if f"{fixture}.tar" in json.dumps(item)]
    actual = "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest()
    document: dict[str, Any] = json.loads(json.dumps(case).replace(recorded, actual))
    return document


def with_ids(case: dict[str, Any], conf: argparse.Namespace) -> dict[str, Any]:
    """The case with this engine's ids in the places of the recorded ones."""
    runner = golden()
    run = runner.Run(conf)
    try:
        Path(run.manifest).write_text(run.fill_manifest(case["manifest"]))
        ids, _ignored = runner.inspect(run, run.manifest)
    finally:
        run.close()
    assert ids.keys() == case["ids"].keys()
    text = json.dumps(case)
    for name, pipeline in case["ids"].items():
        assert [stage["type"] for stage in pipeline["stages"]] == [stage["type"] for stage in ids[name]["stages"]]
        for old, new in zip(pipeline["stages"], ids[name]["stages"], strict=True):
            text = text.replace(old["id"], new["id"])
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.mark.root
@pytest.mark.parametrize("name", ALL or [pytest.param("none", marks=pytest.mark.skip(reason=f"no cases at {CASES}: set FORGE_SHARED"))])
def test_recorded_case(name: str, conf: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, case = golden(), ALL[name]
    fixture = needs(case)
    assert fixture is not None
    case = with_ids(with_archive(case, fixture, Path(conf.www, f"{fixture}.tar")), conf)
    # What the runner does not know how to do is done here: it need not be told of it.
    case["note"] = ""
    listed = {entry["path"] for entry in case.get("tree", [])}
    left_out = conf.members[fixture] - listed if case.pop("tree_partial", None) else set()
    monkeypatch.setattr(runner, "keep_path", lambda _ignored: lambda path: path not in left_out)
    result = runner.stage_case(case, conf)
    assert result["grade"] in ("pass", "better"), json.dumps(result, indent=1, ensure_ascii=False)


def test_there_are_such_cases() -> None:
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}: set FORGE_SHARED")
    assert {needs(case) for case in ALL.values()} == set(FIXTURES)
