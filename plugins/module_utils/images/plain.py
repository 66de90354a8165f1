# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From a blueprint's data to a stage's options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """JSON-able data with dashes in names; what is None or an empty list was not asked for and is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key.replace("_", "-"): plain(item) for key, item in value.items() if item is not None and item not in ((), [])}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value
