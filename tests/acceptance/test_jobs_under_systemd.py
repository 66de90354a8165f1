# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds as transient units, on a host that systemd runs: started, cancelled, stopped, out of time, killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.nspawn import Host, make_tree

INSIDE = '''
import json, os, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, "/forge/collections")
LIBRARY = "ansible_collections.debian_forge.osbuild.plugins.module_utils"
from importlib import import_module

engine = import_module(f"{LIBRARY}.driver.engine")
record = import_module(f"{LIBRARY}.driver.record")
control = import_module(f"{LIBRARY}.jobs.control")
owners = import_module(f"{LIBRARY}.jobs.owner")

TOP = Path("/var/lib/jobs-test")
ROOT = TOP / "jobs"
os.environ["http_proxy"] = "http://user:s3cr3t@proxy.example.com"
found = {}


def job(name, *stages, **more):
    stub = engine.find_engine("embedded", "/forge/stub")
    pipeline = {"name": "tree", "stages": [{"type": "org.osbuild.noop", "options": one} for one in stages]}
    known = record.template(
        build_id=name, manifest="0" * 64, exports=["tree"], engine=stub.as_dict(), pipelines={"tree": "1" * 64},
        lock_digest=None, request={}, packages={},
    )
    return control.Job(
        build_id=name, engine=stub, manifest=json.dumps({"version": "2", "pipelines": [pipeline]}).encode(),
        store=TOP / "store", exports=["tree"], destination=TOP / "out", record=known, **more,
    )


def engine_pid():
    return int((TOP / "store" / "starts").read_text().split()[-1])


def begin(name, *stages, **more):
    status, _ = control.start(job(name, *stages, **more), ROOT)
    while not any(step["event"] == "stage" for step in status.folder.steps()[0]) and status.folder.result() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    return status


def run(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout


good = begin("good", {"write": {"x": "y"}, "sleep": 2})
unit = good.folder.owner()["unit"]
found["active"] = run("systemctl", "is-active", unit).strip()
found["environment reaches the engine"] = b"s3cr3t" in Path(f"/proc/{engine_pid()}/environ").read_bytes()
found["files with the secret"] = run("grep", "-rl", "s3cr3t", str(TOP), "/run/systemd")
found["unit with the secret"] = "s3cr3t" in run("systemctl", "show", unit)
found["good"] = control.wait("good", 0.1, root=ROOT).state

begin("cancelled", {"spawn": str(TOP / "child"), "sleep": 60})
child = int((TOP / "child").read_text())
found["cancelled"] = control.cancel("cancelled", root=ROOT)[0].state
found["child of cancelled"] = owners.start_time(child)

begin("stopped", {"sleep": 60})
run("systemctl", "stop", "debian-forge-stopped.service")
found["stopped"] = control.status("stopped", ROOT).state
found["engine of stopped"] = owners.start_time(engine_pid())

begin("late", {"sleep": 60}, timeout=1.0)
found["late"] = str(control.error_of(control.wait("late", 0.1, root=ROOT)))

begin("stubborn", {"stubborn": True, "sleep": 60})
control._CANCEL_SECONDS = 0.5
found["stubborn"] = control.cancel("stubborn", root=ROOT)[0].state
time.sleep(1)
found["engine of stubborn"] = owners.start_time(engine_pid())
control.start(job("stubborn", {"write": {"x": "y"}}), ROOT)
found["stubborn again"] = control.wait("stubborn", 0.1, root=ROOT).state
time.sleep(1)
found["units left"] = run("systemctl", "list-units", "--all", "--no-legend", "debian-forge*")
print("FOUND " + json.dumps(found))
'''


@pytest.mark.root
@pytest.mark.slow
def test_jobs_are_transient_units(tmp_path: Path) -> None:
    tree = tmp_path / "host"
    make_tree("bookworm", tree, "python3", "bubblewrap")
    (tree / "root" / "inside.py").write_text(INSIDE)
    collection = tree / "forge" / "collections" / "ansible_collections" / "debian_forge" / "osbuild"
    shutil.copytree(REPO / "plugins", collection / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPO / "tests" / "support" / "stub_libdir", tree / "forge" / "stub")
    with Host("forge-jobs", tree) as host:
        output = host.run("python3 /root/inside.py", timeout=120).stdout
    found = json.loads(output.rpartition("FOUND ")[2])
    assert found == {
        "active": "active",
        "environment reaches the engine": True,
        "files with the secret": "",
        "unit with the secret": False,
        "good": "done",
        "cancelled": "cancelled",
        "child of cancelled": None,
        "stopped": "cancelled",
        "engine of stopped": None,
        "late": (
            "the build was ended after its time of 1 s was over in stage org.osbuild.noop of pipeline tree;"
            " the log is /var/lib/jobs-test/jobs/late/log"
        ),
        "stubborn": "cancelled",
        "engine of stubborn": None,
        "stubborn again": "done",
        "units left": "",
    }
