# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A counter that threads share."""

from __future__ import annotations

import threading


class AtomicCounter:
    """Counts up and down."""

    def __init__(self, count: int = 0) -> None:
        self._count = count
        self._lock = threading.Lock()

    def inc(self) -> None:
        with self._lock:
            self._count += 1

    def dec(self) -> None:
        with self._lock:
            self._count -= 1

    @property
    def count(self) -> int:
        with self._lock:
            return self._count
