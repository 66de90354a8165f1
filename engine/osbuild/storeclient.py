# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""How an input service asks the engine for objects of the store (contract 5.4)."""

from __future__ import annotations

import contextlib
import os

from .util import jsoncomm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StoreClient:
    """Client of the `StoreServer` at the socket path `connect_to`. RuntimeError for what it refuses."""

    def __init__(self, connect_to: str = "/run/osbuild/api/store") -> None:
        self.client = jsoncomm.Socket.new_client(connect_to)

    def __del__(self) -> None:
        # The attribute is missing if the connection failed.
        with contextlib.suppress(AttributeError):
            self.client.close()

    def _ask(self, msg: dict[str, Any]) -> Any:
        reply, _ignored, _ignored = self.client.send_and_recv(msg)
        if reply is None:
            raise RuntimeError("The store server closed the connection")
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["path"]

    def mkdtemp(self, suffix: str | None = None, prefix: str | None = None) -> Any:
        """A new directory on the store's file system, which lives as long as the stage."""
        return self._ask({"method": "mkdtemp", "suffix": suffix, "prefix": prefix})

    def read_tree(self, object_id: str | None) -> Any:
        """Host path of an object's tree, None if there is no such object."""
        return self._ask({"method": "read-tree", "object-id": object_id})

    def read_tree_at(
        self, object_id: str | None, target: str | os.PathLike[str], path: str | os.PathLike[str] = "/"
    ) -> Any:
        """Mount `path` of an object's tree read-only on `target`; returns `target`, None if there is no object."""
        return self._ask(
            {
                "method": "read-tree-at",
                "object-id": object_id,
                "target": os.fspath(target),
                "subtree": os.fspath(path),
            }
        )

    def source(self, name: str) -> Any:
        """Host path of the cache of the content type `name`."""
        return self._ask({"method": "source", "name": name})
