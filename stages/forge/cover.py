# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Have a script answer in place of a program of the tree.

The cover is a bind mount: no file of the tree changes, and if this process dies the cover is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import mounts


@contextmanager
def covered(program: str, script: str, cover: str, real: str) -> Iterator[None]:
    """Over the body `program` is `script`, and can be had as `real`. Nothing at all in a tree without it.

    cover, real: paths of files outside the tree, which are made. The body must not replace the program itself.
    """
    if not os.path.isfile(program) or os.path.islink(program):
        yield
        return
    with open(cover, "w", encoding="utf-8") as file:
        file.write(script)
    os.chmod(cover, 0o755)
    with open(real, "w", encoding="utf-8"):
        pass
    mounts.mount(program, real, None, mounts.BIND)
    mounts.mount(cover, program, None, mounts.BIND)
    try:
        yield
    finally:
        mounts.umount(program)
        mounts.umount(real)
