# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of directories: layout, locks, limit, eviction, and what dead users leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from osbuild.host import ServiceManager
from osbuild.util.fscache import UNLIMITED, FsCache
from osbuild.util.fsentry import EntryLock, disk_usage

MIB = 1024 * 1024


def make_cache(path: Path, limit: int | str | None = UNLIMITED, **kwargs: bool) -> FsCache:
    cache = FsCache("test", path, **kwargs)
    if limit is not None:
        with cache:
            cache.set_maximum_size(limit)
    return cache


def make_data(path: Path, size: int = MIB) -> str:
    path.mkdir()
    (path / "file").write_bytes(os.urandom(size))
    return str(path)


def store(cache: FsCache, tmp_path: Path, name: str, size: int = MIB) -> bool:
    return cache.store_copy(make_data(tmp_path / f"data-{name}", size), name)


def recorded(cache: FsCache, name: str) -> int:
    size: int = json.loads(Path(cache.objects, name, "object.info").read_text())["size"]
    return size


def age(cache: FsCache, name: str, seconds: int) -> None:
    """Make an entry look as if it was used last `seconds` after the epoch."""
    lock = os.path.join(cache.objects, name, "object.lock")
    os.utime(lock, (seconds, os.stat(lock).st_mtime))


def test_a_new_cache_has_the_files_of_the_contract(tmp_path: Path) -> None:
    with FsCache("test", tmp_path / "c") as cache:
        tag = (tmp_path / "c" / "CACHEDIR.TAG").read_text()
        assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n#")
        assert len(tag) == 130
        assert json.loads((tmp_path / "c" / "cache.info").read_text()) == {"version": 1}
        assert (tmp_path / "c" / "cache.lock").read_text() == ""
        assert (tmp_path / "c" / "cache.size").read_text() == "0"
        assert os.listdir(cache.objects) == []
        assert cache.info.maximum_size == 0


def test_unknown_keys_of_the_description_survive(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c")
    info = tmp_path / "c" / "cache.info"
    info.write_text(json.dumps({"version": 1, "ours": {"a": 1}}))
    with cache:
        cache.set_maximum_size(5)
    assert json.loads(info.read_text()) == {"version": 1, "ours": {"a": 1}, "maximum-size": 5}


def test_a_copy_is_kept_counted_and_found(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c") as cache:
        assert cache.load("one") is None
        assert store(cache, tmp_path, "one")
        loaded = cache.load("one")
        assert loaded is not None
        assert os.listdir(loaded.path) == ["file"]
        assert recorded(cache, "one") == disk_usage(loaded.path) == cache.size
        loaded.release()


def test_an_entry_itself_can_be_kept(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c") as cache:
        entry = cache.new_entry()
        Path(entry.data, "file").write_bytes(b"x" * MIB)
        inode = os.stat(os.path.join(entry.data, "file")).st_ino
        loaded = cache.store_entry(entry, "one")
        assert loaded is not None
        assert os.stat(os.path.join(loaded.path, "file")).st_ino == inode
        assert os.listdir(cache.stage_dir) == []
        assert recorded(cache, "one") == cache.size > MIB - 1
        # Others may read it at once, but not remove it.
        with FsCache("test", tmp_path / "c") as other:
            found = other.load("one")
            assert found is not None
            found.release()
            assert EntryLock.acquire(os.path.join(cache.objects, "one"), write=True) is None
        loaded.release()


def test_a_second_commit_of_a_name_leaves_nothing(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c") as cache:
        assert store(cache, tmp_path, "one")
        size = cache.size
        assert not cache.store_copy(str(tmp_path / "data-one"), "one")
        entry = cache.new_entry()
        assert cache.store_entry(entry, "one") is None
        assert cache.size == size
        entry.remove()
        assert os.listdir(cache.objects) == ["one"]


def test_racing_commits_count_once(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with make_cache(tmp_path / "c") as cache:
        results: list[bool] = []
        threads = [threading.Thread(target=lambda: results.append(cache.store_copy(data, "one"))) for _ignored in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count(True) == 1
        assert os.listdir(cache.objects) == ["one"]
        assert cache.size == recorded(cache, "one")


@pytest.mark.parametrize("limit", [None, 0, MIB // 2])
def test_what_is_too_big_is_not_even_copied(
    tmp_path: Path, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osbuild.util.fscache.copy_tree", lambda *_ignored: pytest.fail("copied in vain"))
    with make_cache(tmp_path / "c", limit) as cache:
        assert not store(cache, tmp_path, "one")
        assert (cache.size, os.listdir(cache.objects)) == (0, [])


def test_the_longest_unused_goes_first_and_the_count_stays_exact(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c", 5 * MIB + 200000) as cache:
        for number, name in enumerate(("a", "b", "c", "d", "e")):
            assert store(cache, tmp_path, name)
            age(cache, name, 1000 + number)
        loaded = cache.load("a")
        assert loaded is not None
        loaded.release()
        assert store(cache, tmp_path, "f")
        left = sorted(os.listdir(cache.objects))
        # "a" was just used, so "b" and then "c" (twice the need is freed) were the oldest.
        assert "a" in left
        assert "f" in left
        assert "b" not in left
        assert cache.size == sum(recorded(cache, name) for name in left) <= 5 * MIB + 200000


def test_what_is_in_use_is_not_evicted(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c", MIB + 200000) as cache:
        assert store(cache, tmp_path, "used")
        loaded = cache.load("used")
        assert loaded is not None
        assert not store(cache, tmp_path, "new")
        assert os.listdir(cache.objects) == ["used"]
        assert cache.size == recorded(cache, "used")
        loaded.release()
        assert cache.store_copy(str(tmp_path / "data-new"), "new")
        assert os.listdir(cache.objects) == ["new"]
        assert cache.size == recorded(cache, "new")


def test_eviction_subtracts_what_was_added(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c", 3 * MIB) as cache:
        for number in range(12):
            assert store(cache, tmp_path, f"n{number}", MIB // 2 + number * 5000)
        left = os.listdir(cache.objects)
        assert cache.size == sum(recorded(cache, name) for name in left)


def test_a_foreign_version_is_never_used_but_does_not_break(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c")
    with cache:
        assert store(cache, tmp_path, "one")
    (tmp_path / "c" / "cache.info").write_text('{"version": 2, "maximum-size": "unlimited"}')
    with cache:
        assert cache.load("one") is None
        assert not cache.store_copy(str(tmp_path / "data-one"), "two")
        cache.new_entry().remove()


def test_links_are_counted_once(tmp_path: Path) -> None:
    data = Path(make_data(tmp_path / "data"))
    size = disk_usage(str(data))
    os.link(data / "file", data / "again")
    assert disk_usage(str(data)) - size < MIB


def test_a_reader_only_reads(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c")
    with cache:
        assert store(cache, tmp_path, "one")
        age(cache, "one", 1000)
    with FsCache("test", tmp_path / "c", read_only=True) as reader:
        loaded = reader.load("one")
        assert loaded is not None
        loaded.release()
        assert not reader.store_copy(str(tmp_path / "data-one"), "two")
    assert os.stat(tmp_path / "c" / "objects" / "one" / "object.lock").st_atime == 1000
    with pytest.raises(FileNotFoundError), FsCache("test", tmp_path / "none", read_only=True):
        pass


def killed(code: str) -> None:
    """Run code in a process that dies without any chance to clean up."""
    subprocess.run(
        [sys.executable, "-c", f"import os\nfrom osbuild.util.fscache import *\n{code}\nos.kill(os.getpid(), 9)"],
        env=ServiceManager.make_env(),
        check=False,
        capture_output=True,
    )


def test_leftovers_of_the_dead_go_and_sizes_are_right_again(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c")
    with cache:
        assert store(cache, tmp_path, "one")
    killed(
        f"c = FsCache('test', {str(tmp_path / 'c')!r}).__enter__()\n"
        "c.new_entry()\n"
        "c.files.change_size(lambda old: old + 12345678)\n"
        "from osbuild.util.fsentry import NewEntry\n"
        "NewEntry(c.objects)"
    )
    assert len(os.listdir(cache.objects)) == 2
    files = tmp_path / "c" / "sources" / "org.osbuild.files"
    (files / ".unverified-abc").mkdir(parents=True)
    (files / "sha256:0").touch()
    with cache:
        cache.remove_leftovers()
        assert os.listdir(cache.stage_dir) == []
        assert os.listdir(cache.objects) == ["one"]
        assert os.listdir(files) == ["sha256:0"]
        assert cache.size == recorded(cache, "one")


def test_leftovers_go_even_while_another_lives_whose_work_stays(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c")
    with FsCache("test", tmp_path / "c") as living:
        mine = living.new_entry()
        killed(f"c = FsCache('test', {str(tmp_path / 'c')!r}).__enter__()\nc.new_entry()")
        assert len(os.listdir(cache.stage_dir)) == 2
        with cache:
            cache.remove_leftovers()
            assert os.listdir(cache.stage_dir) == [os.path.basename(mine.path)]
            assert os.listdir(cache.objects) == []
        mine.remove()


def test_what_is_just_being_made_by_another_is_left(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c") as living:
        # The moment between mkdir and the lock, and a temporary file before its rename.
        os.mkdir(os.path.join(living.stage_dir, "uuid-" + "0" * 32))
        Path(living.objects, "uuid-" + "1" * 32).touch()
        with FsCache("test", tmp_path / "c") as other:
            other.remove_leftovers()
        assert os.listdir(living.stage_dir) == ["uuid-" + "0" * 32]
        assert os.listdir(living.objects) == ["uuid-" + "1" * 32]
    with FsCache("test", tmp_path / "c") as alone:
        alone.remove_leftovers()
    assert os.listdir(living.stage_dir) == []
    assert os.listdir(living.objects) == []


def test_half_an_entry_is_a_miss_and_does_not_bar_its_name(tmp_path: Path) -> None:
    with make_cache(tmp_path / "c") as cache:
        half = Path(cache.objects, "one")
        half.mkdir()
        (half / "object.lock").touch()
        assert cache.load("one") is None
        assert store(cache, tmp_path, "one")
        loaded = cache.load("one")
        assert loaded is not None
        loaded.release()


def test_a_size_that_nothing_belongs_to_is_not_counted_for_ever(tmp_path: Path) -> None:
    """Who is killed after counting a size, and before the entry is begun, leaves no other trace."""
    with FsCache("test", tmp_path / "cache") as cache:
        cache.set_maximum_size(1 << 20)
        cache.files.change_size(lambda old: old + 4096)
        with FsCache("test", tmp_path / "cache") as other:
            assert other.size == 4096
    with FsCache("test", tmp_path / "cache") as cache:
        assert cache.size == 0
