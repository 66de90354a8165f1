# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading what a stage prints while it prints it."""

from __future__ import annotations

import codecs
import os
import select
import time
from collections.abc import Callable

# One record of a monitor per read, so this bounds their size.
_READ_SIZE = 32768


class OutputReader:
    """Reads the descriptor `fd`; each piece of text goes to `sink`, at the end an empty one, all of it to `text`.

    Bytes that are no UTF-8 become replacement characters; a character cut by two reads stays whole.
    """

    def __init__(self, fd: int, sink: Callable[[str], None]) -> None:
        self._fd = fd
        self._sink = sink
        self._pieces: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def read(self, timeout: float | None = None) -> bool:
        """Read to the end; False if that is not reached within `timeout` seconds of wall-clock time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        poller = select.poll()
        poller.register(self._fd, select.POLLIN | select.POLLHUP)
        while not self._ended:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0 or not poller.poll(left * 1000):
                    return False
            data = os.read(self._fd, _READ_SIZE)
            self._ended = not data
            text = self._decoder.decode(data, final=not data)
            if text:
                self._pieces.append(text)
            if text or self._ended:
                self._sink(text)
            if text and self._ended:
                # The end is always a piece of its own: monitors tell by it that the stage is done.
                self._sink("")
        return True
