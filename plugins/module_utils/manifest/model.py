# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Manifest, pipelines and stages (format: https://osbuild.org, manifest version 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ManifestError
from .inputs import Input
from .sources import ContainerItem, CurlItem, InlineItem, OSTreeItem, check_checksum

VERSION = "2"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INPUT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-.]{0,254}")


@dataclass(frozen=True)
class Device:
    """A device of a stage; *parent* is the name of another device of the same stage."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"type": self.type}
        if self.parent:
            result["parent"] = self.parent
        if self.options:
            result["options"] = dict(self.options)
        return result


@dataclass(frozen=True)
class Mount:
    """A mount of a stage: *source* is the name of a device; *partition* counts from 1, 0 is none."""

    name: str
    type: str
    source: str = ""
    target: str = ""
    partition: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"name": self.name, "type": self.type}
        for key, value in (("source", self.source), ("target", self.target), ("partition", self.partition)):
            if value:
                result[key] = value
        if self.options:
            result["options"] = dict(self.options)
        return result


@dataclass(frozen=True)
class Stage:
    """One stage: a program of the engine's library directory and all it is given."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()

    def __post_init__(self) -> None:
        for name in self.inputs:
            if not _INPUT_NAME.fullmatch(name):
                raise ManifestError(f"stage {self.type}: '{name}' cannot be the name of an input")
        for mount in self.mounts:
            if mount.source and mount.source not in self.devices:
                raise ManifestError(f"stage {self.type}: mount {mount.name} uses the unknown device '{mount.source}'")
        for name, device in self.devices.items():
            if device.parent and device.parent not in self.devices:
                raise ManifestError(f"stage {self.type}: device {name} has the unknown parent '{device.parent}'")

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"type": self.type}
        if self.options:
            result["options"] = dict(self.options)
        if self.inputs:
            result["inputs"] = {name: one.to_dict() for name, one in self.inputs.items()}
        if self.devices:
            result["devices"] = {name: one.to_dict() for name, one in self.devices.items()}
        if self.mounts:
            result["mounts"] = [one.to_dict() for one in self.mounts]
        return result


@dataclass(frozen=True)
class Pipeline:
    """Stages that make one tree.

    :param build: name of the pipeline whose tree the stages run in; empty for the host.
    :param runner: how to prepare *this* pipeline's tree when it is used as a build root.
    :param source_epoch: time stamp (seconds since 1970) for everything the stages write; None leaves times alone.
    """

    name: str
    stages: tuple[Stage, ...]
    build: str = ""
    runner: str = ""
    source_epoch: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ManifestError(f"pipeline '{self.name}': a name is letters, digits, dots, dashes and underscores")

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"name": self.name}
        if self.build:
            result["build"] = f"name:{self.build}"
        if self.runner:
            result["runner"] = self.runner
        if self.source_epoch is not None:
            result["source-epoch"] = self.source_epoch
        result["stages"] = [stage.to_dict() for stage in self.stages]
        return result


class Manifest:
    """A manifest under construction; what is added is checked at once, so that it is valid at any time."""

    def __init__(self) -> None:
        self._pipelines: list[Pipeline] = []
        self._curl: dict[str, CurlItem] = {}
        self._inline: dict[str, InlineItem] = {}
        self._containers: dict[str, ContainerItem] = {}
        self._ostree: dict[str, OSTreeItem] = {}

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        return tuple(self._pipelines)

    def pipeline(self, name: str) -> Pipeline:
        """The pipeline called *name*; raises ManifestError naming those that there are."""
        for one in self._pipelines:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self._pipelines) or "none"
        raise ManifestError(f"the manifest has no pipeline '{name}'; it has {known}")

    def add_curl(self, items: Iterable[CurlItem]) -> None:
        """Add downloads. The same content under two addresses is fetched once, from the first."""
        for item in items:
            self._curl.setdefault(item.checksum, item)

    def add_container(self, identity: str, item: ContainerItem) -> None:
        """Add a container image by the digest of its configuration."""
        self._containers.setdefault(check_checksum(identity), item)

    def add_inline(self, data: bytes) -> str:
        """Add a small file and return its checksum, by which stages refer to it."""
        item = InlineItem(data)
        self._inline[item.checksum] = item
        return item.checksum

    def add_ostree(self, items: Iterable[OSTreeItem]) -> None:
        """Add commits to pull."""
        for item in items:
            self._ostree.setdefault(item.commit, item)

    def add_pipeline(self, pipeline: Pipeline) -> None:
        """Append a pipeline.

        :raises ManifestError: its name is taken, or it refers to pipelines or sources that are not there (yet).
        """
        names = {one.name for one in self._pipelines}
        if pipeline.name in names:
            raise ManifestError(f"pipeline {pipeline.name}: there is one of that name already")
        if pipeline.build and pipeline.build not in names:
            raise ManifestError(f"pipeline {pipeline.name}: its build pipeline '{pipeline.build}' is not there before it")
        for stage in pipeline.stages:
            for name, given in stage.inputs.items():
                where = f"pipeline {pipeline.name}, stage {stage.type}, input {name}"
                for other in given.pipelines:
                    if other not in names:
                        raise ManifestError(f"{where}: the pipeline '{other}' is not there before it")
                for checksum in given.checksums:
                    if not any(checksum in items for items in (self._curl, self._inline, self._containers, self._ostree)):
                        raise ManifestError(f"{where}: no source has {checksum}")
        self._pipelines.append(pipeline)

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON-able data."""
        result: dict[str, Any] = {
            "version": VERSION,
            "pipelines": [pipeline.to_dict() for pipeline in self._pipelines],
        }
        sources: dict[str, Any] = {}
        # Content that is inline needs no download.
        curl = {checksum: item for checksum, item in self._curl.items() if checksum not in self._inline}
        if curl:
            sources["org.osbuild.curl"] = {"items": {key: item.to_dict() for key, item in curl.items()}}
        if self._inline:
            sources["org.osbuild.inline"] = {"items": {key: item.to_dict() for key, item in self._inline.items()}}
        if self._containers:
            sources["org.osbuild.skopeo"] = {"items": {key: item.to_dict() for key, item in self._containers.items()}}
        if self._ostree:
            sources["org.osbuild.ostree"] = {"items": {key: item.to_dict() for key, item in self._ostree.items()}}
        if sources:
            result["sources"] = sources
        return result

    def dumps(self) -> bytes:
        """Canonical text: equal manifests give equal bytes, whatever order things were added to objects in."""
        return canonical(self.to_dict())


def canonical(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON with sorted keys and one value per line, so that it can be compared and read in a diff."""
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
