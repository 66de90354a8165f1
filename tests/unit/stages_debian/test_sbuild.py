# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building a package: what the build sees, what it leaves, how failures are told. The building program is a stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage_process import RUN

from .conftest import last_line, succeeded

pytestmark = pytest.mark.root

SETPRIV = '#!/bin/sh\necho "$*" >>/build/setpriv\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n'
BUILD = """#!/bin/sh
set -e
echo "$PWD $* $DEB_BUILD_OPTIONS ${SOURCE_DATE_EPOCH-none} $(cat hello)" >../app_1.0.deb
ls -ln hello >../app_1.0.buildinfo
touch /usr/bin/trace; echo changed >hello
printf 'Files:\\n 0 0 x y app_1.0.deb\\n 0 0 x y app_1.0.buildinfo\\n' >../app_1.0.changes
"""


@pytest.fixture
def inputs(bootstrap: Callable[..., Any], tree: Path, tmp_path: Path) -> dict[str, Path]:
    """A system that "builds", and a source package."""
    succeeded(bootstrap())
    chroot = tree.rename(tmp_path / "chroot")
    tree.mkdir()
    for name, text in (("setpriv", SETPRIV), ("dpkg-buildpackage", BUILD)):
        (chroot / "usr/bin" / name).write_text(text)
        (chroot / "usr/bin" / name).chmod(0o755)
    place = tmp_path / "source/build/app-1.0"
    (place / "debian").mkdir(parents=True)
    (place / "hello").write_text("hello")
    (place / "debian/control").write_text("Source: app\nRules-Requires-Root: no\n\nPackage: app\n")
    (place / "debian/changelog").write_text("app (1.0) unstable; urgency=medium\n")
    return {"chroot": chroot, "source": tmp_path / "source"}


@pytest.fixture
def run(repo: Path, tree: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def start(inputs: dict[str, Path], **options: Any) -> subprocess.CompletedProcess[str]:
        arguments = {"tree": str(tree), "given": {name: {"path": str(path)} for name, path in inputs.items()},
                     "options": {key.replace("_", "-"): value for key, value in options.items()}, "meta": {"source-epoch": 1767225600}}
        return subprocess.run(
            [sys.executable, "-B", "-c", RUN, str(repo / "stages/org.osbuild.sbuild")],
            input=json.dumps(arguments), capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(repo / "engine"), "SOURCE_DATE_EPOCH": "1767225600"},
        )

    return start


Run = Callable[..., subprocess.CompletedProcess[str]]


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_only_what_is_built_comes_out(run: Run, inputs: dict[str, Path], tree: Path) -> None:
    before = {name: listing(path) for name, path in inputs.items()}
    succeeded(run(inputs, directory="/out", jobs=2, check=False, build="any", arguments=["-d"]))
    assert sorted(os.listdir(tree)) == ["out"]
    assert sorted(os.listdir(tree / "out")) == ["app_1.0.buildinfo", "app_1.0.changes", "app_1.0.deb"]
    assert (tree / "out/app_1.0.deb").read_text() == "/build/app-1.0 --no-sign --build=any -d parallel=2 nocheck none hello\n"
    assert (tree / "out/app_1.0.deb").stat().st_mtime == 1767225600
    assert " 999 999 " in (tree / "out/app_1.0.buildinfo").read_text()
    assert before == {name: listing(path) for name, path in inputs.items()}
    assert str(tree) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo compiling; echo broken; exit 2",
         "app 1.0 cannot be built: dpkg-buildpackage failed with exit status 2; its output: compiling / broken"),
        ("echo 'dpkg-checkbuilddeps: error: Unmet build dependencies: help2man'; exit 3",
         "cannot be built: unmet build dependencies: help2man"),
        ("exit 0", "the build of app left no .changes"),
        ("ln -s /etc/passwd ../app.deb; printf 'Files:\\n 0 0 x y app.deb\\n' >../app.changes",
         "the build lists 'app.deb', which is no file"),
        ("printf 'Files:\\n 0 0 x y ../etc/passwd\\n' >../app.changes", "the build lists '../etc/passwd', which is no file"),
    ],
)
def test_a_build_that_fails_leaves_nothing(run: Run, inputs: dict[str, Path], tree: Path, script: str, message: str) -> None:
    (inputs["chroot"] / "usr/bin/dpkg-buildpackage").write_text(f"#!/bin/sh\n{script}\n")
    assert message in last_line(run(inputs))
    assert list(tree.iterdir()) == []


def test_what_cannot_be_built_is_refused(run: Run, inputs: dict[str, Path], tree: Path) -> None:
    assert "the input source is needed" in last_line(run({"chroot": inputs["chroot"]}))
    assert "the input source has no directory /nothere" in last_line(run(inputs, source_directory="/nothere"))
    assert "option profiles names 'a b'" in last_line(run(inputs, profiles=["a b"]))
    control = inputs["source"] / "build/app-1.0/debian/control"
    control.write_text("Source: app\nRules-Requires-Root: binary-targets\n")
    assert "app needs root or fakeroot" in last_line(run(inputs))
    control.write_text("Package: app\n")
    assert "app-1.0 is no source package" in last_line(run(inputs))
    control.unlink()
    assert "must have one unpacked source package, found 0" in last_line(run(inputs))
    (inputs["chroot"] / "usr/bin/dpkg-buildpackage").unlink()
    assert "the input chroot has no dpkg-buildpackage" in last_line(run(inputs))
    assert list(tree.iterdir()) == []


@pytest.mark.parametrize("version", [None, "0.9"])
def test_sbuild_builds_an_unchanged_dsc(run: Run, inputs: dict[str, Path], tree: Path, version: str | None) -> None:
    if version is not None:
        (inputs["source"] / "build/app_0.9.dsc").write_text(f"Source: app\nVersion: {version}\n")
    assert "must have one of app 1.0 beside the source directory, without local changes" in last_line(run(inputs, mode="sbuild"))
    assert list(tree.iterdir()) == []


def test_links_of_the_source_do_not_lead_out(run: Run, inputs: dict[str, Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    mode = secret.stat().st_uid
    (inputs["source"] / "build/app-1.0/link").symlink_to(secret)
    succeeded(run(inputs))
    assert secret.stat().st_uid == mode
