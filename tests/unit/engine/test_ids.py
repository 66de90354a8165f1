# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What enters an id and what does not (contract, section 2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from osbuild.devices import Device
from osbuild.inputs import Input
from osbuild.mounts import Mount
from osbuild.pipeline import Manifest
from osbuild.sources import Source

Load = Callable[..., Manifest]


def stage_id(load: Load, *others: dict[str, Any], pipeline: dict[str, Any] | None = None, **members: Any) -> str:
    stage = {"type": "org.osbuild.noop", **members}
    manifest = load(*others, {"name": "tree", **(pipeline or {}), "stages": [stage]})
    return manifest.pipelines["tree"].stages[0].id


def digest(*parts: Any) -> str:
    return hashlib.sha256("".join(json.dumps(part, sort_keys=True) for part in parts).encode()).hexdigest()


def test_plain_stage_is_type_build_base_options(load: Load) -> None:
    assert stage_id(load) == digest("org.osbuild.noop", None, None, {})
    assert stage_id(load) == "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969"


def test_empty_options_are_as_none_and_a_null_option_is_not(load: Load) -> None:
    assert stage_id(load, options={}) == stage_id(load)
    assert stage_id(load, options={"a": None}) != stage_id(load)


def test_order_of_options_does_not_count_and_kinds_of_numbers_do(load: Load) -> None:
    assert stage_id(load, options={"a": 1, "b": 2}) == stage_id(load, options={"b": 2, "a": 1})
    assert stage_id(load, options={"a": 1}) != stage_id(load, options={"a": 1.0})


def test_text_beyond_ascii_is_escaped(load: Load) -> None:
    assert stage_id(load, options={"k": "žluť 💥"}) == digest("org.osbuild.noop", None, None, {"k": "žluť 💥"})


@pytest.mark.parametrize("epoch", [0, -5, 1700000000])
def test_every_epoch_counts(load: Load, epoch: int) -> None:
    expected = digest("org.osbuild.noop", None, None, {}, epoch)
    assert stage_id(load, pipeline={"source-epoch": epoch}) == expected


def test_runner_and_name_do_not_count(load: Load) -> None:
    assert stage_id(load, pipeline={"runner": "org.osbuild.fedora38"}) == stage_id(load)


def test_stages_are_chained(load: Load) -> None:
    noop = {"type": "org.osbuild.noop"}
    pipeline = load({"name": "tree", "stages": [noop, noop]}).pipelines["tree"]
    assert pipeline.stages[1].id == digest("org.osbuild.noop", None, pipeline.stages[0].id, {})
    assert pipeline.id == pipeline.stages[1].id


def test_inputs_count_with_their_names(load: Load) -> None:
    def inputs(name: str) -> dict[str, Any]:
        return {name: {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:a"]}}

    base = {"name": "a", "stages": [{"type": "org.osbuild.noop"}]}
    input_id = digest("org.osbuild.tree", "org.osbuild.pipeline", {stage_id(load): {}}, {})
    assert stage_id(load, base, inputs=inputs("x")) == digest("org.osbuild.noop", None, None, {}, {"x": input_id})
    assert stage_id(load, base, inputs=inputs("x")) != stage_id(load, base, inputs=inputs("y"))


def test_reference_to_an_empty_pipeline_is_null(load: Load) -> None:
    inputs = {"t": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:e"]}}
    expected = digest("org.osbuild.tree", "org.osbuild.pipeline", {"null": {}}, {})
    assert stage_id(load, {"name": "e"}, inputs=inputs) == digest("org.osbuild.noop", None, None, {}, {"t": expected})


def test_devices_count_through_mounts_only(load: Load) -> None:
    def members(filename: str, *, mounted: bool) -> dict[str, Any]:
        devices = {"d": {"type": "org.osbuild.loopback", "options": {"filename": filename}}}
        mounts = [{"name": "m", "type": "org.osbuild.ext4", "source": "d", "target": "/"}] if mounted else []
        return {"devices": devices, "mounts": mounts}

    assert stage_id(load, **members("a", mounted=False)) == stage_id(load, **members("b", mounted=False))
    assert stage_id(load, **members("a", mounted=True)) != stage_id(load, **members("b", mounted=True))


def test_partition_zero_is_none_and_the_mount_name_does_not_count() -> None:
    info: Any = SimpleNamespace(name="some-name", path="some-path")
    device: Any = SimpleNamespace(id="some-id")
    assert Mount("a", info, device, 0, "/", {}).id == Mount("b", info, device, None, "/", {}).id
    expected = "15066da9ff760a60f1d1a360de2ad584cc0c97d6f6034e3258b3275ba3da6bb2"
    assert Mount("a", info, device, 1, "/", {"opt1": 1}).id == expected


def test_parts_travel_as_json_with_their_ids(load: Load) -> None:
    """Programs are named relative to the library directory, so that they may lie elsewhere."""
    devices = {
        "disk": {"type": "org.osbuild.loopback", "options": {"filename": "a"}},
        "part": {"type": "org.osbuild.loopback", "parent": "disk", "options": {"filename": "b"}},
    }
    inputs = {"t": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:e"]}}
    mounts = [{"name": "m", "type": "org.osbuild.ext4", "source": "part", "target": "/", "partition": 2}]
    stage = {"type": "org.osbuild.noop", "devices": devices, "inputs": inputs, "mounts": mounts}
    manifest = load({"name": "e"}, {"name": "tree", "stages": [stage]})
    loaded = manifest.pipelines["tree"].stages[0]
    source = Source(SimpleNamespace(name="org.osbuild.curl", path="/lib/sources/org.osbuild.curl"), {"a": "b"}, None)  # type: ignore[arg-type]
    parts: list[tuple[Any, Any]] = [
        (loaded.devices["part"], Device), (loaded.inputs["t"], Input), (loaded.mounts["m"], Mount), (source, Source),
    ]  # fmt: skip
    for part, cls in parts:
        libdir = part.info_path.rsplit("/", 2)[0]
        text = json.dumps(part.to_dict(libdir))
        assert libdir not in text
        other = cls.from_dict(json.loads(text), "/elsewhere")
        assert (other.id, other.info_name) == (part.id, part.info_name)
        assert other.info_path == part.info_path.replace(libdir, "/elsewhere")
        assert other.to_dict("/elsewhere") == part.to_dict(libdir)
