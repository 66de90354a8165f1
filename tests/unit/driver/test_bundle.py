# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle: digests that only content changes, and installation all at once."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import bundle
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import EngineError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in small, stages linked as in the real one."""
    top = tmp_path / "checkout"
    (top / "engine" / "osbuild").mkdir(parents=True)
    (top / "engine" / "osbuild" / "__init__.py").write_text("__version__ = '191'\n")
    (top / "engine" / "osbuild" / "__main__.py").write_text("")
    (top / "stages" / "forge").mkdir(parents=True)
    (top / "stages" / "org.osbuild.noop").write_text("#!/usr/bin/python3\n")
    (top / "stages" / "org.osbuild.noop").chmod(0o755)
    (top / "engine" / "stages").symlink_to("../stages")
    return top / "engine"


def packed(libdir: Path, tmp_path: Path) -> Path:
    archive = tmp_path / "bundle.tar.gz"
    archive.write_bytes(bundle.pack(libdir))
    return archive


def test_the_digest_ignores_caches_and_the_umask(checkout: Path) -> None:
    before = bundle.digest(checkout)
    (checkout / "osbuild" / "__pycache__").mkdir()
    (checkout / "osbuild" / "__pycache__" / "x.pyc").write_text("x")
    (checkout / "osbuild" / "__init__.py").chmod(0o600)
    (checkout / ".hidden").write_text("x")
    os.utime(checkout / "osbuild" / "__init__.py", (1, 1))
    assert bundle.digest(checkout) == before


def test_the_digest_sees_content_names_and_execute_bits(checkout: Path) -> None:
    seen = {bundle.digest(checkout)}
    stage = checkout / "stages" / "org.osbuild.noop"
    stage.chmod(0o644)
    seen.add(bundle.digest(checkout))
    stage.write_text("#!/usr/bin/python3\npass\n")
    seen.add(bundle.digest(checkout))
    stage.rename(stage.with_name("org.osbuild.other"))
    seen.add(bundle.digest(checkout))
    assert len(seen) == 4


def test_equal_trees_make_equal_archives(checkout: Path) -> None:
    first = bundle.pack(checkout)
    os.utime(checkout / "osbuild" / "__init__.py", (1, 1))
    assert bundle.pack(checkout) == first


def test_installed_is_what_was_packed(checkout: Path, tmp_path: Path) -> None:
    root, digest = tmp_path / "root", bundle.digest(checkout)
    libdir = bundle.install(packed(checkout, tmp_path), "1.0.0", digest, root)
    assert libdir == root / "1.0.0" == bundle.find_installed(root)
    assert bundle.installed_digest(libdir) == digest == bundle.digest(libdir)
    assert (libdir / "stages").is_dir() and not (libdir / "stages").is_symlink()
    assert os.access(libdir / "stages" / "org.osbuild.noop", os.X_OK)
    assert os.readlink(root / "current") == "1.0.0"


def test_a_running_build_keeps_its_tree_when_another_is_installed(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    old = bundle.install(packed(checkout, tmp_path), "1.0.0", bundle.digest(checkout), root).resolve()
    (checkout / "stages" / "org.osbuild.new").write_text("x")
    bundle.install(packed(checkout, tmp_path), "1.0.0", bundle.digest(checkout), root)
    assert old.is_dir() and (root / "1.0.0").resolve() != old
    assert bundle.prune(root, frozenset({old.name})) == [] == bundle.prune(root)


def test_old_bundles_go_but_not_those_in_use_nor_the_newest_nor_one_that_is_being_unpacked(
    checkout: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    bundle.install(packed(checkout, tmp_path), "1.0.0", bundle.digest(checkout), root)
    names = [f"{number}" * 64 for number in range(bundle.SPARE + 3)]
    for age, name in enumerate(names):
        (root / "bundles" / name).mkdir()
        os.utime(root / "bundles" / name, (1000 - age, 1000 - age))
    (root / "bundles" / ".new-now").mkdir()
    (root / "bundles" / ".new-left").mkdir()
    os.utime(root / "bundles" / ".new-left", (1, 1))
    gone = bundle.prune(root, frozenset({names[-1]}))
    assert sorted(gone) == names[bundle.SPARE : -1]
    left = {*names[: bundle.SPARE], names[-1], ".new-now", bundle.digest(checkout)}
    assert set(os.listdir(root / "bundles")) == left


def test_controllers_with_different_bundles_find_each_their_own(checkout: Path, tmp_path: Path) -> None:
    root, first = tmp_path / "root", bundle.digest(checkout)
    bundle.install(packed(checkout, tmp_path), "1.0.0", first, root)
    (checkout / "stages" / "org.osbuild.new").write_text("x")
    second = bundle.digest(checkout)
    bundle.install(packed(checkout, tmp_path), "1.0.0", second, root)
    bundle.prune(root)
    for wanted in (first, second):
        found = bundle.find_installed(root, wanted)
        assert found is not None and bundle.installed_digest(found) == wanted == bundle.digest(found)
    for other in ("f" * 64, "../1.0.0", None):
        assert bundle.find_installed(root, other) == root / "1.0.0"


def test_a_damaged_archive_leaves_the_old_engine_in_place(checkout: Path, tmp_path: Path) -> None:
    root, digest = tmp_path / "root", bundle.digest(checkout)
    bundle.install(packed(checkout, tmp_path), "1.0.0", digest, root)
    archive = packed(checkout, tmp_path)
    with pytest.raises(EngineError, match="damaged on its way"):
        bundle.install(archive, "2.0.0", "0" * 64, root)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(EngineError, match="cannot be read|damaged"):
        bundle.install(archive, "2.0.0", "1" * 64, root)
    assert os.readlink(root / "current") == "1.0.0"
    assert sorted(os.listdir(root / "bundles")) == [digest]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil"])
def test_an_archive_cannot_leave_its_place(name: str, tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as packed_:
        packed_.addfile(tarfile.TarInfo(name))
    with pytest.raises(EngineError, match="no plain file below its root"):
        bundle.install(archive, "1.0.0", "0" * 64, tmp_path / "root" / "deep")
    assert not (tmp_path / "evil").exists() and not Path("/etc/evil").exists()


@pytest.mark.parametrize("version", ["", "a/b", ".x", "current", "bundles"])
def test_a_version_must_be_a_directorys_name(version: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="version is"):
        bundle.install(tmp_path / "x", version, "0" * 64, tmp_path / "root")


def test_what_is_no_library_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="has no directory 'osbuild'"):
        bundle.digest(tmp_path)


def test_remove_leaves_nothing(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    bundle.install(packed(checkout, tmp_path), "1.0.0", bundle.digest(checkout), root)
    assert bundle.remove(root) is True
    assert not root.exists()
    assert bundle.remove(root) is False


def test_remove_takes_nothing_that_is_not_the_engines(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "other").mkdir(parents=True)
    (root / "link").symlink_to("other")
    assert bundle.remove(root) is False
    bundle.install(packed(checkout, tmp_path), "1.0.0", bundle.digest(checkout), root)
    assert bundle.remove(root) is True
    assert sorted(path.name for path in root.iterdir()) == ["link", "other"]
