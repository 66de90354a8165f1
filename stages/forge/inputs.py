# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stage finds in its inputs (`inputs` of the arguments document)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def single_file(inputs: Mapping[str, Any], name: str) -> str:
    """Return the path of the only file of the input `name`, which is of type org.osbuild.files.

    Raises KeyError if the stage has no such input, ValueError if it does not hold exactly one file.
    """
    entry = inputs[name]
    files = list(entry["data"]["files"])
    if len(files) != 1:
        raise ValueError(f"inputs.{name} must hold exactly one file, found {len(files)}")
    return os.path.join(entry["path"], files[0])
