# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Store:
    """What inputs ask of the engine, on plain directories; a mount is recorded and not made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mounts: list[tuple[str, str, str]] = []
        (root / "cache").mkdir()
        (root / "tree").mkdir()

    def source(self, name: str) -> str:
        assert name == "org.osbuild.files"
        return str(self.root / "cache")

    def read_tree(self, object_id: str) -> str | None:
        return str(self.root / "tree") if object_id == "known" else None

    def read_tree_at(self, object_id: str, target: Any, path: Any = "/") -> str | None:
        self.mounts.append((object_id, os.fspath(target), os.fspath(path)))
        return os.fspath(target) if object_id == "known" else None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "target").mkdir()
    return Store(tmp_path)


@pytest.fixture
def make(load_program: Callable[[str], Any], service_fd: str) -> Callable[[str], Any]:
    def make(name: str) -> Any:
        module = load_program(f"inputs/org.osbuild.{name}")
        return getattr(module, f"{name.capitalize()}Input").from_args(["--service-fd", service_fd])

    return make


def test_tree_is_mounted_on_the_target(make: Callable[[str], Any], store: Store) -> None:
    target = str(store.root / "target")
    tree = make("tree")
    assert tree.map(store, "org.osbuild.pipeline", {"known": {}}, target, {}) == {"path": target}
    assert store.mounts == [("known", target, "/")]
    with pytest.raises(ValueError, match="Unknown pipeline 'other'"):
        tree.map(store, "org.osbuild.pipeline", {"other": {}}, target, {})
    with pytest.raises(ValueError, match="exactly one reference, found 2"):
        tree.map(store, "org.osbuild.pipeline", {"known": {}, "b": {}}, target, {})


def test_noop_echoes(make: Callable[[str], Any], store: Store) -> None:
    reply = make("noop").map(store, "org.osbuild.pipeline", {"x": {"a": 1}}, "/target", {})
    assert reply == {"path": "/target", "data": {"refs": {"x": {"a": 1}}}}


def test_files_of_a_source_are_hard_links(make: Callable[[str], Any], store: Store) -> None:
    target = store.root / "target"
    for name in ("sha256:1", "sha256:2"):
        (store.root / "cache" / name).write_text(name)
    refs: dict[str, Any] = {"sha256:1": {}, "sha256:2": {"metadata": {"rpm.check_gpg": True}}}
    reply = make("files").map(store, "org.osbuild.source", refs, str(target), {})
    assert reply == {
        "path": str(target),
        "data": {"files": {"sha256:1": {}, "sha256:2": {"rpm.check_gpg": True}}},
    }
    assert (target / "sha256:2").samefile(store.root / "cache/sha256:2")


def test_files_of_a_source_are_copied_where_links_cannot_be(
    make: Callable[[str], Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_ignored: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (store.root / "cache/sha256:1").write_text("x")
    make("files").map(store, "org.osbuild.source", {"sha256:1": {}}, str(store.root / "target"), {})
    assert (store.root / "target/sha256:1").read_text() == "x"


def test_missing_and_foreign_files_of_a_source_are_refused(make: Callable[[str], Any], store: Store) -> None:
    files, target = make("files"), str(store.root / "target")
    with pytest.raises(FileNotFoundError, match="sha256:1"):
        files.map(store, "org.osbuild.source", {"sha256:1": {}}, target, {})
    with pytest.raises(ValueError, match="is no checksum"):
        files.map(store, "org.osbuild.source", {"../../etc/passwd": {}}, target, {})


def test_file_of_a_pipeline_keeps_its_path(make: Callable[[str], Any], store: Store) -> None:
    tree, target = store.root / "tree", store.root / "target"
    (tree / "boot").mkdir()
    (tree / "boot/disk.img").touch()
    refs = {"known": {"file": "/boot/disk.img", "metadata": {"a.b": {}}}}
    reply = make("files").map(store, "org.osbuild.pipeline", refs, str(target), {})
    assert reply["data"]["files"] == {"boot/disk.img": {"a.b": {}}}
    assert store.mounts == [("known", f"{target}/boot/disk.img", "/boot/disk.img")]
    assert (target / "boot/disk.img").is_file()


def test_links_of_a_pipeline_stay_in_its_tree(make: Callable[[str], Any], store: Store) -> None:
    tree, target = store.root / "tree", store.root / "target"
    (tree / "boot").mkdir()
    (tree / "boot/vmlinuz-6.1").touch()
    (tree / "vmlinuz").symlink_to("/boot/../../boot/vmlinuz-6.1")
    (tree / "host").symlink_to("/etc/hostname")
    files = make("files")
    files.map(store, "org.osbuild.pipeline", {"known": {"file": "vmlinuz"}}, str(target), {})
    assert store.mounts == [("known", f"{target}/vmlinuz", "/boot/vmlinuz-6.1")]
    with pytest.raises(ValueError, match="its tree has no file 'host'"):
        files.map(store, "org.osbuild.pipeline", {"known": {"file": "host"}}, str(target), {})


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        ({"known": {}}, "option 'file' is missing"),
        ({"known": {"file": "/"}}, "must name a file in the tree"),
        ({"known": {"file": "a/../../x"}}, "must name a file in the tree, found 'a/../../x'"),
        ({"known": {"file": "none"}}, "its tree has no file 'none'"),
        ({"other": {"file": "x"}}, "Unknown pipeline 'other'"),
    ],
)
def test_bad_references_to_pipelines_are_refused(
    make: Callable[[str], Any], store: Store, refs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make("files").map(store, "org.osbuild.pipeline", refs, str(store.root / "target"), {})
    assert os.listdir(store.root / "target") == []
