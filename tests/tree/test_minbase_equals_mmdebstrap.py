# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of the debootstrap stage against mmdebstrap's, against dpkg's own unpacking, and against themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .compare import differences, read_allowed, read_tree
from .minbase import (
    BIG,
    DEVICE_NODES,
    PLAIN,
    UNPACKED,
    Selection,
    archive_folder,
    build,
    mmdebstrap_command,
    mmdebstrap_environment,
    select,
    sources_file,
)

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def minbase(request: pytest.FixtureRequest) -> Selection:
    return select(request.param)


@pytest.fixture(scope="module")
def place(scratch: Path, minbase: Selection) -> Path:
    path = scratch / minbase.suite
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="module")
def built(minbase: Selection, place: Path) -> Path:
    return build(minbase, place)


def said(tree: Path, *argv: str) -> str:
    result = subprocess.run(["chroot", str(tree), *argv], capture_output=True, text=True, check=False)
    return f"{result.stdout}{result.stderr}"


def healthy(tree: Path) -> None:
    assert said(tree, "dpkg", "--audit") == ""
    assert said(tree, "dpkg", "-V") == ""
    for name in ("dev", "proc", "run", "sys"):
        assert list((tree / name).iterdir()) == [], name
    assert str(tree) not in Path("/proc/self/mounts").read_text()


def test_minbase_differs_from_mmdebstrap_only_where_allowed(
    minbase: Selection, place: Path, built: Path, conformance: Path
) -> None:
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not installed")
    archives = archive_folder(minbase, place / "store", place / "archives")
    sources = sources_file(minbase, place / "debian.sources")
    oracle = place / "mmdebstrap"
    subprocess.run(mmdebstrap_command(minbase, sources, archives, oracle), check=True,
                   env=mmdebstrap_environment(place))
    allowed = [*read_allowed(conformance / "minbase-allowed.txt"), DEVICE_NODES]
    assert list(differences(read_tree(oracle), read_tree(built), allowed)) == []
    assert (oracle / "var/lib/dpkg/status").read_bytes() == (built / "var/lib/dpkg/status").read_bytes()


def test_minbase_is_healthy(built: Path) -> None:
    healthy(built)


def test_minbase_can_be_made_again_exactly(minbase: Selection, place: Path, built: Path) -> None:
    again = build(minbase, place, "again")
    assert list(differences(read_tree(built), read_tree(again))) == []


def test_packages_kept_decompressed_give_the_same_tree(minbase: Selection, place: Path, built: Path) -> None:
    """`built` made them, "warm" finds them, and "plain" does without."""
    assert len(list((place / "store/sources/org.osbuild.debian.unpacked").iterdir())) == len(minbase.packages)
    for name, input_type in (("warm", UNPACKED), ("plain", PLAIN)):
        tree = build(minbase, place, name, input_type=input_type)
        assert list(differences(read_tree(built), read_tree(tree))) == []
        shutil.rmtree(tree)


def test_dpkg_unpacks_minbase_to_the_same_tree(
    minbase: Selection, place: Path, built: Path, conformance: Path
) -> None:
    by_dpkg = build(minbase, place, "dpkg", method="dpkg")
    allowed = read_allowed(conformance / "minbase-allowed.txt")
    assert list(differences(read_tree(built), read_tree(by_dpkg), allowed)) == []


@pytest.mark.parametrize("name", ["debian-12", "debian-13"])
def test_a_big_system_is_healthy_and_the_same_by_either_method(name: str, scratch: Path, conformance: Path) -> None:
    selection = select(name, BIG)
    place = scratch / f"big-{name}"
    place.mkdir()
    direct = build(selection, place, "direct")
    healthy(direct)
    assert len(selection.packages) > 200
    listing = read_tree(direct)
    shutil.rmtree(direct)
    by_dpkg = build(selection, place, "dpkg", method="dpkg")
    healthy(by_dpkg)
    allowed = read_allowed(conformance / "minbase-allowed.txt")
    assert list(differences(listing, read_tree(by_dpkg), allowed)) == []
    shutil.rmtree(place)
