# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Parameters that the modules for OSTree share; the documentation lies in ``plugins/doc_fragments/ostree.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import OstreeError
from .signatures import GpgKey, gpg_key

REPOSITORY: dict[str, dict[str, Any]] = {"path": {"type": "path", "required": True, "aliases": ["repo"]}}

# Both only look like secrets: they say where a key is.
SIGNING: dict[str, dict[str, Any]] = {
    "gpg_home": {"type": "path"},
    "gpg_key": {"type": "str", "no_log": False},
}

SYSROOT: dict[str, dict[str, Any]] = {
    "sysroot": {"type": "path", "default": "/"},
    "osname": {"type": "str", "aliases": ["stateroot"]},
}


def signing_key(params: Mapping[str, Any]) -> GpgKey | None:
    """The key that ``gpg_home`` and ``gpg_key`` name; None without them."""
    if params["gpg_home"] is None:
        if params["gpg_key"] is not None:
            raise OstreeError("gpg_key is given without gpg_home, the directory to look for it in")
        return None
    return gpg_key(Path(params["gpg_home"]), params["gpg_key"])


def diff(before: list[str], after: list[str], before_header: str, after_header: str) -> dict[str, str]:
    """A diff as Ansible shows it, of lines."""
    return {
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
        "before_header": before_header,
        "after_header": after_header,
    }
