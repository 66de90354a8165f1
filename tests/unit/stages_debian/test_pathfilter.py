# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Path filters decide as dpkg's do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stages.forge.errors import StageError
from stages.forge.pathfilter import configuration, make_filter

from .conftest import Workshop

FILES = {
    "usr/share/doc/a/copyright": "c", "usr/share/doc/a/changelog.gz": "c", "usr/share/doc/a/sub/deep": "d",
    "usr/share/doc/b": "-> a", "usr/share/man/de/man1/x.1": "m", "usr/share/man/man1/x.1": "m",
    "usr/share/locale/de/x.mo": "l", "usr/share/locale/locale.alias": "l", "usr/bin/x": "x", "opt/[x]/y": "y",
}


@pytest.mark.root
@pytest.mark.parametrize(
    ("exclude", "include"),
    [
        (["/usr/share/doc/*"], []),
        (["/usr/share/doc/*"], ["/usr/share/doc/*/copyright"]),
        (["/usr/share/man/*", "/usr/share/locale/*"], ["/usr/share/locale/locale.alias"]),
        (["/usr/share/man/??/*"], []),
        (["/usr/share/man/[!m]*"], []),
        (["*.gz", "/opt/\\[x\\]/*"], []),
        (["/usr/share/doc/*"], ["/usr/share/man/*"]),
        (["/usr/*/x"], ["/usr/bin/*"]),
    ],
)
def test_the_same_files_stay_as_with_dpkg(
    workshop: Workshop, tmp_path: Path, exclude: list[str], include: list[str]
) -> None:
    path = workshop.deb("a", FILES)
    root = tmp_path / "root"
    for name in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    subprocess.run(
        ["dpkg", f"--root={root}", *configuration_options(exclude, include), "--unpack", str(path)],
        check=True, capture_output=True,
    )
    by_dpkg = {str(found.relative_to(root)) for found in root.rglob("*") if "var" not in found.relative_to(root).parts}
    skip = make_filter(exclude, include)
    assert skip is not None
    every = {*FILES, *(str(folder) for name in FILES for folder in Path(name).parents if str(folder) != ".")}
    links = {name for name, content in FILES.items() if content.startswith("-> ")}
    ours = {name for name in every if not skip(name.encode(), name not in FILES or name in links)}
    assert ours == by_dpkg


def configuration_options(exclude: list[str], include: list[str]) -> list[str]:
    return [f"--{line}" for line in configuration(exclude, include).splitlines()]


def test_without_exclusions_there_is_no_filter() -> None:
    assert make_filter([], ["/usr/*"]) is None


@pytest.mark.parametrize("glob", ["usr/share/*", "", "/a\nforce-all"])
def test_patterns_that_match_nothing_or_smuggle_are_refused(glob: str) -> None:
    with pytest.raises(StageError, match="path filter .* can match nothing"):
        make_filter([glob], [])
