# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What modules want to know about the host."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STORAGE_CONF = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")


def get_container_storage() -> dict[str, Any]:
    """Return containers-storage.conf(5) of the host. Raises FileNotFoundError if there is none that can be read."""
    try:
        from . import toml
    except ModuleNotFoundError as error:
        raise FileNotFoundError("storage.conf of the host cannot be read: Python has no TOML module") from error
    for path in _STORAGE_CONF:
        if os.path.exists(path):
            return toml.load_from_file(path)
    raise FileNotFoundError(f"none of {', '.join(_STORAGE_CONF)} exists on the host")
