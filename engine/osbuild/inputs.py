# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Inputs: what a stage reads besides its tree. Base class of the services, and the engine's side."""

from __future__ import annotations

import abc
import os

from . import host
from .mixins import json_digest, module_from_dict, module_to_dict, relative_below
from .storeclient import StoreClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .meta import ModuleInfo
    from .objectstore import StoreServer
    from .util.jsoncomm import FdSet


class Input:
    """One input of a stage: references to items of sources or to pipelines, by id."""

    def __init__(self, name: str, info: ModuleInfo, origin: str, options: dict[str, Any] | None) -> None:
        self.name = name
        self.info_name: str = info.name
        self.info_path: str = info.path
        self.origin = origin
        # An empty pipeline has no id: the key is None then.
        self.refs: dict[str | None, dict[str, Any]] = {}
        self.options: dict[str, Any] = options or {}

    def add_reference(self, ref: str | None, options: dict[str, Any] | None = None) -> None:
        self.refs[ref] = options or {}

    @property
    def id(self) -> str:
        # Contract 2.1. Keys are written as JSON would write them, None as "null", so that they sort.
        refs = {"null" if ref is None else ref: options for ref, options in self.refs.items()}
        return json_digest(self.info_name, self.origin, refs, self.options)

    def to_dict(self, libdir: str | os.PathLike[str]) -> dict[str, Any]:
        """As JSON, the program relative to `libdir`: for an engine that has its modules elsewhere."""
        return {
            "name": self.name,
            **module_to_dict(self, libdir),
            "origin": self.origin,
            # Pairs, since a key may be None.
            "refs": [[ref, options] for ref, options in self.refs.items()],
            "options": self.options,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], libdir: str | os.PathLike[str]) -> Input:
        """What `to_dict` wrote."""
        ip = cls(data["name"], module_from_dict(data, libdir), data["origin"], data["options"])
        for ref, options in data["refs"]:
            ip.add_reference(ref, options)
        return ip


class InputManager:
    """Maps the inputs of one stage below the directory `root`."""

    def __init__(self, mgr: host.ServiceManager, storeapi: StoreServer, root: str | os.PathLike[str]) -> None:
        self.service_manager = mgr
        self.storeapi = storeapi
        self.root = os.fspath(root)
        self.inputs: dict[str, dict[str, Any]] = {}

    def map(self, ip: Input) -> dict[str, Any]:
        """Have the service provide `ip`; returns its reply, `path` relative to the root.

        Raises RemoteError or ProtocolError, RuntimeError if the reply's path lies elsewhere.
        """
        target = os.path.join(self.root, ip.name)
        os.makedirs(target)
        args = {
            "origin": ip.origin,
            "refs": ip.refs,
            "target": target,
            "options": ip.options,
            "api": {"store": self.storeapi.socket_address},
        }
        client = self.service_manager.start(f"input/{ip.name}", ip.info_path)
        reply: dict[str, Any] = client.call("map", args)
        reply["path"] = relative_below(reply["path"], self.root)
        self.inputs[ip.name] = reply
        return reply


class InputService(host.Service):
    """Base of input programs."""

    @abc.abstractmethod
    def map(
        self, store: StoreClient, origin: str, refs: dict[str, Any], target: str, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Provide the references in the directory `target`; the reply has `path` and what the stage shall know."""

    def unmap(self) -> None:
        """Undo `map`."""

    def stop(self) -> None:
        self.unmap()

    def dispatch(self, method: str, args: Any, fds: FdSet) -> tuple[Any, list[int] | None]:
        if method == "map":
            store = StoreClient(connect_to=args["api"]["store"])
            return self.map(store, args["origin"], args["refs"], args["target"], args["options"]), None
        raise host.ProtocolError(f"unknown method {method!r}")
