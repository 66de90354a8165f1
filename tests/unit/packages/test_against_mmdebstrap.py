# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real solve over the host's mirrors picks exactly what mmdebstrap would install."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import (
    PackageSet,
    Request,
    Source,
    host_sources,
    resolve,
)


@dataclass(frozen=True)
class Wanted:
    suite: str
    pockets: tuple[str, ...] = ("updates", "security")
    components: tuple[str, ...] = ("main",)


def one_line(sources: tuple[Source, ...]) -> str:
    return "\n".join(
        f"deb [signed-by={source.signed_by}] {uri} {suite} {' '.join(source.components)}"
        for source in sources for uri in source.uris for suite in source.suites
    )


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_minbase_is_what_mmdebstrap_installs(suite: str, tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    try:
        sources = host_sources(Wanted(suite), "amd64")
        found = resolve(Request("debian", suite, "amd64", sources, {"os": PackageSet()}), scratch=tmp_path)
    except PackageError as error:
        if "could not be fetched" in str(error) or "name no mirror" in str(error):
            pytest.skip(f"no mirror within reach: {error}")
        raise
    told = subprocess.run(
        ["mmdebstrap", "--simulate", "--verbose", "--variant=minbase", "--mode=root", suite, str(tmp_path / "tree"), "-"],
        input=one_line(sources), capture_output=True, text=True, check=True, cwd=tmp_path,
    )
    installed = set(re.findall(r"^Inst (\S+) \((\S+) ", told.stdout + told.stderr, re.MULTILINE))
    assert len(installed) > 50
    assert {(package.name, package.version) for package in found.sets["os"]} == installed
