# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, whole: exit codes, documents, and what is left behind (contract, section 7)."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild import main_cli

from tests.conftest import REPO

from .conftest import OPEN, add_module

pytestmark = pytest.mark.root

ENGINE = ["/usr/bin/python3", "-m", "osbuild"]

STAGES = {
    "write": 'echo writing\necho data > "$TREE/file"\n',
    "fail": "echo no good\nexit 3\n",
    "sleep": "echo sleeping\nwhile :; do sleep 0.2; echo still; done\n",
    "latin1": "printf 'caf\\351 \\n'\n",
    "badmeta": "echo '{' > /run/osbuild/meta\n",
    "listmeta": "echo '[1]' > /run/osbuild/meta\n",
    "nanmeta": "echo '{\"a\": NaN}' > /run/osbuild/meta\n",
    "fixedmeta": "echo '{\"a\": 1}' > /run/osbuild/meta\nchattr +i /run/osbuild/meta || true\n",
    "fixedfail": "chattr +i /run/osbuild/meta || true\nexit 4\n",
    "goodmeta": "echo '{\"a\": 1}' > /run/osbuild/meta\n",
    "list": 'ls "$TREE"\n',
}


class Engine:
    """Runs the engine with a library directory of shell scripts, in its own store."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.libdir, self.store, self.out, self.rundir = (base / name for name in ("lib", "store", "out", "run"))

    def arguments(self, manifest: Any, *options: str) -> list[str]:
        path = self.base / "manifest.json"
        path.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
        own = ["--libdir", self.libdir, "--store", self.store, "--output-directory", self.out, "--rundir", self.rundir]
        return [*ENGINE, *map(str, own), *options, str(path)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPO / "engine")}

    def run(self, manifest: Any, *options: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(manifest, *options),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **kwargs,
        )

    def json(self, manifest: Any, *options: str, code: int) -> dict[str, Any]:
        result = self.run(manifest, "--json", *options)
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stderr.replace("Traceback (most recent call last):\\n", "")
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def assert_clean(self) -> None:
        """Nothing is mounted, running or lying about."""
        mounts = Path("/proc/self/mountinfo").read_text()
        assert str(self.base) not in mounts
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert str(self.base).encode() not in path.read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                pass
        assert list((self.store / "tmp").iterdir()) == []
        assert list((self.store / "stage").iterdir()) == []
        assert not self.rundir.exists() or list(self.rundir.iterdir()) == []


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    result = Engine(tmp_path)
    libdir = result.libdir
    (libdir / "osbuild").mkdir(parents=True)
    shutil.copytree(REPO / "engine" / "schemas", libdir / "schemas")
    shutil.copytree(REPO / "engine" / "runners", libdir / "runners", symlinks=True)
    for name in ("stages", "inputs", "devices", "sources", "mounts"):
        (libdir / name).mkdir()
    for name, script in STAGES.items():
        add_module(libdir, "stages", f"org.osbuild.{name}")
        (libdir / "stages" / f"org.osbuild.{name}").write_text(f"#!/bin/sh\nTREE=/run/osbuild/tree\n{script}")
    for folder, name in (("inputs", "org.osbuild.tree"), ("sources", "org.osbuild.inline"), ("devices", "org.osbuild.loopback")):
        for suffix in ("", ".meta.json"):
            shutil.copy(REPO / "engine" / folder / f"{name}{suffix}", libdir / folder)
    yield result


def pipeline(name: str, *stages: str | dict[str, Any], **members: Any) -> dict[str, Any]:
    full = [{"type": f"org.osbuild.{stage}"} if isinstance(stage, str) else stage for stage in stages]
    return {"name": name, "stages": full, **members}


def manifest(*pipelines: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"version": "2", "pipelines": list(pipelines), **members}


TREE = manifest(pipeline("tree", "write"))


def test_export_brings_the_tree(engine: Engine) -> None:
    document = engine.json(TREE, "--export", "tree", code=0)
    assert document["log"]["tree"][0]["output"] == "writing\n"
    assert (engine.out / "tree" / "file").read_text() == "data\n"
    assert [path.name for path in engine.out.iterdir()] == ["tree"]
    engine.assert_clean()


def test_exports_by_name_and_id_and_twice(engine: Engine) -> None:
    inspected = engine.json(TREE, "--inspect", code=0)
    tree_id = inspected["pipelines"][0]["stages"][-1]["id"]
    same = manifest(*TREE["pipelines"], pipeline("copy", "write"))
    engine.json(same, "--export", "tree", "--export", tree_id, "--export", "copy", code=0)
    for name in ("tree", tree_id, "copy"):
        assert (engine.out / name / "file").read_text() == "data\n"


def test_export_merges_into_what_is_there(engine: Engine) -> None:
    (engine.out / "tree").mkdir(parents=True)
    (engine.out / "tree" / "other").write_text("kept")
    engine.json(TREE, "--export", "tree", code=0)
    assert sorted(path.name for path in (engine.out / "tree").iterdir()) == ["file", "other"]


def test_export_does_not_write_through_links_that_are_there(engine: Engine) -> None:
    """A tree that was exported before may have left links to anywhere."""
    (engine.base / "host").write_text("host")
    (engine.out / "tree").mkdir(parents=True)
    (engine.out / "tree" / "file").symlink_to(engine.base / "host")
    engine.json(manifest(pipeline("tree", "write")), "--export", "tree", code=0)
    assert (engine.base / "host").read_text() == "host"
    assert (engine.out / "tree" / "file").read_text() == "data\n"
    assert not (engine.out / "tree" / "file").is_symlink()


def test_export_that_fails_leaves_nothing_and_says_why(engine: Engine) -> None:
    engine.out.write_text("in the way")
    document = engine.json(TREE, "--export", "tree", code=1)
    assert document["error"]["type"] == "org.osbuild.error.export"
    assert document["error"]["details"]["message"].startswith("cannot export pipeline 'tree': ")
    assert document["log"]["tree"][0]["id"]
    engine.assert_clean()


@pytest.mark.parametrize("name", ["../x", "/x", ".", ".."])
def test_export_does_not_leave_the_output_directory(engine: Engine, name: str) -> None:
    document = engine.json(manifest(pipeline(name, "write")), "--export", name, code=1)
    assert "leads out of the output directory" in document["error"]["details"]["message"]
    assert not engine.store.exists()


def test_checkpoint_is_kept_and_used(engine: Engine) -> None:
    options = ("--export", "tree", "--checkpoint", "tree", "--cache-max-size", "unlimited")
    two = manifest(pipeline("tree", "write", "list"))
    assert len(engine.json(two, *options, code=0)["log"]["tree"]) == 2
    assert engine.json(two, *options, code=0)["log"] == {}
    three = manifest(pipeline("tree", "write", "list", "goodmeta"))
    third = engine.json(three, *options, code=0)
    assert [stage["type"] for stage in third["log"]["tree"]] == ["org.osbuild.goodmeta"]
    assert third["metadata"] == {"tree": {"org.osbuild.goodmeta": {"a": 1}}}
    text = engine.run(three, *options)
    assert f"{third['log']['tree'][0]['id']}: cached" in text.stdout


def test_a_store_without_limit_keeps_nothing_and_says_so(engine: Engine) -> None:
    result = engine.run(TREE, "--export", "tree", "--checkpoint", "tree")
    assert result.returncode == 0
    assert result.stdout.splitlines()[-2].endswith(": not cached")
    assert "set one with --cache-max-size" in result.stdout.splitlines()[-1]


def test_changed_stage_code_is_a_miss(engine: Engine) -> None:
    options = ("--export", "tree", "--checkpoint", "tree", "--cache-max-size", "unlimited")
    dependent = manifest(pipeline("build", "list"), pipeline("tree", "write"))
    engine.json(dependent, *options, code=0)
    with open(engine.libdir / "stages" / "org.osbuild.write", "a") as program:
        program.write("echo more\n")
    assert engine.json(dependent, *options, code=0)["log"]["tree"][0]["output"] == "writing\nmore\n"
    assert engine.json(dependent, *options, code=0)["log"] == {}


def test_failed_stage_ends_the_build(engine: Engine) -> None:
    document = engine.json(manifest(pipeline("tree", "write", "fail", "list")), "--export", "tree", code=1)
    stage = document["error"]["details"]["stage"]
    assert (stage["type"], stage["output"], stage["error"]) == ("org.osbuild.fail", "no good\n", None)
    assert [each["type"] for each in document["log"]["tree"]] == ["org.osbuild.write", "org.osbuild.fail"]
    assert not engine.out.exists()
    engine.assert_clean()


def test_time_limit_is_by_the_clock_and_ends_in_a_document(engine: Engine) -> None:
    start = time.monotonic()
    document = engine.json(manifest(pipeline("tree", "sleep")), "--export", "tree", "--stage-timeout", "3", code=1)
    assert time.monotonic() - start < 30
    stage = document["error"]["details"]["stage"]
    assert stage["output"].startswith("sleeping\nstill\n")
    assert stage["output"].endswith("it ran longer than the limit of 3 seconds\n")
    engine.assert_clean()


def test_failing_service_is_a_failed_stage(engine: Engine) -> None:
    devices = {"d": {"type": "org.osbuild.loopback", "options": {"filename": "missing.img"}}}
    document = engine.json(manifest(pipeline("tree", {"type": "org.osbuild.list", "devices": devices})), "--export", "tree", code=1)
    stage = document["error"]["details"]["stage"]
    assert "failed while opening device 'd' (org.osbuild.loopback): FileNotFoundError" in stage["output"]
    assert stage["error"]["data"]["type"] == "FileNotFoundError"
    engine.assert_clean()


def test_failing_source_is_named(engine: Engine) -> None:
    item = {"sha256:" + "0" * 64: {"encoding": "base64", "data": "AAAA"}}
    document = engine.json({**TREE, "sources": {"org.osbuild.inline": {"items": item}}}, "--export", "tree", code=1)
    assert document["error"]["type"] == "org.osbuild.error.source"
    assert document["error"]["details"]["source"]["type"] == "org.osbuild.inline"
    assert document["log"] == {}


def test_crashing_source_is_named(engine: Engine) -> None:
    (engine.libdir / "sources" / "org.osbuild.inline").write_text("#!/bin/sh\necho dying\nexit 1\n")
    document = engine.json({"version": "2", "sources": {"org.osbuild.inline": {"items": {}}}}, code=1)
    assert document["error"]["type"] == "org.osbuild.error.source"
    assert document["sources"]["org.osbuild.inline"][0]["error"]


def test_output_that_is_no_utf8_is_kept_as_well_as_possible(engine: Engine) -> None:
    document = engine.json(manifest(pipeline("tree", "latin1")), "--export", "tree", code=0)
    assert document["log"]["tree"][0]["output"] == "caf\ufffd \n"


@pytest.mark.parametrize("stage", ["badmeta", "listmeta", "nanmeta"])
def test_metadata_that_are_no_json_fail_the_stage(engine: Engine, stage: str) -> None:
    document = engine.json(manifest(pipeline("tree", stage)), "--export", "tree", code=1)
    assert "failed while reading its metadata: they are not a JSON object" in document["error"]["details"]["stage"]["output"]


def test_metadata_that_are_immutable_are_taken_all_the_same(engine: Engine) -> None:
    document = engine.json(manifest(pipeline("tree", "fixedmeta")), "--export", "tree", code=0)
    assert document["metadata"] == {"tree": {"org.osbuild.fixedmeta": {"a": 1}}}
    document = engine.json(manifest(pipeline("tree", "fixedfail")), "--export", "tree", code=1)
    assert document["error"]["details"]["stage"]["type"] == "org.osbuild.fixedfail"


def test_description_that_is_no_json_is_named(engine: Engine) -> None:
    (engine.libdir / "stages" / "org.osbuild.write.meta.json").write_text("{")
    document = engine.json(manifest(pipeline("tree", "write")), code=1)
    assert document["error"]["type"] == "org.osbuild.error.module"
    assert document["error"]["details"]["message"].endswith("org.osbuild.write.meta.json")


def test_nothing_is_built_without_an_export(engine: Engine) -> None:
    document = engine.json(manifest(pipeline("tree", "fail")), code=0)
    assert (document["success"], document["log"]) == (True, {})


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", (), "is not JSON: Expecting value"),
        ("[]", (), "is not a JSON object but list"),
        (manifest(pipeline("tree")), ("--export", "tree"), "pipeline 'tree' has no stages"),
        (manifest(pipeline("tree", build="name:no")), (), "Unknown pipeline reference: name:no"),
        (manifest(pipeline("tree", build="no")), (), "build 'no' of pipeline 'tree' is the id of no pipeline"),
        (TREE, ("--export", "tree", "--in-vm", "tree"), "--in-vm tree is not supported"),
        (TREE, ("--monitor", "NoSuchMonitor"), "Unknown monitor: NoSuchMonitor"),
        (TREE, ("--monitor", "LogMonitor", "--monitor-fd", "77"), "--monitor-fd 77"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_document(
    engine: Engine, content: Any, options: tuple[str, ...], message: str
) -> None:
    result = engine.run(content, "--json", *options)
    assert result.returncode == 1
    assert message in json.loads(result.stdout)["error"]["details"]["message"]
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not engine.store.exists()


def test_missing_manifest(engine: Engine) -> None:
    result = engine.run(TREE, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (engine.base / "manifest.json").unlink()
    arguments = [*ENGINE, "--libdir", str(engine.libdir), str(engine.base / "manifest.json")]
    result = subprocess.run(arguments, env=engine.environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("osbuild: cannot read the manifest: ")


def test_unknown_exports_are_plain_text(engine: Engine) -> None:
    two = manifest(pipeline("noop", "list"), pipeline("noop2", "list"))
    result = engine.run(two, "--json", "--export", "not-existing")
    assert result.returncode == 1
    assert result.stdout == "Export not-existing not found in ['noop', 'noop2']\nFailed\n"


def test_validation_errors_as_text(engine: Engine) -> None:
    add_module(engine.libdir, "stages", "org.osbuild.strict", schema={"required": ["a"], "properties": {"a": OPEN}})
    result = engine.run(manifest(pipeline("tree", {"type": "org.osbuild.strict", "options": {}}, "nosuch")))
    assert result.returncode == 2
    assert result.stdout.splitlines() == [
        f"{engine.base}/manifest.json has errors:",
        "",
        ".pipelines[0].stages[0].options:",
        "  'a' is a required property",
        "",
        ".pipelines[0].stages[1]:",
        "  could not find schema information for 'org.osbuild.nosuch'",
        "",
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_cleans_up(engine: Engine, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        engine.arguments(manifest(pipeline("tree", "write", "sleep")), "--export", "tree"),
        env=engine.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "still" in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err
    assert not engine.out.exists()
    engine.assert_clean()


def test_monitor_goes_to_its_descriptor(engine: Engine) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as file:
        options = ("--json", "--export", "tree", "--monitor", "JSONSeqMonitor", "--monitor-fd", str(writer))
        result = engine.run(TREE, *options, pass_fds=(writer,))
        os.close(writer)
        records = [json.loads(each) for each in file.read().split("\x1e")[1:]]
    assert json.loads(result.stdout)["success"] is True
    assert records[0]["message"] == f"starting {engine.base}/manifest.json"
    assert records[-1]["message"] == f"manifest {engine.base}/manifest.json finished successfully\n"
    assert "writing\n" in [record.get("message") for record in records]


def test_break_opens_a_shell_before_the_stage(engine: Engine) -> None:
    shell = "test -d /run/osbuild/tree && echo from the shell > /run/osbuild/tree/shell\n"
    result = engine.run(TREE, "--export", "tree", "--break=org.osbuild.write", input=shell)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (engine.out / "tree" / "shell").read_text() == "from the shell\n"


def test_shell_that_fails_ends_the_build(engine: Engine) -> None:
    result = engine.run(TREE, "--export", "tree", "--break", "--json", input="exit 1\n")
    assert result.returncode == 1
    assert "debug shell" in result.stdout


def test_runs_inside_another_program(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    dropped = {"t": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["foo"]}}
    arguments = engine.arguments(manifest(pipeline("tree", {"type": "org.osbuild.list", "inputs": dropped})), "--quiet")
    monkeypatch.setattr("sys.argv", arguments[2:])
    assert main_cli.osbuild_cli(no_reexec=True) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("options", [["--quiet"], ["--json"]])
def test_runs_where_output_is_no_file(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", engine.arguments(manifest(pipeline("tree", "write")), "--export", "tree", *options)[2:])
    assert main_cli.osbuild_cli(no_reexec=True) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["success"] if options == ["--json"] else out == ""


def test_inspection_is_quick_and_needs_no_jsonschema(engine: Engine) -> None:
    program = (
        "import sys; sys.modules['jsonschema'] = None; from osbuild.main_cli import osbuild_cli; code = osbuild_cli();"
        "sys.exit(code or bool({'asyncio', 'ssl', 'logging'} & set(sys.modules)))"
    )
    arguments = engine.arguments(TREE, "--inspect")
    # Processor time, for other work on the machine must not count.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ignored in range(3):
        result = subprocess.run(
            ["/usr/bin/python3", "-c", program, *arguments[3:]],
            env=engine.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / 3 < 0.2
