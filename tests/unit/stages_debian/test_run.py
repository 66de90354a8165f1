# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of the user: what they see, how failures are told, what is gone afterwards, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage_process import RUN

from .conftest import last_line, succeeded

pytestmark = pytest.mark.root

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(repo: Path, tree: Path, tmp_path: Path) -> Run:
    """Run the stage; inputs: name -> {file: content}; options by name."""

    def start(
        inputs: Mapping[str, Mapping[str, str]] | None = None, extra: Mapping[str, Any] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        given = {}
        for name, files in (inputs or {}).items():
            folder = tmp_path / "inputs" / name
            folder.mkdir(parents=True)
            for file, content in files.items():
                (folder / file).write_text(content)
            given[name] = {"path": str(folder), "data": {"files": {file: {} for file in files}}}
        arguments = {
            "tree": str(tree), "inputs": given, "options": {key.replace("_", "-"): value for key, value in options.items()},
            **(extra or {}),
        }
        return subprocess.run(
            [sys.executable, "-B", "-c", RUN, str(repo / "stages/org.osbuild.debian.run")],
            input=json.dumps({"args": arguments}), capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": str(repo / "engine"), "SOURCE_DATE_EPOCH": "1750000000"},
        )

    return start


@pytest.fixture
def system(bootstrap: Callable[..., Any], tree: Path) -> Path:
    succeeded(bootstrap())
    return tree


def listing(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob("*")}


def test_commands_see_the_tree_and_leave_only_what_they_write(run: Run, system: Path) -> None:
    (system / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    before = listing(system)
    result = run(
        {"files": {"sha256:1": "text"}},
        commands=[
            "cat /run/inputs/app.conf >/etc/app.conf",
            "cat $INPUTSDIR/files/sha256:1 >>/etc/app.conf; echo $WORD >>/etc/app.conf",
            "touch /tmp/x /run/x /dev/shm/x; [ -c /dev/null ] && [ -d /proc/self ]",
            "status=0; /usr/sbin/policy-rc.d || status=$?; [ $status = 101 ]",
            "! echo x 2>/dev/null >/run/inputs/y",
        ],
        environment={"WORD": "two words"}, names={"app.conf": "files/sha256:1"},
    )
    output = succeeded(result)
    assert "cat /run/inputs/app.conf" in output
    assert (system / "etc/app.conf").read_text() == "texttexttwo words\n"
    assert listing(system) - before == {"etc/app.conf"}
    assert os.readlink(system / "etc/resolv.conf") == "/run/resolv.conf"
    assert str(system) not in Path("/proc/self/mountinfo").read_text()


def test_a_script_runs_with_arguments_in_its_directory(run: Run, system: Path) -> None:
    succeeded(run({"script": {"sha256:1": "#!/bin/sh\necho \"$1 $PWD\" >/root/out\n"}}, arguments=["a b"],
                  working_directory="/etc"))
    assert (system / "root/out").read_text() == "a b /etc\n"


def test_inputs_appear_where_asked_and_the_place_is_gone_afterwards(run: Run, system: Path) -> None:
    succeeded(run({"files": {"f": "text"}}, script="cat /opt/build/in/files/f >/root/out", inputs_path="/opt/build/in"))
    assert (system / "root/out").read_text() == "text"
    assert not (system / "opt").exists()


def test_nothing_is_written_through_links_that_lead_out(run: Run, system: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (system / "opt").symlink_to(outside)
    succeeded(run({"files": {"f": "text"}}, commands=["cat /opt/in/files/f >/root/out"], inputs_path="/opt/in"))
    assert list(outside.iterdir()) == []
    (system / "tmp").rmdir()
    (system / "tmp").symlink_to(outside)
    assert "/tmp of the tree is not a directory" in last_line(run(commands=["true"]))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"script": "echo one\necho two\nls /nothere\necho never\n"},
         r"script 'script' failed with exit status 2 at the command (ls /nothere); its output: "),
        ({"script": "#!/bin/sh\n\nexit 7\n", "label": "setup"}, "script 'setup' failed with exit status 7 at the command (exit 7)"),
        ({"script": "echo $NOTHERE\n"}, "NOTHERE"),
        ({"script": "kill -9 $$\n"}, "script 'script' was ended by SIGKILL at the command (kill -9 "),
        ({"commands": ["true", "ls /nothere", "touch /root/never"]},
         "command 2 of 3 ('ls /nothere') failed with exit status 2; its output: "),
        ({"script": "#!/usr/bin/nothere\n"}, "script 'script' cannot be started"),
        ({"commands": ["true"], "working_directory": "/nothere"}, "option working-directory is '/nothere', which is no directory"),
        ({"commands": ["true"], "shell": "bash"}, "option shell is 'bash', but there is no such shell"),
    ],
)
def test_a_failure_is_one_sentence(run: Run, system: Path, options: dict[str, Any], message: str) -> None:
    if (system / "usr/bin/bash").exists() and options.get("shell"):
        pytest.skip("the small system has bash")
    before = listing(system)
    result = run(**options)
    assert message in last_line(result)
    assert "never" not in result.stdout
    assert listing(system) == before


def test_a_script_that_is_not_strict_goes_on(run: Run, system: Path) -> None:
    succeeded(run(script="ls /nothere\necho on >/root/out\n", strict=False))
    assert (system / "root/out").read_text() == "on\n"


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ({}, {}, "exactly one of commands, script and the input script is allowed, found none"),
        ({}, {"commands": ["true"], "script": "x"}, "found commands and script"),
        ({"script": {"a": "x"}}, {"script": "x"}, "found script and input script"),
        ({"script": {"a": "x", "b": "y"}}, {}, "inputs.script must hold exactly one file, found 2"),
        ({"files": {"a": "x"}}, {"commands": ["true"], "names": {"n": "files/b"}}, "which the input files does not hold"),
        ({"files": {"a": "x"}}, {"commands": ["true"], "names": {"n": "files/../../x"}}, "option names.n is"),
        ({"files": {"a": "x"}}, {"commands": ["true"], "names": {"../n": "files/a"}}, "which '../n' cannot be"),
        ({"files": {"a": "x"}}, {"commands": ["true"], "inputs_path": "/run/../dev"}, "would hide what is there"),
        ({}, {"commands": ["true"], "arguments": ["x"]}, "option arguments is for scripts"),
        ({}, {"commands": ["true"], "root": "mount://nothere/"}, "option root: Unknown mount 'nothere'"),
        ({}, {"commands": ["true"], "chroot": False, "policy_rc.d": "deny"}, "option policy-rc.d is for scripts that run in"),
    ],
)
def test_what_cannot_work_is_refused(run: Run, tree: Path, inputs: Any, options: dict[str, Any], message: str) -> None:
    assert message in last_line(run(inputs, **options))
    assert list(tree.iterdir()) == []


def test_in_the_build_root_the_tree_has_a_name(run: Run, tree: Path, tmp_path: Path) -> None:
    mount = tmp_path / "mounts/root"
    mount.mkdir(parents=True)
    extra = {
        "paths": {"mounts": str(tmp_path / "mounts"), "devices": "/dev"}, "mounts": {"root": {"path": str(mount)}},
        "devices": {"image": {"path": "loop7"}, "other": {"path": "loop8"}},
    }
    script = "cp \"$RECIPEDIR/app.conf\" \"$ROOTDIR/app.conf\"\n[[ -d $ARTIFACTDIR ]]\necho \"$IMAGE $IMAGEMNTDIR\" >$ARTIFACTDIR/out\n"
    succeeded(run({"files": {"f": "text"}}, extra, script=script, chroot=False, names={"app.conf": "files/f"},
                  root="mount://root/"))
    assert (mount / "app.conf").read_text() == "text"
    assert (tree / "out").read_text() == f"/dev/loop7 {tmp_path}/mounts\n"


def test_a_mounted_file_system_can_be_the_root(run: Run, system: Path, tmp_path: Path) -> None:
    extra = {"paths": {"mounts": str(tmp_path)}, "mounts": {"root": {"path": str(system)}}}
    succeeded(run(None, extra, commands=["echo x >/root/out"], root="mount://root/"))
    assert (system / "root/out").read_text() == "x\n"


def test_a_failing_pipe_in_the_build_root_is_a_failure(run: Run) -> None:
    assert "failed with exit status 1 at line 2 (" in last_line(run(script="true\nfalse | true\n", chroot=False, shell="bash"))
