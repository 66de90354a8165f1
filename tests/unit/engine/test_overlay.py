# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that begin as overlays: they end as what a copy would have become, and what they began as stays as it was."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild.object import Object
from osbuild.objectstore import ObjectStore
from osbuild.util import fscopy, linux, mountinfo, overlay

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="overlays need root")]

BASE, EARLY, LATE = "a" * 64, "b" * 64, "c" * 64

FILL = """
mkdir -p etc/apt usr/bin var/lib/db/deep opt/gone srv/moved/below empty locked
echo one > etc/hosts; echo two > etc/apt/list; echo x > usr/bin/x; ln usr/bin/x usr/bin/y; chmod 4755 usr/bin/x
echo d > var/lib/db/deep/file; ln -s ../etc/hosts srv/link; echo g > opt/gone/file; echo m > srv/moved/below/file
mkfifo var/pipe; mknod var/null c 1 3; chmod 1777 empty; chown 3:4 etc/apt; chmod 700 locked
setfattr -n user.kept -v yes etc/hosts; setfattr -n user.kept -v yes empty; touch -d @1000000000 etc/hosts etc var
"""
# Each of them as a stage might do it.
CHANGES = {
    "nothing": ":",
    "write": "echo more >> etc/hosts; echo new > etc/new; mkdir -p new/deep; echo n > new/deep/file",
    "remove": "rm etc/hosts; rm -r opt/gone; rmdir empty",
    "replace a directory": "rm -r opt/gone; mkdir opt/gone; echo other > opt/gone/other",
    "replace by another kind": "rm -r opt/gone; echo file > opt/gone; rm etc/hosts; mkdir etc/hosts; ln -sf nowhere srv/link",
    "rename a directory": "mv etc usr/etc; mv srv/moved srv/other; echo in >> usr/etc/apt/list",
    "rename below": "mv var/lib/db/deep var/lib/db/flat; mkdir var/lib/db/deep; echo again > var/lib/db/deep/file",
    "rename twice": "mv srv/moved a; mv a b; mv var/lib b/lib; rm b/lib/db/deep/file",
    "rename and replace": "mv opt opt2; mkdir -p opt/gone; echo new > opt/gone/file",
    "attributes": "chmod 711 locked; chown 7:8 var/lib; setfattr -x user.kept empty; setfattr -n user.added -v 1 usr",
    "times": "touch -d @1111111111 etc/apt/list usr/bin .; touch -h -d @1222222222 srv/link",
    "the top": "chmod 700 .; chown 1:2 .",
    "links": "ln etc/apt/list etc/apt/twin; rm etc/apt/list; cp -a var copy",
    "immutable": "echo fixed > fixed; chattr +i fixed",
}


@pytest.fixture(autouse=True)
def unlocked(tmp_path: Path) -> Iterator[None]:
    """Nothing stays mounted, and nothing immutable."""
    yield
    assert mountinfo.mounts_below(tmp_path) == []
    subprocess.run(["chattr", "-R", "-i", str(tmp_path)], check=False, stderr=subprocess.DEVNULL)


def sh(path: str | os.PathLike[str], script: str) -> None:
    subprocess.run(["sh", "-euc", script], cwd=path, check=True)


def describe(top: str | os.PathLike[str]) -> dict[str, Any]:
    """All that can be seen of a tree, but for numbers of inodes and of names of a file."""
    found: dict[str, Any] = {}
    root = os.fspath(top)
    for folder, dirs, files in os.walk(root):
        for name in [".", *dirs, *files] if folder == root else [*dirs, *files]:
            path = os.path.normpath(os.path.join(folder, name))
            info = os.lstat(path)
            content = None
            if stat.S_ISREG(info.st_mode):
                content = Path(path).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = os.fsencode(os.readlink(path))
            attributes = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            fixed = False
            if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
                fd = os.open(path, os.O_RDONLY)
                fixed = linux.ioctl_get_immutable(fd)
                os.close(fd)
            when = int(info.st_mtime) if info.st_mtime < 1_500_000_000 else "now"
            found[os.path.relpath(path, root)] = (
                *(stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_rdev, when),
                *(content, attributes, fixed),
            )
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.mkdir()
    sh(path, FILL)
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_flattened_it_is_what_a_copy_becomes(change: str, base: Path, tmp_path: Path) -> None:
    before = describe(base)
    plain, target, scratch = tmp_path / "plain", tmp_path / "target", tmp_path / "scratch"
    for path in (plain, target, scratch):
        path.mkdir()
    fscopy.copy_tree(base, plain)
    overlay.mount(str(base), str(scratch), str(target))
    try:
        assert describe(target) == before
        sh(target, CHANGES[change])
    finally:
        linux.umount(target)
    sh(plain, CHANGES[change])
    overlay.flatten(str(base), str(scratch), str(target))
    assert describe(target) == describe(plain)
    assert describe(base) == before
    assert os.listdir(scratch) == []


def test_a_redirect_out_of_the_tree_leads_nowhere(base: Path, tmp_path: Path) -> None:
    """Only the kernel writes these attributes, but a tree may come from anywhere."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").touch()
    scratch, target = tmp_path / "scratch", tmp_path / "target"
    (base / "out").symlink_to(tmp_path / "secret")
    for redirect in ("/../secret", "/out", "..", "/"):
        (scratch / "upper" / "dir").mkdir(parents=True)
        os.setxattr(scratch / "upper" / "dir", "trusted.overlay.redirect", redirect.encode())
        target.mkdir()
        overlay.flatten(str(base), str(scratch), str(target))
        assert os.listdir(target / "dir") == []
        shutil.rmtree(target)


def test_where_it_cannot_be_mounted_nothing_is_left(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_ignored: object) -> None:
        raise OSError(errno.ENODEV, "no overlays here")

    monkeypatch.setattr(linux, "mount", refuse)
    scratch, target = tmp_path / "scratch", tmp_path / "target"
    scratch.mkdir()
    target.mkdir()
    with pytest.raises(OSError, match="no overlays"):
        overlay.mount(str(base), str(scratch), str(target))
    assert os.listdir(scratch) == []


@pytest.fixture(params=["overlay", "copy"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store on a file system with overlays, and one on a file system without."""
    if request.param == "copy":
        monkeypatch.setattr(overlay, "mount", raise_unsupported)
    with ObjectStore(tmp_path / "store") as opened:
        opened.maximum_size = "unlimited"
        yield opened


def raise_unsupported(*_ignored: object) -> None:
    raise OSError(errno.EINVAL, "no overlays here")


def test_states_of_a_pipeline(store: ObjectStore) -> None:
    obj = store.new(LATE)
    sh(obj, FILL)
    store.commit(obj, BASE)
    base = store.get(BASE)
    assert base is not None
    kept = describe(base)
    sh(obj, CHANGES["rename a directory"])
    store.commit(obj, EARLY)
    early = store.get(EARLY)
    assert early is not None
    middle = describe(early)
    sh(obj, CHANGES["remove"].replace("etc/hosts", "usr/etc/hosts"))
    expected = describe(obj)
    store.commit(obj, LATE)
    obj.finalize()
    late = store.get(LATE)
    assert late is not None
    assert describe(late) == expected
    assert describe(early) == middle
    assert describe(base) == kept
    for each in (BASE, EARLY, LATE):
        # Nothing but a plain tree is an object.
        assert mountinfo.mounts_below(os.path.join(store.objects, each)) == []
        assert sorted(os.listdir(os.path.join(store.objects, each))) == ["data", "object.info", "object.lock"]
        assert sorted(os.listdir(os.path.join(store.objects, each, "data"))) == ["meta", "tree"]
        names = [
            name for path in Path(store.objects, each).rglob("*") for name in os.listxattr(path, follow_symlinks=False)
        ]
        assert not [name for name in names if "overlay" in name]


def resumed(store: ObjectStore) -> Object:
    first = store.new(BASE)
    sh(first, FILL)
    store.commit(first, BASE)
    obj = store.new(LATE)
    kept = store.get(BASE)
    assert kept is not None
    obj.init(kept)
    sh(obj, CHANGES["write"])
    return obj


def test_what_is_exported_shares_nothing_with_the_store(store: ObjectStore, tmp_path: Path) -> None:
    obj = resumed(store)
    expected = describe(obj)
    obj.finalize()
    obj.export(tmp_path / "out", consume=True)
    assert describe(tmp_path / "out") == expected
    before = digest(store)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_text("changed by the user")
    assert digest(store) == before


def test_what_was_committed_is_not_moved_out_either(store: ObjectStore, tmp_path: Path) -> None:
    store.maximum_size = 1 << 30
    obj = resumed(store)
    obj.flatten()
    obj.finalize()
    obj.export(tmp_path / "out", consume=True)
    before = digest(store)
    (tmp_path / "out" / "usr" / "bin" / "x").write_text("changed by the user")
    assert digest(store) == before


def test_a_plain_object_is_copied(store: ObjectStore) -> None:
    first = store.new(BASE)
    sh(first, FILL)
    store.commit(first, BASE)
    kept = store.get(BASE)
    assert kept is not None
    obj = store.new(LATE)
    obj.plain = True
    obj.init(kept)
    assert mountinfo.mounts_below(obj.tree) == []
    store.commit(obj, EARLY)
    assert mountinfo.mounts_below(obj.tree) == []
    assert os.lstat(os.path.join(obj.tree, "etc", "hosts")).st_nlink == 1


def times(obj: Object) -> dict[str, float]:
    top = Path(obj.tree)
    return {str(path.relative_to(top)): os.lstat(path).st_mtime for path in (top, *top.rglob("*"))}


def begun(store: ObjectStore, first_epoch: int | None, *, plain: bool = False) -> Object:
    """An object of source epoch 1000 that begins as what another one, of `first_epoch`, has left in the store."""
    kept = store.get(BASE)
    if kept is None:
        first = store.new(BASE)
        first.source_epoch = first_epoch
        sh(first, FILL)
        store.commit(first, BASE)
        kept = store.get(BASE)
    assert kept is not None
    obj = store.new(LATE)
    obj.plain, obj.source_epoch = plain, 1000
    obj.init(kept)
    return obj


@pytest.mark.parametrize("change", CHANGES)
def test_times_are_clamped_as_in_a_copy(store: ObjectStore, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = begun(store, 1000, plain=True)
    sh(copied, CHANGES[change])
    copied.clamp_mtime()
    expected = times(copied)
    assert set(expected.values()) & {1000.0}
    obj = begun(store, 1000)
    sh(obj, CHANGES[change])
    if mountinfo.mounts_below(obj.tree):
        # What lies below is not looked at again.
        monkeypatch.setattr("osbuild.object.clamp_mtime", None)
    obj.clamp_mtime()
    # Whoever changes an immutable file fails, so both have its time of now.
    fixed = {name for name in expected if name == "fixed"}
    assert {name: time for name, time in times(obj).items() if name not in fixed} == {
        name: time for name, time in expected.items() if name not in fixed
    }


@pytest.mark.parametrize("first_epoch", [None, 4_000_000_000])
def test_times_below_are_clamped_if_they_may_be_late(store: ObjectStore, first_epoch: int | None) -> None:
    obj = begun(store, first_epoch)
    sh(obj, CHANGES["write"])
    obj.clamp_mtime()
    # What FILL gave another time keeps it.
    assert set(times(obj).values()) <= {1000.0, 1000000000.0}


def digest(store: ObjectStore) -> str:
    tree = Path(store.objects, BASE, "data", "tree")
    content = [path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()]
    return hashlib.sha256(b"".join(content)).hexdigest()
