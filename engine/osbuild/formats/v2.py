# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Version 2 of the manifest format

Pipelines with names, each a list of stages that may use inputs, devices and mounts, and sources by type
(contract, sections 1, 2.3 and 7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..pipeline import Manifest, Runner
from ..schema import ValidationResult
from .structure import check_structure

if TYPE_CHECKING:
    from ..devices import Device
    from ..inputs import Input
    from ..meta import Index, ModuleInfo
    from ..objectstore import ObjectStore
    from ..pipeline import Pipeline, Stage
    from ..results import ManifestBuildResult

VERSION = "2"

T = TypeVar("T")


# Validation


def validate(manifest: dict[str, Any], index: Index) -> ValidationResult:
    """Check the manifest against the base schema and every module's part against that module's schema."""
    result = index.get_schema("Manifest", version=VERSION).validate(manifest)

    def check(klass: str, name: Any, target: Any, path: list[int | str]) -> None:
        # A type that is missing or no text is an error of the base schema already.
        if isinstance(name, str):
            result.merge(index.get_schema(klass, name, version=VERSION).validate(target), path=path)

    for name, source in _members(manifest.get("sources")):
        check("Source", name, source, ["sources", name])

    for i, pipeline in _elements(manifest.get("pipelines")):
        for j, stage in _elements(pipeline.get("stages")):
            path: list[int | str] = ["pipelines", i, "stages", j]
            check("Stage", stage.get("type"), stage, path)
            for key, klass in (("devices", "Device"), ("inputs", "Input")):
                for name, part in _members(stage.get(key)):
                    if isinstance(part, dict):
                        check(klass, part.get("type"), part, [*path, key, name])
            for k, mount in _elements(stage.get("mounts")):
                place = mount.get("name")
                check("Mount", mount.get("type"), mount, [*path, "mounts", place if isinstance(place, str) else k])
    return result


def _elements(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """The objects of an array with their positions, nothing if it is no array: the base schema tells what is wrong."""
    return [(i, each) for i, each in enumerate(value) if isinstance(each, dict)] if isinstance(value, list) else []


def _members(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


# Loading


def load(manifest: dict[str, Any], index: Index) -> Manifest:
    """Make the model of a valid manifest.

    Raises ValueError or KeyError for what a schema cannot see: references to what does not exist, names that occur twice.
    """
    check_structure(manifest)
    return _Loader(manifest, index).load()


class _Loader:
    def __init__(self, description: dict[str, Any], index: Index) -> None:
        self.description = description
        self.index = index
        self.manifest = Manifest()
        self.source_items: set[str] = set()

    def load(self) -> Manifest:
        for name, data in self.description.get("metadata", {}).items():
            self.manifest.add_metadata(name, data)
        for name, description in self.description.get("sources", {}).items():
            items = as_references(description["items"])
            self.manifest.add_source(self.module("Source", name), items, description.get("options"))
            self.source_items.update(items)

        host_runner = Runner(self.index.detect_host_runner())
        wanted: dict[str, Runner] = {}
        for description in self.description.get("pipelines", []):
            pipeline = self.load_pipeline(description, host_runner)
            if "runner" in description:
                wanted[pipeline.name] = Runner(self.index.detect_runner(description["runner"]), description["runner"])
        self.assign_runners(host_runner, wanted)
        self.manifest.warnings += _device_warnings(self.manifest)
        return self.manifest

    def module(self, klass: str, name: str) -> ModuleInfo:
        info = self.index.get_module_info(klass, name)
        if info is None:
            raise ValueError(f"there is no {klass.lower()} '{name}' in {self.index.path}")
        return info

    def assign_runners(self, host_runner: Runner, wanted: Mapping[str, Runner]) -> None:
        """The runner a pipeline declares is that of its own tree, for the pipelines that are built with it."""
        by_id = {pipeline.id: wanted.get(pipeline.name, host_runner) for pipeline in self.manifest}
        for pipeline in self.manifest:
            if pipeline.build is not None:
                if pipeline.build not in by_id:
                    raise KeyError(f"build '{pipeline.build}' of pipeline '{pipeline.name}' is the id of no pipeline")
                pipeline.runner = by_id[pipeline.build]

    def load_pipeline(self, description: dict[str, Any], runner: Runner) -> Pipeline:
        build = description.get("build")
        if build is not None and build.startswith("name:"):
            build = self.resolve(build)
        pipeline = self.manifest.add_pipeline(description["name"], runner, build, description.get("source-epoch"))
        for stage in description.get("stages", []):
            self.load_stage(stage, pipeline)
        return pipeline

    def resolve(self, reference: str) -> str | None:
        """The id that `name:<pipeline>` has by now."""
        pipeline = self.manifest.pipelines.get(reference.removeprefix("name:"))
        if pipeline is None:
            raise ValueError(f"Unknown pipeline reference: {reference}")
        return pipeline.id

    def load_stage(self, description: dict[str, Any], pipeline: Pipeline) -> None:
        stage = pipeline.add_stage(self.module("Stage", description["type"]), description.get("options"))
        for name, device in sort_devices(description.get("devices", {})).items():
            parent = stage.devices[device["parent"]] if "parent" in device else None
            stage.add_device(name, self.module("Device", device["type"]), parent, device.get("options"))
        for name, each in description.get("inputs", {}).items():
            self.load_input(name, each, pipeline, stage)
        for mount in description.get("mounts", []):
            self.load_mount(mount, stage)

    def load_input(self, name: str, description: dict[str, Any], pipeline: Pipeline, stage: Stage) -> None:
        info = self.module("Input", description["type"])
        ip = stage.add_input(name, info, description["origin"], description.get("options"))
        references = as_references(description["references"])
        resolved: dict[str | None, dict[str, Any]] = {}
        if ip.origin == "org.osbuild.pipeline":
            for reference, options in references.items():
                if reference.startswith("name:"):
                    resolved[self.resolve(reference)] = options
                else:
                    self.manifest.warnings.append(
                        f"reference '{reference}' of input '{name}' in pipeline '{pipeline.name}' is ignored: "
                        "it does not start with 'name:'"
                    )
        else:
            unknown = sorted(references.keys() - self.source_items)
            if unknown:
                raise ValueError(
                    f"Unknown source reference(s) {unknown} in input '{name}' of pipeline '{pipeline.name}'"
                )
            resolved.update(references)
        # All at once: while names are resolved the input has no references, which counts for a pipeline that names itself.
        for reference_id, options in resolved.items():
            ip.add_reference(reference_id, options)

    def load_mount(self, description: dict[str, Any], stage: Stage) -> None:
        device: Device | None = None
        source = description.get("source")
        if source:
            if source not in stage.devices:
                raise ValueError(f"Unknown device '{source}' for mount '{description['name']}'")
            device = stage.devices[source]
        stage.add_mount(
            description["name"],
            self.module("Mount", description["type"]),
            device,
            description.get("partition"),
            description.get("target"),
            description.get("options", {}),
        )


def as_references(value: Any) -> dict[str, dict[str, Any]]:
    """The three forms of references (contract, section 1.5) as one: id to options."""
    if isinstance(value, list):
        pairs = [(each, None) if isinstance(each, str) else (each["id"], each.get("options")) for each in value]
        value = dict(pairs)
    return {reference: options or {} for reference, options in value.items()}


def sort_devices(devices: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The devices with every parent before its children, otherwise in their order.

    Raises ValueError for a parent that does not exist, and for devices that are each other's parents.
    """
    result: dict[str, dict[str, Any]] = {}
    todo = list(devices)
    while todo:
        waiting = []
        for name in todo:
            parent = devices[name].get("parent")
            if parent is not None and parent not in devices:
                raise ValueError(f"Missing parent device '{parent}' for '{name}'")
            if parent is None or parent in result:
                result[name] = devices[name]
            else:
                waiting.append(name)
        if len(waiting) == len(todo):
            raise ValueError(f"Cycle detected: the devices {waiting} are each other's parents")
        todo = waiting
    return result


def _device_warnings(manifest: Manifest) -> list[str]:
    """Devices are not part of a stage's id: stages that differ in nothing else share one object in the store."""
    seen: dict[str, list[str]] = {}
    warnings = []
    for pipeline in manifest:
        for stage in pipeline.stages:
            if stage.devices and not stage.mounts:
                devices = [device.id for device in stage.devices.values()]
                if seen.setdefault(stage.id, devices) != devices:
                    warnings.append(
                        f"stage {stage.name} in pipeline '{pipeline.name}' differs from another one in its devices only: "
                        "both have the same id, so a cached result of one is used for the other"
                    )
    return warnings


# Description


def _filled(**members: Any) -> dict[str, Any]:
    """The members that are not empty."""
    return {name: value for name, value in members.items() if value}


def describe(manifest: Manifest, *, with_id: bool = False) -> dict[str, Any]:
    """The manifest as `--inspect` prints it (contract, section 2.3); with ids of stages if `with_id`."""
    used_as_build = {pipeline.build: pipeline.runner for pipeline in manifest if pipeline.build is not None}
    description: dict[str, Any] = {
        "version": VERSION,
        "pipelines": [
            {
                "name": pipeline.name,
                **_filled(build=pipeline.build),
                **({"runner": used_as_build[pipeline.id].name} if pipeline.id in used_as_build else {}),
                **_filled(stages=[_describe_stage(stage, with_id) for stage in pipeline.stages]),
            }
            for pipeline in manifest
        ],
    }
    if manifest.metadata:
        description["metadata"] = manifest.metadata
    if manifest.sources:
        description["sources"] = {source.info_name: {"items": source.items} for source in manifest.sources}
    return description


def _describe_stage(stage: Stage, with_id: bool) -> dict[str, Any]:
    devices = _each(stage.devices, lambda device: {"type": device.info_name, **_filled(options=device.options)})
    mounts = []
    for mount in stage.mounts.values():
        source = mount.device.name if mount.device is not None else None
        mounts.append(
            {
                "name": mount.name,
                "type": mount.info_name,
                "target": mount.target,
                **_filled(source=source, options=mount.options, partition=mount.partition),
            }
        )
    return {
        "type": stage.name,
        **({"id": stage.id} if with_id else {}),
        **_filled(options=stage.options, devices=devices, mounts=mounts, inputs=_each(stage.inputs, _describe_input)),
    }


def _describe_input(ip: Input) -> dict[str, Any]:
    return {
        "type": ip.info_name,
        "origin": ip.origin,
        **_filled(options=ip.options, references=dict(ip.refs)),
    }


def _each(parts: Mapping[str, T], describe_part: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    return {name: describe_part(part) for name, part in parts.items()}


# Result


def output(manifest: Manifest, result: ManifestBuildResult, store: ObjectStore | None = None) -> dict[str, Any]:
    """The result document (contract, section 7.1); metadata are read from `store`."""
    document: dict[str, Any]
    if result.success:
        document = {
            "type": "result",
            "success": True,
            "metadata": _collect_metadata(manifest, store) if store is not None else {},
        }
    else:
        document = {"type": "error", "success": False, "error": _error(result)}
    document["sources"] = result.download_result.as_dict()
    document["log"] = {}
    for pipeline in manifest:
        pipeline_result = result.pipeline_results.get(pipeline.id)
        if pipeline_result is not None and pipeline_result.stages:
            document["log"][pipeline.name] = [
                {
                    "id": stage.id,
                    "type": stage.name,
                    "output": stage.output,
                    **({} if stage.success else {"success": False}),
                    **({"error": stage.error} if stage.error else {}),
                }
                for stage in pipeline_result.stages
            ]
    return document


def _error(result: ManifestBuildResult) -> dict[str, Any]:
    source = result.download_result.first_failure()
    if source is not None:
        details: dict[str, Any] = {"source": {"type": source[0], "output": source[1]}}
        return {"type": "org.osbuild.error.source", "details": details}
    stage = result.failed_stage()
    if stage is None:
        return {"type": "org.osbuild.error.pipeline", "details": {}}
    details = {"stage": {"id": stage.id, "type": stage.name, "output": stage.output, "error": stage.error}}
    return {"type": "org.osbuild.error.stage", "details": details}


def _collect_metadata(manifest: Manifest, store: ObjectStore) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for pipeline in manifest:
        tree = store.get(pipeline.id) if pipeline.id is not None else None
        if tree is None:
            continue
        by_type: dict[str, Any] = {}
        for stage in pipeline.stages:
            data = tree.meta.get(stage.id)
            if data:
                by_type.setdefault(stage.name, {}).update(data)
        if by_type:
            metadata[pipeline.name] = by_type
    return metadata
