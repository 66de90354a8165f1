# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this engine does better (contract, section 9.1a), number by number: where it is tested, and the tests that are nowhere else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild.bubblewrap import Layout, command_line
from osbuild.testutil import mock_command

from tests.conftest import REPO

# File (without test_ and .py) and test by the numbers of the contract's table.
TESTS: dict[int, list[str]] = {
    1: ["defects: host_without_containers_configuration", "defects: mounts_below_a_read_only_bind_are_read_only",
        "objectstore: the_host_tree_cannot_be_written", "objectstore: mounts_that_a_dead_engine_left_are_never_deleted_through",
        "main_cli: export_does_not_write_through_links_that_are_there", "crash: mounts_of_a_dead_foreign_engine_go_and_their_sources_stay"],
    2: ["manifest_v2: stages_that_differ_in_devices_only_are_warned_about"],
    3: ["main_cli: a_store_without_limit_keeps_nothing_and_says_so", "fscache: what_is_too_big_is_not_even_copied",
        "forge_store: limit_of_zero_is_said_plainly"],
    4: ["buildroot: capabilities_are_dropped_even_where_one_is_missing"],
    5: ["main_cli: time_limit_is_by_the_clock_and_ends_in_a_document", "buildroot: limit_is_wall_clock_and_kills_all",
        "defects: service_that_hangs_meets_the_time_limit"],
    6: ["main_cli: failing_service_is_a_failed_stage", "crash: nothing_is_left_after_success_and_failure"],
    7: ["main_cli: output_that_is_no_utf8_is_kept_as_well_as_possible", "buildroot: output_that_is_no_text_does_no_harm",
        "main_cli: metadata_that_are_no_json_fail_the_stage"],
    8: ["fscache: a_second_commit_of_a_name_leaves_nothing", "fscache: racing_commits_count_once",
        "fscache: eviction_subtracts_what_was_added", "fscache: a_size_that_nothing_belongs_to_is_not_counted_for_ever"],
    9: ["crash: a_killed_engine_leaves_nothing_that_the_next_does_not_clear", "crash: engines_share_a_store",
        "fscache: what_is_just_being_made_by_another_is_left", "linux: sandboxes_of_the_dead_are_ended_and_no_others",
        "chaos_quick: killed_engines_lose_nothing_and_leave_nothing"],
    10: ["monitor: long_output_is_cut_in_the_record_only", "main_cli: unknown_exports_are_plain_text"],
    11: ["manifest_v2: reference_without_prefix_is_dropped_with_a_warning", "defects: exports_come_in_the_order_given",
         "defects: failed_stage_frees_its_tree_at_once"],
    12: ["buildroot: binds_with_colons_work", "buildroot: dev_has_what_programs_expect", "defects: odd_paths_work"],
    13: ["buildroot: debians_alternatives_and_certificates_are_seen"],
    14: ["defects: volume_group_name_of_the_host_is_refused"],
    15: ["runner_lookup: unknown_host_gets_the_general_runner_and_a_warning"],
    16: ["main_cli: changed_stage_code_is_a_miss"],
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, 17))
def test_every_decision_has_a_test(number: int) -> None:
    for each in TESTS[number]:
        file, name = each.split(": ")
        path = Path(__file__).with_name(f"test_{file}.py")
        assert path.exists(), each
        assert re.search(rf"^def test_{name}\(", path.read_text(), re.MULTILINE), each


class Engine:
    """The engine with its own modules, and stages that are written on the spot, in its own directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.libdir, self.store, self.out = base / "lib", base / "store", base / "out"
        (self.libdir / "stages").mkdir(parents=True)
        (self.libdir / "devices").mkdir()
        # Empty: the engine shows its own package there.
        (self.libdir / "osbuild").mkdir()
        for name in ("sources", "inputs", "mounts", "runners", "schemas"):
            (self.libdir / name).symlink_to(REPO / "engine" / name)

    def module(self, folder: str, name: str, program: str) -> None:
        path = self.libdir / folder / name
        path.write_text(program)
        path.chmod(0o755)
        open_schema = {"options": {"type": "object"}, "inputs": {"type": "object"}, "devices": {"type": "object"}}
        schema = open_schema if folder == "stages" else {"type": "object"}
        document = {"summary": name, "description": ["For tests."], "schema_2": schema}
        Path(f"{path}.meta.json").write_text(json.dumps(document))

    def start(self, pipelines: list[dict[str, Any]], *options: str, **more: Any) -> subprocess.Popen[str]:
        path = self.base / "manifest.json"
        path.write_text(json.dumps({"version": "2", "pipelines": pipelines, **more}))
        return subprocess.Popen(
            [sys.executable, "-m", "osbuild", "--libdir", self.libdir, "--store", self.store, "--rundir", self.base / "run",
             "--output-directory", self.out, "--json", *options, path],
            env={**os.environ, "PYTHONPATH": str(REPO / "engine")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, pipelines: list[dict[str, Any]], *options: str, **more: Any) -> tuple[int, dict[str, Any]]:
        process = self.start(pipelines, *options, **more)
        out, err = process.communicate(timeout=120)
        assert out, err
        return process.returncode, json.loads(out)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "base")


def write(name: str) -> str:
    return f"#!/bin/sh\necho data > /run/osbuild/tree/{name}\n"


# 1


def test_host_without_containers_configuration(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    layout = Layout.find(root=str(tmp_path), is_host=True, boot=False, libdir=str(tmp_path))
    args = command_line(layout=layout, runner="/r/x", dev="/d", var="/v", caps=None, binds=[], sockets=[])
    assert "/usr" in args
    assert "/etc/containers" not in args


SUBMOUNT = """
import os, sys
from osbuild.buildroot import BuildRoot
from osbuild.util import linux
base, engine = sys.argv[1:]
class Log:
    def log(self, message, origin=None): print(message, end="")
linux.unshare_mounts()
root = base + "/root"
for name in ("bin", "sbin", "lib", "lib64"):
    if os.path.isdir("/usr/" + name):
        os.makedirs(f"{root}/usr/{name}")
        linux.mount(f"/usr/{name}", f"{root}/usr/{name}", None, linux.MS_BIND)
os.makedirs(root + "/usr/other")
linux.mount("tmpfs", root + "/usr/other", "tmpfs", 0)
runner = base + "/org.osbuild.test"
with open(runner, "w") as f:
    f.write('#!/bin/sh\\nexec "$@"\\n')
os.chmod(runner, 0o755)
os.mkdir(base + "/tmp")
with BuildRoot(root, runner, engine, base + "/tmp", rundir=base + "/run") as build_root:
    build_root.run(["/bin/sh", "-c", "touch /usr/other/x /usr/x 2>/dev/null; echo ended"], Log())
assert os.listdir(root + "/usr/other") == [] and not os.path.exists(root + "/usr/x")
"""


@pytest.mark.root
def test_mounts_below_a_read_only_bind_are_read_only(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SUBMOUNT, tmp_path, REPO / "engine"], env={**os.environ, "PYTHONPATH": str(REPO / "engine")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "ended\n"), result.stderr


# 5


@pytest.mark.root
def test_service_that_hangs_meets_the_time_limit(engine: Engine) -> None:
    engine.module("stages", "org.osbuild.write", write("file"))
    engine.module("devices", "org.osbuild.hang", "#!/bin/sh\nexec sleep 600\n")
    stage = {"type": "org.osbuild.write", "devices": {"d": {"type": "org.osbuild.hang"}}}
    start = time.monotonic()
    code, document = engine.run([{"name": "tree", "stages": [stage]}], "--export", "tree", "--stage-timeout", "2")
    assert time.monotonic() - start < 60
    assert code == 1
    output = document["error"]["details"]["stage"]["output"]
    assert "opening device 'd' (org.osbuild.hang): service device/d did not end 'open' within 2 seconds" in output
    assert os.listdir(engine.base / "run") == os.listdir(engine.store / "tmp") == os.listdir(engine.store / "stage") == []


# 11


@pytest.mark.root
def test_exports_come_in_the_order_given(engine: Engine) -> None:
    names = ["d", "a", "c", "b"]
    pipelines = []
    for name in names:
        engine.module("stages", f"org.osbuild.{name}", write(name))
        pipelines.append({"name": name, "stages": [{"type": f"org.osbuild.{name}"}]})
    order = ["c", "d", "b", "a"]
    code, _document = engine.run(pipelines, *(word for name in order for word in ("--export", name)))
    assert code == 0
    # A directory appears when its tree is complete.
    made = sorted(engine.out.iterdir(), key=lambda path: path.stat().st_ctime_ns)
    assert [path.name for path in made] == order


@pytest.mark.root
def test_failed_stage_frees_its_tree_at_once(engine: Engine) -> None:
    """It is gone when the result is told, before the engine ends: the pipe is not read, which holds the engine there."""
    engine.module("stages", "org.osbuild.fail", "#!/bin/sh\nyes | head -c 300000\nexit 1\n")
    process = engine.start([{"name": "tree", "stages": [{"type": "org.osbuild.fail"}]}], "--export", "tree")
    assert process.stdout is not None
    assert process.stdout.read(1) == "{"
    assert process.poll() is None
    assert os.listdir(engine.store / "stage") == []
    process.communicate(timeout=60)
    assert process.returncode == 1


# 12


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Engine]:
    yield Engine(tmp_path / "a:b, 'c' \"d\"\\e\n%s žluť $(f)")


@pytest.mark.root
def test_odd_paths_work(odd: Engine) -> None:
    odd.libdir.joinpath("devices").rmdir()
    odd.libdir.joinpath("devices").symlink_to(REPO / "engine" / "devices")
    program = "#!/bin/sh\ntruncate -s 8M /run/osbuild/tree/disk.img\nmkfs.ext4 -q /run/osbuild/tree/disk.img\n"
    odd.module("stages", "org.osbuild.image", program)
    odd.module("stages", "org.osbuild.write", "#!/bin/sh\nls /run/osbuild/inputs/tree > /run/osbuild/tree/list\n")
    odd.module("stages", "org.osbuild.list", "#!/bin/sh\nhead -c 2048 /dev/loop* > /run/osbuild/tree/start\n")
    tree = {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:image"]}}
    disk = {"disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img"}}}
    pipelines = [
        {"name": "image", "stages": [{"type": "org.osbuild.image"}]},
        {
            "name": "tree",
            "stages": [
                {"type": "org.osbuild.image"},
                {"type": "org.osbuild.write", "inputs": tree},
                {"type": "org.osbuild.list", "devices": disk},
            ],
        },
    ]
    code, document = odd.run(pipelines, "--export", "tree", "--checkpoint", "tree", "--cache-max-size", "unlimited")
    assert code == 0, document
    assert (odd.out / "tree" / "list").read_text() == "disk.img\n"
    assert (odd.out / "tree" / "start").stat().st_size == 2048
    assert len(os.listdir(odd.store / "objects")) >= 1
    assert os.listdir(odd.store / "tmp") == os.listdir(odd.base / "run") == []


# 14


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root, loop devices")
def test_volume_group_name_of_the_host_is_refused(engine: Engine, tmp_path: Path) -> None:
    for name in ("org.osbuild.loopback", "org.osbuild.lvm2.lv"):
        for suffix in ("", ".meta.json"):
            (engine.libdir / "devices" / f"{name}{suffix}").symlink_to(REPO / "engine/devices" / f"{name}{suffix}")
    engine.module("stages", "org.osbuild.disk", "#!/bin/sh\ntruncate -s 1M /run/osbuild/tree/disk.img\n")
    engine.module("stages", "org.osbuild.use", "#!/bin/sh\ntouch /run/osbuild/tree/used\n")
    # Whichever loop device the engine takes, it has a group of the name that the host's own disk has.
    rows = [{"pv_name": f"/dev/loop{i}", "vg_name": "vg", "vg_uuid": "build"} for i in range(256)]
    rows.append({"pv_name": "/dev/sda1", "vg_name": "vg", "vg_uuid": "host"})
    (tmp_path / "report.json").write_text(json.dumps({"report": [{"pv": rows}]}))
    lv = {"type": "org.osbuild.lvm2.lv", "parent": "disk", "options": {"volume": "root"}}
    devices = {"disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img"}}, "lv": lv}
    stages = [{"type": "org.osbuild.disk"}, {"type": "org.osbuild.use", "devices": devices}]
    with (
        mock_command("pvs", f"cat '{tmp_path}/report.json'"),
        mock_command("lvchange", "") as lvchange,
    ):
        code, result = engine.run([{"name": "tree", "stages": stages}], "--export", "tree")
        assert lvchange.call_args_list == []
    assert code == 1 and result["success"] is False
    assert "the host has a volume group 'vg' itself, on /dev/sda1" in json.dumps(result)
