# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: started, joined, ended by every means, never half-delivered, nothing left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import record
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BuildError, BuildTimeout, ForgeError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.jobs import control
from ansible_collections.debian_forge.osbuild.plugins.module_utils.jobs.folder import JobFolder
from ansible_collections.debian_forge.osbuild.plugins.module_utils.jobs.owner import Owner, start_time

MakeJob = Callable[..., control.Job]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def in_stage(folder: JobFolder) -> bool:
    return any(step["event"] == "stage" for step in folder.steps()[0])


def test_a_good_build_is_delivered_with_record_manifest_and_log(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    job = make_job({"write": {"disk.img": "data"}, "print": "hello\n"}, flatten=True, extra={"lock.json": b"{}\n"})
    status, started = control.start(job, root)
    assert started
    status = control.wait("b1", 0.1, root=root)
    assert status.state == "done", status.result
    out = tmp_path / "out"
    assert sorted(os.listdir(out)) == ["build.log", "disk.img", "lock.json", "manifest.json", "record.json"]
    assert (out / "disk.img").read_text() == "data"
    assert "hello" in (out / "build.log").read_text()
    found = record.read(out)
    assert (
        found is not None
        and found["files"][0]["path"] == "disk.img"
        and found["stages"][0]["name"] == "org.osbuild.noop"
    )
    assert record.canonical(found) == (out / "record.json").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["jobs", "out", "store", "store.lock"]


def test_the_engine_has_the_environment_of_the_job(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    name = "OSBUILD_SOURCES_CURL_MIRRORS"
    control.start(make_job({"print_environment": [name]}, environment={name: "a b"}), root)
    assert control.wait("b1", 0.1, root=root).state == "done"
    assert "OSBUILD_SOURCES_CURL_MIRRORS=a b" in (tmp_path / "out/build.log").read_text()


def test_a_tree_is_delivered_below_the_name_of_its_export(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    control.start(make_job({"write": {"etc/hostname": "x", "usr/bin/y": "z"}}), root)
    assert control.wait("b1", 0.1, root=root).state == "done"
    assert (tmp_path / "out/tree/etc/hostname").read_text() == "x"
    found = record.read(tmp_path / "out")
    assert found is not None and found["files"][0]["path"] == "tree" and found["files"][0]["files"] == 5


def test_a_second_build_replaces_what_lies_there_and_keeps_foreign_files(
    make_job: MakeJob, root: Path, tmp_path: Path
) -> None:
    control.start(make_job({"write": {"etc/a": "1"}}), root)
    control.wait("b1", 0.1, root=root)
    (tmp_path / "out/mine").write_text("keep")
    control.start(make_job({"write": {"etc/b": "2"}}, build_id="b2"), root)
    control.wait("b2", 0.1, root=root)
    assert sorted(os.listdir(tmp_path / "out/tree/etc")) == ["b"]
    assert (tmp_path / "out/mine").read_text() == "keep"


def test_a_failing_stage_is_named_with_its_last_lines(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    control.start(make_job({"print": "trying\n", "fail": "no such thing"}), root)
    status = control.wait("b1", 0.1, root=root)
    error = control.error_of(status)
    assert status.state == "failed" and error is not None
    assert str(error).startswith("stage org.osbuild.noop of pipeline tree failed: no such thing; the log is ")
    assert error.result["failed_stage"] == "org.osbuild.noop"
    assert error.result["log_tail"] == ["trying", "no such thing"]
    assert "no such thing" in Path(error.result["log_path"]).read_text()
    assert not (tmp_path / "out").exists()
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]


def test_an_engine_that_is_killed_is_a_failure_that_says_where(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"die": True}), root)
    error = control.error_of(control.wait("b1", 0.1, root=root))
    assert "was killed by signal 9 in stage org.osbuild.noop of pipeline tree" in str(error)
    assert "the engine had an accident" in str(error)


def test_a_running_build_is_joined_and_not_started_twice(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    job = make_job({"sleep": 1.5, "write": {"x": "y"}})
    assert control.start(job, root)[1] is True
    until((tmp_path / "store/starts").exists)
    assert control.start(job, root)[1] is False
    assert control.wait("b1", 0.1, root=root).state == "done"
    assert len((tmp_path / "store/starts").read_text().split()) == 1


def test_an_ended_build_can_be_started_again(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"fail": "first"}), root)
    control.wait("b1", 0.1, root=root)
    assert control.start(make_job({"write": {"x": "y"}}), root)[1] is True
    status = control.wait("b1", 0.1, root=root)
    assert status.state == "done"
    assert "first" in (status.folder.path / "log.previous").read_text()


def test_the_time_limit_is_wall_clock_and_the_result_says_where_it_was(make_job: MakeJob, root: Path) -> None:
    begun = time.monotonic()
    control.start(make_job({"print": "busy\n", "sleep": 60}, timeout=1.0), root)
    status = control.wait("b1", 0.1, root=root)
    error = control.error_of(status)
    assert isinstance(error, BuildTimeout)
    assert "after its time of 1 s was over in stage org.osbuild.noop of pipeline tree" in str(error)
    assert error.result["log_tail"]
    assert time.monotonic() - begun < 8


def test_cancelling_ends_the_engine_and_all_it_started(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    pids = tmp_path / "child"
    control.start(make_job({"spawn": str(pids), "sleep": 60}), root)
    until(lambda: pids.exists() and pids.read_text())
    child = int(pids.read_text())
    engine = int((tmp_path / "store/starts").read_text())
    status, changed = control.cancel("b1", root=root)
    assert changed and status is not None and status.state == "cancelled"
    assert start_time(child) is None and start_time(engine) is None
    assert not (tmp_path / "out").exists()
    assert control.cancel("b1", root=root)[1] is False


def test_an_engine_that_ignores_signals_is_killed(
    make_job: MakeJob, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.start(make_job({"stubborn": True, "sleep": 60}), root)
    folder = JobFolder.of("b1", root)
    until(lambda: in_stage(folder))
    engine = int((tmp_path / "store/starts").read_text())
    # Do not wait out the supervisor's patience: the caller's own is over first, and it uses force.
    monkeypatch.setattr(control, "_CANCEL_SECONDS", 0.5)
    status, _ignored = control.cancel("b1", root=root)
    assert status is not None and status.state == "cancelled"
    until(lambda: start_time(engine) is None)


def test_a_build_that_nobody_asks_for_is_ended(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"sleep": 60}, lease_seconds=1.0), root)
    folder = JobFolder.of("b1", root)
    until(lambda: folder.state() == "cancelled")
    assert "nobody asked for it for 1 s" in str(control.error_of(control.status("b1", root)))  # type: ignore[arg-type]


def test_asking_keeps_a_build_alive(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"sleep": 2.5}, lease_seconds=1.0), root)
    assert control.wait("b1", 0.2, root=root).state == "done"


def test_a_killed_owner_takes_the_engine_along_and_the_job_is_lost(
    make_job: MakeJob, root: Path, tmp_path: Path
) -> None:
    control.start(make_job({"sleep": 60}), root)
    folder = JobFolder.of("b1", root)
    until(lambda: in_stage(folder))
    owner = Owner.from_dict(folder.owner())
    engine = int((tmp_path / "store/starts").read_text())
    assert owner is not None and owner.alive()
    os.kill(owner.pid, signal.SIGKILL)
    until(lambda: folder.state() == "lost")
    until(lambda: start_time(engine) is None)
    assert "is lost" in str(control.error_of(control.status("b1", root)))  # type: ignore[arg-type]
    assert control.start(make_job({"write": {"x": "y"}}), root)[1] is True
    assert control.wait("b1", 0.1, root=root).state == "done"


def test_builds_of_one_store_wait_for_each_other(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    control.start(make_job({"sleep": 1.2}), root)
    until(lambda: in_stage(JobFolder.of("b1", root)))
    control.start(make_job({"write": {"x": "y"}}, build_id="b2", destination=tmp_path / "out2"), root)
    second = JobFolder.of("b2", root)
    until(lambda: any(step["event"] == "waiting" for step in second.steps()[0]))
    assert second.state() == "queued"
    assert control.wait("b2", 0.1, root=root).state == "done"
    assert control.status("b1", root).state == "done"  # type: ignore[union-attr]


def test_a_waiting_build_can_be_cancelled(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    control.start(make_job({"sleep": 30}), root)
    until(lambda: in_stage(JobFolder.of("b1", root)))
    control.start(make_job(build_id="b2", destination=tmp_path / "out2"), root)
    assert control.cancel("b2", root=root)[0].state == "cancelled"  # type: ignore[union-attr]
    assert control.cancel("b1", root=root)[0].state == "cancelled"  # type: ignore[union-attr]


def test_an_unwritable_destination_is_one_sentence(make_job: MakeJob, root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    control.start(make_job({"write": {"x": "y"}}, destination=tmp_path / "file" / "out"), root)
    error = control.error_of(control.wait("b1", 0.1, root=root))
    assert error is not None and "Not a directory" in str(error)


def test_progress_can_be_read_from_where_one_was(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"print": "a"}, {"print": "b"}), root)
    folder = control.wait("b1", 0.1, root=root).folder
    first, offset = folder.steps(limit=200)
    rest, end = folder.steps(offset)
    assert len(first) >= 1 and offset < end
    stages = [step for step in first + rest if step["event"] == "stage"]
    assert [(step["number"], step["total"]) for step in stages] == [(1, 2), (2, 2)]
    assert folder.steps(end) == ([], end)


def test_the_folder_is_closed_to_others(make_job: MakeJob, root: Path) -> None:
    control.start(make_job(), root)
    folder = control.wait("b1", 0.1, root=root).folder
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_proxy_passwords_are_in_no_file_and_no_argv(
    make_job: MakeJob, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:s3cr3t@proxy.example.com")
    control.start(make_job({"sleep": 0.5}), root)
    folder = JobFolder.of("b1", root)
    owner = Owner.from_dict(folder.owner())
    assert owner is not None
    assert b"s3cr3t" in Path(f"/proc/{owner.pid}/environ").read_bytes()
    assert b"s3cr3t" not in Path(f"/proc/{owner.pid}/cmdline").read_bytes()
    control.wait("b1", 0.1, root=root)
    for path in folder.path.iterdir():
        assert b"s3cr3t" not in path.read_bytes(), path


def test_old_jobs_are_pruned_and_listed_newest_first(make_job: MakeJob, root: Path) -> None:
    for number in range(3):
        control.start(make_job(build_id=f"b{number}"), root)
        control.wait(f"b{number}", 0.1, root=root)
    assert [one.build_id for one in control.listing(root)] == ["b2", "b1", "b0"]
    control.prune(root, kept=1)
    assert [one.build_id for one in control.listing(root)] == ["b2"]


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65])
def test_an_id_that_is_no_file_name_is_refused(name: str, root: Path) -> None:
    with pytest.raises(ForgeError, match="build_id"):
        JobFolder.of(name, root)


def test_a_stranger_with_the_owners_pid_is_not_killed() -> None:
    me = Owner.myself()
    stranger = Owner(me.pid, me.started + 1, me.boot)
    assert not stranger.alive()
    stranger.ask_to_end()
    stranger.kill()
    other_boot = Owner(me.pid, me.started, "another-boot")
    other_boot.ask_to_end()
    other_boot.kill()


def test_job_files_are_json(make_job: MakeJob, root: Path) -> None:
    control.start(make_job({"garbage": True}), root)
    folder = control.wait("b1", 0.1, root=root).folder
    job = json.loads((folder.path / "job.json").read_text())
    result = json.loads((folder.path / "result.json").read_text())
    assert job["state"] == result["state"] == "done"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is nearly full."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.root
def test_a_full_disk_for_jobs_is_one_sentence_and_leaves_nothing(make_job: MakeJob, small_disk: Path) -> None:
    (small_disk / "fill").write_bytes(bytes(1000 * 1024))
    with pytest.raises(BuildError, match=r"^the disk is full: the job folder .*/b1 cannot be written: No space left"):
        control.start(make_job(), small_disk / "jobs")
    assert not (small_disk / "jobs" / "b1").exists()


@pytest.mark.root
def test_a_disk_that_fills_while_building_still_gets_a_result(make_job: MakeJob, small_disk: Path) -> None:
    root = small_disk / "jobs"
    control.start(make_job({"sleep": 1.5, "print": "x" * 300_000 + "\n", "fail": "no"}), root)
    folder = JobFolder.of("b1", root)
    until(lambda: in_stage(folder))
    with contextlib.suppress(OSError), open(small_disk / "fill", "wb") as stream:
        while stream.write(bytes(4096)):
            stream.flush()
    status = control.wait("b1", 0.1, root=root)
    assert status.state == "failed" and "stage org.osbuild.noop" in str(control.error_of(status))


@pytest.mark.root
def test_a_full_disk_at_the_destination_leaves_nothing_there(make_job: MakeJob, root: Path, small_disk: Path) -> None:
    text = "x" * 2_000_000
    control.start(make_job({"write": {"big": text}}, destination=small_disk / "out"), root)
    error = control.error_of(control.wait("b1", 0.1, root=root))
    assert "No space left on device" in str(error)
    assert os.listdir(small_disk) == []


def test_a_job_whose_owner_could_not_be_started_has_failed(
    make_job: MakeJob, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_ignored: object) -> None:
        raise BuildError("systemd-run could not start the build: no")

    with monkeypatch.context() as patch:
        patch.setattr(control, "launch", refuse)
        with pytest.raises(BuildError, match="could not start the build: no"):
            control.start(make_job(), root)
    found = control.status("b1", root)
    assert found is not None and found.state == "failed" and "could not start" in str(control.error_of(found))
    assert control.start(make_job(), root)[1]
    assert control.wait("b1", 0.1, root=root).state == "done"


def test_a_link_at_the_name_of_the_staging_directory_is_not_followed(
    make_job: MakeJob, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".out.b1.partial").symlink_to("elsewhere")
    control.start(make_job({"write": {"x": "y"}}), root)
    error = control.error_of(control.wait("b1", 0.1, root=root))
    assert error is not None and "File exists" in str(error)
    assert not os.listdir(tmp_path / "elsewhere")
