# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Which code made a tree.

Ids say what a stage was asked to do, not how it was programmed: after an update of the stages, a tree in the store may be one
that they would not make any more. So the store is told a digest of the code behind each id, keeps it with what it stores, and
does not find a tree that other code made (contract, section 9.1a, number 16).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import Manifest, Pipeline, Stage

# Packages in the directory of the stages that stages share: a program that names one is made of it, too.
SHARED_PACKAGES = ("forge",)

# Digits of a digest: enough to tell versions of the same programs apart, short enough to be kept beside each tree.
DIGEST_LENGTH = 32


class _Codes:
    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.programs: dict[str, bytes] = {}
        self.packages: dict[Path, bytes] = {}
        self.stages: dict[str, str] = {}

    def program(self, path: str) -> bytes:
        """Digest of a program and of the packages beside it that it uses; of nothing if it cannot be read."""
        if path not in self.programs:
            digest = hashlib.sha256()
            try:
                source = Path(path).read_bytes()
            except OSError:
                source = b""
            digest.update(source)
            for name in SHARED_PACKAGES:
                if name.encode() in source:
                    digest.update(self.package(Path(path).parent / name))
            self.programs[path] = digest.digest()
        return self.programs[path]

    def package(self, directory: Path) -> bytes:
        if directory not in self.packages:
            digest = hashlib.sha256()
            for path in sorted(directory.rglob("*")):
                if path.suffix != ".pyc" and path.is_file():
                    digest.update(os.fsencode(path.relative_to(directory)) + b"\0")
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
            self.packages[directory] = digest.digest()
        return self.packages[directory]

    def add(self, pipeline: Pipeline) -> None:
        code = self.of_pipeline(pipeline.build)
        for stage in pipeline.stages:
            code = self.of_stage(stage, code)
            self.stages[stage.id] = code

    def of_stage(self, stage: Stage, before: str) -> str:
        digest = hashlib.sha256(before.encode())
        digest.update(self.program(stage.info.path))
        for dependency in stage.dependencies:
            digest.update(self.of_pipeline(dependency).encode())
        return digest.hexdigest()[:DIGEST_LENGTH]

    def of_pipeline(self, pipeline_id: str | None) -> str:
        # Whatever a pipeline needs comes before it in a manifest, or is itself, which has nothing to add.
        return self.stages.get(pipeline_id, "") if pipeline_id is not None else ""


def digests(manifest: Manifest) -> dict[str, str]:
    """For the id of each stage, a digest of all code that leads to its tree: of the stages before it, of its build
    pipeline, and of the pipelines that inputs refer to."""
    codes = _Codes(manifest)
    for pipeline in manifest:
        codes.add(pipeline)
    return codes.stages
