# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What came of downloading sources and of building stages, pipelines and manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .sources import SourceResults


class Origin(Protocol):
    """What a `StageResult` is about: a stage, or anything with its name and id."""

    @property
    def name(self) -> str: ...

    @property
    def id(self) -> str: ...


class StageResult:
    """A stage that ran: it succeeded if its exit code is 0.

    `error` is the exception it reported (`{"type": "exception", "data": {"type", "value", "traceback"}}`) or None.
    """

    def __init__(self, origin: Origin, returncode: int, output: str, error: dict[str, Any] | None) -> None:
        self.name = origin.name
        self.id = origin.id
        self.success = returncode == 0
        self.output = output
        self.error = error

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "id": self.id,
            "success": self.success,
            "output": self.output,
            "error": self.error,
        }


class PipelineResult:
    """The results of those stages of a pipeline that ran in this build, in order; a failed one is the last."""

    def __init__(self, name: str, success: bool = True) -> None:
        self.name = name
        self.success = success
        self.stages: list[StageResult] = []

    def add_stage(self, result: StageResult) -> None:
        self.stages.append(result)
        self.success = self.success and result.success

    def set_stages(self, stages: list[StageResult]) -> None:
        self.stages = stages
        self.success = all(stage.success for stage in stages)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "success": self.success, "stages": [stage.as_dict() for stage in self.stages]}


class DownloadResult:
    """The results of all sources, by source type."""

    def __init__(self) -> None:
        self.success = True
        self.sources: dict[str, SourceResults] = {}

    def add(self, source_type: str, results: SourceResults) -> None:
        self.sources[source_type] = results
        self.success = self.success and results.success

    def as_dict(self) -> dict[str, Any]:
        """The `sources` member of the result document (contract, section 7.1)."""
        document: dict[str, Any] = {"success": self.success}
        for source_type, results in self.sources.items():
            document[source_type] = []
            for item in results.results:
                entry = dict(item.metadata)
                if item.error:
                    entry["error"] = item.error
                document[source_type].append(entry)
        return document

    def first_failure(self) -> tuple[str, str] | None:
        """Type of the first source that failed, and why: its reason, else the error of its first failed item."""
        for source_type, results in self.sources.items():
            if not results.success:
                errors = [item.error for item in results.results if not item.success]
                return source_type, results.reason or (errors[0] if errors else "")
        return None


class ManifestBuildResult:
    """The results of one run of the engine; `pipeline_results` is by pipeline id, in order of building."""

    def __init__(self, download_result: DownloadResult) -> None:
        self.download_result = download_result
        self.pipeline_results: dict[str | None, PipelineResult] = {}
        self.success = download_result.success

    def add_pipeline(self, pipeline_id: str | None, result: PipelineResult) -> None:
        self.pipeline_results[pipeline_id] = result
        self.success = self.success and result.success

    def failed_stage(self) -> StageResult | None:
        for result in self.pipeline_results.values():
            for stage in result.stages:
                if not stage.success:
                    return stage
        return None
