# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept answer of a task that has nothing to do: given again only while nothing that decides it has changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils import buildtask, uptodate
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import artefacts, bundle
from helpers import REPO, argument_spec, run

RESULT = {"changed": False, "state": "done", "msg": "web is there already"}


class Place:
    """A host with an image, and the task that has found it up to date."""

    def __init__(self, path: Path, defaults: dict[str, Any]) -> None:
        self.path = path
        self.root, self.out, self.lib = path / "root", path / "out", path / "lib"
        for name, text in {
            "root/etc/apt/sources.list.d/debian.sources": "Types: deb\n",
            "root/etc/apt/keyrings/own.gpg": "key",
            "root/var/lib/apt/lists/example_InRelease": "Suite: trixie\n",
            "root/usr/share/keyrings/debian-archive-keyring.gpg": "key",
            "root/var/lib/dpkg/status": "Package: bash\n",
            "root/etc/os-release": "ID=debian\n",
            "lib/osbuild/__init__.py": "__version__ = '191'\n",
            "lib.sha256": "a" * 64,
            "out/disk.raw": "image",
            "out/record.json": "{}",
            "out/lock.json": "{}",
            "web.toml": 'name = "web"\n',
            "included": "text",
            "key.gpg": "key",
        }.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        self.params: dict[str, Any] = {
            **defaults,
            "blueprint": str(path / "web.toml"),
            "image_type": "raw",
            "output_directory": str(self.out),
            "jobs_directory": str(path / "jobs"),
            "libdir": str(self.lib),
            "engine": "embedded",
            "sources": [{"uris": ["https://deb.example.com"], "signed_by": str(path / "key.gpg")}],
        }

    def known(self, **options: Any) -> uptodate.Known:
        return uptodate.Known(self.params, root=str(self.root), **options)

    def keep(self) -> uptodate.Known:
        known = self.known()
        assert known.find() is None
        with known.watching():
            (self.path / "included").read_text()
        made = artefacts.describe(self.out / "disk.raw", "disk.raw")
        known.keep(RESULT, ["careful"], [made.as_dict()])
        return known


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    spec = argument_spec("build", monkeypatch)["argument_spec"]
    monkeypatch.undo()
    return Place(tmp_path, {name: one.get("default") for name, one in spec.items()})


def test_the_answer_is_given_again(place: Place) -> None:
    place.keep()
    assert place.known().find() == uptodate.Answer(RESULT, ("careful",))
    place.params.update(wait=False, poll_interval=7.0, display_progress=False)
    assert place.known().find() is not None


def test_engines_are_where_the_bundle_is_installed() -> None:
    assert str(bundle.ROOT) == uptodate.ENGINES


def rewrite(name: str) -> Callable[[Place], None]:
    """Another text of the same length, with the time of the last change put back."""

    def change(place: Place) -> None:
        path = place.path / name
        before = path.stat()
        path.write_text(path.read_text()[::-1].upper())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def new_file(name: str) -> Callable[[Place], None]:
    return lambda place: (place.path / name).write_text("new") and None


def param(**values: Any) -> Callable[[Place], None]:
    return lambda place: place.params.update(values)


def move_engine(place: Place) -> None:
    shutil.copytree(place.lib, place.path / "other")
    shutil.rmtree(place.lib)
    place.lib.symlink_to("other")


CHANGES: dict[str, Callable[[Place], None]] = {
    "the blueprint": rewrite("web.toml"),
    "a file that was read for it": rewrite("included"),
    "a file that was read for it is gone": lambda place: (place.path / "included").unlink(),
    "the lock file": rewrite("out/lock.json"),
    "no lock file": lambda place: (place.out / "lock.json").unlink(),
    "the record": rewrite("out/record.json"),
    "no record": lambda place: (place.out / "record.json").unlink(),
    "the artefact": rewrite("out/disk.raw"),
    "no artefact": lambda place: (place.out / "disk.raw").unlink(),
    "a longer artefact": lambda place: (place.out / "disk.raw").write_text("images") and None,
    "package sources": rewrite("root/etc/apt/sources.list.d/debian.sources"),
    "another package source": new_file("root/etc/apt/sources.list.d/more.list"),
    "a key of the host": rewrite("root/etc/apt/keyrings/own.gpg"),
    "a package's keyring": rewrite("root/usr/share/keyrings/debian-archive-keyring.gpg"),
    "the task's key": rewrite("key.gpg"),
    "an index of packages": rewrite("root/var/lib/apt/lists/example_InRelease"),
    "a new index": new_file("root/var/lib/apt/lists/other_InRelease"),
    "no index": lambda place: (place.root / "var/lib/apt/lists/example_InRelease").unlink(),
    "the host's packages": rewrite("root/var/lib/dpkg/status"),
    "the host's release": rewrite("root/etc/os-release"),
    "the engine's digest": lambda place: (place.path / "lib.sha256").write_text("b" * 64) and None,
    "no digest of the engine": lambda place: (place.path / "lib.sha256").unlink(),
    "the engine's place": move_engine,
    "the kind of image": param(image_type="qcow2"),
    "the distribution": param(distribution="debian-12"),
    "the architecture": param(architecture="arm64"),
    "the task's sources": param(sources=None),
    "the digest that is wanted": param(bundle_digest="c" * 64),
    "the place of the lock file": param(lock_file="/nonexistent/lock.json"),
    "the place of the image": param(output_directory="/nonexistent"),
    "the store": param(store="/nonexistent"),
    "a name for the build": param(build_id="mine"),
    "to build again": param(rebuild=True),
    "new packages": param(update_lock=True),
    "a build to cancel": param(state="cancelled"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_it_has_changed(place: Place, change: str) -> None:
    place.keep()
    assert place.known().find() is not None
    CHANGES[change](place)
    if change == "the artefact":
        # Of the same size and time: seen where it is asked for, as without a kept answer.
        place.params["verify"] = True
    assert place.known().find() is None


def test_differences_are_not_kept(place: Place) -> None:
    place.keep()
    assert place.known(diff=True).find() is None


def test_another_library_plans_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.keep()
    monkeypatch.setattr(uptodate, "_code", lambda: ["other"])
    assert place.known().find() is None


def test_another_engine_on_the_path_plans_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.path / "bin"))
    place.params["engine"] = "auto"
    place.keep()
    assert place.known().find() is not None
    (place.path / "bin").mkdir()
    (place.path / "bin/osbuild").write_text("#!/bin/sh\n")
    (place.path / "bin/osbuild").chmod(0o755)
    assert place.known().find() is None


def test_a_change_while_it_was_planned_is_not_overlooked(place: Place) -> None:
    known = place.known()
    assert known.find() is None
    rewrite("web.toml")(place)
    known.keep(RESULT, [], [])
    assert not os.path.exists(known.path)


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"format": 0}', b"\xff"])
def test_a_damaged_answer_is_none(place: Place, damage: bytes) -> None:
    path = Path(place.keep().path)
    path.write_bytes(damage)
    assert place.known().find() is None


def test_what_others_could_have_written_is_no_answer(place: Place) -> None:
    path = Path(place.keep().path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o666)
    assert place.known().find() is None
    path.chmod(0o600)
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)
    assert place.known().find() is None


def test_the_module_gives_the_same_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libdir = tmp_path / "lib"
    shutil.copytree(REPO / "tests" / "support" / "stub_libdir", libdir)
    (tmp_path / "lib.sha256").write_text("a" * 64)
    pipeline = {"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": {"write": {"etc/x": "y"}}}]}
    values: dict[str, Any] = {
        "manifest": {"version": "2", "pipelines": [pipeline]},
        "engine": "embedded",
        "libdir": str(libdir),
        "output_directory": str(tmp_path / "out"),
        "store": str(tmp_path / "store"),
        "jobs_directory": str(tmp_path / "jobs"),
        "poll_interval": 0.1,
    }
    assert run("build", **values)["changed"]
    assert run("build", check=True, **values)["would_build"] is False
    assert not (tmp_path / "up-to-date").exists()
    long = run("build", **values)
    assert (tmp_path / "up-to-date").exists()

    def refuse(*_ignored: object) -> None:
        raise AssertionError("planned again")

    with monkeypatch.context() as patch:
        patch.setattr(buildtask.Build, "execute", refuse)
        assert run("build", **values) == long
        assert run("build", check=True, **values) == {**long, "would_build": False}
    shutil.rmtree(tmp_path / "out" / "tree")
    assert run("build", **values)["reason"] == "tree is missing"


def test_the_engine_that_the_controller_brought_counts_not_the_one_that_is_current(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = place.path / "engines"
    monkeypatch.setattr(uptodate, "ENGINES", str(root))
    for digest in ("1" * 64, "2" * 64):
        (root / "bundles" / digest / "osbuild").mkdir(parents=True)
        (root / "bundles" / digest / "osbuild" / "__init__.py").touch()
    for wanted, current in (("1" * 64, "2" * 64), ("1" * 64, "1" * 64), ("2" * 64, "2" * 64)):
        bundle.activate("1.0.0", current, root)
        place.params.update(libdir=None, bundle_digest=wanted)
        found = uptodate._engine(place.params)
        assert found is not None and (found[0], found[1]) == (str(root / "bundles" / wanted), wanted)
    place.params.update(bundle_digest=None)
    found = uptodate._engine(place.params)
    assert found is not None and found[1].strip() == "2" * 64
