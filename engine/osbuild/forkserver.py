#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A warm Python that forks each stage into a sandbox of its own: the program behind `osbuild.forksandbox`.

It is told what to do in bubblewrap's own words, and does what bubblewrap does with them: namespaces(7), mount(2),
pivot_root(2), capabilities(7). It runs outside of every sandbox, with all rights, and therefore never anything but this file and
the standard library. A stage that is a program for this very Python goes on in the forked process; everything else is executed.

usage: forkserver.py FD
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE, MS_SILENT = 2, 4, 8, 1 << 12, 1 << 14, 1 << 19, 1 << 15
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x08000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 15, 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
CAPABILITY_VERSION = 0x20080522
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
REQUEST_SIZE = 1 << 20
SHEBANG = b"#!/usr/bin/python3\n"
# Of these bubblewrap hides what could be written to.
PROC_COVERED = ("sys", "sysrq-trigger", "irq", "bus")
BINDS = ("--ro-bind", "--ro-bind-try", "--bind", "--dev-bind")

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any, path: str = "") -> None:
    """A function of the C library. OSError, naming `path`."""
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or name)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3], path=target)


def restrict(target: str, flags: int) -> None:
    """Set flags of a mount and of all below it."""
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", flags, 0, 0, 0))
    size = ctypes.c_size_t(32)
    call("mount_setattr", AT_FDCWD, os.fsencode(target), ctypes.c_uint(AT_RECURSIVE), attributes, size, path=target)


def make_parents(path: str) -> None:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_parents(parent)
        os.mkdir(parent, 0o700)


def make_point(path: str, like: str) -> None:
    """A place to mount on, of the kind of what is mounted there."""
    make_parents(path)
    if os.path.isdir(like):
        if not os.path.isdir(path):
            os.mkdir(path, 0o755)
    elif not os.path.exists(path):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))


def bind(source: str, target: str, *, writable: bool, devices: bool) -> None:
    make_point(target, source)
    mount(source, target, None, MS_BIND | MS_REC | MS_SILENT)
    flags = MOUNT_ATTR_NOSUID | (0 if devices else MOUNT_ATTR_NODEV) | (0 if writable else MOUNT_ATTR_RDONLY)
    restrict(target, flags)


def tmpfs(target: str) -> None:
    make_parents(target)
    if not os.path.isdir(target):
        os.mkdir(target, 0o755)
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")


def proc(target: str) -> None:
    make_parents(target)
    if not os.path.isdir(target):
        os.mkdir(target, 0o755)
    mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in PROC_COVERED:
        path = f"{target}/{name}"
        if os.path.exists(path) and os.access(path, os.W_OK):
            mount(path, path, None, MS_BIND | MS_REC | MS_SILENT)
            restrict(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)


def symlink(target: str, path: str) -> None:
    make_parents(path)
    try:
        os.symlink(target, path)
    except FileExistsError:
        if os.readlink(path) != target:
            raise


def resolve_sources(options: list[str]) -> list[str]:
    """Follow links of the host while they still mean something. FileNotFoundError for a source that there is not."""
    result = list(options)
    for index, word in enumerate(options):
        if word in BINDS:
            result[index + 1] = os.path.realpath(options[index + 1])
            if word != "--ro-bind-try" and not os.path.exists(result[index + 1]):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), options[index + 1])
    return result


def enter_root(options: list[str]) -> set[int] | None:
    """Build the root directory and go there; returns the numbers of the capabilities that are wanted, None for all."""
    options = resolve_sources(options)
    mount(None, "/", None, MS_SLAVE | MS_REC | MS_SILENT)
    # Away from the old root first, so that nothing in the new one can hide it.
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV)
    os.mkdir("/tmp/newroot", 0o755)
    os.mkdir("/tmp/oldroot", 0o755)
    mount("/tmp/newroot", "/tmp/newroot", None, MS_BIND | MS_REC | MS_SILENT)
    call("pivot_root", b"/tmp", b"/tmp/oldroot")
    os.chdir("/")
    capabilities: set[int] | None = None
    words = iter(options)
    for word in words:
        if word in ("--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net"):
            continue
        value = next(words)
        if word == "--cap-drop":
            capabilities = set()
        elif word == "--cap-add":
            capabilities = (capabilities or set()) | {int(value)}
        elif word in BINDS:
            source, target = f"/oldroot{value}", f"/newroot{next(words).rstrip('/')}"
            if word == "--ro-bind-try" and not os.path.exists(source):
                continue
            bind(source, target, writable=word in ("--bind", "--dev-bind"), devices=word == "--dev-bind")
            if target == "/newroot":
                # What was mounted there before is below now.
                os.chdir("/")
        elif word == "--symlink":
            symlink(value, f"/newroot{next(words)}")
        elif word == "--tmpfs":
            tmpfs(f"/newroot{value}")
        elif word == "--dir":
            make_parents(f"/newroot{value}")
            os.makedirs(f"/newroot{value}", 0o755, exist_ok=True)
        elif word == "--proc":
            proc(f"/newroot{value}")
        elif word != "--chdir":
            raise ValueError(f"unknown option {word}")
    call("umount2", b"/oldroot", MNT_DETACH)
    os.chdir("/newroot")
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    return capabilities


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack_from("h", request, 16)[0]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def set_capabilities(numbers: Iterable[int], *, inherit: bool) -> None:
    mask = sum(1 << number for number in numbers)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    kept = (low, high) if inherit else (0, 0)
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION, 0))
    data = ctypes.create_string_buffer(struct.pack("6I", low, low, kept[0], high, high, kept[1]))
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    call("capset", header, data)
    for number in numbers if inherit else ():
        call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0)


def exit_code(status: int) -> int:
    """As bubblewrap tells it: of a program that a signal has ended 128 and its number."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def keep_house(child: int, status_fd: int) -> NoReturn:
    """What the first process of a sandbox does: wait for orphans, and end with the stage."""
    set_capabilities((), inherit=False)
    os.close(status_fd)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(exit_code(status))


class Stage:
    """What the process of a stage goes on with."""

    def __init__(self, program: list[str], environment: dict[str, str], warm: bool) -> None:
        self.program = program
        self.environment = environment
        self.warm = warm


def sandbox(request: dict[str, Any], output: int, status_fd: int) -> Stage:
    """Never returns but in the process of the stage, with what it is to run."""
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(status_fd, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(3, False)
    outside = os.getpid()
    try:
        call("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET)
        first = os.fork()
    except OSError as exc:
        os.write(2, f"sandbox: {exc}\n".encode())
        os._exit(1)
    if first:
        # In no namespace of its own but that of mounts; it outlives the sandbox to tell how it ended.
        code = exit_code(os.waitpid(first, 0)[1])
        os.write(3, json.dumps({"code": code}).encode() + b"\n")
        os._exit(0)
    try:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # Only from here on it can be killed without leaving anything behind.
        os.write(3, json.dumps({"pid": outside}).encode() + b"\n")
        raise_loopback()
        capabilities = enter_root(request["options"])
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if capabilities is not None:
            set_capabilities(sorted(capabilities), inherit=True)
        os.setsid()
        child = os.fork()
    except BaseException as exc:
        os.write(2, f"sandbox: {exc}\n".encode())
        os._exit(1)
    if child:
        keep_house(child, 3)
    os.close(3)
    return Stage(request["program"], request["environment"], request["warm"])


def serve(control: socket.socket) -> Stage:
    """Answer requests until the other end is closed. Returns only in the process of a stage."""
    loaded = False
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while True:
        poller.poll(1000)
        try:
            data, fds, _flags, _address = socket.recv_fds(control, REQUEST_SIZE, 2, socket.MSG_DONTWAIT)
        except BlockingIOError:
            reap()
            continue
        if not data:
            # What it started dies with it, by the signal that it asked for.
            os._exit(0)
        # Whoever was forked from here has what is loaded here, so that is nothing but what stages need, too.
        if os.fork() == 0:
            control.close()
            return sandbox(json.loads(data), *fds)
        for fd in fds:
            os.close(fd)
        if not loaded:
            loaded = True
            preload()
        reap()


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def preload() -> None:
    """What most stages import: while the first one runs there is time for it."""
    import contextlib  # noqa: F401
    import pathlib  # noqa: F401
    import re  # noqa: F401
    import shutil  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401


def forget_customization() -> bool:
    """The host's sitecustomize lies in /etc, which a stage does not see; False if it has left more than its name."""
    module = sys.modules.get("sitecustomize")
    if module is not None and not os.path.exists(module.__file__ or "/"):
        del sys.modules["sitecustomize"]
    return sys.excepthook is sys.__excepthook__ and sys.displayhook is sys.__displayhook__


def source_of(stage: Stage) -> bytes | None:
    """The text of a program for this Python, None if it is something else."""
    if not stage.warm or not forget_customization():
        return None
    try:
        with open(stage.program[0], "rb") as file:
            source = file.read()
    except OSError:
        return None
    return source if source.startswith(SHEBANG) and os.access(stage.program[0], os.X_OK) else None


def go_on(stage: Stage) -> None:
    """Become the stage."""
    environment = {**stage.environment, "PWD": "/"}
    path = stage.program[0]
    source = source_of(stage)
    if source is None:
        # As Python does for programs that it starts.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execve(path, stage.program, environment)
        except OSError as exc:
            os.write(2, f"sandbox: execve {path}: {exc.strerror}\n".encode())
            os._exit(1)
    name = os.path.basename(path).encode()[:15]
    call("prctl", PR_SET_NAME, name, 0, 0, 0)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(stage.program)
    sys.orig_argv = [sys.executable, *stage.program]
    sys.path[0] = os.path.dirname(path)
    sys.path_importer_cache.clear()
    from importlib.machinery import SourceFileLoader

    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path))
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    try:
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as exc:
        # Without this function's own frame.
        below = exc.__traceback__.tb_next if exc.__traceback__ is not None else None
        sys.excepthook(type(exc), exc.with_traceback(below), below)
        sys.exit(1)


go_on(serve(socket.socket(fileno=int(sys.argv[1]))))
