# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Manifests: osbuild's version 2 format as objects, written as canonical bytes.

Knows the format and nothing of what is built with it.
"""

from __future__ import annotations

from .inputs import (
    PIPELINE,
    PREFIX,
    SOURCE,
    Input,
    containers_input,
    files_input,
    packages_input,
    pipeline_file_input,
    tree_input,
)
from .model import Device, Manifest, Mount, Pipeline, Stage
from .sources import ContainerItem, CurlItem, InlineItem, OSTreeItem, sha256

__all__ = [
    "PIPELINE",
    "PREFIX",
    "SOURCE",
    "ContainerItem",
    "CurlItem",
    "Device",
    "InlineItem",
    "Input",
    "Manifest",
    "Mount",
    "OSTreeItem",
    "Pipeline",
    "Stage",
    "containers_input",
    "files_input",
    "packages_input",
    "pipeline_file_input",
    "sha256",
    "tree_input",
]
