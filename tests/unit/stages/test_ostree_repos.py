# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OSTree repositories: commits, pulls, remotes, keys, signatures, images."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge import ed25519, gvariant, ostreerepo, ostreesign
from stages.forge.errors import StageError

pytestmark = pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")
REF = "test/amd64/base"
EPOCH = 1700000000


def ostree(*args: str | Path) -> str:
    return subprocess.run(["ostree", *map(str, args)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osbuild.api.metadata", lambda data: None)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree to commit."""
    path = tmp_path / "source"
    (path / "usr/bin").mkdir(parents=True)
    (path / "usr/bin/tool").write_text("#!/bin/sh\n")
    (path / "usr/etc").mkdir()
    (path / "usr/etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\n")
    return path


@pytest.fixture
def commit(load: Callable, source: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that runs the stage and gives the tree it made."""

    def run(name: str = "made", epoch: int | None = EPOCH, inputs: dict[str, Any] | None = None, **options: Any) -> Path:
        tree = tmp_path / name
        tree.mkdir()
        given = {"tree": {"path": str(source)}, **(inputs or {})}
        meta = {} if epoch is None else {"source-epoch": epoch}
        load("ostree.commit").main({"tree": str(tree), "inputs": given, "options": {"ref": REF, **options}, "meta": meta})
        return tree

    return run


def made(tree: Path) -> str:
    return json.loads((tree / "compose.json").read_text())["ostree-commit"]


def as_input(tree: Path, **options: str) -> dict[str, Any]:
    return {"path": str(tree / "repo"), "data": {"refs": {made(tree): options}}}


class TestCommit:
    def test_makes_a_repository_that_inputs_can_read(self, commit) -> None:
        tree = commit(os_version="12.1", subject="one line", metadata={"a.b": "it's"})
        repo = tree / "repo"
        assert ostree("rev-parse", REF, f"--repo={repo}") == made(tree)
        assert ostree("config", "get", "core.mode", f"--repo={repo}") == "archive-z2"
        assert (repo / "summary").exists()
        ostree("fsck", f"--repo={repo}")
        compose = json.loads((tree / "compose.json").read_text())
        assert (compose["ref"], compose["ostree-version"], compose["ostree-timestamp"]) == (REF, "12.1", "2023-11-14 22:13:20 +0000")
        assert ostreerepo.metadata_string(str(repo), REF, "a.b") == "it's"
        assert "one line" in ostree("show", REF, f"--repo={repo}")

    def test_equal_trees_have_equal_ids(self, commit, source) -> None:
        first = made(commit("a", os_version="1", **{"compression-level": 1}))
        os.utime(source / "usr/bin/tool", (5, 5))
        assert made(commit("b", os_version="1", **{"compression-level": 9})) == first
        assert made(commit("c", os_version="1", epoch=EPOCH + 1)) != first

    def test_a_previous_commit_is_parent_and_stays(self, commit, source) -> None:
        first = commit("a")
        (source / "usr/new").write_text("new")
        second = commit("b", inputs={"previous": as_input(first)}, epoch=EPOCH + 1)
        repo = f"--repo={second / 'repo'}"
        assert ostree("show", REF, repo).splitlines()[1].split() == ["Parent:", made(first)]
        assert ostree("cat", REF, "/usr/new", repo) == "new"
        ostree("fsck", repo)
        assert ostree("ls", made(first), "/usr/bin/tool", repo)
        direct = commit("c", parent=made(first), epoch=EPOCH + 1)
        assert made(direct) == made(second)

    def test_bindings(self, commit) -> None:
        bound = commit("a", **{"collection-id": "com.example.Test"})
        key = ["show", "--print-metadata-key=ostree.collection-binding", REF]
        assert ostree(*key, f"--repo={bound / 'repo'}") == "'com.example.Test'"
        free = commit("b", **{"ref-binding": False})
        with pytest.raises(subprocess.CalledProcessError):
            ostree("show", "--print-metadata-key=ostree.ref-binding", REF, f"--repo={free / 'repo'}")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"ref": ""}, "ref: '' is no ref"),
            ({"ref": "--repo=/x"}, "ref: '--repo=/x' is no ref"),
            ({"ref": "a/../b"}, "ref: 'a/../b' is no ref"),
            ({"parent": "abc"}, "parent: 'abc' is no commit"),
            ({"metadata": {"a=b": "c"}}, "metadata: 'a=b' must be"),
            ({"metadata": {"ostree.bootable": "c"}}, "metadata: 'ostree.bootable' must be"),
            ({"os_version": "1", "metadata": {"version": "2"}}, "os_version and metadata.version differ"),
            ({"collection-id": "x"}, "collection-id: 'x' must be a reverse domain name"),
            ({"sign": {"ed25519": {"key": "input://none/x"}}}, "sign.ed25519.key: Unknown input 'none'"),
        ],
    )
    def test_wrong_options_are_named(self, commit, options, message) -> None:
        with pytest.raises(StageError, match=message.replace("(", r"\(")):
            commit(**options)

    def test_needs_its_input(self, load, tree) -> None:
        with pytest.raises(StageError, match="inputs.tree is missing"):
            load("ostree.commit").main({"tree": str(tree), "options": {"ref": REF}})

    @pytest.mark.skipif(os.geteuid() != 0, reason="owners and attributes are root's to set")
    def test_a_commit_with_a_parent_is_what_ostree_makes_of_the_tree(self, commit, source, tmp_path) -> None:
        first = commit("a")
        (source / "usr/bin/tool").chmod(0o4755)
        (source / "usr/etc/passwd").unlink()
        (source / "usr/empty").touch()
        (source / "usr/big").write_bytes(os.urandom(3 << 19) + bytes(1 << 20))
        os.link(source / "usr/big", source / "usr/same")
        os.symlink("../ünd/\n", source / "usr/link")
        (source / "usr/empty.d").mkdir(mode=0o1777)
        os.chown(source / "usr/empty.d", 12, 70000)
        os.chown(source / "usr/link", 1, 2, follow_symlinks=False)
        for path, name, value in (("usr/bin/tool", "security.capability", bytes.fromhex("0100000200040000") + bytes(12)),
                                  ("usr/big", "user.b", b""), ("usr/big", "user.a", b"x" * 300), ("usr/etc", "user.c", b"\0")):
            os.setxattr(source / path, name, value)
        # Enough entries for offsets of more than one byte.
        for number in range(300):
            (source / f"usr/many-{number}").write_text(str(number))
        second = commit("b", inputs={"previous": as_input(first)}, epoch=EPOCH + 1, **{"compression-level": 9})
        repo = second / "repo"
        ostree("fsck", f"--repo={repo}")
        plain = tmp_path / "plain"
        ostree("init", "--mode=archive", f"--repo={plain}")
        words = (f"--branch={REF}", f"--tree=dir={source}", f"--parent={made(first)}", f"--timestamp=@{EPOCH + 1}")
        ostree("commit", f"--repo={plain}", *words)
        assert ostree("rev-parse", REF, f"--repo={plain}") == made(second)
        objects = {path.relative_to(repo): path.stat().st_size for path in (repo / "objects").rglob("*.*")}
        assert {str(path) for path in objects if path.suffix == ".commit"} == {
            f"objects/{one[:2]}/{one[2:]}.commit" for one in (made(first), made(second))
        }
        for path in (plain / "objects").rglob("*.filez"):
            assert objects[path.relative_to(plain)] <= path.stat().st_size + 16

    @pytest.mark.parametrize(
        ("add", "message"),
        [
            (lambda path: os.mkfifo(path / "pipe"), "pipe: OSTree holds files, links and directories only"),
            (lambda path: os.symlink("x", os.fsencode(path) + b"/\xff"), "xff': OSTree takes names and targets of links in UTF-8 only"),
            (lambda path: os.symlink(b"\xff", os.fsencode(path) + b"/x"), "x': OSTree takes names and targets of links in UTF-8 only"),
        ],
    )
    def test_what_a_commit_cannot_hold_is_refused(self, commit, source, add, message) -> None:
        first = commit("a")
        add(source)
        with pytest.raises(StageError, match=message):
            commit("b", inputs={"previous": as_input(first)})

    def test_another_parent_than_the_previous_is_refused(self, commit) -> None:
        first = commit("a")
        with pytest.raises(StageError, match="but the input 'previous' holds"):
            commit("b", inputs={"previous": as_input(first)}, parent="0" * 64)


class TestEd25519:
    @pytest.fixture
    def keys(self, load, tree) -> tuple[str, str]:
        load("ostree.genkey").main(str(tree), {"publickey": "/pub", "secretkey": "/sec"})
        return (tree / "pub").read_text(), (tree / "sec").read_text()

    def verify(self, repo: Path, commit_id: str, public: str, tmp_path: Path) -> bool:
        base = repo / "objects" / commit_id[:2] / commit_id[2:]
        entries = gvariant.unpack_dictionary(Path(f"{base}.commitmeta").read_bytes())
        [signature] = gvariant.unpack_strings(entries[ostreesign.ED25519])
        (tmp_path / "signature").write_bytes(signature)
        der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public)
        (tmp_path / "public.der").write_bytes(der)
        words = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", str(tmp_path / "public.der")]
        words += ["-sigfile", str(tmp_path / "signature"), "-in", f"{base}.commit"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def test_keys_are_what_ostree_takes(self, keys) -> None:
        public, secret = (base64.b64decode(text, validate=True) for text in keys)
        assert (len(public), len(secret)) == (32, 64)
        assert secret[32:] == public

    def test_known_key(self) -> None:
        # RFC 8032, 7.1, test 1.
        key = ed25519.Key.of_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
        assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

    def test_a_signature_verifies_and_ostree_reads_it(self, load, commit, keys, tree, tmp_path) -> None:
        result = commit()
        (result / "repo").rename(tree / "repo")
        options = {"repo": "/repo", "ref": REF, "key": "/sec"}
        load("ostree.sign").main(str(tree), options)
        load("ostree.sign").main(str(tree), options)
        commit_id = made(result)
        assert self.verify(tree / "repo", commit_id, keys[0], tmp_path)
        assert not self.verify(tree / "repo", commit_id, base64.b64encode(bytes(32)).decode(), tmp_path)
        assert ostree("show", f"--print-detached-metadata-key={ostreesign.ED25519}", REF, f"--repo={tree / 'repo'}")

    def test_other_detached_metadata_stays(self, commit, keys, tree, source) -> None:
        repo = commit() / "repo"
        words = [f"--repo={repo}", "--branch=b", "--add-detached-metadata-string=note=kept", f"--tree=dir={source}"]
        commit_id = ostree("commit", *words)
        ostreesign.add_ed25519(str(repo), commit_id, ed25519.Key.read(str(tree / "sec"), "key"))
        ostreesign.add_ed25519(str(repo), commit_id, ed25519.Key.generate())
        assert ostree("show", "--print-detached-metadata-key=note", commit_id, f"--repo={repo}") == "'kept'"
        # Not as text: ostree shows a signature that ends in a zero byte as a string.
        raw = (repo / "objects" / commit_id[:2] / f"{commit_id[2:]}.commitmeta").read_bytes()
        assert len(set(gvariant.unpack_strings(gvariant.unpack_dictionary(raw)[ostreesign.ED25519]))) == 2

    def test_commit_signs(self, commit, keys, tree, tmp_path) -> None:
        result = commit(sign={"ed25519": {"key": "input://keys/sec"}}, inputs={"keys": {"path": str(tree)}})
        assert self.verify(result / "repo", made(result), keys[0], tmp_path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "key: there is no such file"),
            (b"not a key\xff", "must be one line of base64"),
            (base64.b64encode(bytes(32)), "has 64 bytes, this one has 32"),
            (base64.b64encode(bytes(64)), "do not belong together"),
        ],
    )
    def test_a_bad_key_is_refused_without_showing_it(self, load, commit, tree, content, message) -> None:
        (commit() / "repo").rename(tree / "repo")
        if content is not None:
            (tree / "sec").write_bytes(content)
        with pytest.raises(StageError, match=message) as caught:
            load("ostree.sign").main(str(tree), {"repo": "/repo", "ref": REF, "key": "/sec"})
        assert content is None or content.decode(errors="replace") not in str(caught.value)

    def test_keys_stay_in_the_tree(self, load, tree, outside) -> None:
        (tree / "link").symlink_to(outside)
        (tree / str(outside).lstrip("/")).mkdir(parents=True)
        load("ostree.genkey").main(str(tree), {"publickey": "/link/pub", "secretkey": "/link/sec"})
        assert list(outside.iterdir()) == []

    def test_two_keys_need_two_files(self, load, tree) -> None:
        with pytest.raises(StageError, match="publickey and secretkey are the same file"):
            load("ostree.genkey").main(str(tree), {"publickey": "/k", "secretkey": "//k"})


class TestGpg:
    @pytest.fixture
    def key(self, tmp_path: Path) -> Path:
        if not shutil.which("gpg"):
            pytest.skip("needs gpg")
        home = tmp_path / "gnupg"
        home.mkdir(0o700)
        words = ["gpg", "--batch", "--homedir", str(home), "--passphrase", "", "--pinentry-mode", "loopback"]
        subprocess.run([*words, "--quick-generate-key", "test@example.com", "ed25519", "sign"], check=True, capture_output=True)
        keys = tmp_path / "keys"
        keys.mkdir()
        exported = subprocess.run([*words, "--export-secret-keys"], check=True, capture_output=True).stdout
        (keys / "key").write_bytes(exported)
        (keys / "public").write_bytes(subprocess.run([*words, "--export"], check=True, capture_output=True).stdout)
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        return keys

    def test_commit_and_summary_are_signed(self, commit, key, tmp_path) -> None:
        result = commit(sign={"gpg": {"key": "input://keys/key"}}, inputs={"keys": {"path": str(key)}})
        client = tmp_path / "client"
        ostree("init", "--mode=archive", f"--repo={client}")
        words = [f"--repo={client}", "--set=gpg-verify-summary=true", f"--gpg-import={key / 'public'}"]
        ostree("remote", "add", "r", f"file://{result / 'repo'}", *words)
        ostree("pull", f"--repo={client}", "r", REF)
        assert ostree("rev-parse", f"r:{REF}", f"--repo={client}") == made(result)

    def test_a_file_without_secret_key_is_refused(self, commit, key) -> None:
        with pytest.raises(StageError, match="sign.gpg.key: the file holds no usable secret key"):
            commit(sign={"gpg": {"key": "input://keys/public"}}, inputs={"keys": {"path": str(key)}})


class TestPullAndRemotes:
    @pytest.fixture
    def made_repo(self, load, tree) -> Path:
        load("ostree.init").main(str(tree), {})
        return tree / "repo"

    def test_pull_keeps_names(self, load, commit, made_repo, tree) -> None:
        first = commit()
        load("ostree.pull").main(str(tree), {"commits": as_input(first, ref=REF)}, {"repo": "/repo"})
        load("ostree.pull").main(str(tree), {"commits": as_input(first, ref=REF)}, {"repo": "/repo", "remote": "r"})
        assert ostree("refs", f"--repo={made_repo}").split() in ([REF, f"r:{REF}"], [f"r:{REF}", REF])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"repo": "/none"}, "the tree has no OSTree repository at /none"),
            ({"repo": "/link"}, "the tree has no OSTree repository at /link"),
            ({"repo": "/repo", "remote": "-x"}, "remote: '-x' is no name"),
        ],
    )
    def test_wrong_targets_are_named(self, load, commit, made_repo, tree, outside, options, message) -> None:
        ostree("init", "--mode=archive", f"--repo={outside}")
        (tree / "link").symlink_to(outside)
        with pytest.raises(StageError, match=message):
            load("ostree.pull").main(str(tree), {"commits": as_input(commit())}, options)
        assert ostree("refs", f"--repo={outside}") == ""

    def test_a_ref_is_no_option(self, load, commit, made_repo, tree) -> None:
        with pytest.raises(StageError, match="ref: '--per-object-fsync' is no ref"):
            load("ostree.pull").main(str(tree), {"commits": as_input(commit(), ref="--per-object-fsync")}, {"repo": "/repo"})

    @pytest.mark.parametrize("stage", ["ostree.pull", "ostree.encapsulate", "ostree"])
    def test_inputs_are_needed(self, load, tree, stage) -> None:
        options = {"repo": "/repo", "filename": "x", "osname": "x"}
        arguments = (str(tree), {}, options, {}) if stage == "ostree.encapsulate" else (str(tree), {}, options)
        with pytest.raises(StageError, match=r"inputs.commits? is missing"):
            load(stage).main(*arguments)

    @pytest.mark.parametrize(
        ("remote", "message"),
        [
            ({"name": "a b", "url": "https://example.com"}, r"remotes\[0\].name: 'a b' is no name"),
            ({"name": "a", "url": "--help"}, r"remotes\[0\].url: '--help' is no URL"),
            ({"name": "a", "url": "u", "branches": ["-x"]}, r"remotes\[0\].branches: '-x' is no ref"),
            ({"name": "a", "url": "u", "gpgkeypaths": ["k,l"]}, r"remotes\[0\].gpgkeypaths: 'k,l' must be an absolute path"),
        ],
    )
    def test_wrong_remotes_change_nothing(self, load, made_repo, tree, remote, message) -> None:
        before = (made_repo / "config").read_text()
        with pytest.raises(StageError, match=message):
            load("ostree.remotes").main(str(tree), {"repo": "/repo", "remotes": [remote]})
        assert (made_repo / "config").read_text() == before

    def test_settings(self, load, made_repo, tree) -> None:
        settings = {"bootloader": "none", "bootprefix": True, "readonly": False, "bls-append-except-default": "a=b"}
        load("ostree.config").main(str(tree), {"repo": "/repo", "config": {"sysroot": settings}})
        load("experimental.ostree.config").main(str(tree), {"repo": "/repo", "config": {"integrity": {"composefs": "maybe"}}})
        text = (made_repo / "config").read_text()
        assert "[sysroot]\nbootloader=none\nbootprefix=true\nreadonly=false\nbls-append-except-default=a=b\n" in text
        assert "[ex-integrity]\ncomposefs=maybe\n" in text

    @pytest.mark.parametrize("stage", ["ostree.config", "experimental.ostree.config"])
    def test_settings_need_a_configuration(self, load, made_repo, tree, stage) -> None:
        with pytest.raises((ValueError, StageError), match="config is missing"):
            load(stage).main(str(tree), {"repo": "/repo"})


class TestPasswd:
    def test_takes_accounts_of_a_commit_or_a_checkout(self, load, commit, tree, source) -> None:
        checkout = {"path": str(source.parent), "data": {"refs": {"c": {"path": "source"}}}}
        for given in (as_input(commit()), checkout):
            load("ostree.passwd").main(str(tree), {"commits": given})
            assert (tree / "etc/passwd").read_text() == "alice:x:1000:1000::/home/alice:/bin/sh\n"
            (tree / "etc/passwd").unlink()

    def test_a_link_in_a_checkout_stays_in_it(self, load, tree, source, outside) -> None:
        (outside / "passwd").write_text("evil:x:0:0:::\n")
        (source / "usr/etc/passwd").unlink()
        (source / "usr/etc/passwd").symlink_to(outside / "passwd")
        checkout = {"path": str(source.parent), "data": {"refs": {"c": {"path": "source"}}}}
        with pytest.raises(StageError, match="has no users"):
            load("ostree.passwd").main(str(tree), {"commits": checkout})


class TestEncapsulate:
    def run(self, load, tree, given, **options: Any) -> Path:
        load("ostree.encapsulate").main(str(tree), {"commit": given}, {"filename": "o.oci", **options}, {"source-epoch": EPOCH})
        return tree / "o.oci"

    def test_skopeo_reads_it_and_the_commit_comes_out(self, load, commit, tree, tmp_path) -> None:
        if not shutil.which("skopeo"):
            pytest.skip("needs skopeo")
        first = commit(os_version="3", metadata={"k": "v"})
        path = self.run(load, tree, as_input(first, ref=REF), labels=["a=b=c"], copymeta=["k"], cmd=["/x"])
        words = ["skopeo", "inspect", "--config", f"oci-archive:{path}"]
        config = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        assert config["config"] == {
            "Cmd": ["/x"],
            "Labels": {
                "a": "b=c", "k": "v", "ostree.commit": made(first), "ostree.ref": REF, "org.opencontainers.image.version": "3",
            },
        }
        from stages.forge import ostreeoci

        (tmp_path / "unpacked").mkdir()
        repo, commit_id = ostreeoci.unpack(f"oci-archive:{path}", str(tmp_path / "unpacked"))
        assert commit_id == made(first)
        ostree("fsck", f"--repo={repo}")
        assert ostree("rev-parse", REF, f"--repo={repo}") == commit_id

    def test_is_reproducible(self, load, commit, tree) -> None:
        given = as_input(commit())
        first = self.run(load, tree, given).read_bytes()
        assert self.run(load, tree, given).read_bytes() == first

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"format_version": 0}, "format_version is 0; only 1 is known"),
            ({"max_layers": 0}, "max_layers is 0"),
            ({"labels": ["x"]}, "labels: 'x' must be KEY=VALUE"),
            ({"copymeta": ["none"]}, "the commit's metadata has no text 'none'"),
        ],
    )
    def test_wrong_options_are_named(self, load, commit, tree, options, message) -> None:
        with pytest.raises(StageError, match=message):
            self.run(load, tree, as_input(commit()), **options)
        assert not (tree / "o.oci").exists()

    def test_other_images_are_refused(self, tree, tmp_path) -> None:
        if not shutil.which("skopeo"):
            pytest.skip("needs skopeo")
        from stages.forge import ostreeoci

        layer = tmp_path / "layer"
        tarfile.open(layer, "w").close()
        ostreeoci.write_archive(str(tree / "o"), str(layer), {"Labels": {}}, "amd64", 0, None)
        (tmp_path / "unpacked").mkdir()
        with pytest.raises(StageError, match=r"holds no image of org.osbuild.ostree.encapsulate"):
            ostreeoci.unpack(f"oci-archive:{tree / 'o'}", str(tmp_path / "unpacked"))
