# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Images: distributions, architectures and image types, and the way from a definition to a manifest.

Runs nothing and reads no files: data in, data out.
"""

from __future__ import annotations

from .architectures import ARCHITECTURES, Architecture, get_architecture
from .archive import (
    backports_source,
    build_pins,
    build_sources,
    mirror_sources,
    mirror_warnings,
    of_suite,
    suite_distribution,
)
from .build import make_manifest, warnings
from .catalogue import IMAGE_TYPES, get_image_type
from .definition import Definition
from .distributions import DISTRIBUTIONS, Distribution, get_distribution
from .imagetypes import ImageType
from .layout import Layout, Mount, Partition, Volume
from .ospipeline import before_files
from .packagesets import package_sets
from .partitioning import plan_layout

__all__ = [
    "ARCHITECTURES",
    "DISTRIBUTIONS",
    "IMAGE_TYPES",
    "Architecture",
    "Definition",
    "Distribution",
    "ImageType",
    "Layout",
    "Mount",
    "Partition",
    "Volume",
    "backports_source",
    "before_files",
    "build_pins",
    "build_sources",
    "get_architecture",
    "get_distribution",
    "get_image_type",
    "make_manifest",
    "mirror_sources",
    "mirror_warnings",
    "of_suite",
    "package_sets",
    "plan_layout",
    "suite_distribution",
    "warnings",
]
