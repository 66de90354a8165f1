# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What the scripts of many packages call again and again while they are configured, done once.

Each covers a program of the tree, so no package may be unpacked meanwhile: dpkg cannot replace a covered file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from . import bytecode, initramfs


@contextmanager
def economical(env: Mapping[str, str]) -> Iterator[None]:
    """Over the body, which configures packages; at its end initramfs images and byte code are made, at the same time.

    Raises StageError when one of them cannot be made.
    """
    with initramfs.deferred(env):
        with bytecode.deferred():
            yield
        compiling = bytecode.start(env)
    compiling.finish()
