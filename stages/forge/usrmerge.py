# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The top-level links of a usr-merged system (every suite from bookworm on)."""

from __future__ import annotations

import os

#: lib directories beside lib that hold an architecture's dynamic linker.
_LINKER = {
    "amd64": ("lib64",), "ppc64el": ("lib64",), "ppc64": ("lib64",), "loong64": ("lib64",), "mips64el": ("lib64",),
}


def links(architecture: str) -> tuple[str, ...]:
    """Names that are links into /usr at the top of a tree of this architecture."""
    return ("bin", "lib", *_LINKER.get(architecture, ()), "sbin")


def create(architecture: str) -> None:
    """Make usr/{bin,…} and the links to them below the current root, before anything is unpacked through them."""
    for name in links(architecture):
        os.makedirs(f"/usr/{name}", mode=0o755, exist_ok=True)
        if not os.path.islink(f"/{name}"):
            os.symlink(f"usr/{name}", f"/{name}")


def canonical(path: bytes, merged: frozenset[bytes]) -> bytes:
    """The path a relative path really has: lib/x lies at usr/lib/x. `merged` are the names of `links`."""
    return b"usr/" + path if path.split(b"/", 1)[0] in merged else path
