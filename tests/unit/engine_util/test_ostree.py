# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import ostree

needs_ostree = pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "ostree/repo"
    path.mkdir(parents=True)
    ostree.cli("init", mode="archive", repo=path)
    (tmp_path / "content").mkdir()
    ostree.cli("commit", f"--tree=dir={tmp_path}/content", repo=path, branch="debian/test")
    return path


@needs_ostree
def test_commits_are_found_and_copied(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit = ostree.rev_parse(repo, "debian/test")
    assert len(commit) == 64
    assert commit in ostree.show(repo, commit)
    with pytest.raises(RuntimeError, match="nothing"):
        ostree.rev_parse(repo, "nothing")
    other = tmp_path / "other"
    ostree.cli("init", mode="archive", repo=other)
    ostree.pull_local(repo, other, "origin", "debian/test")
    assert ostree.rev_parse(other, "origin:debian/test") == commit
    assert (
        ostree.deployment_path(tmp_path, "debian", "debian/test", 1)
        == f"{tmp_path}/ostree/deploy/debian/deploy/{commit}.1"
    )
    assert f"ostree init --mode=archive --repo={other}" in capsys.readouterr().err


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda argv, **kwargs: seen.append((argv, kwargs.get("input"))))
    return seen


def test_remote_without_keys_is_not_verified(calls: list[Any]) -> None:
    ostree.setup_remote("/r", "o", {"url": "http://u", "contenturl": "http://c"})
    assert calls == [
        (["ostree", "remote", "add", "o", "http://u", "--no-gpg-verify", "--contenturl=http://c", "--repo=/r"], None)
    ]


def test_remote_with_keys_and_certificates(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY", "/k")
    monkeypatch.setenv("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT", "/c")
    monkeypatch.setenv("OSBUILD_SOURCES_OSTREE_INSECURE", "True")
    ostree.setup_remote("/r", "o", {"url": "http://u", "gpgkeys": ["KEY"], "secrets": {"name": "org.osbuild.mtls"}})
    assert set(calls[0][0][5:-1]) == {
        "--set=tls-client-key-path=/k",
        "--set=tls-client-cert-path=/c",
        "--set=tls-permissive=true",
    }
    assert calls[1] == (["ostree", "remote", "gpg-import", "--stdin", "o", "--repo=/r"], "KEY")


def test_boot_path_and_deployment_must_be_the_only_ones(tmp_path: Path) -> None:
    for call in (ostree.default_boot_path, lambda root: ostree.parse_deployment_option(root, {"default": True})):
        with pytest.raises(ValueError, match="Could not find"):
            call(tmp_path)
    (tmp_path / "ostree/boot.1/debian/abc/0").mkdir(parents=True)
    (tmp_path / "ostree/deploy/debian/deploy/c0ffee.0").mkdir(parents=True)
    assert ostree.default_boot_path(tmp_path) == "/ostree/boot.1/debian/abc/0"
    assert ostree.parse_deployment_option(tmp_path, {"default": True}) == ("debian", "c0ffee", "0")
    assert ostree.parse_deployment_option(tmp_path, {"osname": "o", "ref": "r"}) == ("o", "r", 0)
    (tmp_path / "ostree/boot.1/debian/abd/0").mkdir(parents=True)
    (tmp_path / "ostree/deploy/other/deploy/c0ffee.0").mkdir(parents=True)
    for call in (ostree.default_boot_path, lambda root: ostree.parse_deployment_option(root, {"default": True})):
        with pytest.raises(ValueError, match="More than one"):
            call(tmp_path)


def test_origin_names_commit_or_container(tmp_path: Path) -> None:
    file = tmp_path / "origin"
    file.write_text("[origin]\nrefspec=remote:debian/test\n")
    assert ostree.parse_origin(file) == ("ostree_commit", "remote:debian/test")
    file.write_text("[origin]\ncontainer-image-reference=ostree-image:x\n")
    assert ostree.parse_origin(file) == ("container", "ostree-image:x")
    file.write_text("[origin]\n")
    with pytest.raises(ValueError, match="origin"):
        ostree.parse_origin(file)


def test_treefile_checks_keys_and_types() -> None:
    treefile = ostree.Treefile()
    assert treefile["ref"] == "osbuild/devel" and treefile["repos"] == ["osbuild"]
    treefile["selinux"] = False
    for key, value in (("ref", 1), ("repos", [1]), ("selinux", "x"), ("selinux-label-version", True)):
        with pytest.raises(ValueError, match="is not of"):
            treefile[key] = value
    with pytest.raises(ValueError, match="Unknown param: foo"):
        treefile["foo"] = 1
    with treefile.as_tmp_file() as name:
        assert json.loads(Path(name).read_text()) == json.loads(treefile.dumps())
    assert not os.path.exists(name)


def test_passwd_merge_keeps_what_is_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("root:x:0:0\n\nsys:x:3:3\n")
    two.write_text("root:x:1:1\nnew:x:9:9\n")
    db = ostree.PasswdLike.from_file(one)
    db.merge_with_file(two)
    db.merge_with_file(tmp_path / "none", allow_missing_file=True)
    db.dump_to_file(one)
    assert one.read_text() == "root:x:0:0\nsys:x:3:3\nnew:x:9:9\n"
    with pytest.raises(FileNotFoundError):
        ostree.PasswdLike.from_file(tmp_path / "none")


def test_subordinate_ids_survive_bad_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    db = ostree.SubIdsDB()
    assert not db
    assert db.read(io.StringIO("# c\na:1:2\nbad\nb:3:4\n")) == 3
    assert db.db == {"a": ("1", "2"), "b": ("3", "4")}
    assert "'bad'" in capsys.readouterr().err
    db.write_to(tmp_path / "f")
    again = ostree.SubIdsDB()
    again.read_from(tmp_path / "f")
    assert again.db == db.db
