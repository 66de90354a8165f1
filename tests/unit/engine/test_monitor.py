# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors write (contract, sections 7.2 and 7.3)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from osbuild import monitor
from osbuild.pipeline import StageResult
from osbuild.sources import SourceItemResult, SourceResults

STAGE: Any = SimpleNamespace(name="org.osbuild.noop", id="stage-id", options={"a": 1})
PIPELINE: Any = SimpleNamespace(
    name="tree",
    id="tree-id",
    build=None,
    stages=[STAGE, STAGE],
    runner=SimpleNamespace(name="org.osbuild.debian12", exec="org.osbuild.debian"),
    source_epoch=0,
)
SOURCE: Any = SimpleNamespace(name="source org.osbuild.curl", id="source-id", build=None, stages=[], runner=None, source_epoch=None)


class Pipe:
    """A monitor's file descriptor, and what was written to it."""

    def __init__(self) -> None:
        self.reader, self.fd = os.pipe()

    def text(self) -> str:
        os.close(self.fd)
        with open(self.reader, encoding="utf-8") as file:
            return file.read()

    def records(self) -> list[dict[str, Any]]:
        text = self.text()
        assert text.startswith("\x1e")
        return [json.loads(line) for line in text.split("\x1e")[1:] if line.endswith("\n")]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    yield Pipe()


def source_results() -> SourceResults:
    results = SourceResults("org.osbuild.curl")
    results.add(SourceItemResult(metadata={"checksum": "sha256:a", "cached": False}))
    return results


def test_records_of_a_build(pipe: Pipe) -> None:
    mon = monitor.JSONSeqMonitor(pipe.fd, 2)
    mon.log("starting m", origin="osbuild.main_cli")
    mon.begin(SOURCE)
    mon.result(source_results())
    mon.finish({"name": "org.osbuild.curl"})
    mon.begin(PIPELINE)
    mon.stage(STAGE)
    mon.log("hello", origin="stages/org.osbuild.noop")
    mon.log("", origin="stages/org.osbuild.noop")
    mon.result(StageResult(STAGE, 0, "hello", None), {"m": 1})
    mon.finish({"name": "tree"})
    records = pipe.records()
    assert [record.get("message") for record in records] == [
        "starting m",
        "Starting pipeline source org.osbuild.curl",
        "Finished module source org.osbuild.curl",
        "Finished pipeline org.osbuild.curl",
        "Starting pipeline tree",
        "Starting module org.osbuild.noop",
        "hello",
        None,
        "Finished module org.osbuild.noop",
        "Finished pipeline tree",
    ]
    assert [record["progress"]["done"] for record in records] == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2]
    subs = [record["progress"].get("progress") for record in records]
    assert subs[:4] == [None] * 4
    assert [sub["done"] for sub in subs[4:9]] == [0, 0, 0, 0, 1]
    assert subs[8] == {"name": "pipeline: tree", "total": 2, "done": 1}
    assert subs[9] is None
    finished = records[8]
    assert list(finished) == ["message", "result", "context", "progress", "options", "timestamp", "duration", "metadata"]
    assert finished["result"] == {"name": "org.osbuild.noop", "id": "stage-id", "success": True, "output": "hello"}
    assert (finished["options"], finished["metadata"]) == ({"a": 1}, {"m": 1})
    assert "duration" not in records[2]
    assert "options" not in records[2]


def test_contexts_are_told_once_and_keep_the_stage(pipe: Pipe) -> None:
    mon = monitor.JSONSeqMonitor(pipe.fd, 1)
    mon.log("a", origin="osbuild.main_cli")
    mon.log("b", origin="osbuild.main_cli")
    mon.begin(PIPELINE)
    mon.stage(STAGE)
    mon.begin(PIPELINE)
    first, second, _ignored, _ignored, again = (record["context"] for record in pipe.records())
    assert first == {
        "origin": "osbuild.main_cli",
        "pipeline": {"stage": {}},
        "id": "ede22f789202b9017bd24089276f57f559018c593914632c80206be12f5b3bb0",
    }
    assert second == {"id": first["id"]}
    assert list(again) == ["id"]


def test_long_output_is_cut_in_the_record_only(pipe: Pipe) -> None:
    mon = monitor.JSONSeqMonitor(pipe.fd, 1)
    result = StageResult(STAGE, 0, "x" * 100 + "y" * 31000, None)
    # A thread reads while the monitor writes: the record is larger than a pipe may be.
    records: list[dict[str, Any]] = []
    os.set_blocking(pipe.fd, True)
    reader = threading.Thread(target=lambda: records.append(json.loads(os.read(pipe.reader, 1 << 20)[1:])))
    reader.start()
    mon.result(result)
    reader.join()
    assert records[0]["result"]["output"] == "[...100 bytes hidden...]\n" + "y" * 31000
    assert len(result.output) == 31100


def test_records_of_threads_do_not_mix(pipe: Pipe) -> None:
    mon = monitor.JSONSeqMonitor(pipe.fd, 1)
    threads = [threading.Thread(target=lambda i=i: [mon.log(str(i) * 100) for _ignored in range(10)]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record["message"] for record in pipe.records()) == sorted(str(i) * 100 for i in range(4) for _ignored in range(10))


def test_empty_members_are_left_out_of_objects_but_not_of_lists() -> None:
    data = {"a": None, "b": "", "c": 0, "d": {}, "e": {"f": None, "g": False}, "h": [None, "", {"i": None}]}
    assert monitor.omitempty(data) == {"c": 0, "d": {}, "e": {"g": False}, "h": [None, "", {"i": None}]}


def test_log_monitor_tells_people(pipe: Pipe) -> None:
    mon = monitor.LogMonitor(pipe.fd, 1)
    mon.begin(PIPELINE)
    mon.stage(STAGE)
    mon.log("output\n")
    mon.result(StageResult(STAGE, 0, "output\n", None))
    mon.finish({"name": "tree"})
    text = pipe.text()
    assert "Pipeline tree: tree-id\nBuild\n  root: <host>\n  runner: org.osbuild.debian12 (org.osbuild.debian)\n" in text
    assert "  source-epoch: Thu Jan  1 00:00:00 1970 [0]\n" in text
    assert 'org.osbuild.noop: stage-id {\n  "a": 1\n}\noutput\n' in text
    assert "Duration: 0.0" in text
    assert "\033" not in text


def test_log_monitor_takes_sources(pipe: Pipe) -> None:
    mon = monitor.LogMonitor(pipe.fd, 1)
    mon.begin(SOURCE)
    mon.result(source_results())
    assert "Duration" not in pipe.text()


def test_monitors_by_name(pipe: Pipe) -> None:
    for name in ("NullMonitor", "LogMonitor", "JSONSeqMonitor"):
        assert type(monitor.make(name, pipe.fd, 0)).__name__ == name
    with pytest.raises(ValueError, match="Unknown monitor: NoSuchMonitor"):
        monitor.make("NoSuchMonitor", pipe.fd, 0)
