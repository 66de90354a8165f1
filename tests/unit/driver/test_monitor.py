# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's stream, recorded from the engine, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.monitor import Follower, Reader, Record, Step

DATA = Path(__file__).parent / "data"


def read(name: str, chunk: int = 1 << 20) -> tuple[list[Record], Reader]:
    data, reader, found = (DATA / name).read_bytes(), Reader(), []
    for start in range(0, len(data), chunk):
        found += reader.feed(data[start : start + chunk])
    reader.close()
    return found, reader


def steps(records: list[Record]) -> list[Step]:
    follower = Follower()
    return [step for record in records if (step := follower.take(record)) is not None]


def test_a_good_build_is_told_step_by_step() -> None:
    found = [(step.kind, step.pipeline, step.name, step.number, step.total) for step in steps(read("good.jsonseq")[0])]
    assert found == [
        ("source", "", "org.osbuild.inline", 1, 3),
        ("source-done", "", "org.osbuild.inline", 1, 3),
        ("pipeline", "build", "build", 2, 3),
        ("stage", "build", "org.osbuild.mkdir", 1, 1),
        ("stage-done", "build", "org.osbuild.mkdir", 1, 1),
        ("pipeline", "tree", "tree", 3, 3),
        ("stage", "tree", "org.osbuild.mkdir", 1, 3),
        ("stage-done", "tree", "org.osbuild.mkdir", 1, 3),
        ("stage", "tree", "org.osbuild.copy", 2, 3),
        ("stage-done", "tree", "org.osbuild.copy", 2, 3),
        ("stage", "tree", "org.osbuild.hostname", 3, 3),
        ("stage-done", "tree", "org.osbuild.hostname", 3, 3),
    ]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_how_the_bytes_arrive_does_not_matter(chunk: int) -> None:
    assert read("good.jsonseq", chunk)[0] == read("good.jsonseq")[0]


def test_contexts_are_remembered() -> None:
    finished = [
        record for record in read("good.jsonseq")[0] if record.message.startswith("Finished module org.osbuild.mkdir")
    ]
    assert [(record.pipeline, record.stage) for record in finished] == [
        ("build", "org.osbuild.mkdir"),
        ("tree", "org.osbuild.mkdir"),
    ]


def test_stages_are_kept_with_their_times() -> None:
    follower = Follower()
    for record in read("good.jsonseq")[0]:
        follower.take(record)
    assert [(run.pipeline, run.name, run.success) for run in follower.stages] == [
        ("build", "org.osbuild.mkdir", True),
        ("tree", "org.osbuild.mkdir", True),
        ("tree", "org.osbuild.copy", True),
        ("tree", "org.osbuild.hostname", True),
    ]
    assert all(run.seconds > 0 and len(run.id) == 64 for run in follower.stages)


def test_a_failing_stage_is_seen() -> None:
    last = [step for step in steps(read("failing.jsonseq")[0]) if step.kind == "stage-done"][-1]
    assert (last.name, last.success) == ("org.osbuild.users", False)


def test_a_failing_source_is_seen() -> None:
    assert [(step.name, step.success) for step in steps(read("source.jsonseq")[0]) if step.kind == "source-done"] == [
        ("org.osbuild.curl", False)
    ]


def test_a_record_that_was_cut_off_is_counted_and_left_out() -> None:
    data = (DATA / "good.jsonseq").read_bytes()
    reader = Reader()
    found = list(reader.feed(data[:-40]))
    reader.close()
    assert reader.damaged == 1
    assert found == read("good.jsonseq")[0][:-1]


def test_noise_between_records_is_survived() -> None:
    reader = Reader()
    text = b'half a rec\x1e{"message": "one"}\n\x1enot json\n\x1e[]\n\n\x1e{"message": "two"}\n'
    assert [record.message for record in reader.feed(text)] == ["one", "two"]
    assert reader.damaged == 2
