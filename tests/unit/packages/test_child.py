# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forked solver: its failures are ours to tell, and nothing of it is left."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import PackageSet, Request, child
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import resolve as run

REPO = Path(__file__).resolve().parents[3]


def result(function: Any, seconds: float = 20.0) -> Any:
    runner = child.start("the work", function)
    try:
        return runner.result(time.monotonic() + seconds)
    finally:
        runner.kill()


def test_result_and_error_cross_the_pipe() -> None:
    assert result(lambda: {"a": [1, "ü"]}) == {"a": [1, "ü"]}

    def fails() -> None:
        print("said before")
        raise PackageError("no such thing", package="x")

    with pytest.raises(PackageError, match="^no such thing$") as caught:
        result(fails)
    assert caught.value.result == {"package": "x", "output": "said before"}


def test_death_and_crash_are_told_with_the_last_line() -> None:
    with pytest.raises(PackageError, match=r"the work: the process that runs apt ended early \(signal 9\)"):
        result(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(PackageError, match=r"ended early \(exit 1\): ZeroDivisionError: "):
        result(lambda: 1 // 0)


def test_time_over_ends_the_child_and_what_it_started() -> None:
    reader, writer = os.pipe()

    def sleeps() -> None:
        os.set_inheritable(writer, True)
        subprocess.run(["sleep", "60"], check=False, pass_fds=(writer,))

    with pytest.raises(PackageError, match="the work: not done when its time was over"):
        result(sleeps, 0.5)
    os.close(writer)
    # End of file: nobody holds the other end any more, the sleep is gone too.
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_missing_python3_apt_names_the_package(repo: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "apt_pkg" else find(name, *a))
    with pytest.raises(PackageError, match="install the package python3-apt"):
        run(Request("d", "stable", "amd64", (repo.source(),), {"os": PackageSet()}), scratch=tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_library_is_imported_without_apt() -> None:
    code = (
        "import sys; import ansible_collections.debian_forge.osbuild.plugins.module_utils.packages, "
        "ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint; "
        "sys.exit(any(n.split('.')[0] in ('apt', 'apt_pkg', 'aptsources', 'ansible') for n in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPO / "build/collections")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_no_scratch_space_is_told(repo: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PackageError, match="no scratch directory for apt"):
        run(Request("d", "stable", "amd64", (repo.source(),), {"os": PackageSet()}), scratch=tmp_path / "file")
