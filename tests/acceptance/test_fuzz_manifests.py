# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of wrong manifests: each is refused by a validation document or by one sentence, none by a traceback.

$FORGE_FUZZ_SEED takes another set of them than the usual one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import manifest_fuzz

SEED = int(os.environ.get("FORGE_FUZZ_SEED", "191"))
IN_PROCESS = 1960
AS_PROCESS = 40
# What would be downloaded by a real run.
REMOTE = (b"org.osbuild.curl", b"org.osbuild.ostree", b"org.osbuild.skopeo", b"org.osbuild.librepo", b"org.osbuild.containers",
          b"org.osbuild.files")  # fmt: skip


@pytest.fixture
def judge(tmp_path: Path) -> manifest_fuzz.Judge:
    return manifest_fuzz.Judge(manifest_fuzz.open_libdir(tmp_path / "lib", manifest_fuzz.corpus()), tmp_path)


def test_wrong_manifests_are_refused_cleanly(judge: manifest_fuzz.Judge, tmp_path: Path) -> None:
    mutants = manifest_fuzz.mutants(IN_PROCESS, SEED)
    answers = ((each, judge.in_process(each, text=i % 4 == 0)) for i, each in enumerate(mutants))
    kept = tmp_path / "kept"
    assert manifest_fuzz.complaints(answers, kept) == [], f"seed {SEED}"
    assert set(judge.codes) == {0, 1, 2}


@pytest.mark.root
def test_so_are_they_by_real_runs(judge: manifest_fuzz.Judge, tmp_path: Path) -> None:
    local = (each for each in manifest_fuzz.mutants(20 * AS_PROCESS, SEED + 1) if not any(name in each.data for name in REMOTE))
    mutants = [each for each, _number in zip(local, range(AS_PROCESS), strict=False)]
    assert len(mutants) == AS_PROCESS
    answers = ((each, judge.as_process(each)) for each in mutants)
    assert manifest_fuzz.complaints(answers, tmp_path / "kept") == [], f"seed {SEED + 1}"
