# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From what a user gives to what an engine can build: the one function behind the modules that plan or build.

``make_plan``     blueprint + distribution + architecture + image type + lock -> ``Plan``
``raw_plan``      a manifest somebody else wrote -> ``Plan``
``changes``       package changes against an earlier plan or build
"""

from __future__ import annotations

from .changes import Changes, compare
from .model import Inputs, Plan, parse_sources
from .planner import make_plan, raw_plan

__all__ = ["Changes", "Inputs", "Plan", "compare", "make_plan", "parse_sources", "raw_plan"]
