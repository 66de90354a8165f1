# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")


def ostree(*args: str | Path) -> str:
    return subprocess.run(["ostree", *map(str, args)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> tuple[Path, str]:
    """A repository with one commit."""
    repo, tree = tmp_path / "remote", tmp_path / "committed"
    (tree / "usr").mkdir(parents=True)
    (tree / "usr/file").write_text("content")
    ostree("init", "--mode=archive", f"--repo={repo}")
    return repo, ostree("commit", "--branch=a/b", f"--repo={repo}", tree)


@pytest.fixture
def source(load_program: Callable[[str], Any], service_fd: str, tmp_path: Path) -> Any:
    service = load_program("sources/org.osbuild.ostree").OSTreeSource.from_args(["--service-fd", service_fd])
    service.setup({"cache": str(tmp_path / "cache"), "options": {}})
    return service


def item(repo: Path, **more: Any) -> dict[str, Any]:
    return {"remote": {"url": f"file://{repo}", **more}}


def test_commit_is_pulled_once_and_no_remote_stays(source: Any, remote: tuple[Path, str]) -> None:
    repo, commit = remote
    assert not source.exists(commit, None)
    result = source.fetch_all({commit: item(repo)})
    assert result["success"] and result["results"][0]["metadata"] == {"checksum": commit, "cached": False}
    assert ostree("cat", commit, "/usr/file", f"--repo={source.repo}") == "content"
    assert ostree("config", "get", "repo.locking", f"--repo={source.repo}") == "true"
    assert ostree("remote", "list", f"--repo={source.repo}") == ""
    assert source.fetch_all({commit: item(repo)})["results"][0]["metadata"]["cached"] is True


def test_commit_comes_over_http(source: Any, remote: tuple[Path, str]) -> None:
    from osbuild.testutil import net

    repo, commit = remote
    with net.http_serve_directory(repo) as server:
        url = f"http://localhost:{server.server_port}"
        assert source.fetch_all({commit: {"remote": {"url": url, "contenturl": url}}})["success"]


def test_commit_of_an_interrupted_pull_is_pulled_again(source: Any, remote: tuple[Path, str]) -> None:
    repo, commit = remote
    ostree("remote", "add", "--no-gpg-verify", "r", f"file://{repo}", f"--repo={source.repo}")
    ostree("pull", "--commit-metadata-only", "r", commit, f"--repo={source.repo}")
    assert not source.exists(commit, None)
    assert source.fetch_all({commit: item(repo)})["success"]
    assert source.exists(commit, None)


@pytest.mark.parametrize(
    ("commit", "more", "message"),
    [
        ("1" * 64, {}, "cannot pull commit 1111"),
        ("12345", {}, "'12345' is no commit: it must be 64 hexadecimal digits"),
        ("", {"gpgkeys": ["no key"]}, "'ostree remote gpg-import' failed"),
        ("", {"url": "http://user:secret@127.0.0.1:9/none"}, "from http://"),
    ],
)
def test_what_cannot_be_pulled_is_said(
    source: Any, remote: tuple[Path, str], commit: str, more: dict[str, Any], message: str
) -> None:
    repo, good = remote
    result = source.fetch_all({commit or good: item(repo, **more)})
    assert not result["success"]
    assert message in result["output"] and "secret" not in result["output"]
    assert ostree("remote", "list", f"--repo={source.repo}") == ""


def test_commits_are_copied_to_another_cache(source: Any, remote: tuple[Path, str], tmp_path: Path) -> None:
    repo, commit = remote
    source.fetch_all({commit: item(repo)})
    assert source.copy_all({commit: item(repo)}, str(tmp_path / "other"))["success"]
    assert not source.copy_all({"1" * 64: item(repo)}, str(tmp_path / "other"))["success"]
    source.setup({"cache": str(tmp_path / "other"), "options": {}})
    assert source.exists(commit, None)


class Store:
    """What the inputs ask of the engine; `tree` is the tree of every pipeline but the one named none."""

    def __init__(self, cache: Path, tree: Path) -> None:
        self.cache, self.tree = cache, tree

    def source(self, name: str) -> str:
        assert name == "org.osbuild.ostree"
        return str(self.cache)

    def read_tree(self, object_id: str) -> str | None:
        return None if object_id == "none" else str(self.tree)


@pytest.fixture
def store(remote: tuple[Path, str], tmp_path: Path) -> Store:
    repo, commit = remote
    (tmp_path / "cache").mkdir()
    (tmp_path / "tree").mkdir()
    shutil.copytree(repo, tmp_path / "cache/repo")
    shutil.copytree(repo, tmp_path / "tree/repo")
    (tmp_path / "tree/compose.json").write_text(json.dumps({"ostree-commit": commit}))
    (tmp_path / "target").mkdir()
    return Store(tmp_path / "cache", tmp_path / "tree")


@pytest.fixture
def make(load_program: Callable[[str], Any], service_fd: str) -> Callable[[str], Any]:
    def make(name: str) -> Any:
        module = load_program(f"inputs/org.osbuild.{name}")
        cls = {"ostree": "OSTreeInput", "ostree.checkout": "OSTreeCheckoutInput"}[name]
        return getattr(module, cls).from_args(["--service-fd", service_fd])

    return make


@pytest.mark.parametrize("origin", ["org.osbuild.source", "org.osbuild.pipeline"])
def test_input_has_the_commit_under_its_ref(
    make: Callable[[str], Any], store: Store, remote: tuple[Path, str], tmp_path: Path, origin: str
) -> None:
    commit = remote[1]
    key = commit if origin == "org.osbuild.source" else "some-pipeline"
    reply = make("ostree").map(store, origin, {key: {"ref": "x/y"}}, str(tmp_path / "target"), {})
    assert reply == {"path": f"{tmp_path}/target/repo", "data": {"refs": {commit: {"ref": "x/y"}}}}
    assert ostree("rev-parse", "x/y", f"--repo={reply['path']}") == commit
    assert ostree("cat", commit, "/usr/file", f"--repo={reply['path']}") == "content"


@pytest.mark.parametrize("origin", ["org.osbuild.source", "org.osbuild.pipeline"])
def test_checkout_has_the_files(
    make: Callable[[str], Any], store: Store, remote: tuple[Path, str], tmp_path: Path, origin: str
) -> None:
    commit = remote[1]
    key = commit if origin == "org.osbuild.source" else "some-pipeline"
    reply = make("ostree.checkout").map(store, origin, {key: {}}, str(tmp_path / "target"), {})
    assert reply == {"path": f"{tmp_path}/target", "data": {"refs": {commit: {"path": commit}}}}
    assert (tmp_path / "target" / commit / "usr/file").read_text() == "content"


@pytest.mark.parametrize("name", ["ostree", "ostree.checkout"])
@pytest.mark.parametrize(
    ("key", "compose", "message"),
    [
        ("none", "{}", "Unknown pipeline 'none'"),
        ("some", None, "the tree of pipeline some has no compose.json"),
        ("some", "[]", "has no 'ostree-commit'"),
        ("some", '{"ostree-commit": "../../x"}', "is no commit"),
        ("some", json.dumps({"ostree-commit": "1" * 64}), "No such metadata object|1111"),
    ],
)
def test_pipeline_without_a_commit_is_refused(
    make: Callable[[str], Any], store: Store, tmp_path: Path, name: str, key: str, compose: str | None, message: str
) -> None:
    file = tmp_path / "tree/compose.json"
    file.unlink() if compose is None else file.write_text(compose)
    with pytest.raises((ValueError, RuntimeError), match=message):
        make(name).map(store, "org.osbuild.pipeline", {key: {}}, str(tmp_path / "target"), {})


def test_repository_of_a_tree_is_not_looked_for_on_the_host(
    make: Callable[[str], Any], store: Store, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "tree/repo")
    os.symlink(tmp_path / "remote", tmp_path / "tree/repo")
    with pytest.raises(RuntimeError, match="No such file"):
        make("ostree").map(store, "org.osbuild.pipeline", {"some": {}}, str(tmp_path / "target"), {})
