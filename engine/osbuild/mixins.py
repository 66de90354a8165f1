# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What several classes of the engine share."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ImmutableID:
    """Refuses every assignment once `id` is set, because the id is computed from the other attributes."""

    id: str

    def __setattr__(self, name: str, value: Any) -> None:
        if "id" in self.__dict__:
            cls = type(self).__name__
            raise ValueError(f"cannot set '{name}': {cls} cannot be changed after creation")
        super().__setattr__(name, value)


def json_digest(*parts: Any) -> str:
    """SHA-256 in hex over the canonical JSON of each part, nothing between them (contract, section 2)."""
    # Here, not on top: service programs import this module and never compute an id.
    import hashlib
    import json

    digest = hashlib.sha256()
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


def relative_below(path: str, root: str) -> str:
    """`path` relative to `root`. RuntimeError if it is not below it."""
    if not os.path.isabs(path) or os.path.commonpath([root, os.path.normpath(path)]) != os.path.normpath(root):
        raise RuntimeError(f"returned path '{path}' has wrong prefix")
    return os.path.relpath(path, root)


def module_to_dict(part: Any, libdir: str | os.PathLike[str]) -> dict[str, Any]:
    """The module of a source, input, device or mount, its program relative to `libdir`."""
    return {"info": {"name": part.info_name, "path": os.path.relpath(part.info_path, libdir)}}


def module_from_dict(data: dict[str, Any], libdir: str | os.PathLike[str]) -> Any:
    """What `module_to_dict` wrote, with `name` and `path` as a module's description has them."""
    import types

    info = data["info"]
    return types.SimpleNamespace(name=info["name"], path=os.path.join(libdir, info["path"]))
