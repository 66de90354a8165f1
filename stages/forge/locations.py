# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Places that options name by locations (tree:///PATH, mount://NAME/PATH, input://NAME/PATH)."""

from __future__ import annotations

import os

from osbuild.util import parsing

from . import intree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def place(location: str, args: Mapping[str, Any], *, follow_last: bool = True) -> str:
    """Return where a location is, with links followed inside the root it names; ``/.`` stands for a slash at its end.

    With `follow_last` off, the last component itself may be a link. Raises ValueError as parsing.parse_location does.
    """
    root, path = parsing.parse_location_into_parts(location, args)
    directory = path.endswith("/")
    found = os.path.normpath(intree.resolve(root, path, follow_last=follow_last or directory))
    return found + "/." if directory else found
