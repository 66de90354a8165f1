# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage in a process of its own, for those that give themselves mounts or enter the tree for good."""

from __future__ import annotations

# For `python -c`: the stage's path is the argument, what its `main` takes comes as JSON on standard input.
RUN = """
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader("stage", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("stage", loader))
loader.exec_module(module)
from stages.forge.errors import run_stage
arguments = json.load(sys.stdin)
sys.exit(run_stage(lambda: module.main(**arguments)))
"""
