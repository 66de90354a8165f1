# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Copying trees with everything in them."""

from __future__ import annotations

import errno
import os
import subprocess


def copy_tree(source: str | os.PathLike[str], target: str | os.PathLike[str], *, preserve_owner: bool = True) -> None:
    """Copy what is in the directory `source` over the directory `target`, sharing blocks where that is possible.

    All attributes come along, the owner if wanted. OSError with the words of cp(1) if it fails.
    """
    # Without removing, cp would write through a link that an earlier tree left there, wherever on the host that leads.
    command = ["cp", "--reflink=auto", "--sparse=auto", "-a", "--remove-destination"]
    if not preserve_owner:
        command.append("--no-preserve=ownership")
    result = subprocess.run(
        [*command, "--", f"{os.fspath(source)}/.", os.fspath(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if result.returncode != 0:
        text = result.stdout.decode("utf-8", "replace").strip()
        raise OSError(errno.EIO, f"copying failed: {text}", os.fspath(target))
