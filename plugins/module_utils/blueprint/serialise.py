# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A blueprint as canonical JSON-able data, for digests, locks and records."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

from .model import Blueprint


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((item.name, _plain(getattr(value, item.name))) for item in dataclasses.fields(value))
        return {name: content for name, content in pairs if content not in (None, [], {}, "")}
    if isinstance(value, bytes):
        # Files need not be text; base64 says the same for both.
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def to_dict(blueprint: Blueprint) -> dict[str, Any]:
    """Absent values are left out, so that a new optional field does not change old digests."""
    content: dict[str, Any] = _plain(blueprint)
    content.pop("warnings", None)
    return content
