# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Gives input services access to the objects of the store (contract 5.4)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from .apiserver import BaseAPI
from .util import jsoncomm, linux, mountinfo
from .util.jsoncomm import FdSet
from .util.lockeddir import make_directory

if TYPE_CHECKING:
    from .objectstore import ObjectStore


class StoreServer(BaseAPI):
    """The server for one stage: what it mounted and made goes away with it."""

    endpoint = "store"

    def __init__(
        self,
        store: ObjectStore,
        *,
        socket_address: str | None = None,
        rundir: str | os.PathLike[str] = "/run/osbuild",
    ) -> None:
        super().__init__(socket_address, rundir)
        self.store = store
        self._tempdir: str | None = None
        self._mounts: list[str] = []

    def _cleanup(self) -> None:
        mounts, self._mounts = self._mounts, []
        for point in reversed(mounts):
            with contextlib.suppress(OSError):
                linux.umount(point, linux.MNT_DETACH)
        tempdir, self._tempdir = self._tempdir, None
        if tempdir is not None:
            mountinfo.remove_tree(tempdir)

    def _message(self, msg: Any, fds: FdSet | None, sock: jsoncomm.Socket) -> None:
        method = msg["method"]
        if method == "read-tree":
            obj = self.store.get(msg["object-id"])
            sock.send({"path": obj.tree if obj is not None else None})
        elif method == "read-tree-at":
            sock.send(self._read_tree_at(msg))
        elif method == "mkdtemp":
            sock.send({"path": self._mkdtemp(msg.get("prefix"), msg.get("suffix"))})
        elif method == "source":
            sock.send({"path": os.path.join(self.store.store, "sources", msg["name"])})
        else:
            raise ValueError(f"Invalid RPC call: {method}")

    def _read_tree_at(self, msg: dict[str, Any]) -> dict[str, Any]:
        obj = self.store.get(msg["object-id"])
        if obj is None:
            return {"path": None}
        target: str = msg["target"]
        tree = os.path.realpath(obj.tree)
        # Links in the tree must not lead out of it.
        source = os.path.realpath(os.path.join(tree, msg["subtree"].lstrip("/")))
        if os.path.commonpath([tree, source]) != tree:
            return {"error": f"'{msg['subtree']}' leads out of the tree of {msg['object-id']}"}
        try:
            linux.bind_mount(source, target)
        except OSError as e:
            return {"error": f"cannot mount '{msg['subtree']}' of {msg['object-id']} on '{target}': {e.strerror}"}
        self._mounts.append(target)
        return {"path": target}

    def _mkdtemp(self, prefix: str | None, suffix: str | None) -> str:
        if self._tempdir is None:
            self._tempdir = make_directory(self.store.tmp, "store-server-")
        return make_directory(self._tempdir, prefix or "", suffix or "")
