# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the build module, over scripted answers of the host."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.debian_forge.osbuild.plugins.action import build as action
from ansible_collections.debian_forge.osbuild.plugins.plugin_utils import controller

STARTED = {"build_id": "b1", "state": "running", "changed": True, "msg": "started the build of x (y)", "joined": False}


class Host:
    """Answers module calls from a script and keeps what was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, Any], bool]] = []

    def __call__(
        self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any], wrap_async: bool = False
    ) -> dict[str, Any]:
        self.calls.append((module_name.rpartition(".")[2], dict(module_args), wrap_async))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action.time, "sleep", lambda _ignored: None)
    monkeypatch.setattr(controller, "digest", lambda: "d" * 64)
    monkeypatch.setattr(controller, "version", lambda: "1.0.0")


def perform(host: Host, check: bool = False, async_val: int = 0, **args: Any) -> tuple[dict[str, Any], list[str]]:
    shown: list[str] = []
    plugin = object.__new__(action.ActionModule)
    plugin._task = SimpleNamespace(args=args, async_val=async_val, check_mode=check)  # type: ignore[assignment]
    plugin._display = SimpleNamespace(display=shown.append)
    plugin._execute_module = host
    return plugin._run({"inventory_hostname": "web1"}), shown


def info(state: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"builds": [{"build_id": "b1", "state": state, "steps": list(steps), "progress_offset": 7, **more}]}


STAGE = {"event": "stage", "pipeline": "os", "name": "org.osbuild.apt", "number": 2, "total": 5}


def test_a_build_is_followed_to_its_end_and_each_stage_shown() -> None:
    host = Host(STARTED, info("running", STAGE), info("running"), info("done", duration=12.4, artifacts=[]))
    result, shown = perform(host, manifest="/m.json", output_directory="/out")
    assert shown == ["[web1] os: org.osbuild.apt (2/5)"]
    assert result["state"] == "done" and result["changed"] and result["msg"] == "built x (y) in 12 s"
    assert [name for name, _ignored, _ignored in host.calls] == ["build", "build_info", "build_info", "build_info"]
    assert host.calls[0][1]["wait"] is False and host.calls[0][1]["detach"] is False
    assert [call[1]["progress_offset"] for call in host.calls[1:]] == [0, 7, 7]


def test_nobody_ends_a_worker_while_it_shows_something() -> None:
    """It would take the lock of the way to the screen with it."""
    blocked: list[set[int]] = []
    plugin = object.__new__(action.ActionModule)
    plugin._display = SimpleNamespace(display=lambda _text: blocked.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    plugin._say("x")
    assert {signal.SIGINT, signal.SIGTERM} <= blocked[0] and signal.SIGINT not in before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_the_controllers_digest_goes_along_unless_another_libdir_is_used() -> None:
    host = Host({"state": "done", "changed": False})
    perform(host, manifest="/m.json")
    assert host.calls[0][1]["bundle_digest"] == "d" * 64
    host = Host({"state": "done", "changed": False})
    perform(host, manifest="/m.json", libdir="/lib")
    assert "bundle_digest" not in host.calls[0][1]


def test_nothing_is_asked_when_nothing_was_started() -> None:
    host = Host({"state": "done", "changed": False, "msg": "there"})
    result, shown = perform(host, manifest="/m.json")
    assert result == {"state": "done", "changed": False, "msg": "there"} and shown == [] and len(host.calls) == 1


def test_progress_can_be_switched_off_without_losing_the_lease() -> None:
    host = Host(STARTED, info("running", STAGE), info("done", duration=1.0))
    assert perform(host, manifest="/m.json", display_progress=False)[1] == []
    assert [name for name, _ignored, _ignored in host.calls].count("build_info") == 2


def test_a_failed_build_fails_the_task_with_what_the_host_knows() -> None:
    error = {"msg": "stage x failed; the log is /log", "failed_stage": "x", "log_tail": ["a"]}
    result, _ignored = perform(Host(STARTED, info("failed", error=error)), manifest="/m.json")
    assert result["failed"] and result["changed"] is False
    assert (result["msg"], result["failed_stage"], result["log_tail"]) == (error["msg"], "x", ["a"])


def test_a_connection_that_comes_back_is_forgiven() -> None:
    down = {"failed": True, "msg": "timed out"}
    host = Host(STARTED, down, down, info("done", duration=1.0))
    assert perform(host, manifest="/m.json")[0]["state"] == "done"


def test_a_connection_that_stays_away_ends_the_task() -> None:
    host = Host(STARTED, *[{"unreachable": True, "msg": "timed out"}] * 5)
    with pytest.raises(AnsibleActionFail, match="b1 cannot be looked at any more: timed out"):
        perform(host, manifest="/m.json")


def test_a_job_folder_that_is_taken_away_ends_the_task() -> None:
    with pytest.raises(AnsibleActionFail, match="was taken away"):
        perform(Host(STARTED, {"builds": []}), manifest="/m.json")


@pytest.mark.parametrize(
    ("args", "check", "async_val"),
    [
        ({"wait": False}, False, 0),
        ({}, True, 0),
        ({}, False, 300),
        ({"state": "cancelled", "build_id": "b1"}, False, 0),
    ],
)
def test_the_host_is_asked_once_where_nobody_waits_here(args: dict[str, Any], check: bool, async_val: int) -> None:
    host = Host(STARTED)
    perform(host, check=check, async_val=async_val, manifest="/m.json", **args)
    (call,) = host.calls
    assert call[0] == "build" and call[2] is bool(async_val)
    assert call[1].get("wait", True) is (args.get("wait") is not False)


def test_detach_stays_as_the_user_wants_it() -> None:
    host = Host(STARTED, info("done", duration=1.0))
    perform(host, manifest="/m.json", detach=True)
    assert host.calls[0][1]["detach"] is True


@pytest.mark.parametrize(("name", "value"), [("wait", "perhaps"), ("poll_interval", "soon")])
def test_a_wrong_type_is_named(name: str, value: str) -> None:
    with pytest.raises(AnsibleActionFail, match=f"{name} is '{value}'"):
        perform(Host(STARTED), manifest="/m.json", **{name: value})


def test_install_comes_first_and_counts_as_a_change() -> None:
    host = Host({"changed": True}, {"state": "done", "changed": False, "msg": "there"})
    result, _ignored = perform(host, manifest="/m.json", install=True)
    assert [name for name, _ignored, _ignored in host.calls] == ["engine", "build"]
    assert host.calls[0][1] == {"version": "1.0.0", "digest": "d" * 64}
    assert result["changed"] is True


def test_a_failed_installation_ends_the_task() -> None:
    host = Host({"failed": True, "msg": "no room"})
    assert perform(host, manifest="/m.json", install=True)[0]["msg"] == "no room"


def test_joining_is_said() -> None:
    host = Host(
        {**STARTED, "joined": True, "msg": "the build of x (y) was running already"}, info("done", duration=3.0)
    )
    result, shown = perform(host, manifest="/m.json")
    assert shown == ["[web1] joining build b1, which is running"]
    assert result["msg"] == "built x (y) in 3 s"


def test_a_connection_that_is_down_for_a_moment_is_no_end() -> None:
    host = Host(STARTED, AnsibleConnectionFailure("no route"), info("done", duration=1.0, artifacts=[]))
    assert perform(host, manifest="/m.json", output_directory="/out")[0]["state"] == "done"
    host = Host(STARTED, *[AnsibleConnectionFailure("no route")] * 5)
    with pytest.raises(AnsibleActionFail, match="cannot be looked at any more: no route"):
        perform(host, manifest="/m.json", output_directory="/out")
