# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""An engine for osbuild manifests.

Every stage imports this package, most of them only for `osbuild.api`, so importing it must cost next to nothing:
all other submodules, and the three classes named in `__all__`, are imported when they are first used.
"""

from __future__ import annotations

from . import api

# Not from typing: loading that takes longer than loading the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .pipeline import Manifest, Pipeline, Stage

__version__ = "191"

__all__ = ["Manifest", "Pipeline", "Stage", "__version__", "api"]

_FROM_PIPELINE = frozenset(("Manifest", "Pipeline", "Stage"))


def __getattr__(name: str) -> Any:
    import importlib

    if name in _FROM_PIPELINE:
        return getattr(importlib.import_module(f"{__name__}.pipeline"), name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as exc:
            if exc.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
