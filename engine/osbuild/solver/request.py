# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A request to a solver."""

from __future__ import annotations

from dataclasses import dataclass, field

from .model import Repository


@dataclass
class SolverConfig:
    """For which system, from which repositories and with which cache directory is solved."""

    arch: str
    releasever: str
    cachedir: str
    module_platform_id: str | None = None
    proxy: str | None = None
    repos: list[Repository] = field(default_factory=list)
    root_dir: str | None = None
