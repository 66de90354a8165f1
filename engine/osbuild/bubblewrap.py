# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The one place that builds bubblewrap's command line (contract 4.2; bwrap(1))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from .util import linux

# What of a build tree's /etc is seen (additions to the contract: alternatives and ssl, without which
# Debian's awk and its like, and certificates, are missing).
_ETC_OF_TREE = (
    "etc/mke2fs.conf",
    "etc/containers",
    "ostree",
    "etc/selinux",
    "etc/alternatives",
    "etc/ssl",
)
# Of the host less: no file that only its root may read, and the built-in defaults of mke2fs.
_ETC_OF_HOST = ("etc/containers", "etc/alternatives", "etc/ssl/certs", "etc/ssl/openssl.cnf")


# Where stages see the library directory.
LIBRARY = "/run/osbuild/lib"


class Bind(NamedTuple):
    """A path of the host that is seen at `target` in the sandbox."""

    source: str
    target: str
    writable: bool = False

    @classmethod
    def parse(cls, bind: str | tuple[str, str] | Bind, *, writable: bool = False) -> Bind:
        """From a pair, or from "SOURCE:TARGET" with no colon in TARGET. ValueError if there is none at all."""
        if not isinstance(bind, str):
            return cls(os.fspath(bind[0]), bind[1], writable)
        source, colon, target = bind.rpartition(":")
        if not colon:
            raise ValueError(f"'{bind}' is no bind: expected SOURCE:TARGET")
        return cls(source, target, writable)

    @property
    def args(self) -> list[str]:
        return ["--bind" if self.writable else "--ro-bind", self.source, self.target]


class Layout(NamedTuple):
    """What of a build tree and a library directory is seen; it takes a look at both to know."""

    programs: list[str]
    configuration: list[str]
    library: list[str]

    @classmethod
    def find(cls, *, root: str, is_host: bool, boot: bool, libdir: str) -> Layout:
        programs = []
        if boot and not is_host and _is_real_directory(root, "boot"):
            programs += ["--ro-bind", os.path.join(root, "boot"), "/boot"]
        if _is_real_directory(root, "usr"):
            programs += ["--ro-bind", os.path.join(root, "usr"), "/usr"]
        configuration = []
        for name in _ETC_OF_HOST if is_host else _ETC_OF_TREE:
            source = _resolve_in(root, name)
            if source is not None:
                configuration += ["--ro-bind", source, f"/{name}"]
        return cls(programs, configuration, _libdir_args(libdir))


def command_line(
    *,
    layout: Layout,
    runner: str,
    dev: str,
    var: str,
    caps: Iterable[str] | None,
    binds: Iterable[Bind],
    sockets: Iterable[Bind],
    base: str | None = None,
) -> list[str]:
    """Everything up to the `--` before the program.

    `dev` and `var` are the host paths of `/dev` and `/var`; `binds` and
    `sockets` come last. `base` is a directory in memory to be the root directory, with `/etc`, `/run` and `/tmp` in it;
    without one these are made, and empty.
    """
    args = ["bwrap", "--chdir", "/", "--die-with-parent", "--new-session"]
    args += ["--unshare-ipc", "--unshare-pid", "--unshare-net"]
    args += _capability_args(caps)
    if base is not None:
        args += ["--bind", base, "/"]
    args += layout.programs
    for name in ("lib", "lib64", "bin", "sbin"):
        args += ["--symlink", f"usr/{name}", f"/{name}"]
    args += ["--dev-bind", dev, "/dev", "--tmpfs", "/dev/shm"]
    if base is None:
        args += ["--dir", "/etc", "--tmpfs", "/run", "--tmpfs", "/tmp"]
    args += ["--bind", var, "/var"]
    args += ["--proc", "/proc", "--ro-bind", "/sys", "/sys", "--ro-bind-try", "/sys/fs/selinux", "/sys/fs/selinux"]
    args += layout.configuration
    args += layout.library
    for bind in binds:
        args += bind.args
    args += ["--dir", "/run/osbuild/api"]
    for bind in sockets:
        args += bind.args
    args += ["--ro-bind", runner, f"/run/osbuild/runner/{os.path.basename(runner)}"]
    return args


def _capability_args(caps: Iterable[str] | None) -> list[str]:
    if caps is None:
        return []
    args = ["--cap-drop", "ALL"]
    # One that the engine itself has not would make bubblewrap leave all of them (contract 4.4).
    for cap in sorted(set(caps) & linux.permitted_capabilities()):
        args += ["--cap-add", cap]
    return args


def _libdir_args(libdir: str) -> list[str]:
    args = ["--ro-bind", libdir, LIBRARY]
    package = os.path.join(libdir, "osbuild")
    if os.path.isdir(package) and not os.listdir(package):
        args += ["--ro-bind", os.path.dirname(os.path.abspath(__file__)), f"{LIBRARY}/osbuild"]
    stages = stages_inside(libdir)
    if not stages.startswith(f"{LIBRARY}/"):
        args += ["--ro-bind", os.path.realpath(os.path.join(libdir, "stages")), stages]
    return args


def stages_inside(libdir: str) -> str:
    """Where stages see the directory of the stages. If that is a link out of `libdir`, the link finds it inside as well."""
    stages = os.path.join(libdir, "stages")
    return os.path.normpath(os.path.join(LIBRARY, os.readlink(stages) if os.path.islink(stages) else "stages"))


def _is_real_directory(root: str, name: str) -> bool:
    """A link would be followed on the host and show the stage what is not of its build tree."""
    path = os.path.join(root, name)
    return os.path.isdir(path) and not os.path.islink(path)


def _resolve_in(root: str, name: str) -> str | None:
    """Where `name` of a tree really is, None if it is missing or a link leads out of the tree."""
    top = os.path.realpath(root)
    path = os.path.realpath(os.path.join(top, name))
    if not os.path.exists(path) or os.path.commonpath([top, path]) != top:
        return None
    return path
