# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build with checkpoints is killed a hundred times; the store stays intact, and nothing is left of the dead.

$FORGE_CHAOS_KILLS and $FORGE_CHAOS_SEED choose another number and other moments. What has no time for that is
tests/unit/engine/test_chaos_quick.py.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support import chaos

KILLS = int(os.environ.get("FORGE_CHAOS_KILLS", "100"))
SEED = int(os.environ.get("FORGE_CHAOS_SEED", "191"))

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="the kernel has no loop devices here"),
]


def test_killed_engines_lose_nothing_and_leave_nothing() -> None:
    chaos.run(KILLS, SEED)
