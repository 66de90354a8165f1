# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls, removing of trees, and directories that tell whether their owner lives."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from osbuild.host import ServiceManager
from osbuild.util import linux, lockeddir, mountinfo, rmrf


def test_locks_of_two_descriptors_conflict(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with open(path, "r+b") as one, open(path, "r+b") as two:
        linux.fcntl_flock(one.fileno(), linux.fcntl.F_RDLCK)
        linux.fcntl_flock(two.fileno(), linux.fcntl.F_RDLCK)
        with pytest.raises(BlockingIOError):
            linux.fcntl_flock(one.fileno(), linux.fcntl.F_WRLCK)
        linux.fcntl_flock(two.fileno(), linux.fcntl.F_UNLCK)
        linux.fcntl_flock(one.fileno(), linux.fcntl.F_WRLCK, wait=True)
        with pytest.raises(BlockingIOError):
            linux.fcntl_flock(two.fileno(), linux.fcntl.F_RDLCK)


@pytest.mark.parametrize("fd", [-1, "x", None])
def test_no_descriptor_is_a_value_error(fd: object) -> None:
    for call in (
        lambda: linux.fcntl_flock(fd, linux.fcntl.F_RDLCK),  # type: ignore[arg-type]
        lambda: linux.ioctl_get_immutable(fd),  # type: ignore[arg-type]
        lambda: linux.ioctl_toggle_immutable(fd, True),  # type: ignore[arg-type]
        lambda: linux.ioctl_blockdev_flushbuf(fd),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="Invalid file descriptor"):
            call()
    with pytest.raises(ValueError, match="lock type"):
        linux.fcntl_flock(0, 99)


def test_rename_can_exchange_and_refuse(tmp_path: Path) -> None:
    libc = linux.Libc.default()
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("one")
    two.write_text("two")
    libc.renameat2(oldpath=os.fsencode(one), newpath=os.fsencode(two), flags=libc.RENAME_EXCHANGE)
    assert (one.read_text(), two.read_text()) == ("two", "one")
    with pytest.raises(FileExistsError):
        libc.renameat2(oldpath=os.fsencode(one), newpath=os.fsencode(two), flags=libc.RENAME_NOREPLACE)


def test_times_can_be_set_one_by_one(tmp_path: Path) -> None:
    libc = linux.Libc.make()
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (1, 2))
    times = linux.c_timespec_times2(
        atime=linux.c_timespec(tv_sec=5, tv_nsec=0), mtime=linux.c_timespec(tv_sec=0, tv_nsec=libc.UTIME_OMIT)
    )
    with open(path, "rb") as f:
        libc.futimens(f.fileno(), ctypes.byref(times))
    assert (path.stat().st_atime, path.stat().st_mtime) == (5, 2)


def test_memory_file() -> None:
    fd = linux.Libc.default().memfd_create("name")
    os.write(fd, b"x")
    assert os.fstat(fd).st_size == 1
    os.close(fd)


def test_boot_id_is_stable_per_application() -> None:
    one = linux.proc_boot_id("osbuild")
    assert one == linux.proc_boot_id("osbuild")
    assert one != linux.proc_boot_id("other")
    assert isinstance(one, uuid.UUID)
    assert one.version == 4
    raw = one.bytes
    assert raw[8] == (raw[6] & 0x3F) | 0x80


def test_capabilities_match_the_kernels_word() -> None:
    caps = linux.permitted_capabilities()
    assert caps <= set(linux.CAPABILITIES)
    with open("/proc/self/status", encoding="ascii") as f:
        bits = int(next(line for line in f if line.startswith("CapPrm:")).split()[1], 16)
    assert ("CAP_SYS_ADMIN" in caps) == bool(bits >> 21 & 1)
    assert len(caps) == bin(bits & (1 << len(linux.CAPABILITIES)) - 1).count("1")


@pytest.mark.root
def test_immutable_files_do_not_stop_removal(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir" / "file").touch()
    for path in (tree / "dir" / "file", tree / "dir"):
        fd = os.open(path, os.O_RDONLY)
        try:
            linux.ioctl_toggle_immutable(fd, True)
            assert linux.ioctl_get_immutable(fd)
        except OSError as e:
            pytest.skip(f"no immutable files on this file system: {e}")
        finally:
            os.close(fd)
    with pytest.raises(PermissionError):
        (tree / "dir" / "file").unlink()
    rmrf.rmtree(tree)
    assert not tree.exists()


def test_removal_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    rmrf.rmtree(tree)
    assert (outside / "file").exists()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        rmrf.rmtree(tmp_path / "link")
    rmrf.rmtree(tmp_path / "not there")


@pytest.mark.root
def test_trees_are_never_removed_through_a_mount(tmp_path: Path) -> None:
    precious = tmp_path / "precious data"
    precious.mkdir()
    (precious / "file").touch()
    tree = tmp_path / "tree"
    (tree / "a b").mkdir(parents=True)
    linux.bind_mount(precious, tree / "a b", read_only=False)
    linux.mount("tmpfs", tree / "a b", "tmpfs")
    assert mountinfo.mounts_below(tree) == [str(tree / "a b")] * 2
    mountinfo.remove_tree(tree)
    assert not tree.exists()
    assert mountinfo.mounts_below(tmp_path) == []
    assert (precious / "file").exists()


@pytest.mark.root
def test_read_only_bind_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    linux.bind_mount(tmp_path / "a", tmp_path / "b")
    try:
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "b" / "x").touch()
    finally:
        linux.umount(tmp_path / "b")
    with pytest.raises(OSError, match=str(tmp_path / "nothing")):
        linux.umount(tmp_path / "nothing")


def test_directories_of_the_dead_are_removed_and_others_are_not(tmp_path: Path) -> None:
    living = lockeddir.LockedDir(tmp_path, "t-")
    code = (
        "import os, sys\nfrom osbuild.util.lockeddir import LockedDir\n"
        f"d = LockedDir({str(tmp_path)!r}, 't-')\nopen(d.path + '/f', 'w')\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ServiceManager.make_env(), check=False)
    (tmp_path / "other").mkdir()
    dead = [p for p in tmp_path.glob("t-*") if str(p) != living.path]
    assert len(dead) == 1
    assert lockeddir.remove_stale(tmp_path, "t-", lambda _ignored: False) == []
    assert lockeddir.remove_stale(tmp_path, "t-") == [str(dead[0])]
    assert os.path.isdir(living.path)
    assert (tmp_path / "other").is_dir()
    living.remove()
    living.remove()
    assert not os.path.exists(living.path)


def test_removal_never_touches_the_directory_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that resists is unlocked; the directory it is in is not ours to open."""
    above = tmp_path / "above"
    (above / "tree").mkdir(parents=True)
    above.chmod(0o711)
    refusals = [PermissionError(), None]

    def rmdir(path: str, remove: object = os.rmdir) -> None:
        refusal = refusals.pop(0)
        if refusal is not None:
            raise refusal
        remove(path)  # type: ignore[operator]

    monkeypatch.setattr(os, "rmdir", rmdir)
    rmrf.rmtree(above / "tree")
    assert not (above / "tree").exists()
    assert above.stat().st_mode & 0o7777 == 0o711


@pytest.mark.root
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_sandboxes_of_the_dead_are_ended_and_no_others(tmp_path: Path) -> None:
    held = lockeddir.LockedDir(tmp_path, "dev-")
    dead = tmp_path / "dev-00000000"
    (dead / "dev").mkdir(parents=True)
    (Path(held.path) / "dev").mkdir()
    sandboxes = [
        subprocess.Popen(
            ["bwrap", "--unshare-pid", "--die-with-parent", "--dev-bind", "/", "/", "--bind", f"{path}/dev", "/mnt", "--", "sleep", "600"]
        )
        for path in (dead, held.path)
    ]
    # Neither may another program end for naming the place.
    innocent = subprocess.Popen(["sh", "-c", "sleep 600; :", f"{dead}/dev"], start_new_session=True)
    try:
        assert lockeddir.remove_stale(tmp_path, "dev-") == [str(dead)]
        assert sandboxes[0].wait(timeout=30) != 0
        assert sandboxes[1].poll() is None
        assert innocent.poll() is None
        assert os.listdir(tmp_path) == [os.path.basename(held.path)]
    finally:
        os.killpg(innocent.pid, signal.SIGKILL)
        for process in sandboxes:
            process.kill()
        for process in (*sandboxes, innocent):
            process.wait()
        held.remove()
