# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artefacts on their way to the destination, and what is noticed about them afterwards; the build record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import artefacts, record
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver.monitor import StageRun
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BuildError

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "record.schema.json"


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    staging = tmp_path / ".out.partial"
    (staging / "image").mkdir(parents=True)
    (staging / "image" / "disk.raw").write_bytes(b"disk")
    (staging / "tree" / "etc").mkdir(parents=True)
    (staging / "tree" / "etc" / "hostname").write_text("x\n")
    (staging / "tree" / "link").symlink_to("/etc/hostname")
    return staging


def known(**more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "build_id": "abc",
        "manifest": "0" * 64,
        "exports": ["image"],
        "engine": {"kind": "embedded", "version": "191", "digest": "1" * 64},
        "pipelines": {"image": "2" * 64, "empty": None},
        "lock_digest": "3" * 64,
        "request": {"blueprint": "x", "distribution": "debian-13"},
        "packages": {"os": ["bash:amd64=5.2-1"]},
    }
    return record.template(**{**values, **more})


def deliver(staged: Path, exports: list[str], flatten: bool) -> dict[str, Any]:
    out = staged.parent / "out"
    found = artefacts.collect(staged, exports, flatten)
    runs = [StageRun("image", "org.osbuild.noop", "4" * 64, 0.12345, True)]
    whole = record.complete(
        known(exports=exports), artefacts=found, stages=runs, started=1.5, seconds=2.5, log_path="/log"
    )
    source = staged.parent / "record"
    source.write_bytes(record.canonical(whole))
    artefacts.publish(staged, out, exports, flatten, {artefacts.RECORD: source})
    return whole


def test_an_image_lies_directly_in_its_directory(staged: Path) -> None:
    deliver(staged, ["image"], True)
    assert sorted(os.listdir(staged.parent / "out")) == ["disk.raw", "record.json"]
    assert not staged.exists()


def test_exports_of_a_manifest_keep_their_names(staged: Path) -> None:
    whole = deliver(staged, ["tree", "image"], False)
    assert sorted(os.listdir(staged.parent / "out")) == ["image", "record.json", "tree"]
    assert [found["path"] for found in whole["files"]] == ["image/disk.raw", "tree"]


def test_an_export_that_is_missing_is_an_error(staged: Path) -> None:
    with pytest.raises(BuildError, match="did not export 'other'"):
        artefacts.collect(staged, ["other"], False)


def test_the_staging_directory_is_on_the_destinations_file_system(tmp_path: Path) -> None:
    assert artefacts.staging_directory(tmp_path / "out", "b1") == tmp_path / ".out.b1.partial"
    assert artefacts.staging_directory(Path("/proc"), "b1") == Path("/proc/.b1.partial")


@pytest.mark.parametrize(
    ("change", "verify", "reason"),
    [
        (lambda out: None, False, None),
        (lambda out: None, True, None),
        (lambda out: (out / "disk.raw").unlink(), False, "disk.raw is missing"),
        (
            lambda out: (out / "disk.raw").write_bytes(b"longer than it was"),
            False,
            "disk.raw has 18 bytes instead of 4",
        ),
        (lambda out: (out / "disk.raw").write_bytes(b"DISK"), False, "disk.raw was altered"),
        (lambda out: os.utime(out / "disk.raw", (5, 5)), False, None),
    ],
)
def test_what_happened_to_an_artefact_is_noticed(staged: Path, change: Any, verify: bool, reason: str | None) -> None:
    deliver(staged, ["image"], True)
    out = staged.parent / "out"
    change(out)
    assert current(out, verify=verify) == reason


def current(out: Path, verify: bool = False, **more: Any) -> str | None:
    values: dict[str, Any] = {"manifest": "0" * 64, "exports": ["image"], "bundle_digest": "1" * 64, **more}
    return record.outdated(record.read(out), out, verify=verify, **values)


def test_only_a_digest_sees_an_alteration_that_hides_its_time(staged: Path) -> None:
    deliver(staged, ["image"], True)
    disk = staged.parent / "out" / "disk.raw"
    times = disk.stat().st_atime_ns, disk.stat().st_mtime_ns
    disk.write_bytes(b"DISK")
    os.utime(disk, ns=times)
    assert current(disk.parent) is None
    assert current(disk.parent, verify=True) == "disk.raw was altered"


def test_a_tree_is_compared_when_that_is_wanted(staged: Path) -> None:
    deliver(staged, ["tree"], False)
    out = staged.parent / "out"
    (out / "tree" / "etc" / "hostname").write_text("y\n")
    assert current(out, exports=["tree"]) is None
    assert current(out, exports=["tree"], verify=True) == "tree was altered"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"manifest": "f" * 64}, "the manifest is another"),
        ({"exports": ["image", "tree"]}, "other exports are wanted"),
        ({"bundle_digest": "f" * 64}, "the engine or a stage is another"),
        ({"bundle_digest": None}, None),
    ],
)
def test_other_wishes_are_a_reason_to_build(staged: Path, more: dict[str, Any], reason: str | None) -> None:
    deliver(staged, ["image"], True)
    assert current(staged.parent / "out", **more) == reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "files": []}', "\xff"])
def test_a_damaged_record_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_bytes(text.encode("latin-1"))
    assert record.read(tmp_path) is None
    assert current(tmp_path) == "nothing was built here yet"


def test_the_record_follows_its_schema_and_is_byte_stable(staged: Path) -> None:
    whole = deliver(staged, ["image"], True)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((staged.parent / "out" / "record.json").read_bytes()), schema)
    shuffled = dict(reversed(list(whole.items())))
    assert record.canonical(shuffled) == record.canonical(whole)


def test_the_manifests_id_does_not_depend_on_its_formatting() -> None:
    first = {"version": "2", "pipelines": [{"name": "a", "stages": []}]}
    second = json.loads(json.dumps({"pipelines": [{"stages": [], "name": "a"}], "version": "2"}, indent=4))
    assert record.manifest_id(first) == record.manifest_id(second)
    assert record.manifest_id(first) != record.manifest_id({**first, "version": "1"})


def test_a_report_cannot_hide_an_artefact(staged: Path, tmp_path: Path) -> None:
    (staged / "image" / "record.json").write_text("x")
    (tmp_path / "r").write_text("{}")
    with pytest.raises(BuildError, match="a file named 'record.json'"):
        artefacts.publish(staged, tmp_path / "out", ["image"], True, {"record.json": tmp_path / "r"})
    assert not (tmp_path / "out").exists()
