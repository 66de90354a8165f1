# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some builds are killed at random moments; tests/acceptance/test_chaos.py does that a hundred times."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support import chaos

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="the kernel has no loop devices here"),
]


def test_killed_engines_lose_nothing_and_leave_nothing() -> None:
    chaos.run(kills=3, seed=7)
