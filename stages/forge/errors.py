# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The one exception of the Debian stages."""

from __future__ import annotations

import sys
from collections.abc import Callable


class StageError(Exception):
    """One clear sentence: what was asked, what was found, what is allowed."""


def run_stage(main: Callable[[], int | None]) -> int:
    """Run a stage's `main` and turn a StageError into its sentence as the last line of the log.

    Returns the exit status for `sys.exit`: 0 or what `main` returns, 1 after a StageError. Anything else is a
    defect and keeps its traceback.
    """
    try:
        return main() or 0
    except StageError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
