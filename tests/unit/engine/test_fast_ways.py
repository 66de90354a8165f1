# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is quick and what is plain make the same trees, and tell the same of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import linux

ENGINE = Path(__file__).resolve().parents[3] / "engine"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not linux.owns_all_users(), reason="the forking sandbox is not for user namespaces"),
]

# Without overlays, kept preparations, compiled modules, forked services, a look ahead and renames.
PLAIN = """
from osbuild import buildroot, object, objectstore, servicehost
buildroot.only_makes_files = lambda runner: False
buildroot.BuildRoot._compiled = lambda self, environment, timeout: []
objectstore.ObjectStore.read_ahead = lambda self, obj: None
servicehost._is_ours = lambda program: False
object.Object._lay_over = lambda self, base: False
object.Object._move = lambda self, target: False
objectstore.ObjectStore._has_overlays = lambda self: False
"""
# Says which trees are read ahead.
TELL = """
import os, sys
from osbuild.util import readahead
readahead.ReadAhead.run = lambda self: os.write(2, b"ahead " + os.fsencode(self.top) + b"\\n")
"""
RUN = """
import sys
from osbuild.main_cli import osbuild_cli
sys.exit(osbuild_cli(own_process=True))
"""
WAYS: dict[str, tuple[str, str, str]] = {
    "plain": (PLAIN, "bubblewrap", "1"),
    "default": ("", "bubblewrap", "2"),
    "forking": ("", "fork", "2"),
    "forking, else plain": (PLAIN, "fork", "1"),
}

FIRST: list[dict[str, Any]] = [
    {
        "type": "org.osbuild.mkdir",
        "options": {"paths": [{"path": "/etc", "mode": 0o755}, {"path": "/srv/closed", "mode": 0o700, "parents": True}]},
    },
    {"type": "org.osbuild.hostname", "options": {"hostname": "fast"}},
    {"type": "org.osbuild.chmod", "options": {"items": {"/srv": {"mode": "2750"}}}},
]
SECOND: list[dict[str, Any]] = [
    {"type": "org.osbuild.mkdir", "options": {"paths": [{"path": "/copy"}]}},
    {
        "type": "org.osbuild.copy",
        "inputs": {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:first"]}},
        "options": {"paths": [{"from": "input://tree/", "to": "tree:///copy"}]},
    },
    {"type": "org.osbuild.chmod", "options": {"items": {"/copy/etc/hostname": {"mode": "0600"}}}},
    {"type": "org.osbuild.noop", "options": {"x": 1}},
]
MANIFEST: dict[str, Any] = {
    "version": "2",
    "pipelines": [
        {"name": "first", "runner": "org.osbuild.debian12", "source-epoch": 1700000000, "stages": FIRST},
        {"name": "other", "runner": "org.osbuild.debian12", "stages": FIRST[:2]},
        {"name": "second", "runner": "org.osbuild.debian12", "source-epoch": 1700000000, "stages": SECOND},
    ],
}


def listing(top: Path) -> dict[str, Any]:
    found = {}
    for folder, folders, names in os.walk(top):
        for path in [Path(folder, name) for name in [*folders, *names]] + ([top] if folder == str(top) else []):
            info = path.lstat()
            content = None
            if stat.S_ISREG(info.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
            # Of what has no source epoch, and of the output directory itself, time goes on.
            epoch = info.st_mtime_ns if path != top and "other" not in path.parts else None
            found[str(path.relative_to(top))] = (info.st_mode, info.st_uid, info.st_gid, info.st_nlink, content, attributes, epoch)
    return found


def run(path: Path, document: dict[str, Any], patches: str, sandbox: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path.mkdir(exist_ok=True)
    (path / "manifest.json").write_text(json.dumps(document))
    store = ["--store", str(path / "store"), "--cache-max-size", "1GiB", "--rundir", str(path / "run")]
    own = ["--libdir", str(ENGINE), *store, "--output-directory", str(path / "out"), "--json", str(path / "manifest.json")]
    result = subprocess.run(
        ["/usr/bin/python3", "-c", patches + RUN, *own, *arguments],
        env={**os.environ, "PYTHONPATH": str(ENGINE), "OSBUILD_SANDBOX": sandbox},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def build(path: Path, way: str) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    patches, sandbox, jobs = WAYS[way]
    wanted = ["--export", "first", "--export", "second", "--export", "other"]
    kept = ["--checkpoint", "org.osbuild.hostname", "--checkpoint", "second", "--jobs", jobs]
    result = run(path, MANIFEST, patches, sandbox, *wanted, *kept)
    objects = sorted(name for name in os.listdir(path / "store" / "objects") if not name.startswith("uuid-"))
    return listing(path / "out"), json.loads(result.stdout), objects


@pytest.mark.parametrize("way", [way for way in WAYS if way != "plain"])
def test_they_make_the_same(tmp_path: Path, way: str) -> None:
    trees, told, objects = build(tmp_path / "plain", "plain")
    assert trees["second/copy/etc/hostname"][0] == stat.S_IFREG | 0o600
    assert len(objects) >= 2
    others = build(tmp_path / "quick", way)
    assert others[0] == trees
    assert others[1] == told
    assert others[2] == objects


def test_what_another_pipeline_reads_is_read_ahead_if_it_is_in_the_store(tmp_path: Path) -> None:
    first, _other, second = MANIFEST["pipelines"]

    def ahead(mode: str, number: int, *arguments: str) -> list[str]:
        stages = [*FIRST[:2], {"type": "org.osbuild.chmod", "options": {"items": {"/srv": {"mode": mode}}}}]
        changed = {**second, "stages": [*SECOND[:3], {"type": "org.osbuild.noop", "options": {"x": number}}]}
        document = {"version": "2", "pipelines": [{**first, "stages": stages}, changed]}
        said = run(tmp_path / "build", document, TELL, "bubblewrap", "--checkpoint", "org.osbuild.hostname", *arguments).stderr
        return [line.removeprefix("ahead ") for line in said.splitlines() if line.startswith("ahead ")]

    # Nothing is in the store yet.
    assert ahead("2750", 1, "--export", "second") == []
    # What the first goes on from, since the second reads all of it.
    (begin,) = ahead("2755", 1, "--export", "second")
    assert begin.startswith(f"{tmp_path}/build/store/objects/") and begin.endswith("/data/tree")
    # Nobody reads what is only exported.
    assert ahead("2700", 1, "--export", "first") == []
    # What the second reads, where the first has nothing to do.
    ahead("2700", 1, "--export", "second", "--checkpoint", "first")
    (whole,) = ahead("2700", 2, "--export", "second")
    assert whole != begin and whole.endswith("/data/tree")
