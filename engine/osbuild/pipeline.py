# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Pipelines and manifests: what there is to build, in which order, and the building (contract, sections 1, 2 and 6.7)."""

from __future__ import annotations

import errno
import fnmatch
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from .results import DownloadResult, ManifestBuildResult, PipelineResult, StageResult
from .sources import Source, SourceItemResult, SourceResults
from .stage import Runner, Stage, cause

if TYPE_CHECKING:
    from .meta import ModuleInfo
    from .monitor import BaseMonitor
    from .objectstore import Object, ObjectStore
    from .schedule import Job

__all__ = [
    "DownloadResult",
    "Manifest",
    "ManifestBuildResult",
    "Pipeline",
    "PipelineResult",
    "Runner",
    "Stage",
    "StageResult",
]


# errno(3), as programs say it.
_NO_SPACE = os.strerror(errno.ENOSPC)
# Stages that begin a tree of disks. Trees of other kinds stay on the disk: in memory, directories are listed in another
# order, and archives of them would be other ones.
_DISKS = ("org.osbuild.truncate", "org.osbuild.debian.disk")


class ContainsId(Protocol):
    """The part of a store that `Manifest.depsolve` needs."""

    def contains(self, object_id: str | None, /) -> bool: ...


class Pipeline:
    """A list of stages; its id is that of the last one, None while it has none.

    `runner` prepares the build root its stages run in, `build` is the id of the pipeline that makes that build root, None
    for the host.
    """

    def __init__(self, name: str, runner: Runner, build: str | None = None, source_epoch: int | None = None) -> None:
        self.name = name
        self.runner = runner
        self.build = build
        self.source_epoch = source_epoch
        self.stages: list[Stage] = []
        # What can cancel it.
        self.job: Job | None = None
        # Whether it makes disks that are of use to other pipelines of the same run only.
        self.passing = False
        # Whether another pipeline of the same run reads its tree.
        self.is_read = False

    @property
    def id(self) -> str | None:
        return self.stages[-1].id if self.stages else None

    def add_stage(
        self, info: ModuleInfo, options: dict[str, Any] | None, sources_options: dict[str, Any] | None = None
    ) -> Stage:
        stage = Stage(info, sources_options, self.build, self.id, options, self.source_epoch)
        self.stages.append(stage)
        return stage

    def run(
        self,
        store: ObjectStore,
        monitor: BaseMonitor,
        libdir: str,
        debug_break: str = "",
        stage_timeout: int | None = None,
        in_vm: bool = False,
        rundir: str = "/run/osbuild",
    ) -> PipelineResult:
        """Run the stages that are not in the store yet; afterwards the store has the pipeline as a floating object.

        Raises ValueError for `in_vm`, which this engine does not do; Cancelled.
        """
        if in_vm:
            raise ValueError("stages cannot run in a virtual machine")
        monitor.begin(self)
        results = PipelineResult(self.name)
        if self.stages and not store.contains(self.id):
            self._run_stages(results, store, monitor, libdir, debug_break, stage_timeout, rundir)
        monitor.finish({"name": self.name})
        return results

    def _run_stages(
        self,
        results: PipelineResult,
        store: ObjectStore,
        monitor: BaseMonitor,
        libdir: str,
        debug_break: str,
        stage_timeout: int | None,
        rundir: str,
    ) -> None:
        build_tree: Any = store.host_tree if self.build is None else store.get(self.build)
        if build_tree is None:
            raise RuntimeError(f"the build pipeline {self.build} of '{self.name}' has not been built")

        tree = store.new(self.stages[-1].id)
        tree.source_epoch = self.source_epoch
        todo = self._resume(store, tree)
        if self.passing and todo is self.stages:
            tree.into_memory()
        for needed in {needed for stage in todo for needed in stage.dependencies}:
            found = store.get(needed)
            if found is not None:
                store.read_ahead(found)

        for number, stage in enumerate(todo, 1):
            stage.job = self.job
            if self.job is not None:
                self.job.check()
            monitor.stage(stage)
            with tree.meta.write(stage.id) as meta:
                result = stage.run(
                    tree, meta.name, self.runner, build_tree, store, monitor, libdir, debug_break, stage_timeout, rundir
                )
            if not result.success and (tree.full or (tree.in_memory and _NO_SPACE in result.output)):
                monitor.log(f"the tree of pipeline {self.name} is too big for the memory there is: it is made anew on the disk\n")
                tree.cleanup()
                self.passing = False
                results.set_stages([])
                self._run_stages(results, store, monitor, libdir, debug_break, stage_timeout, rundir)
                return
            metadata = tree.meta.get(stage.id) if result.success else None
            monitor.result(result, metadata)
            results.add_stage(result)
            if not result.success:
                tree.cleanup()
                return
            if stage.checkpoint:
                tree.plain = any(after.wants_plain_tree for after in todo[number:])
                try:
                    store.commit(tree, stage.id)
                except OSError as exc:
                    # The tree itself is fine, it is only not kept for the next build.
                    monitor.log(f"checkpoint {stage.id} cannot be kept: {exc}\n")
        tree.finalize()

    def _resume(self, store: ObjectStore, tree: Object) -> list[Stage]:
        """Start `tree` from the latest stage in the store; returns the stages that remain."""
        for done in range(len(self.stages) - 1, 0, -1):
            base = store.get(self.stages[done - 1].id)
            if base is not None:
                tree.plain = any(stage.wants_plain_tree for stage in self.stages[done:])
                if self.is_read:
                    store.read_ahead(base)
                tree.init(base)
                return self.stages[done:]
        return self.stages


class Manifest:
    """What one run can build: sources and pipelines, in the order of the manifest.

    `warnings` holds sentences about what is legal but probably not meant.
    """

    def __init__(self) -> None:
        self.pipelines: dict[str, Pipeline] = {}
        self.sources: list[Source] = []
        self.metadata: dict[str, Any] = {}
        self.warnings: list[str] = []

    def add_pipeline(
        self, name: str, runner: Runner, build: str | None = None, source_epoch: int | None = None
    ) -> Pipeline:
        """Append an empty pipeline. Raises ValueError if there is one of that name."""
        if name in self.pipelines:
            raise ValueError(f"Name {name} already exists")
        pipeline = Pipeline(name, runner, build, source_epoch)
        self.pipelines[name] = pipeline
        return pipeline

    def add_source(self, info: ModuleInfo, items: dict[str, Any], options: dict[str, Any] | None) -> Source:
        source = Source(info, items, options)
        self.sources.append(source)
        return source

    def add_metadata(self, name: str, data: Any) -> None:
        self.metadata[name] = data

    def get(self, name_or_id: str | None) -> Pipeline | None:
        """The pipeline of that name, else the first of that id, else None."""
        if name_or_id is not None and name_or_id in self.pipelines:
            return self.pipelines[name_or_id]
        for pipeline in self.pipelines.values():
            if pipeline.id == name_or_id:
                return pipeline
        return None

    def __contains__(self, name_or_id: str | None) -> bool:
        return self.get(name_or_id) is not None

    def __getitem__(self, name_or_id: str | None) -> Pipeline:
        pipeline = self.get(name_or_id)
        if pipeline is None:
            raise KeyError(name_or_id)
        return pipeline

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self.pipelines.values())

    def fix(self) -> None:
        """From now on the stages are not changed any more."""
        for pipeline in self.pipelines.values():
            for stage in pipeline.stages:
                stage.fix()

    def download(self, store: ObjectStore, monitor: BaseMonitor) -> DownloadResult:
        """Fetch the items of all sources; one that fails does not keep the others from being tried."""
        from .host import ServiceManager

        result = DownloadResult()
        for source in self.sources:
            monitor.begin(source)
            with ServiceManager(monitor=monitor) as services:
                try:
                    items = source.download(services, store)
                except Exception as exc:
                    items = _failed_source(source, cause(exc))
            if not items.success and not items.results:
                items = _failed_source(source, "the source failed without saying why")
            monitor.result(items)
            monitor.finish({"name": source.info_name})
            result.add(source.info_name, items)
        return result

    def depsolve(self, store: ContainsId, names: Iterable[str]) -> list[str]:
        """The names of the pipelines that have to be built for `names`, each after those it needs.

        A pipeline that the store has needs nothing. Raises KeyError for a name that is no pipeline.
        """
        ordered: dict[str | None, str] = {}
        seen: set[str | None] = set()
        # A stack of pipelines, each with the dependencies that are still to be looked at: manifests may be deep.
        for name in names:
            stack = [(self[name], iter((self[name],)))]
            while stack:
                pipeline, pending = stack[-1]
                needed = next(pending, None)
                if needed is None:
                    stack.pop()
                    if stack:
                        ordered.setdefault(pipeline.id, pipeline.name)
                elif needed.id not in seen and not store.contains(needed.id):
                    seen.add(needed.id)
                    stack.append((needed, iter([self[each] for each in _needs(needed, store)])))
        return list(ordered.values())

    def build(
        self,
        store: ObjectStore,
        pipelines: Iterable[str],
        monitor: BaseMonitor,
        libdir: str,
        debug_break: str = "",
        stage_timeout: int | None = None,
        in_vm: Iterable[str] = (),
        rundir: str = "/run/osbuild",
        jobs: int = 1,
    ) -> ManifestBuildResult:
        """Download all sources, then build `pipelines` (names, in that order) until one fails, `jobs` at the same time."""
        self.fix()
        wanted = [self[name] for name in pipelines]
        if any(stage.uses_services for pipeline in wanted for stage in pipeline.stages):
            from .host import ServiceManager

            ServiceManager.get_ready()
        results = ManifestBuildResult(self.download(store, monitor))
        if not results.success:
            return results
        virtual = set(in_vm)
        read = {needed for pipeline in wanted for stage in pipeline.stages for needed in stage.dependencies}
        for pipeline in wanted:
            pipeline.is_read = pipeline.id in read

        def build(pipeline: Pipeline, monitor: BaseMonitor, job: Job | None) -> PipelineResult:
            in_vm = pipeline.name in virtual
            pipeline.job = job
            return pipeline.run(store, monitor, libdir, debug_break, stage_timeout, in_vm, rundir)

        if jobs > 1 and len(wanted) > 1 and not debug_break:
            from . import schedule

            done = schedule.run(wanted, lambda pipeline: _needs(pipeline, store), build, monitor, jobs)
            for pipeline, result in done:
                results.add_pipeline(pipeline.id, result)
            return results
        for pipeline in wanted:
            result = build(pipeline, monitor, None)
            results.add_pipeline(pipeline.id, result)
            if not result.success:
                break
        return results

    def mark_passing(self, exports: Iterable[str]) -> None:
        """Mark the pipelines of disks of which nothing is kept: no checkpoint, and neither name nor id among `exports`."""
        exported = {self[name].id for name in exports}
        for pipeline in self.pipelines.values():
            kept = any(stage.checkpoint for stage in pipeline.stages)
            disks = bool(pipeline.stages) and pipeline.stages[0].name in _DISKS
            pipeline.passing = disks and not kept and pipeline.id not in exported

    def mark_checkpoints(self, patterns: Iterable[str]) -> set[str]:
        """Mark the stages whose trees are to be kept and return their ids.

        A pattern (fnmatch) is compared with the name of a pipeline, meaning its last stage, and with the ids and types of
        stages.
        """
        marked: set[str] = set()
        wanted = list(patterns)
        for pipeline in self.pipelines.values():
            for stage in pipeline.stages:
                names = [stage.id, stage.name]
                if stage is pipeline.stages[-1]:
                    names.append(pipeline.name)
                if any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in wanted):
                    stage.checkpoint = True
                    marked.add(stage.id)
        return marked


def _needs(pipeline: Pipeline, store: ContainsId) -> list[str | None]:
    """Ids of the pipelines to have before `pipeline` can run its stages after the last one that is in the store."""
    needed: list[str | None] = [pipeline.build] if pipeline.build is not None else []
    for stage in reversed(pipeline.stages):
        if store.contains(stage.id):
            break
        needed.extend(stage.dependencies)
    return needed


def _failed_source(source: Source, error: str) -> SourceResults:
    results = SourceResults(source.info_name)
    item = SourceItemResult()
    item.set_error(error)
    results.add(item)
    return results
