# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is not started as root (contract, section 7)."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild.util.linux import IdMaps

from tests.conftest import REPO

from .conftest import add_module

USER = pwd.getpwnam("daemon")
WRITE = '#!/bin/sh\necho data > "/run/osbuild/tree/file"\nchown 5:6 /run/osbuild/tree/file\nid -u\n'


class Engine:
    """Runs as another user, in a directory that user has. What ids the host lends is said by the test."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.libdir = base / "lib"
        add_module(self.libdir, "stages", "org.osbuild.write")
        (self.libdir / "stages" / "org.osbuild.write").write_text(WRITE)
        (self.libdir / "osbuild").mkdir()
        for name in ("runners", "schemas", "inputs", "sources"):
            shutil.copytree(REPO / "engine" / name, self.libdir / name, symlinks=True)
        # The checkout itself may be where only root can look.
        shutil.copytree(REPO / "engine" / "osbuild", base / "python" / "osbuild", ignore=shutil.ignore_patterns("__pycache__"))
        stages = [{"type": "org.osbuild.write"}]
        (base / "manifest.json").write_text(json.dumps({"version": "2", "pipelines": [{"name": "tree", "stages": stages}]}))
        self.work = base / "work"
        self.work.mkdir()
        os.chown(self.work, USER.pw_uid, USER.pw_gid)

    def run(self, lent: str, *options: str) -> subprocess.CompletedProcess[str]:
        (self.base / "subid").write_text(lent)
        script = 'mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", self.base / "subid", "setpriv", f"--reuid={USER.pw_uid}",
             f"--regid={USER.pw_gid}", "--clear-groups", "/usr/bin/python3", "-m", "osbuild", "--libdir", self.libdir,
             "--store", "store", "--output-directory", "out", *options, self.base / "manifest.json"],
            cwd=self.work, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.base / "python"), "XDG_RUNTIME_DIR": str(self.work),
                 "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip


@pytest.fixture
def engine() -> Iterator[Engine]:
    missing = [path for path in ("/etc/subuid", "/etc/subgid") if not os.path.exists(path)]
    missing += [name for name in ("newuidmap", "setpriv", "bwrap") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"the host has no {', '.join(missing)}")
    # Pytest's own directories are closed to others.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        os.chmod(name, 0o755)
        yield Engine(Path(name))


@pytest.mark.root
def test_user_is_root_of_a_namespace(engine: Engine) -> None:
    result = engine.run("daemon:200000:65536\n", "--export", "tree", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["log"]["tree"][0]["output"] == "0\n"
    # Id 1 is the first that is lent.
    info = (engine.work / "out" / "tree" / "file").stat()
    assert (info.st_uid, info.st_gid) == (200004, 200005)
    assert (engine.work / "out" / "tree").stat().st_uid == USER.pw_uid
    assert os.listdir(engine.work / "osbuild") == os.listdir(engine.work / "store" / "tmp") == []


@pytest.mark.root
@pytest.mark.parametrize("lent", ["", "daemon:no:number\n"])
def test_user_to_whom_nothing_is_lent_carries_on(engine: Engine, lent: str) -> None:
    """What needs no rights works; a stage ends in a document."""
    assert engine.run(lent, "--json").returncode == 0
    result = engine.run(lent, "--export", "tree", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["success"] is False


def test_maps_are_the_users(tmp_path: Path) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    subuid = tmp_path / "subuid"
    subuid.write_text(f"# comment\nother:1:2\n{name}:1000:10\n{os.getuid()}:5000:20\n{name}:x:y\n")
    maps = IdMaps.for_user(str(subuid), str(subuid))
    assert maps.uids == [(0, os.getuid(), 1), (1, 1000, 10), (11, 5000, 20)]
    assert maps.gids == [(0, os.getgid(), 1), (1, 1000, 10), (11, 5000, 20)]
    subuid.write_text("other:1:2\n")
    with pytest.raises(LookupError, match="has no entry for this user"):
        IdMaps.for_user(str(subuid), str(subuid))


@pytest.mark.root
def test_refused_maps_leave_the_process_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.readlink("/proc/self/ns/user")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OSError):
        IdMaps([], []).enter()
    assert os.readlink("/proc/self/ns/user") == before
