# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Version 1 of the manifest format

One pipeline with an optional assembler, and inside it the pipeline that makes its build root, and so on
(contract, section 1.9). It is loaded into the model of version 2: pipelines `tree`, `build`, `build-build`, …, `assembler`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..pipeline import Manifest, Runner
from ..schema import ValidationResult

if TYPE_CHECKING:
    from ..meta import Index, ModuleInfo
    from ..objectstore import ObjectStore
    from ..pipeline import Pipeline, Stage
    from ..results import ManifestBuildResult, StageResult

VERSION = "1"

# What version 1 calls some sources, and the member that holds their items.
_SOURCES = {"org.osbuild.files": ("org.osbuild.curl", "urls"), "org.osbuild.ostree": ("org.osbuild.ostree", "commits")}


# Validation


def validate(manifest: dict[str, Any], index: Index) -> ValidationResult:
    """Check the manifest against the base schema and every module's part against that module's schema."""
    result = index.get_schema("Manifest", version=VERSION).validate(manifest)

    def check_module(klass: str, target: Any, path: list[int | str]) -> None:
        name = target.get("name") if isinstance(target, dict) else None
        if isinstance(name, str):
            result.merge(index.get_schema(klass, name, version=VERSION).validate(target), path=path)

    def check_pipeline(pipeline: Any, path: list[int | str]) -> None:
        if not isinstance(pipeline, dict):
            return
        build = pipeline.get("build")
        if isinstance(build, dict):
            check_pipeline(build.get("pipeline"), [*path, "build", "pipeline"])
        stages = pipeline.get("stages")
        for i, stage in enumerate(stages if isinstance(stages, list) else []):
            check_module("Stage", stage, [*path, "stages", i])
        check_module("Assembler", pipeline.get("assembler"), [*path, "assembler"])

    check_pipeline(manifest.get("pipeline"), ["pipeline"])
    sources = manifest.get("sources")
    for name, source in (sources if isinstance(sources, dict) else {}).items():
        module, _ignored = _SOURCES.get(name, (name, ""))
        result.merge(index.get_schema("Source", module, version=VERSION).validate(source), path=["sources", name])
    return result


# Loading


def load(manifest: dict[str, Any], index: Index) -> Manifest:
    """Make the model of a valid manifest. Raises ValueError for a runner that does not exist."""
    loaded = Manifest()
    for name, source in manifest.get("sources", {}).items():
        module, member = _SOURCES.get(name, (name, "items"))
        items = source.get(member) or source.get("items") or {}
        options = {key: value for key, value in source.items() if key not in (member, "items")}
        loaded.add_source(_module(index, "Source", module), items, options)
    host_runner = Runner(index.detect_host_runner())
    main = manifest.get("pipeline", {})
    tree = _load_pipeline(main, index, loaded, host_runner, 0)
    if "assembler" in main:
        assembler = loaded.add_pipeline("assembler", tree.runner, tree.build)
        options = main["assembler"].get("options")
        stage = assembler.add_stage(_module(index, "Assembler", main["assembler"]["name"]), options)
        ip = stage.add_input("tree", _module(index, "Input", "org.osbuild.tree"), "org.osbuild.pipeline")
        ip.add_reference(tree.id)
    return loaded


def _module(index: Index, klass: str, name: str) -> ModuleInfo:
    info = index.get_module_info(klass, name)
    if info is None:
        raise ValueError(f"there is no {klass.lower()} '{name}' in {index.path}")
    return info


def _load_pipeline(
    description: dict[str, Any], index: Index, manifest: Manifest, host_runner: Runner, depth: int
) -> Pipeline:
    """Load a pipeline after those it is built with; `depth` counts how often it is the build of something."""
    build, runner = None, host_runner
    if "build" in description:
        build = _load_pipeline(description["build"]["pipeline"], index, manifest, host_runner, depth + 1).id
        wanted = description["build"]["runner"]
        runner = Runner(index.detect_runner(wanted), wanted)
    pipeline = manifest.add_pipeline("-".join(["build"] * depth) or "tree", runner, build)
    for each in description.get("stages", []):
        stage = pipeline.add_stage(_module(index, "Stage", each["name"]), each.get("options"))
        _add_implied_input(stage, index)
    return pipeline


def _add_implied_input(stage: Stage, index: Index) -> None:
    """Two stages of version 1 name what they read in their options."""
    if stage.name == "org.osbuild.rpm":
        info = _module(index, "Input", "org.osbuild.files")
        ip = stage.add_input("packages", info, "org.osbuild.source")
        for package in stage.options.get("packages", []):
            if isinstance(package, str):
                ip.add_reference(package)
            else:
                check = package.get("check_gpg")
                ip.add_reference(package["checksum"], {"metadata": {"rpm.check_gpg": check}} if check else None)
    elif stage.name == "org.osbuild.ostree":
        info = _module(index, "Input", "org.osbuild.ostree")
        ip = stage.add_input("commits", info, "org.osbuild.source")
        ref = stage.options.get("ref")
        ip.add_reference(stage.options["commit"], {"ref": ref} if ref else None)


# Description


def describe(manifest: Manifest, *, with_id: bool = False) -> dict[str, Any]:
    """The manifest in the shape of version 1, with ids of stages if `with_id`."""

    def describe_module(stage: Stage) -> dict[str, Any]:
        return {
            "name": stage.name,
            **({"options": stage.options} if stage.options else {}),
            **({"id": stage.id} if with_id else {}),
        }

    def describe_pipeline(pipeline: Pipeline, depth: int) -> dict[str, Any]:
        description: dict[str, Any] = {}
        build = manifest.pipelines.get("-".join(["build"] * (depth + 1)))
        if build is not None:
            description["build"] = {"pipeline": describe_pipeline(build, depth + 1), "runner": pipeline.runner.name}
        if pipeline.stages:
            description["stages"] = [describe_module(stage) for stage in pipeline.stages]
        return description

    main = describe_pipeline(manifest["tree"], 0)
    if "assembler" in manifest.pipelines:
        main["assembler"] = describe_module(manifest.pipelines["assembler"].stages[0])
    description = {"pipeline": main}
    if manifest.sources:
        old_names = {new: (old, member) for old, (new, member) in _SOURCES.items()}
        description["sources"] = {}
        for source in manifest.sources:
            name, member = old_names.get(source.info_name, (source.info_name, "items"))
            description["sources"][name] = {member: source.items}
    return description


# Result


def output(manifest: Manifest, result: ManifestBuildResult, store: ObjectStore | None = None) -> dict[str, Any]:
    """The result in the shape of version 1: results of stages, nested as the manifest is, and `success`."""

    def stages_of(name: str) -> list[dict[str, Any]]:
        pipeline = manifest.pipelines[name]
        pipeline_result = result.pipeline_results.get(pipeline.id)
        tree = store.get(pipeline.id) if store is not None and pipeline.id is not None else None
        return [describe_result(stage, tree) for stage in (pipeline_result.stages if pipeline_result else [])]

    def describe_result(stage: StageResult, tree: Any) -> dict[str, Any]:
        metadata = tree.meta.get(stage.id) if tree is not None else None
        return {**stage.as_dict(), **({"metadata": metadata} if metadata else {})}

    def describe_pipeline(depth: int) -> dict[str, Any]:
        document: dict[str, Any] = {}
        if "-".join(["build"] * (depth + 1)) in manifest.pipelines:
            document["build"] = describe_pipeline(depth + 1)
        stages = stages_of("-".join(["build"] * depth) or "tree")
        if stages:
            document["stages"] = stages
        return document

    document: dict[str, Any] = {"success": result.success, **describe_pipeline(0)}
    assembler = stages_of("assembler") if "assembler" in manifest.pipelines else []
    if assembler:
        document["assembler"] = assembler[0]
    if manifest.sources:
        document["sources"] = result.download_result.as_dict()
    return document
