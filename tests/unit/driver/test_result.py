# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result documents, recorded from the engine, as sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.monitor import StageRun
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.result import BuildResult, interpret, tail

DATA = Path(__file__).parent / "data"


def recorded(name: str, status: int) -> BuildResult:
    return interpret((DATA / name).read_text(), "", status, ())


def test_success_keeps_stages() -> None:
    runs = (StageRun("tree", "org.osbuild.noop", "1" * 64, 0.5, True),)
    result = interpret((DATA / "good.result.json").read_text(), "", 0, runs)
    assert result.success and result.failure is None and result.stages == runs


def test_a_failed_stage_is_named_with_pipeline_and_reason() -> None:
    failure = recorded("failing.result.json", 1).failure
    assert failure is not None
    assert (failure.kind, failure.stage, failure.pipeline) == ("stage", "org.osbuild.users", "tree")
    assert failure.message.startswith("stage org.osbuild.users of pipeline tree failed: FileNotFoundError: ")
    assert failure.tail[-1].startswith("FileNotFoundError")


def test_a_failed_source_is_named_with_the_url() -> None:
    failure = recorded("source.result.json", 1).failure
    assert failure is not None and failure.kind == "source"
    assert failure.message == (
        "source org.osbuild.curl failed: cannot download file:///nonexistent/foo.deb: No such file or directory"
    )


def error(output: str, exception: object = None) -> str:
    stage = {"id": "1" * 64, "type": "org.osbuild.x", "output": output, "error": exception}
    document = {"success": False, "error": {"type": "org.osbuild.error.stage", "details": {"stage": stage}}, "log": {}}
    failure = interpret(json.dumps(document), "", 1, ()).failure
    assert failure is not None
    return failure.message


@pytest.mark.parametrize(
    ("output", "exception", "message"),
    [
        ("one\ntwo\n\n", None, "stage org.osbuild.x failed: two"),
        ("x\n", {"type": "ValueError", "value": "bad value"}, "stage org.osbuild.x failed: bad value"),
        ("x\n", {"type": "OSError", "value": "bad disk"}, "stage org.osbuild.x failed: OSError: bad disk"),
        ("", None, "stage org.osbuild.x failed without a word"),
        (
            "Failed to enable unit: no such unit\nTraceback (most recent call last):\n  File \"x\", line 1, in y\n"
            "    run()\nsubprocess.CalledProcessError: Command '['systemctl']' returned non-zero exit status 1.\n",
            None,
            "stage org.osbuild.x failed: Failed to enable unit: no such unit",
        ),
        (
            "cp: error writing 'a': No space left on device\ngiving up\n",
            None,
            "the disk is full: stage org.osbuild.x failed: giving up",
        ),
    ],
)
def test_the_reason_is_the_best_that_is_known(output: str, exception: object, message: str) -> None:
    assert error(output, exception) == message


def test_an_engine_that_dies_is_told_with_what_it_said() -> None:
    failure = interpret(
        "", "Traceback (most recent call last):\nNameError: x\n", 1, (), "stage a of pipeline b"
    ).failure
    assert failure is not None
    assert (
        failure.message == "the engine ended with exit status 1 in stage a of pipeline b without a result: NameError: x"
    )
    killed = interpret("", "", -9, ()).failure
    assert killed is not None and killed.message == "the engine was killed by signal 9 without a result"


def test_a_good_result_with_a_bad_status_is_no_success() -> None:
    assert not recorded("good.result.json", 1).success


def test_the_tail_is_bounded() -> None:
    found = tail("\n".join(f"{number} {'x' * 1000}" for number in range(100)) + "\n\n\n")
    assert len(found) == 40 and found[-1].startswith("99 ") and all(len(line) <= 300 for line in found)
