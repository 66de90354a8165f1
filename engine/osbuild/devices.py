# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Devices: block devices made from files of the tree. Base class of the services, and the engine's side."""

from __future__ import annotations

import abc
import contextlib
import os
import stat

from . import host
from .mixins import ImmutableID, json_digest, module_from_dict, module_to_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .meta import ModuleInfo
    from .util.jsoncomm import FdSet


class Device(ImmutableID):
    """One device of a stage; cannot be changed once made, since mounts take its id over."""

    def __init__(self, name: str, info: ModuleInfo, parent: Device | None, options: dict[str, Any] | None) -> None:
        self.name = name
        self.info_name: str = info.name
        self.info_path: str = info.path
        self.parent = parent
        self.options: dict[str, Any] = options or {}
        parts: list[Any] = [self.info_name]
        if parent is not None:
            parts.append(parent.id)
        self.id = json_digest(*parts, self.options)

    def to_dict(self, libdir: str | os.PathLike[str]) -> dict[str, Any]:
        """As JSON, the program relative to `libdir`: for an engine that has its modules elsewhere."""
        parent = self.parent.to_dict(libdir) if self.parent is not None else None
        return {"name": self.name, **module_to_dict(self, libdir), "parent": parent, "options": self.options}

    @classmethod
    def from_dict(cls, data: dict[str, Any], libdir: str | os.PathLike[str]) -> Device:
        """What `to_dict` wrote."""
        parent = cls.from_dict(data["parent"], libdir) if data["parent"] is not None else None
        return cls(data["name"], module_from_dict(data, libdir), parent, data["options"])


class DeviceManager:
    """Opens the devices of one stage: their nodes go to `devpath`, their files are in `tree_path`."""

    def __init__(
        self, mgr: host.ServiceManager, devpath: str | os.PathLike[str], tree_path: str | os.PathLike[str]
    ) -> None:
        self.service_manager = mgr
        self.devpath = os.fspath(devpath)
        self.tree_path = os.fspath(tree_path)
        self.devices: dict[str, dict[str, Any]] = {}

    def device_relpath(self, dev: Device | None) -> str | None:
        """Path of an opened device below the device directory, None for None."""
        if dev is None:
            return None
        path: str = self.devices[dev.name]["path"]
        return path

    def device_abspath(self, dev: Device | None) -> str | None:
        """Absolute host path of an opened device's node, None for None."""
        relpath = self.device_relpath(dev)
        return None if relpath is None else os.path.join(self.devpath, relpath)

    def open(self, dev: Device) -> dict[str, Any]:
        """Open `dev` (its parent first) and return the service's reply. RemoteError, ProtocolError."""
        args = {
            "dev": self.devpath,
            "tree": self.tree_path,
            "parent": self.device_relpath(dev.parent),
            "options": dev.options,
        }
        client = self.service_manager.start(f"device/{dev.name}", dev.info_path)
        reply: dict[str, Any] = client.call("open", args)
        self.devices[dev.name] = reply
        return reply


class DeviceService(host.Service):
    """Base of device programs."""

    @staticmethod
    def ensure_device_node(path: str | os.PathLike[str], major: int, minor: int, dir_fd: int | None = None) -> None:
        """Make a block node; an existing path is left alone. OSError otherwise."""
        with contextlib.suppress(FileExistsError):
            os.mknod(path, 0o666 | stat.S_IFBLK, os.makedev(major, minor), dir_fd=dir_fd)

    @abc.abstractmethod
    def open(self, devpath: str, parent: str | None, tree: str, options: dict[str, Any]) -> dict[str, Any]:
        """Make the device and its node below `devpath`; the reply has `path` relative to it and `node`."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the device; called more than once."""

    def stop(self) -> None:
        self.close()

    def dispatch(self, method: str, args: Any, fds: FdSet) -> tuple[Any, list[int] | None]:
        if method == "open":
            return self.open(args["dev"], args["parent"], args["tree"], args["options"]), None
        if method == "close":
            self.close()
            return None, None
        raise host.ProtocolError(f"unknown method {method!r}")
