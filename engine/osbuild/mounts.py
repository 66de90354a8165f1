# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Mounts: file systems a stage works on. Base classes of the services, and the engine's side."""

from __future__ import annotations

import abc
import os

from . import host
from .mixins import ImmutableID, json_digest, module_from_dict, module_to_dict, relative_below
from .util.path import resolve_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .devices import Device, DeviceManager
    from .meta import ModuleInfo
    from .util.jsoncomm import FdSet


class Mount(ImmutableID):
    """One mount of a stage; cannot be changed once made."""

    def __init__(
        self,
        name: str,
        info: ModuleInfo,
        device: Device | None,
        partition: int | None,
        target: str | None,
        options: dict[str, Any],
    ) -> None:
        self.name = name
        self.info_name: str = info.name
        self.info_path: str = info.path
        self.device = device
        self.partition = partition
        self.target = target
        self.options = options
        parts: list[Any] = [self.info_name]
        if device is not None:
            parts.append(device.id)
        if partition:
            parts.append(partition)
        if target:
            parts.append(target)
        self.id = json_digest(*parts, options)

    def to_dict(self, libdir: str | os.PathLike[str]) -> dict[str, Any]:
        """As JSON, the program relative to `libdir`: for an engine that has its modules elsewhere."""
        return {
            "name": self.name,
            **module_to_dict(self, libdir),
            "device": self.device.to_dict(libdir) if self.device is not None else None,
            "partition": self.partition,
            "target": self.target,
            "options": self.options,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], libdir: str | os.PathLike[str]) -> Mount:
        """What `to_dict` wrote."""
        from .devices import Device

        device = Device.from_dict(data["device"], libdir) if data["device"] is not None else None
        info = module_from_dict(data, libdir)
        return cls(data["name"], info, device, data["partition"], data["target"], data["options"])


class MountManager:
    """Mounts the file systems of one stage below the directory `root`."""

    def __init__(self, devices: DeviceManager, root: str | os.PathLike[str]) -> None:
        self.devices = devices
        self.root = os.fspath(root)
        self.mounts: dict[str, dict[str, Any]] = {}

    def mount(self, mount: Mount) -> dict[str, Any]:
        """Mount it; returns `{"path": relative to the root}`, empty where the service names no path.

        Raises RemoteError or ProtocolError, RuntimeError if the service's path is not below the root.
        """
        args = {
            "source": self._source(mount),
            "target": mount.target,
            "root": self.root,
            "tree": self.devices.tree_path,
            "options": mount.options,
        }
        client = self.devices.service_manager.start(f"mount/{mount.name}", mount.info_path)
        path = client.call("mount", args)
        reply: dict[str, Any] = {}
        if path:
            reply["path"] = relative_below(path, self.root)
        self.mounts[mount.name] = reply
        return reply

    def _source(self, mount: Mount) -> str | None:
        relpath = self.devices.device_relpath(mount.device)
        if relpath is None:
            return None
        if mount.partition:
            relpath = f"{relpath}p{mount.partition}"
        # The host's own node is preferred, because udev hangs its links there; a container's /dev may have none.
        source = os.path.join("/dev", relpath)
        return source if os.path.exists(source) else os.path.join(self.devices.devpath, relpath)


class MountService(host.Service):
    """Base of mount programs."""

    @abc.abstractmethod
    def mount(self, args: dict[str, Any]) -> str | None:
        """Mount `source` at `target` below `root`; returns the absolute mount point, None if there is none."""

    @abc.abstractmethod
    def umount(self) -> None:
        """Undo `mount`."""

    def stop(self) -> None:
        self.umount()

    def dispatch(self, method: str, args: Any, fds: FdSet) -> tuple[Any, list[int] | None]:
        if method == "mount":
            return self.mount(args), None
        raise host.ProtocolError(f"unknown method {method!r}")


class FileSystemMountService(MountService):
    """Base of programs that mount a file system with mount(8)."""

    # On the class as well: a service made without the constructor has to be able to mount.
    mountpoint: str | None = None
    check = False

    def __init__(self, args: Any) -> None:
        super().__init__(args)
        self.mountpoint = None
        self.check = False

    @abc.abstractmethod
    def translate_options(self, options: dict[str, Any]) -> list[str]:
        """Arguments of mount(8); subclasses put `-t TYPE` in front of these."""
        opts = []
        if options.get("readonly"):
            opts.append("ro")
        if options.get("norecovery"):
            opts.append("norecovery")
        opts += [
            f"{key}={options[key]}"
            for key in ("uid", "gid", "umask", "shortname", "subvol", "compress")
            if key in options
        ]
        return ["-o", ",".join(opts)] if opts else []

    def mount(self, args: dict[str, Any]) -> str:
        """Mount the device. RuntimeError with mount's own words."""
        import subprocess

        source = args["source"]
        # A link in what is mounted already must not lead to a directory of the host.
        mountpoint: str = resolve_in(args["root"], args["target"])
        options = self.translate_options(args["options"])
        os.makedirs(mountpoint, exist_ok=True)
        self.mountpoint = mountpoint
        print(f"mounting {source} -> {mountpoint}")
        try:
            subprocess.run(
                ["mount", *options, "--source", source, "--target", mountpoint],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=True,
            )
        except subprocess.CalledProcessError as e:
            raise RuntimeError(f"{e.stdout.strip()!r} (code: {e.returncode})") from e
        self.check = True
        return mountpoint

    def umount(self) -> None:
        """Unmount; says so and is content if someone else has done it."""
        import subprocess

        if not self.mountpoint:
            return
        if not os.path.ismount(self.mountpoint):
            print(f"already unmounted: {self.mountpoint}")
            return
        self.sync()
        subprocess.run(["umount", "-v", self.mountpoint], check=self.check)
        self.mountpoint = None

    def sync(self) -> None:
        """Write the file system out, so that an I/O error shows here and not after the stage."""
        import subprocess

        subprocess.run(["sync", "-f", self.mountpoint or "/"], check=self.check)
