# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch in memory where there is enough of it: trees of thousands of files are made and removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Bytes a big tree, its store and a second tree need.
NEEDED = 4 << 30


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for stores and trees, removed at the end."""
    memory = Path("/dev/shm")
    free = os.statvfs(memory) if memory.is_dir() else None
    roomy = free is not None and free.f_bavail * free.f_frsize > NEEDED
    path = Path(tempfile.mkdtemp(prefix="forge-tree-", dir=memory if roomy else None))
    yield path
    mounts = Path("/proc/self/mounts").read_text()
    assert str(path) not in mounts, f"something is still mounted below {path}"
    shutil.rmtree(path)
