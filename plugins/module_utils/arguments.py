# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Parameters that several modules share, as argument specs, and what they mean.

The documentation lies in ``plugins/doc_fragments``; a test compares both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BlueprintError

if TYPE_CHECKING:
    from .blueprint import Blueprint

STORE = "/var/lib/debian-forge/store"
JOBS = "/var/lib/debian-forge/jobs"

IMAGE: dict[str, dict[str, Any]] = {
    "blueprint": {"type": "raw"},
    "distribution": {"type": "str"},
    "architecture": {"type": "str"},
    "image_type": {"type": "str"},
    "sources": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str"},
            "uris": {"type": "list", "elements": "str", "required": True},
            "suites": {"type": "list", "elements": "str", "required": True},
            "components": {"type": "list", "elements": "str"},
            "signed_by": {"type": "str"},
            "architectures": {"type": "list", "elements": "str"},
            "trusted": {"type": "bool", "default": False},
            "check_valid_until": {"type": "bool", "default": True},
        },
    },
    "lock_file": {"type": "path"},
    "update_lock": {"type": "bool", "default": False},
}

ENGINE: dict[str, dict[str, Any]] = {
    "engine": {"type": "str", "choices": ["auto", "upstream", "embedded"], "default": "auto"},
    "libdir": {"type": "path"},
}

JOBS_DIRECTORY: dict[str, dict[str, Any]] = {"jobs_directory": {"type": "path", "default": JOBS}}

_TOML_LINE = re.compile(r"\s*(\[|[A-Za-z0-9_.\"'-]+\s*=)")


def is_text(value: str) -> bool:
    """Whether this is a document itself and not the path of one."""
    return "\n" in value or value.lstrip().startswith("{") or _TOML_LINE.match(value) is not None


def read_blueprint(value: object) -> Blueprint:
    """The blueprint a task gave: a dictionary, the text of one (TOML or JSON), or the path of a file on this host.

    :raises BlueprintError: it is none of these, or is no valid blueprint.
    """
    # Here, because a task that finds its image up to date does without.
    from .blueprint import load

    if isinstance(value, Mapping):
        return load(value)
    if not isinstance(value, str) or not value.strip():
        raise BlueprintError(
            f"blueprint is {type(value).__name__}; it must be a dictionary, the text of a blueprint, or a path"
        )
    if is_text(value):
        return load(value)
    path = Path(value).expanduser()
    if not path.is_file():
        raise BlueprintError(f"blueprint {value} is no file on this host")
    return load(path)


def invocation(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as a result may repeat them: what is long, or may hold passwords, is only mentioned."""
    shown = dict(params)
    for name in ("blueprint", "manifest"):
        value = shown.get(name)
        if isinstance(value, Mapping):
            shown[name] = "(a dictionary)"
        elif isinstance(value, str) and (is_text(value) or len(value) > 300):
            shown[name] = f"(a text of {len(value)} characters)"
    return {"module_args": shown}


# A password hash, a file that not everybody may read in the image either, or a mirror's password in a URL.
_SECRET = re.compile(rb'"password"|"mode": ?"[0-7]*[0-3]"|://[^/"@\s]+:[^/"@\s]*@')


def file_mode(manifest: bytes) -> int:
    """Permissions for a manifest: one that holds secrets is for its owner only."""
    return 0o600 if _SECRET.search(manifest) else 0o644
