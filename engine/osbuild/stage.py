# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""One stage of a pipeline: what it is, what its id is, and how it runs (contract, sections 2 and 4)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .devices import Device
from .inputs import Input
from .mixins import json_digest
from .mounts import Mount
from .results import StageResult

if TYPE_CHECKING:
    from .meta import ModuleInfo, RunnerInfo
    from .monitor import BaseMonitor
    from .objectstore import ObjectStore
    from .schedule import Job

# Capabilities of every stage (contract, section 3.4), before those its description asks for.
DEFAULT_CAPABILITIES = frozenset(
    {
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_IPC_LOCK",
        "CAP_LINUX_IMMUTABLE",
        "CAP_MAC_OVERRIDE",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_ADMIN",
        "CAP_SYS_CHROOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
    }
)


# Of these the programs look for a file system with more than an overlay has: storage that is made of overlays itself,
# immutable directories.
_PLAIN_TREE = ("org.osbuild.container", "org.osbuild.skopeo", "org.osbuild.ostree")


class Runner:
    """The program that prepares a build root; `name` is the one that the manifest asked for."""

    def __init__(self, info: RunnerInfo, name: str | None = None) -> None:
        self.info = info
        self.name = name or self.exec

    @property
    def path(self) -> str:
        return os.fspath(self.info)

    @property
    def exec(self) -> str:
        return os.path.basename(self.info)


class Stage:
    """A stage with its options, inputs, devices and mounts.

    `build` is the id of the pipeline it is built with, `base` that of the stage before it in the pipeline; both may be None.
    """

    def __init__(
        self,
        info: ModuleInfo,
        source_options: dict[str, Any] | None,
        build: str | None,
        base: str | None,
        options: dict[str, Any] | None,
        source_epoch: int | None,
    ) -> None:
        self.info = info
        self.sources = source_options
        self.build = build
        self.base = base
        self.options = options or {}
        self.source_epoch = source_epoch
        self.checkpoint = False
        self.inputs: dict[str, Input] = {}
        self.devices: dict[str, Device] = {}
        self.mounts: dict[str, Mount] = {}
        self._id: str | None = None
        # What can cancel it.
        self.job: Job | None = None

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def id(self) -> str:
        if self._id is not None:
            return self._id
        parts: list[Any] = [self.name, self.build, self.base, self.options]
        if self.source_epoch is not None:
            parts.append(self.source_epoch)
        if self.inputs:
            parts.append({name: ip.id for name, ip in self.inputs.items()})
        if self.mounts:
            parts.append([mount.id for mount in self.mounts.values()])
        return json_digest(*parts)

    @property
    def wants_plain_tree(self) -> bool:
        """Whether the tree must not be an overlay while the stage runs."""
        return self.name.startswith(_PLAIN_TREE)

    @property
    def uses_services(self) -> bool:
        return bool(self.inputs or self.devices or self.mounts)

    def fix(self) -> None:
        """From now on the stage is not changed any more: its id need not be computed each time."""
        self._id = self.id

    @property
    def dependencies(self) -> Iterator[str | None]:
        """The ids of the pipelines that inputs refer to; None stands for an empty pipeline."""
        for ip in self.inputs.values():
            if ip.origin == "org.osbuild.pipeline":
                yield from ip.refs

    def add_input(self, name: str, info: ModuleInfo, origin: str, options: dict[str, Any] | None = None) -> Input:
        ip = Input(name, info, origin, options)
        self.inputs[name] = ip
        return ip

    def add_device(self, name: str, info: ModuleInfo, parent: Device | None, options: dict[str, Any] | None) -> Device:
        device = Device(name, info, parent, options)
        self.devices[name] = device
        return device

    def add_mount(
        self,
        name: str,
        info: ModuleInfo,
        device: Device | None,
        partition: int | None,
        target: str | None,
        options: dict[str, Any],
    ) -> Mount:
        """Append a mount. Raises ValueError if the stage has one of that name."""
        if name in self.mounts:
            raise ValueError(f"Duplicated mount '{name}'")
        mount = Mount(name, info, device, partition, target, options)
        self.mounts[name] = mount
        return mount

    def run(
        self,
        tree_path: str | os.PathLike[str],
        meta_name: str,
        runner: Runner,
        build_tree: str | os.PathLike[str],
        store: ObjectStore,
        monitor: BaseMonitor,
        libdir: str | os.PathLike[str],
        debug_break: str = "",
        timeout: int | None = None,
        rundir: str = "/run/osbuild",
    ) -> StageResult:
        """Run the stage on the tree at `tree_path` in the build root `build_tree`.

        `meta_name` is the file for its metadata, `timeout` a limit in seconds of wall-clock time for the program, and for
        each thing a host service does for it. Whatever goes wrong on
        the way (a service that fails, a limit that is reached, metadata that is not JSON) is a failed result with the
        cause; only what is not about this stage, as an interruption, is raised.
        """
        progress = _Progress()
        try:
            return self._run(
                progress, tree_path, meta_name, runner, build_tree, store, monitor, libdir, debug_break, timeout, rundir
            )
        except Exception as exc:
            from .buildroot import BuildTimeout

            text = f"stage {self.name} failed while {progress.doing}: {cause(exc)}"
            if isinstance(exc, BuildTimeout):
                text = f"stage {self.name} was stopped: it ran longer than the limit of {timeout} seconds"
                progress.output = exc.output
            monitor.log(text + "\n", origin=f"stages/{self.name}")
            return StageResult(self, 1, f"{progress.output}{text}\n", _error(exc))

    def _run(
        self,
        progress: _Progress,
        tree_path: str | os.PathLike[str],
        meta_name: str,
        runner: Runner,
        build_tree: str | os.PathLike[str],
        store: ObjectStore,
        monitor: BaseMonitor,
        libdir: str | os.PathLike[str],
        debug_break: str,
        timeout: int | None,
        rundir: str,
    ) -> StageResult:
        from . import buildroot, objectstore, remoteloop
        from .api import API
        from .devices import DeviceManager
        from .host import ServiceManager
        from .inputs import InputManager
        from .mounts import MountManager

        tree = os.fspath(tree_path)
        with contextlib.ExitStack() as stack:
            if self.devices:
                # Volume groups and the like have names that the whole host shares.
                stack.enter_context(store.kept.devices)
            progress.doing = "setting up the build root"
            build_root = stack.enter_context(
                buildroot.BuildRoot(build_tree, runner.path, libdir, store.tmp, rundir=rundir)
            )
            build_root.kept, build_root.job = store.kept, self.job
            build_root.caps = set(DEFAULT_CAPABILITIES | self.info.caps)
            # Only a build root made by a pipeline has a /boot that belongs to it.
            build_root.mount_boot = bool(self.build)

            inputs_dir, mounts_dir = (os.path.join(build_root.tmp, name) for name in ("inputs", "mounts"))
            for directory in (inputs_dir, mounts_dir):
                os.mkdir(directory)

            if self.inputs:
                store_api = stack.enter_context(objectstore.StoreServer(store, rundir=rundir))
            services = stack.enter_context(ServiceManager(monitor=monitor, timeout=timeout))

            inputs, devices, mounts = {}, {}, {}
            if self.inputs:
                input_manager = InputManager(services, store_api, inputs_dir)
            for name, ip in self.inputs.items():
                progress.doing = f"providing input '{name}' ({ip.info_name})"
                inputs[name] = _absolute(input_manager.map(ip), "/run/osbuild/inputs")

            device_manager = DeviceManager(services, build_root.dev, tree)
            for name, device in self.devices.items():
                progress.doing = f"opening device '{name}' ({device.info_name})"
                devices[name] = _absolute(device_manager.open(device), "/dev")

            mount_manager = MountManager(device_manager, mounts_dir)
            for name, mount in self.mounts.items():
                progress.doing = f"mounting '{name}' ({mount.info_name})"
                mounts[name] = _absolute(mount_manager.mount(mount), "/run/osbuild/mounts")

            progress.doing = "running"
            arguments = os.path.join(build_root.tmp, "arguments")
            with open(arguments, "w", encoding="utf-8") as file:
                file.write(json.dumps(self._arguments(inputs, devices, mounts)))

            api = API(rundir=rundir)
            build_root.register_api(api)
            build_root.register_api(remoteloop.LoopServer(rundir=rundir))
            result = build_root.run(
                [f"/run/osbuild/bin/{self.name}"],
                monitor,
                timeout=timeout,
                # Pairs, since a path may have a colon in it.
                binds=[
                    (tree, "/run/osbuild/tree"),
                    (meta_name, "/run/osbuild/meta"),
                    (mounts_dir, "/run/osbuild/mounts"),
                ],
                readonly_binds=[
                    (self.info.path, f"/run/osbuild/bin/{self.name}"),
                    (inputs_dir, "/run/osbuild/inputs"),
                    (arguments, "/run/osbuild/api/arguments"),
                ],
                extra_env=_environment(self.source_epoch),
                debug_shell=debug_break in ("*", self.id, self.name) if debug_break else False,
            )
            progress.output = result.output
            progress.doing = "ending"

        _unlock(meta_name)
        if result.returncode == 0:
            progress.doing = "reading its metadata"
            _check_metadata(meta_name)
        return StageResult(self, result.returncode, result.output, api.error)

    def _arguments(self, inputs: dict[str, Any], devices: dict[str, Any], mounts: dict[str, Any]) -> dict[str, Any]:
        """The document at `/run/osbuild/api/arguments` (contract, section 4.6)."""
        meta: dict[str, Any] = {"id": self.id}
        if self.source_epoch is not None:
            meta["source-epoch"] = self.source_epoch
        return {
            "tree": "/run/osbuild/tree",
            "paths": {"devices": "/dev", "inputs": "/run/osbuild/inputs", "mounts": "/run/osbuild/mounts"},
            "devices": devices,
            "inputs": inputs,
            "mounts": mounts,
            "options": self.options,
            "meta": meta,
        }


class _Progress:
    """What a stage is doing just now, and what it has printed: for the message if it fails there."""

    def __init__(self) -> None:
        self.doing = "starting"
        self.output = ""


def _absolute(reply: dict[str, Any], root: str) -> dict[str, Any]:
    if reply.get("path"):
        return {**reply, "path": os.path.join(root, reply["path"])}
    return reply


def _environment(source_epoch: int | None) -> dict[str, str]:
    from .util import experimentalflags

    env = {}
    if source_epoch is not None:
        env["SOURCE_DATE_EPOCH"] = str(source_epoch)
    if experimentalflags.get_bool("debug-qemu-user"):
        env["QEMU_LOG"] = "unimp"
    return env


def _unlock(path: str) -> None:
    """Let a file be renamed and removed again: a stage may make it immutable."""
    from .util import linux

    with contextlib.suppress(OSError), open(path, "rb") as file:
        linux.ioctl_toggle_immutable(file.fileno(), False)


def _check_metadata(meta_name: str) -> None:
    """Raise ValueError if a stage left metadata that are not a JSON object, and remove them."""

    def refuse(constant: str) -> None:
        raise ValueError(f"found {constant}")

    try:
        with open(meta_name, encoding="utf-8") as file:
            text = file.read()
        if text and not isinstance(json.loads(text, parse_constant=refuse), dict):
            raise ValueError("found another kind of value")
    except (ValueError, RecursionError) as exc:
        os.truncate(meta_name, 0)
        raise ValueError(f"they are not a JSON object: {exc}") from exc


def cause(exc: Exception) -> str:
    """The exception in one line: of a service, what it raised; else its class, where the text alone says nothing."""
    from .host import RemoteError

    if isinstance(exc, RemoteError):
        return f"{exc.name}: {exc.value}"
    if str(exc) and isinstance(exc, (OSError, RuntimeError, ValueError)):
        return str(exc)
    return f"{type(exc).__name__}: {exc}"


def _error(exc: Exception) -> dict[str, Any]:
    """The exception in the shape that stages report theirs."""
    from .host import RemoteError

    if isinstance(exc, RemoteError):
        data = {"type": exc.name, "value": exc.value, "traceback": exc.stack}
    else:
        import traceback

        data = {
            "type": type(exc).__name__,
            "value": str(exc),
            "traceback": "".join(traceback.format_tb(exc.__traceback__)),
        }
    return {"type": "exception", "data": data}
