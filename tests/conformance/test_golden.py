# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded cases of upstream's engine, run against ours by the data's own runner.

One run of `run_golden.py` grades them all; each case is then one test. Cases that use a module this bundle does not have yet
are not part of the suite (their number is printed by the runner as `unsupported`), so that a module added later brings its
cases along without a change here. What cannot agree on a Debian host stands in `known_differences.json`, with the reason;
what the runner cannot judge, in `skipped.json`: a case that it skips and that is not listed there fails. Fields that chance
decides are in `unsteady.json`; all others of such a case must agree. Cases that need an
archive of the host's programs are in `test_hostroots.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.hostroots import needs
from tests.conftest import REPO, shared_dir

CASES = shared_dir() / "conformance"
KNOWN: dict[str, str] = json.loads((Path(__file__).parent / "known_differences.json").read_text())
SKIPPED: dict[str, str] = json.loads((Path(__file__).parent / "skipped.json").read_text())
UNSTEADY: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "unsteady.json").read_text())
CLASSES = ("stages", "sources", "inputs", "devices", "mounts", "assemblers")


def module_types(node: Any, folder: str = "") -> Iterator[tuple[str, str]]:
    """Yield class and name of the osbuild modules anywhere in a manifest: values of `type` or `name` and keys of `sources`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.startswith("org.osbuild."):
                yield folder, key
            if key in ("type", "name") and isinstance(value, str) and value.startswith("org.osbuild."):
                yield folder, value
            below = "assemblers" if key == "assembler" else key
            yield from module_types(value, below if below in CLASSES else folder)
    elif isinstance(node, list):
        for value in node:
            yield from module_types(value, folder)


def have(folder: str, name: str) -> bool:
    # A stage and a source may share a name, of which only one is there.
    return any((REPO / "engine" / each / name).exists() for each in ([folder] if folder else CLASSES))


def wanted(case: dict[str, Any]) -> bool:
    """Whether this bundle has every module that upstream knew when the case was recorded."""
    recorded = json.dumps(case.get("result", {}))
    unknown = "could not find schema information for '{}'"
    return all(have(folder, name) or unknown.format(name) in recorded for folder, name in module_types(case.get("manifest")))


def load(folder: str) -> list[str]:
    names = []
    for path in sorted((CASES / folder).rglob("*.json")):
        case = json.loads(path.read_text())
        if isinstance(case, dict) and "name" in case and wanted(case) and not needs(case):
            names.append(case["name"])
    return names


NAMES = load("stages") + load("cli") if CASES.is_dir() else []


@pytest.fixture(scope="session")
def graded(conformance: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    if os.geteuid() != 0:
        pytest.skip("the recorded cases need root")
    out = tmp_path_factory.mktemp("golden") / "results.json"
    scratch = tmp_path_factory.mktemp("scratch")
    only = [word for folder in sorted({name.rsplit("/", 1)[0] for name in NAMES}) for word in ("--only", f"{folder}/*")]
    run = subprocess.run(
        ["/usr/bin/python3", str(conformance / "run_golden.py"), "--libdir", str(REPO / "engine"), "--jobs", str(os.cpu_count() or 1),
         "--scratch", str(scratch), "--json", str(out), *only],
        capture_output=True, text=True, check=False,
    )
    assert out.exists(), f"the runner of the recorded cases ended with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
    return {case["name"]: case for case in json.loads(out.read_text())["cases"]}


@pytest.mark.root
@pytest.mark.parametrize("name", NAMES or [pytest.param("none", marks=pytest.mark.skip(reason=f"no cases at {CASES}: set FORGE_SHARED"))])
def test_recorded_case(name: str, graded: dict[str, dict[str, Any]]) -> None:
    case = graded[name]
    if case["grade"] == "skipped":
        assert name in SKIPPED, f"{name} is skipped, which skipped.json does not know: {case['why']}"
        pytest.skip(f"{SKIPPED[name]} ({case['why']})")
    assert name not in SKIPPED, f"{name} is not skipped any more: take it out of skipped.json ({SKIPPED[name]})"
    if name in KNOWN:
        assert case["grade"] not in ("pass", "better"), f"{name} agrees now: take it out of known_differences.json ({KNOWN[name]})"
        pytest.skip(f"differs for a reason: {KNOWN[name]}")
    chance = UNSTEADY.get(name, {})
    if case["grade"] == "differ" and chance and {one["field"] for one in case["differences"]} <= set(chance):
        return
    shown = json.dumps({key: case.get(key) for key in ("differences", "output", "stderr", "type")}, indent=1, ensure_ascii=False)
    assert case["grade"] in ("pass", "better"), shown
