# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[3] / "engine"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("bwrap") is None, reason="needs root and bubblewrap"),
]

PROGRAMS = {
    "ldconfig": "echo cache > /etc/ld.so.cache",
    "systemd-sysusers": "echo noise; echo root:x:0:0:root:/root:/bin/bash > /etc/passwd",
    "systemd-tmpfiles": "echo noise >&2; touch /run/volatile; exit 73",
}


def run(runner: str, programs: dict[str, str], tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` by the runner where /etc and /run are empty and only `programs` can be found."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in programs.items():
        (tools / name).write_text(f"#!/bin/sh\nPATH=/usr/bin\n{script}\n")
        (tools / name).chmod(0o755)
    (tools / "touch").symlink_to("/usr/bin/touch")
    return subprocess.run(
        ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
         "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/etc",
         "--dir", "/run", "--ro-bind", ENGINE, "/run/osbuild/lib", "--ro-bind", tools, "/tools", "--clearenv",
         "--setenv", "PATH", "/tools", "--setenv", "PYTHONPATH", "/run/osbuild/lib", "--unshare-pid",
         "--ro-bind", (ENGINE / "runners" / runner).resolve(), "/runner", "/runner", *command],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("runner", ["org.osbuild.debian", "org.osbuild.ubuntu1804"])
def test_debian_root_is_prepared_before_the_stage(tmp_path: Path, runner: str) -> None:
    script = "ls -A /etc /run; cat /etc/passwd; exit 7"
    result = run(runner, PROGRAMS, tmp_path, "/bin/sh", "-c", f"PATH=/usr/bin; {script}")
    assert result.returncode == 7, result.stderr
    assert {"ld.so.cache", "ld.so.conf", "passwd", "volatile"} <= set(result.stdout.split())
    assert "root:x:0:0" in result.stdout
    assert "noise" not in result.stdout + result.stderr


def test_failing_ldconfig_and_sysusers_fail_the_stage(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    result = run("org.osbuild.debian", {**PROGRAMS, "ldconfig": "exit 3"}, tmp_path / "a", "/usr/bin/echo", "ran")
    assert result.returncode != 0 and "ran" not in result.stdout
    assert "ldconfig failed in the build root (exit code 3)" in result.stderr
    (tmp_path / "b").mkdir()
    sysusers = {**PROGRAMS, "systemd-sysusers": "echo bad line; exit 1"}
    result = run("org.osbuild.debian", sysusers, tmp_path / "b", "/usr/bin/echo", "ran")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.endswith("bad line\n")


def test_missing_sysusers_is_named_and_missing_tmpfiles_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    without = {name: script for name, script in PROGRAMS.items() if name != "systemd-sysusers"}
    result = run("org.osbuild.debian", without, tmp_path / "a", "/usr/bin/echo", "ran")
    assert result.returncode != 0 and "ran" not in result.stdout
    assert "the build root has no such program: 'systemd-sysusers'" in result.stderr
    (tmp_path / "b").mkdir()
    without = {name: script for name, script in PROGRAMS.items() if name != "systemd-tmpfiles"}
    result = run("org.osbuild.debian", without, tmp_path / "b", "/usr/bin/echo", "ran")
    assert (result.returncode, result.stdout) == (0, "ran\n")


def test_linux_root_only_gets_a_name_for_root(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "PATH=/usr/bin; cat /etc/passwd; ls -A /etc")
    result = run("org.osbuild.linux", {}, tmp_path, *command)
    assert (result.returncode, result.stdout) == (0, "root:x:0:0:root:/root:/bin/bashpasswd\n")


def test_stage_gets_default_signals(tmp_path: Path) -> None:
    command = ("/usr/bin/grep", "SigIgn", "/proc/self/status")
    result = run("org.osbuild.linux", {}, tmp_path, *command)
    name, mask = result.stdout.split()
    # Python ignores these two; others are ignored where whoever started the tests did so, as nohup(1) does.
    assert name == "SigIgn:" and not int(mask, 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
