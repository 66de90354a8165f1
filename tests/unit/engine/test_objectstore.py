# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects and their store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from osbuild.objectstore import Object, ObjectStore, StoreClient, StoreServer
from osbuild.util import linux, mountinfo

ID = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    opened = ObjectStore(tmp_path / "store")
    with opened:
        opened.maximum_size = 1024 * 1024 * 1024
    return opened


def entries(path: str | Path) -> list[str]:
    return sorted(os.listdir(path))


def test_a_floating_object_lives_as_long_as_its_store(store: ObjectStore) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").touch()
        assert not store.contains(ID)
        obj.finalize()
        assert obj.mode is Object.Mode.READ
        assert store.contains(ID)
        assert not store.contains(ID, only_cached=True)
        got = store.get(ID)
        assert got is not None
        assert entries(got) == ["A"]
    assert not store.contains(ID)
    assert entries(Path(store.store, "stage")) == []
    assert entries(Path(store.store, "tmp")) == []
    with pytest.raises(AssertionError):
        obj.tree  # noqa: B018


def test_the_last_state_moves_into_the_store(store: ObjectStore) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").write_text("a")
        inode = os.stat(os.path.join(obj.tree, "A")).st_ino
        obj.meta.set("stage", {"a": 1})
        store.commit(obj, ID)
        assert obj.committed
        assert os.stat(os.path.join(obj.tree, "A")).st_ino == inode
        assert obj.tree == os.path.join(store.objects, ID, "data", "tree")
        obj.finalize()
        assert store.contains(ID, only_cached=True)
        assert store.get(ID) is obj
    with store:
        got = store.get(ID)
        assert got is not None
        assert entries(got) == ["A"]
        assert got.meta.get("stage") == {"a": 1}
        info = json.loads(Path(store.objects, ID, "object.info").read_text())
        assert info["size"] == store.cache.size
        assert entries(Path(store.objects, ID)) == ["data", "object.info", "object.lock"]


def test_an_earlier_state_is_copied_and_the_building_goes_on(store: ObjectStore) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").touch()
        store.commit(obj, "b" * 64)
        Path(obj.tree, "B").touch()
        obj.finalize()
        early = store.get("b" * 64)
        assert early is not None
        assert entries(early) == ["A"]
        got = store.get(ID)
        assert got is not None
        assert entries(got) == ["A", "B"]


def test_a_new_object_can_start_from_another(store: ObjectStore) -> None:
    with store:
        base = store.new(ID)
        Path(base.tree, "A").touch()
        base.meta.set("one", [1])
        base.meta.set("info", {"created": 42})
        base.finalize()
        obj = store.new("b" * 64)
        obj.init(base)
        Path(obj.tree, "B").touch()
        assert entries(obj) == ["A", "B"]
        assert entries(base) == ["A"]
        assert obj.meta.get("one") == [1]
        # The clock of the first one counts, or what it made would not be clamped.
        assert obj.created == 42


def test_code_is_known_of_the_object_it_made_only(store: ObjectStore) -> None:
    """Another engine that builds on a copy takes the note along, which then says nothing."""
    store.code = {"a": "one", "b": "two"}
    with store:
        obj = store.new("a")
        (Path(obj) / "file").write_text("data")
        store.commit(obj, "a")
        if obj.code is None:
            pytest.skip("the file system keeps no attributes of users")
        assert obj.code == "one"
        shutil.copytree(Path(store.objects, "a"), Path(store.objects, "b"), copy_function=shutil.copy2)
        assert store.contains("b")
    with ObjectStore(store.store) as another:
        another.code = {"a": "other", "b": "any"}
        assert (another.contains("a"), another.contains("b")) == (False, True)


def test_nothing_is_kept_without_a_limit(tmp_path: Path) -> None:
    with ObjectStore(tmp_path) as store:
        assert store.maximum_size == 0
        obj = store.new(ID)
        store.commit(obj, "b" * 64)
        store.commit(obj, ID)
        obj.finalize()
        assert store.contains(ID)
        assert entries(store.objects) == []


def test_times_are_clamped_before_a_commit(store: ObjectStore) -> None:
    with store:
        obj = store.new(ID)
        obj.source_epoch = 1000
        Path(obj.tree, "new").touch()
        Path(obj.tree, "old").touch()
        os.utime(Path(obj.tree, "old"), (500, 500))
        store.commit(obj, ID)
        assert os.stat(Path(obj.tree, "new")).st_mtime == 1000
        assert os.stat(Path(obj.tree, "old")).st_mtime == 500
        assert os.stat(obj.tree).st_mtime == 1000


def test_export_copies_a_cached_object_over_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").touch()
        os.chmod(obj.tree, 0o750)
        store.commit(obj, ID)
        obj.export(out, consume=True)
        assert entries(out) == ["A", "mine"]
        assert out.stat().st_mode & 0o777 == 0o750
        assert entries(obj) == ["A"]


def test_export_may_move_a_floating_object(store: ObjectStore, tmp_path: Path) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").touch()
        inode = os.stat(os.path.join(obj.tree, "A")).st_ino
        obj.finalize()
        obj.export(tmp_path / "copy")
        assert entries(obj) == ["A"]
        (tmp_path / "out" / "x").mkdir(parents=True)
        obj.export(tmp_path / "out" / "x", consume=True)
        assert os.stat(tmp_path / "out" / "x" / "A").st_ino == inode
        # Nobody is told any more that it was there.
        assert not store.contains(ID)
    assert entries(tmp_path / "copy") == ["A"]


def test_export_says_why_it_failed(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with store:
        obj = store.new(ID)
        obj.finalize()
        with pytest.raises(OSError, match="file"):
            obj.export(tmp_path / "file" / "x")


def test_metadata_needs_content_and_success(tmp_path: Path) -> None:
    meta = Object.Metadata(tmp_path, folder="meta")
    with meta.write("empty"):
        pass
    with pytest.raises(ZeroDivisionError), meta.write("broken") as f:
        f.write("{}")
        raise ZeroDivisionError
    with meta.write("by-name") as f:
        # As a stage does: through another descriptor of the same file.
        Path(f.name).write_text('{"a": 1}')
    meta.set("none", None)
    assert entries(tmp_path / "meta") == ["by-name.json"]
    assert (tmp_path / "meta" / "by-name.json").stat().st_mode & 0o777 == 0o600
    assert meta.get("by-name") == {"a": 1}
    assert meta.get("empty") is None
    with pytest.raises(KeyError), meta.read("empty"):
        pass
    with pytest.raises(ValueError, match="no key"):
        meta.get("../x")


def test_two_stores_in_one_directory(store: ObjectStore) -> None:
    with store, ObjectStore(store.store) as other:
        mine, theirs = store.new(ID), other.new(ID)
        Path(mine.tree, "A").touch()
        Path(theirs.tree, "A").touch()
        store.commit(mine, ID)
        other.commit(theirs, ID)
        assert mine.committed
        assert not theirs.committed
        theirs.finalize()
        assert entries(store.objects) == [ID]
        assert store.cache.size == json.loads(Path(store.objects, ID, "object.info").read_text())["size"]
    assert entries(Path(store.store, "stage")) == []
    assert entries(Path(store.store, "tmp")) == []


def test_a_read_only_store_reads(store: ObjectStore) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "A").touch()
        store.commit(obj, ID)
    with ObjectStore(store.store, read_only=True) as reader:
        got = reader.get(ID)
        assert got is not None
        assert entries(got) == ["A"]


def test_temporary_directories_go(store: ObjectStore) -> None:
    with store:
        with store.tempdir(prefix="x-", suffix="-y") as path:
            assert os.path.basename(path).startswith("x-")
            assert path.endswith("-y")
            Path(path, "file").touch()
        assert not os.path.exists(path)


@pytest.mark.root
def test_the_host_tree_cannot_be_written(store: ObjectStore) -> None:
    with store:
        tree = store.host_tree.tree
        assert os.path.isdir(os.path.join(tree, "usr", "bin"))
        for path in ("x", "usr/x", "etc/x"):
            with pytest.raises(OSError, match=r"Read-only|No such"):
                Path(tree, path).touch()
        host = store.host_tree
    with pytest.raises(AssertionError):
        host.tree  # noqa: B018
    assert mountinfo.mounts_below(store.store) == []
    assert os.path.isdir("/usr/bin")


@pytest.mark.root
def test_store_server_shows_trees_to_services(store: ObjectStore, tmp_path: Path) -> None:
    with store:
        obj = store.new(ID)
        Path(obj.tree, "dir").mkdir()
        Path(obj.tree, "dir", "file").write_text("x")
        Path(obj.tree, "out").symlink_to("/etc")
        obj.finalize()
        target, sub = tmp_path / "target", tmp_path / "sub"
        target.mkdir()
        sub.mkdir()
        with StoreServer(store, rundir=tmp_path / "run") as server:
            assert server.socket_address is not None
            client = StoreClient(server.socket_address)
            assert client.read_tree(ID) == obj.tree
            assert client.read_tree("b" * 64) is None
            assert client.read_tree(None) is None
            assert client.read_tree_at(ID, target) == str(target)
            assert (target / "dir" / "file").read_text() == "x"
            with pytest.raises(OSError, match="Read-only"):
                (target / "new").touch()
            assert client.read_tree_at(ID, sub, "/dir") == str(sub)
            assert entries(sub) == ["file"]
            assert client.read_tree_at("b" * 64, sub) is None
            with pytest.raises(RuntimeError, match="leads out"):
                client.read_tree_at(ID, sub, "/out")
            with pytest.raises(RuntimeError, match="cannot mount"):
                client.read_tree_at(ID, tmp_path / "missing")
            temporary = client.mkdtemp(prefix="a", suffix="b")
            assert temporary.startswith(store.store)
            assert os.path.isdir(temporary)
            assert client.source("org.osbuild.files") == os.path.join(store.store, "sources", "org.osbuild.files")
        assert entries(target) == []
        assert not os.path.exists(temporary)
        assert mountinfo.mounts_below(tmp_path) == []


@pytest.mark.root
def test_mounts_that_a_dead_engine_left_are_never_deleted_through(store: ObjectStore, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    left = Path(store.store, "tmp", "host12345678")
    (left / "usr").mkdir(parents=True)
    # As an engine does that mounts the host's tree in the store, and is killed.
    linux.bind_mount(left, left, read_only=False)
    linux.bind_mount(precious, left / "usr", read_only=False)
    foreign = Path(store.store, "tmp", "mine")
    foreign.mkdir()
    with store:
        assert not left.exists()
        assert mountinfo.mounts_below(store.store) == []
        assert (precious / "file").exists()
        assert foreign.is_dir()
