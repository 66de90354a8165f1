# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""bootupd (https://github.com/coreos/bootupd), which Debian has no package of: it may be in a tree all the same."""

from __future__ import annotations

from stages.forge import treeprogram


def program(tree: str) -> str:
    """Return the path of bootupctl in the tree. Raises ValueError if it is not there."""
    return treeprogram.require(
        tree, "bootupctl",
        "Debian has no package bootupd, the stage org.osbuild.debian.grub installs a boot loader there",
    )
