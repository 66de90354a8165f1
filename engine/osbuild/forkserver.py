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
import fcntl
import gc
import json
import os
import select
import signal
import socket
import stat
import struct
import sys
import types
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE, MS_SILENT = 2, 4, 8, 1 << 12, 1 << 14, 1 << 19, 1 << 15
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x08000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 15, 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
CAPABILITY_VERSION = 0x20080522
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
REQUEST_SIZE = 1 << 20
STATUS = struct.Struct("i")
SHEBANG = b"#!/usr/bin/python3\n"
# Of these bubblewrap hides what could be written to.
PROC_COVERED = ("sys", "sysrq-trigger", "irq", "bus")
BINDS = ("--ro-bind", "--ro-bind-try", "--bind", "--dev-bind")

LIBRARY = "/run/osbuild/lib"
PROGRAMS = "/run/osbuild/bin"
PACKAGE = os.path.dirname(os.path.abspath(__file__))
# Programs that are kept compiled.
MAX_PROGRAMS = 100

libc = ctypes.CDLL(None, use_errno=True)
# For mount_setattr(2), by whether the mount may be written to, and may have devices.
ATTRIBUTES_SIZE = ctypes.c_size_t(32)
ATTRIBUTES = {
    (writable, devices): ctypes.create_string_buffer(
        struct.pack(
            "QQQQ",
            MOUNT_ATTR_NOSUID | (0 if devices else MOUNT_ATTR_NODEV) | (0 if writable else MOUNT_ATTR_RDONLY),
            0,
            0,
            0,
        )
    )
    for writable in (False, True)
    for devices in (False, True)
}


def call(name: str, *arguments: Any, path: str = "") -> None:
    """A function of the C library. OSError, naming `path`."""
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or name)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3], path=target)


def copy_of(path: str, at: int = AT_FDCWD, *, writable: bool, devices: bool) -> int:
    """A mount of `path` and of all mounted below it that is nowhere yet, as a descriptor. Links are followed."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH | os.O_CLOEXEC
    fd: int = libc.open_tree(at, os.fsencode(path), flags)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    attributes = ATTRIBUTES[writable, devices]
    call("mount_setattr", fd, b"", AT_EMPTY_PATH | AT_RECURSIVE, attributes, ATTRIBUTES_SIZE, path=path)
    return fd


def place(fd: int, target: str) -> None:
    """Mount a copy at `target`, and let go of it."""
    call("move_mount", fd, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH, path=target)
    os.close(fd)


def bind(source: int, target: str, option: str) -> None:
    """Mount what a descriptor of a path stands for, and let go of it."""
    copy = copy_of("", source, writable=option in ("--bind", "--dev-bind"), devices=option == "--dev-bind")
    os.close(source)
    place(copy, target)


def make_parents(path: str) -> None:
    parent = os.path.dirname(path)
    try:
        os.mkdir(parent, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_parents(parent)
        os.mkdir(parent, 0o700)


def make_directory(path: str) -> None:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_parents(path)
        os.mkdir(path, 0o755)


def make_point(path: str, like: int) -> None:
    """A place to mount on, of the kind of what is mounted there."""
    try:
        if stat.S_ISDIR(os.fstat(like).st_mode):
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_parents(path)
        make_point(path, like)


def tmpfs(target: str) -> None:
    make_directory(target)
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")


def proc(target: str) -> None:
    make_directory(target)
    mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in PROC_COVERED:
        path = f"{target}/{name}"
        if os.access(path, os.W_OK):
            place(copy_of(path, writable=False, devices=False), path)


def symlink(target: str, path: str) -> None:
    try:
        os.symlink(target, path)
    except FileExistsError:
        if os.readlink(path) != target:
            raise
    except FileNotFoundError:
        make_parents(path)
        os.symlink(target, path)


def enter_root(options: list[str]) -> set[int] | None:
    """Build the root directory and go there; returns the numbers of the capabilities that are wanted, None for all."""
    mount(None, "/", None, MS_SLAVE | MS_REC | MS_SILENT)
    capabilities: set[int] | None = None
    base = -1
    # What is seen of the host is looked up while its paths and links still mean something.
    todo: list[tuple[str, str, int]] = []
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
            target = next(words).rstrip("/")
            try:
                fd = os.open(value, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                if word == "--ro-bind-try":
                    continue
                raise
            if target:
                todo.append((word, target, fd))
            else:
                base = fd
        elif word == "--symlink":
            todo.append((next(words), value, -1))
        elif word in ("--tmpfs", "--dir", "--proc"):
            todo.append((word, value, -1))
        elif word != "--chdir":
            raise ValueError(f"unknown option {word}")
    # Anywhere: the old root goes away at the end.
    if base < 0:
        mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    else:
        bind(base, "/tmp", "--bind")
    os.chdir("/tmp")
    call("pivot_root", b".", b".")
    for what, path, fd in todo:
        if fd >= 0:
            make_point(path, fd)
            bind(fd, path, what)
        elif what == "--tmpfs":
            tmpfs(path)
        elif what == "--dir":
            make_directory(path)
        elif what == "--proc":
            proc(path)
        else:
            symlink(path, what)
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


def keep_house(child: int) -> NoReturn:
    """What the first process of a sandbox does: wait for orphans, and end with the stage."""
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(exit_code(status))


class Stage:
    """What the process of a stage goes on with. `known` is a program's text with what it was compiled to."""

    def __init__(self, request: dict[str, Any], known: tuple[bytes, types.CodeType] | None, own: bool) -> None:
        self.options: list[str] = request["options"]
        self.program: list[str] = request["program"]
        self.environment: dict[str, str] = request["environment"]
        self.warm: bool = request["warm"]
        self.known = known
        # Whether the library that it sees has this very package in it.
        self.own = own


def sandbox(stage: Stage, control: socket.socket, output: int) -> Stage:
    """What the first process of a new pid namespace does. Never returns but in the process of the stage, with its task."""
    try:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # If the engine died just before that, nobody is left to end this.
        poller = select.poll()
        poller.register(control, 0)
        if poller.poll(0):
            os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        call("unshare", CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET)
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.setsid()
        # Before the root is made: what either process writes to afterwards is copied for it. pivot_root(2) takes both along.
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write)
            raise_loopback()
            capabilities = enter_root(stage.options)
            if capabilities is not None:
                set_capabilities(sorted(capabilities), inherit=True)
            # Until the first process has none.
            os.read(read, 1)
            os.close(read)
        else:
            set_capabilities((), inherit=False)
            os.close(write)
            os.close(read)
    except BaseException as exc:
        os.write(2, f"sandbox: {exc}\n".encode())
        os._exit(1)
    if child:
        keep_house(child)
    return stage


class Server:
    """Forks sandboxes as it is asked to, and tells how they ended."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.poller = select.poll()
        self.poller.register(control, select.POLLIN)
        # By what becomes readable when it ends: the first process of a sandbox, and where to tell.
        self.running: dict[int, tuple[int, int]] = {}
        self.compiled: dict[str, tuple[bytes, types.CodeType]] = {}

    def serve(self) -> Stage:
        """Answer requests until the other end is closed. Returns only in the process of a stage."""
        loaded = False
        while True:
            for fd, _events in self.poller.poll():
                if fd in self.running:
                    self.finish(fd)
                    continue
                data, fds, _flags, _address = socket.recv_fds(self.control, REQUEST_SIZE, 2)
                if not data:
                    # What it started dies with it, by the signal that it asked for.
                    os._exit(0)
                stage = self.start(data, *fds)
                if stage is not None:
                    return stage
                if not loaded:
                    loaded = True
                    preload()

    def start(self, data: bytes, output: int, status: int) -> Stage | None:
        request = json.loads(data)
        source = source_on_host(request["options"], request["program"][0])
        known = self.compile(source, request["program"][0]) if request["warm"] and source else None
        stage = Stage(request, known, is_own(request["options"]))
        # Only what is forked from here on is in a pid namespace of its own, and only the first one.
        call("unshare", CLONE_NEWPID)
        try:
            gc.freeze()
            # Not by os.fork: what Python and its modules do in a new process is for the stage's, which this one is to start.
            pid: int = ctypes.pythonapi.fork()
        finally:
            if os.getpid() != 1:
                call("setns", self.own_pids, CLONE_NEWPID)
        if pid == 0:
            return sandbox(stage, self.control, output)
        if pid < 0:
            raise OSError("fork failed")
        os.close(output)
        os.write(status, STATUS.pack(pid))
        pidfd = os.pidfd_open(pid)
        self.running[pidfd] = (pid, status)
        self.poller.register(pidfd, select.POLLIN)
        return None

    def compile(self, source: str, name: str) -> tuple[bytes, types.CodeType] | None:
        """The text of a program for this Python and its code, None if it is none or there is anything to be said of it."""
        try:
            with open(source, "rb") as file:
                text = file.read()
            known = self.compiled.get(name)
            if known is None or known[0] != text:
                if not text.startswith(SHEBANG):
                    return None
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    known = text, compile(text, name, "exec", dont_inherit=True)
                if len(self.compiled) >= MAX_PROGRAMS:
                    self.compiled.clear()
                self.compiled[name] = known
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            return None
        return known

    def finish(self, pidfd: int) -> None:
        pid, status = self.running.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        # Whoever can be waited for is out of its namespaces: with the sandbox its mounts are gone.
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        code = ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
        # Told before its number may become another's.
        try:
            os.write(status, STATUS.pack(code))
        except BrokenPipeError:
            pass
        os.close(status)
        os.waitpid(pid, 0)


def source_on_host(options: list[str], target: str) -> str | None:
    """What is seen at `target`."""
    return options[options.index(target) - 1] if target in options else None


def is_own(options: list[str]) -> bool:
    path = source_on_host(options, f"{LIBRARY}/osbuild") or f"{source_on_host(options, LIBRARY)}/osbuild"
    try:
        return os.path.samefile(path, PACKAGE)
    except OSError:
        return False


class Library:
    """What every stage imports of this package, made once. In a stage it is a module only when it is imported."""

    def __init__(self) -> None:
        from importlib.machinery import (
            BYTECODE_SUFFIXES,
            EXTENSION_SUFFIXES,
            SOURCE_SUFFIXES,
            ExtensionFileLoader,
            FileFinder,
            ModuleSpec,
            SourceFileLoader,
            SourcelessFileLoader,
        )
        from importlib.util import module_from_spec, spec_from_file_location

        loaders = [
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (SourceFileLoader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        ]
        modules: dict[str, types.ModuleType] = {}

        class Ready:
            """Stands for the loader of a module that is loaded."""

            def create_module(self, spec: ModuleSpec) -> types.ModuleType:
                module = modules[spec.name]
                self.spec = module.__spec__
                return module

            def exec_module(self, module: types.ModuleType) -> None:
                module.__spec__ = self.spec
                for name in modules:
                    sys.modules.setdefault(name, modules[name])

        class Finder(FileFinder):
            def find_spec(self, fullname: str, target: types.ModuleType | None = None) -> ModuleSpec | None:
                if fullname in modules:
                    return ModuleSpec(fullname, Ready(), is_package=fullname == "osbuild")  # type: ignore[arg-type]
                return super().find_spec(fullname, target)

        code = {}
        for name, file in (("osbuild.api", "api.py"), ("osbuild", "__init__.py")):
            path = f"{LIBRARY}/osbuild/{file}"
            spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
            assert spec is not None
            if name == "osbuild":
                spec.submodule_search_locations = [f"{LIBRARY}/osbuild"]
            modules[name] = module_from_spec(spec)
            with open(f"{PACKAGE}/{file}", "rb") as source:
                code[name] = compile(source.read(), path, "exec", dont_inherit=True)
        sys.modules.update(modules)
        try:
            for name in code:
                exec(code[name], modules[name].__dict__)
        finally:
            for name in modules:
                del sys.modules[name]
        self.finders: dict[str, FileFinder] = {
            path: Finder(path, *loaders) for path in (LIBRARY, f"{LIBRARY}/osbuild")
        }
        self.programs = FileFinder(PROGRAMS, *loaders)

    def install(self, own: bool) -> None:
        sys.path_importer_cache[PROGRAMS] = self.programs
        if own:
            sys.path_importer_cache.update(self.finders)


library: Library | None = None


def preload() -> None:
    """What most stages import: while the first one runs there is time for it."""
    global library
    import contextlib  # noqa: F401
    import pathlib  # noqa: F401
    import re  # noqa: F401
    import shutil  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401

    library = Library()


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
    # What was found below /usr is there in the sandbox, too.
    for place in [place for place in sys.path_importer_cache if not place.startswith("/usr/")]:
        del sys.path_importer_cache[place]
    if library is not None:
        library.install(stage.own)
    from importlib.machinery import SourceFileLoader

    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path))
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    code = 0
    try:
        if stage.known is not None and stage.known[0] == source:
            code_object = stage.known[1]
        else:
            code_object = compile(source, path, "exec", dont_inherit=True)
        exec(code_object, main.__dict__)
    except SystemExit as exc:
        code = leave_with(exc.code)
    except BaseException as exc:
        # Without this function's own frame.
        below = exc.__traceback__.tb_next if exc.__traceback__ is not None else None
        sys.excepthook(type(exc), exc.with_traceback(below), below)
        code = 1
    end(code)


def leave_with(value: object) -> int:
    """The exit code for what SystemExit carries; a text is printed."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


def end(code: int) -> NoReturn:
    """What Python does at its end, but for the taking apart of everything: the memory goes with the process."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            code = code or 120
    os._exit(code)


go_on(Server(socket.socket(fileno=int(sys.argv[1]))).serve())
