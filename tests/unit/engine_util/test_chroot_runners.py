# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import runners
from osbuild.util.chroot import Chroot

Calls = list[tuple[list[str], dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    seen: Calls = []

    def run(argv: list[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
        seen.append((argv, kwargs))
        if "devtmpfs" in argv and "-t" in argv:
            raise subprocess.CalledProcessError(32, argv)
        return subprocess.CompletedProcess(argv, 1 if argv[:2] == ["umount", "--lazy"] and "/dev" in argv[2] else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_chroot_mounts_falls_back_and_unmounts(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(tmp_path)
    with Chroot(root, ["/mnt/a"]) as chroot:
        chroot.run(["true"], check=True)
    options = "nosuid,noexec,nodev"
    assert calls == [
        (["mount", "-t", "proc", "-o", options, "proc", f"{root}/proc"], {"check": True}),
        (
            ["mount", "-t", "devtmpfs", "-o", "mode=0755,noexec,nosuid,strictatime", "devtmpfs", f"{root}/dev"],
            {"check": True},
        ),
        (["mount", "--bind", "/dev", f"{root}/dev"], {"check": True}),
        (["mount", "-t", "sysfs", "-o", options, "sysfs", f"{root}/sys"], {"check": True}),
        (["mount", "--rbind", "/mnt/a", f"{root}/mnt/a"], {"check": True}),
        (["chroot", root, "true"], {"check": True}),
        (["umount", "--lazy", f"{root}/proc"], {"check": False}),
        (["umount", "--lazy", f"{root}/dev"], {"check": False}),
        (["umount", "--lazy", f"{root}/sys"], {"check": False}),
        (["umount", "--lazy", f"{root}/mnt/a"], {"check": False}),
    ]
    assert sorted(os.listdir(root)) == ["dev", "mnt", "proc", "sys"]
    out = capsys.readouterr().out
    assert "Making missing chroot directory: /proc\n" in out
    assert f"Error unmounting paths from chroot: ['{root}/dev']" in out


def test_chroot_unmounts_when_the_body_fails(tmp_path: Path, calls: Calls) -> None:
    with pytest.raises(KeyError), Chroot(str(tmp_path)):
        raise KeyError("x")
    assert [argv[0] for argv, _ignored in calls][-3:] == ["umount"] * 3


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_chroot_really_mounts_and_leaves_nothing(tmp_path: Path) -> None:
    with Chroot(str(tmp_path)):
        assert (tmp_path / "proc/self/status").exists()
        assert (tmp_path / "dev/null").exists()
        assert (tmp_path / "sys/kernel").exists()
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line]


def test_machine_id_is_there_only_for_a_while(tmp_path: Path) -> None:
    file = tmp_path / "etc/machine-id"
    with runners.create_machine_id_if_needed(str(tmp_path)):
        assert file.read_text() == "f" * 32 + "\n"
        assert file.stat().st_mode & 0o777 == 0o444
    assert not file.exists()
    file.write_text("mine\n")
    with runners.create_machine_id_if_needed(str(tmp_path), keep_empty=True):
        assert file.read_text() == "mine\n"
    assert file.read_text() == ""
    assert file.stat().st_mode & 0o777 == 0o444


def test_sysusers_failure_shows_the_output_and_exits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[str], **_ignored: Any) -> None:
        raise subprocess.CalledProcessError(1, argv, output="bad line \u2717\n".encode())

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SystemExit) as caught:
        runners.sysusers()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "bad line \u2717\n"
