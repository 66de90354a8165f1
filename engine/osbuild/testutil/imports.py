# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Load a module program, whose file has no `.py`, as a Python module."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType

# The loader takes everything after the last dot for a suffix, so org.osbuild.a and org.osbuild.b would
# share one cached byte code.
sys.dont_write_bytecode = True


def import_module_from_path(fullname: str, path: str | os.PathLike[str]) -> ModuleType:
    """Load the file at `path` as module `fullname`; it is not entered in `sys.modules`. ImportError, OSError."""
    loader = importlib.machinery.SourceFileLoader(fullname, os.fspath(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"cannot load '{os.fspath(path)}' as a module")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
