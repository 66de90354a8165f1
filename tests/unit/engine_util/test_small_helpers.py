# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import io
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import bls, ctx, experimentalflags, host, mnt, osrelease, replace, selinux, term, udev


def test_suppress_oserror_lets_other_errors_pass() -> None:
    with ctx.suppress_oserror(errno.EPERM, errno.ENOENT):
        raise OSError(errno.ENOENT, "gone")
    with pytest.raises(OSError), ctx.suppress_oserror(errno.EPERM):
        raise OSError(errno.ENOENT, "gone")
    with pytest.raises(OSError), ctx.suppress_oserror():
        raise OSError(errno.ENOENT, "gone")


def test_udev_inhibitor_lives_as_long_as_its_file(tmp_path: Path) -> None:
    inhibitor = udev.UdevInhibitor.for_dm_name("test", lockdir=tmp_path / "locks")
    assert inhibitor.active
    assert (tmp_path / "locks/dm-test").exists()
    inhibitor.release()
    inhibitor.release()
    assert not inhibitor.active
    assert udev.UdevInhibitor.for_device(7, 1, lockdir=str(tmp_path)).path.name == "device-7:1"


def test_selinux_config_names_the_policy_only_when_enabled() -> None:
    config = selinux.parse_config(io.StringIO("# c\n\nSELINUX = enforcing\nSELINUXTYPE=targeted\n"))
    assert config == {"SELINUX": "enforcing", "SELINUXTYPE": "targeted"}
    assert selinux.config_get_policy(config) == "targeted"
    assert selinux.config_get_policy({"SELINUX": "disabled", "SELINUXTYPE": "x"}) is None
    assert selinux.config_get_policy({"SELINUX": "permissive"}) is None


def test_setfiles_labels_each_path(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda argv, **kwargs: seen.append((argv, kwargs)))
    selinux.setfiles("/spec", "/tree", "", "/boot", exclude_paths=["/sysroot"])
    assert seen == [
        (["setfiles", "-F", "-r", "/tree", "-e", "/sysroot", "/spec", "/tree"], {"check": True}),
        (["setfiles", "-F", "-r", "/tree", "-e", "/sysroot", "/spec", "/tree/boot"], {"check": True}),
    ]


def test_setfilecon_forgives_only_what_is_already_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_ignored: Any, **__: Any) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "getxattr", lambda *_ignored, **__: b"system_u:object_r:etc_t:s0\0\n")
    selinux.setfilecon("/x", "system_u:object_r:etc_t:s0")
    with pytest.raises(OSError):
        selinux.setfilecon("/x", "other")


def test_os_release_is_shell_quoted(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('# c\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12.5"\n\n')
    missing = tmp_path / "none"
    assert osrelease.parse_files(missing, file) == {"NAME": "Debian GNU/Linux", "ID": "debian", "VERSION_ID": "12.5"}
    assert osrelease.describe_os(missing, file) == "debian125"
    assert osrelease.describe_os(missing) == "linux"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ID=", "Key 'ID' has an empty value"),
        ("ID=a b", "Key 'ID' has more than one token"),
        ("ID", "not KEY=value"),
    ],
)
def test_broken_os_release_is_refused(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(line)
    with pytest.raises(ValueError, match=message):
        osrelease.parse_files(file)


def test_colours_are_empty_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert term.VT().bold == term.VT().whatever == ""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    assert term.VT().red == "\033[31m"
    with pytest.raises(AttributeError):
        _ignored = term.VT().whatever


def test_boot_entries_get_the_arguments(tmp_path: Path) -> None:
    entries = tmp_path / "loader/entries"
    entries.mkdir(parents=True)
    (entries / "a.conf").write_text("title A\noptions root=/dev/sda quiet\nlinux /x")
    (entries / "b.conf").write_text("title B\n")
    bls.options_append(tmp_path, ["splash", "debug"])
    assert (entries / "a.conf").read_text() == "title A\noptions root=/dev/sda quiet splash debug\nlinux /x\n"
    assert (entries / "b.conf").read_text() == "title B\noptions splash debug\n"
    assert sorted(os.listdir(entries)) == ["a.conf", "b.conf"]
    with pytest.raises(RuntimeError, match="no BLS configuration found in .*/none/loader"):
        bls.options_append(tmp_path / "none", [])


def test_replace_works_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("a=1\nb=1\n")
    replace.replace(file, [("^a=.*", "a=2"), ("2$", "3")])
    assert file.read_text() == "a=3\nb=1\n"
    assert list(replace.rglob(f"{tmp_path}/*")) == [str(file)]
    with pytest.raises(OSError, match="nothing matching"):
        list(replace.rglob(f"{tmp_path}/x*", fatal=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", False), ("x", True), ("x=1", True), ("y,x=T", True), ("x=0", False), ("x=False", False)],
)
def test_experimental_switches(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("OSBUILD_EXPERIMENTAL", value)
    assert experimentalflags.get_bool("x") is expected


def test_experimental_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSBUILD_EXPERIMENTAL", "x=some,y")
    assert experimentalflags.get_string("x") == "some"
    assert experimentalflags.get_string("z") == ""
    with pytest.raises(RuntimeError, match="x is 'some'"):
        experimentalflags.get_bool("x")


def test_container_storage_is_read_from_the_first_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = (str(tmp_path / "a"), str(tmp_path / "b"))
    monkeypatch.setattr(host, "_STORAGE_CONF", files)
    with pytest.raises(FileNotFoundError):
        host.get_container_storage()
    Path(files[1]).write_text('[storage]\ndriver = "overlay"\n')
    assert host.get_container_storage() == {"storage": {"driver": "overlay"}}


def test_mount_failure_carries_text_and_code(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(
        RuntimeError, match=r"(?s)(special device .*missing.* does not exist|superuser).* \(code: \d+\)"
    ):
        mnt.mount(missing, tmp_path)
    with pytest.raises(RuntimeError, match=r"\(code: \d+\)"), mnt.MountGuard() as guard:
        guard.mount(missing, tmp_path)


def test_mount_guard_refuses_unknown_permissions(tmp_path: Path) -> None:
    with mnt.MountGuard() as guard, pytest.raises(ValueError, match="unknown filesystem permissions: abc"):
        guard.mount(tmp_path, tmp_path, permissions="abc")  # type: ignore[arg-type]


def is_mounted(target: Path) -> bool:
    """os.path.ismount does not see bind mounts of the same file system."""
    return f" {target} " in Path("/proc/self/mounts").read_text()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_mount_guard_mounts_read_only_and_unmounts(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "f").write_text("content")
    with mnt.MountGuard() as guard:
        guard.mount(source, target, permissions=mnt.MountPermissions.READ_ONLY)
        assert (target / "f").read_text() == "content"
        with pytest.raises(OSError) as caught:
            (target / "g").touch()
        assert caught.value.errno == errno.EROFS
    assert not is_mounted(target)
    mnt.mount(source, target)
    assert is_mounted(target)
    mnt.umount(target)
    assert not is_mounted(target)
