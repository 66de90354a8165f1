# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Inputs of stages: other pipelines' trees, single files of them, and downloaded files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ManifestError

SOURCE = "org.osbuild.source"
PIPELINE = "org.osbuild.pipeline"
PREFIX = "name:"


@dataclass(frozen=True)
class Input:
    """One input of a stage.

    :param type: input module, such as ``org.osbuild.tree``.
    :param origin: ``org.osbuild.source`` or ``org.osbuild.pipeline``.
    :param references: id -> options; ids of pipelines are written ``name:<pipeline>``.
    :param options: the input's own options.
    """

    type: str
    origin: str
    references: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.origin not in (SOURCE, PIPELINE):
            raise ManifestError(f"input {self.type}: origin '{self.origin}' is neither {SOURCE} nor {PIPELINE}")
        if not self.references:
            raise ManifestError(f"input {self.type}: has no references")
        if self.origin == PIPELINE:
            for name in self.references:
                # osbuild drops such a reference silently, and the stage then misses its input.
                if not name.startswith(PREFIX):
                    raise ManifestError(f"input {self.type}: reference '{name}' lacks the prefix '{PREFIX}'")

    @property
    def pipelines(self) -> tuple[str, ...]:
        """Names of the pipelines that are referred to."""
        if self.origin != PIPELINE:
            return ()
        return tuple(name.removeprefix(PREFIX) for name in self.references)

    @property
    def checksums(self) -> tuple[str, ...]:
        """Ids of the source items that are referred to."""
        return tuple(self.references) if self.origin == SOURCE else ()

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "type": self.type,
            "origin": self.origin,
            "references": {name: dict(options) for name, options in self.references.items()},
        }
        if self.options:
            result["options"] = dict(self.options)
        return result


def tree_input(pipeline: str) -> Input:
    """The whole tree of a pipeline."""
    return Input("org.osbuild.tree", PIPELINE, {f"{PREFIX}{pipeline}": {}})


def files_input(references: Mapping[str, Mapping[str, Any]]) -> Input:
    """Downloaded or inline files by checksum; the values become the reference's ``metadata`` if they hold any."""
    return Input(
        "org.osbuild.files",
        SOURCE,
        {checksum: {"metadata": dict(metadata)} if metadata else {} for checksum, metadata in references.items()},
    )


def containers_input(names: Mapping[str, str]) -> Input:
    """Container images by id, and the name each shall have."""
    return Input("org.osbuild.containers", SOURCE, {identity: {"name": name} for identity, name in names.items()})


def packages_input(references: Mapping[str, Mapping[str, Any]]) -> Input:
    """Downloaded Debian packages by checksum, which the store keeps decompressed; values as in ``files_input``."""
    return replace(files_input(references), type="org.osbuild.debian.unpacked")


def pipeline_file_input(pipeline: str, filename: str) -> Input:
    """One file of a pipeline's tree."""
    return Input("org.osbuild.files", PIPELINE, {f"{PREFIX}{pipeline}": {"file": filename}})
