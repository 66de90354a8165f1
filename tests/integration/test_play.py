# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays over the stub engine: live progress, interruption, ansible-runner, the role forth and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STUB = REPO / "tests" / "support" / "stub_libdir"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **kept,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONUNBUFFERED": "1",
    }


def play(tmp_path: Path, *tasks: dict[str, Any], **more: Any) -> Path:
    defaults = {
        "debian_forge.osbuild.build": {
            "libdir": str(STUB),
            "store": str(tmp_path / "store"),
            "output_directory": str(tmp_path / "out"),
            "jobs_directory": str(tmp_path / "jobs"),
            "poll_interval": 0.3,
        }
    }
    document = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": defaults,
        "vars": {"ansible_python_interpreter": "/usr/bin/python3"},
        "tasks": list(tasks),
        **more,
    }
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([document]))
    return path


def build(*stages: dict[str, Any], **more: Any) -> dict[str, Any]:
    pipeline = {"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": one} for one in stages]}
    manifest = {"version": "2", "pipelines": [pipeline]}
    return {"name": "Build", "debian_forge.osbuild.build": {"manifest": manifest, **more}}


@pytest.fixture
def started(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A play that is building."""
    path = play(tmp_path, build({"sleep": 120}, build_id="slow", lease_seconds=4))
    process = subprocess.Popen(
        [str(BIN / "ansible-playbook"), str(path)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[localhost] tree: org.osbuild.noop"):
            break
    else:
        pytest.fail("the play ended without showing the stage")
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def state(tmp_path: Path) -> str:
    result = tmp_path / "jobs" / "slow" / "result.json"
    if result.exists():
        return str(json.loads(result.read_text())["state"])
    return str(json.loads((tmp_path / "jobs" / "slow" / "job.json").read_text())["state"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_build_of_a_play_that_is_gone_ends_by_itself(
    number: signal.Signals, started: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert state(tmp_path) == "running"
    engine = int((tmp_path / "store" / "starts").read_text())
    os.killpg(started.pid, number)
    started.wait(30)
    end = time.monotonic() + 30
    while state(tmp_path) == "running":
        assert time.monotonic() < end, "the build goes on although nobody waits for it"
        time.sleep(0.2)
    assert state(tmp_path) == "cancelled"
    assert not Path(f"/proc/{engine}").exists()
    assert not (tmp_path / "out").exists()


def test_stages_are_events_of_ansible_runner_while_they_run(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "runner" / "project").mkdir(parents=True)
    path = play(tmp_path, build({"sleep": 2}, {"print": "second\n"}, {"sleep": 2}))
    path.rename(tmp_path / "runner" / "project" / "play.yml")
    command = [str(BIN / "ansible-runner"), "run", str(tmp_path / "runner"), "-p", "play.yml", "--json"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    shown = [event for event in events if event["event"] == "verbose" and event["stdout"].startswith("[localhost] tree:")]
    assert [event["stdout"][-5:] for event in shown] == ["(1/3)", "(2/3)", "(3/3)"]
    # The first was shown while the stage was running, not with all others at the end.
    assert shown[0]["created"] < shown[2]["created"]


def test_a_failing_stage_is_shown_in_the_terminal(tmp_path: Path, environment: dict[str, str]) -> None:
    path = play(tmp_path, build({"print": "trying\n", "fail": "no such group: x"}))
    done = subprocess.run([str(BIN / "ansible-playbook"), str(path)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "stage org.osbuild.noop of pipeline tree failed: no such group: x; the log is" in done.stdout + done.stderr


def recap(output: str) -> dict[str, int]:
    return {name: int(value) for name, value in (word.split("=") for word in output.rsplit(":", 1)[1].split())}


@pytest.mark.root
def test_the_role_sets_a_host_up_once_and_takes_everything_back(tmp_path: Path, environment: dict[str, str]) -> None:
    variables = {
        "build_host_directory": str(tmp_path / "data"),
        "build_host_engine_root": str(tmp_path / "lib" / "engine"),
        "build_host_install_packages": False,
        "build_host_free_space": 1,
        "build_host_remove_data": True,
    }
    path = play(tmp_path, roles=["debian_forge.osbuild.build_host"])

    def run(*options: str, **more: Any) -> dict[str, int]:
        command = [str(BIN / "ansible-playbook"), str(path), "-e", json.dumps({**variables, **more}), *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return recap(done.stdout)

    assert run("--check")["changed"] > 0
    assert not (tmp_path / "data").exists() and not (tmp_path / "lib").exists()
    assert run()["changed"] > 0
    assert (tmp_path / "lib" / "engine" / "current" / "osbuild" / "__main__.py").is_file()
    assert run()["changed"] == 0
    assert run("--tags", "preflight")["changed"] == 0
    assert run("--check", build_host_state="absent")["changed"] > 0
    assert (tmp_path / "data").exists()
    rule = Path("/etc/udev/rules.d/58-debian-forge-inhibitor.rules")
    assert rule.is_file(), "udev is kept away from devices of builds"
    # Engine, data, and that rule.
    assert run(build_host_state="absent")["changed"] == 3
    assert not (tmp_path / "data").exists() and not (tmp_path / "lib" / "engine").exists() and not rule.exists()
    assert run(build_host_state="absent")["changed"] == 0


@pytest.mark.root
def test_the_role_refuses_early_and_says_how_to_repair(tmp_path: Path, environment: dict[str, str]) -> None:
    path = play(tmp_path, roles=["debian_forge.osbuild.build_host"])
    variables = {"build_host_directory": str(tmp_path / "data"), "build_host_free_space": 10**9}
    command = [str(BIN / "ansible-playbook"), str(path), "-e", json.dumps(variables)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "name another place with build_host_directory" in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()
