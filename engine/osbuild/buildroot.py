# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox that stages run in, made by bubblewrap (contract 4.1 to 4.4)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol

from . import bytecode, forksandbox, preparedcache
from .apiserver import BaseAPI
from .bubblewrap import Bind, Layout, command_line
from .devfs import DevFS
from .object import HostTree
from .output import OutputReader
from .preparedroot import Kept, NotKept, PreparedRoot, only_makes_files
from .util.lockeddir import make_directory
from .util.mountinfo import remove_tree

if TYPE_CHECKING:
    from .schedule import Job

# How long a killed sandbox may take to close its output, in seconds.
_KILL_GRACE = 10.0


class LogSink(Protocol):
    """The part of a monitor that a build root needs."""

    def log(self, message: str, origin: str | None = None) -> None: ...


class _Silent:
    """A sink for what is of no interest yet."""

    def log(self, message: str, origin: str | None = None) -> None:
        pass


class CompletedBuild:
    """What came out of a run."""

    def __init__(self, process: subprocess.Popen[bytes] | forksandbox.ForkedProcess, output: str) -> None:
        self.process = process
        self.output = output

    @property
    def returncode(self) -> int:
        code = self.process.returncode
        assert code is not None
        return code

    @property
    def stdout(self) -> str:
        """All output: both streams are one pipe."""
        return self.output

    @property
    def stderr(self) -> str:
        return self.output


class BuildTimeout(TimeoutError):
    """A run took longer than its limit and was killed; `output` is what it had printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


class ProcOverrides:
    """Files below `/proc` that stages see with another content."""

    def __init__(self, path: str) -> None:
        self.path = path
        os.mkdir(path)
        self.cmdline = "root=/dev/osbuild\n"

    def write(self) -> list[Bind]:
        path = os.path.join(self.path, "cmdline")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.cmdline)
        return [Bind(path, "/proc/cmdline")]


class BuildRoot:
    """A sandbox with the programs of `root`, to be used as a context.

    `root` is a directory with `usr`, or the host; `runner` the path of the runner program; `libdir` the
    directory of the modules; `var` the directory in which temporary ones are made. `caps` limits the
    capabilities (None: all the engine has). OSError if it cannot be set up.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | HostTree,
        runner: str | os.PathLike[str],
        libdir: str | os.PathLike[str],
        var: str | os.PathLike[str],
        *,
        rundir: str | os.PathLike[str] = "/run/osbuild",
    ) -> None:
        self.root = root
        self.runner = os.fspath(runner)
        self.libdir = os.path.abspath(libdir)
        self.rundir = os.fspath(rundir)
        self.caps: Iterable[str] | None = None
        self.mount_boot = True
        # Told what it runs, to be able to end it.
        self.job: Job | None = None
        # What the build roots of one run share, as what the runner makes; without it the runner is run each time.
        self.kept: Kept | None = None
        # Set while the context is entered: host paths of the sandbox's /dev, /var, and of what holds them.
        self.dev: str = ""
        self.var: str = os.fspath(var)
        self.tmp: str = ""
        self._base: str | None = None
        self._devfs: DevFS | None = None
        self._proc: ProcOverrides | None = None
        self._apis: list[BaseAPI] = []
        self._stack: contextlib.ExitStack | None = None
        self._tmp_parent = self.var

    @property
    def proc(self) -> ProcOverrides:
        assert self._proc is not None, "the build root is not active"
        return self._proc

    def __enter__(self) -> BuildRoot:
        with contextlib.ExitStack() as stack:
            dev = DevFS(self.rundir)
            stack.callback(dev.remove)
            self._devfs = dev
            self.dev = dev.path
            self.tmp = make_directory(self._tmp_parent, "osbuild-tmp-")
            stack.callback(remove_tree, self.tmp)
            self.var = os.path.join(self.tmp, "var")
            os.mkdir(self.var, 0o755)
            self._proc = ProcOverrides(os.path.join(self.tmp, "proc"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        self._proc = self._devfs = self._base = None
        self._apis = []
        if stack is not None:
            stack.close()

    def register_api(self, api: BaseAPI) -> None:
        """Start `api` and show its socket to the stage; it ends with the build root."""
        assert self._stack is not None and self._devfs is not None, "the build root is not active"
        if not api.socket_address:
            if not self._apis:
                self._devfs.directory("api")
            api.socket_address = os.path.join(os.path.dirname(self.dev), "api", api.endpoint)
        self._stack.enter_context(api)
        self._apis.append(api)

    def run(
        self,
        argv: Sequence[str],
        monitor: LogSink,
        timeout: float | None = None,
        binds: Iterable[str | tuple[str, str]] | None = None,
        readonly_binds: Iterable[str | tuple[str, str]] | None = None,
        extra_env: dict[str, str] | None = None,
        debug_shell: bool = False,
    ) -> CompletedBuild:
        """Run `argv` by the runner; its output goes to `monitor` as it comes.

        Binds are "SOURCE:TARGET" (TARGET has no colon) or pairs. With `debug_shell` there is an interactive
        shell before. Raises BuildTimeout (a TimeoutError) after `timeout` seconds, RuntimeError if the
        shell fails or bubblewrap is missing.
        """
        environment = self._environment(extra_env)
        # Whoever looks around in a shell first gets the bare root, which is what the runner begins with.
        said = "" if debug_shell else self._lay(environment, timeout)
        origin = f"stages/{os.path.basename(argv[0])}" if argv else None
        if said:
            monitor.log(said, origin=origin)
        compiled = self._compiled(environment, timeout)
        command = self._command(binds, [*compiled, *(readonly_binds or [])])
        if debug_shell:
            self._debug_shell(command)
        runner = [] if self._base is not None else [self._runner_inside]
        result = self._execute(command, [*runner, *argv], environment, monitor, origin, timeout)
        result.output = said + result.output
        return result

    @property
    def _runner_inside(self) -> str:
        return f"/run/osbuild/runner/{os.path.basename(self.runner)}"

    def _lay(self, environment: dict[str, str], timeout: float | None) -> str:
        """Lay what the runner makes under the stage, if that is possible; returns what the runner printed now."""
        if self._base is not None or self.kept is None or not only_makes_files(self.runner):
            self._make_var_tmp(self.var)
            return ""
        key = (self._root_path, self.runner, tuple(sorted(environment.items())))
        roots = self.kept.roots
        said = ""
        if key not in roots:
            name = preparedcache.key(self._root_path, self.runner, environment, is_host=isinstance(self.root, HostTree))
            roots[key] = preparedcache.load(name) if name is not None else None
            if roots[key] is None:
                roots[key], said = self._prepare(environment, timeout)
                made = roots[key]
                # What it had to say is said anew in each run.
                if made is not None and name is not None and not said:
                    preparedcache.save(name, made)
        found = roots[key]
        if found is None:
            self._make_var_tmp(self.var)
            return ""
        assert self._devfs is not None
        self._base = self._devfs.directory("root")
        found.write_root(self._base)
        assert self._stack is not None
        lent = self.kept.vars.lend(key, found, self._tmp_parent)
        self._stack.callback(self.kept.vars.give_back, key, lent)
        self.var = lent.path
        return said

    def _prepare(self, environment: dict[str, str], timeout: float | None) -> tuple[PreparedRoot | None, str]:
        """Run the runner alone; None if it failed or made what cannot be kept, for it to be run with the stage then."""
        with self._empty_root("prepare") as (base, var):
            result = self._run_alone(["/usr/bin/true"], [], base, var, environment, timeout)
            if result.returncode != 0:
                return None, ""
            try:
                return PreparedRoot.read(base, var), result.output
            except NotKept:
                return None, ""

    @contextlib.contextmanager
    def _empty_root(self, name: str) -> Iterator[tuple[str, str]]:
        """A root directory and its `/var`, as the runner finds them."""
        assert self._devfs is not None
        base = self._devfs.directory(name)
        for directory in ("etc", "run", "tmp"):
            os.mkdir(os.path.join(base, directory), 0o755)
        var = os.path.join(self.tmp, f"{name}-var")
        os.mkdir(var, 0o755)
        self._make_var_tmp(var)
        try:
            yield base, var
        finally:
            remove_tree(var)

    def _run_alone(
        self,
        argv: Sequence[str],
        binds: Iterable[Bind],
        base: str,
        var: str,
        environment: dict[str, str],
        timeout: float | None,
    ) -> CompletedBuild:
        """Run by the runner what is no stage, and show nobody what it prints."""
        command = self._command(binds, [], base=base, var=var)
        return self._execute(command, [self._runner_inside, *argv], environment, _Silent(), None, timeout)

    def _compiled(self, environment: dict[str, str], timeout: float | None) -> list[Bind]:
        """The modules compiled for the Python of the build tree, as far as it could; the host's is that which runs this."""
        if self.kept is None or isinstance(self.root, HostTree):
            return []
        known, key = self.kept.compiled, (self._root_path, self.libdir)
        if key not in known:
            known[key] = None
            # Without it all works just as well, but slower.
            with contextlib.suppress(OSError):
                known[key] = self._compile(environment, timeout)
        compiled = known[key]
        return [] if compiled is None else compiled.binds()

    def _compile(self, environment: dict[str, str], timeout: float | None) -> bytecode.Compiled | None:
        found = bytecode.packages(self.libdir)
        if bytecode.is_there(self._root_path, found):
            return None
        name = bytecode.key(self._root_path, found)
        if name is None:
            return None
        compiled = bytecode.load(name, found)
        if compiled is not None:
            return compiled
        compiled = bytecode.new(found)
        try:
            with self._empty_root("compile") as (base, var):
                binds = compiled.binds(writable=True)
                result = self._run_alone(bytecode.command(found), binds, base, var, environment, timeout)
            if result.returncode == 0:
                compiled.keep(name)
                return compiled
        except OSError:
            # Another engine was faster.
            compiled.discard()
            return bytecode.load(name, found)
        except BaseException:
            compiled.discard()
            raise
        compiled.discard()
        return None

    @staticmethod
    def _make_var_tmp(var: str) -> None:
        tmp = os.path.join(var, "tmp")
        with contextlib.suppress(FileExistsError):
            os.mkdir(tmp)
            os.chmod(tmp, 0o1777)

    def _execute(
        self,
        command: list[str],
        program: Sequence[str],
        environment: dict[str, str],
        monitor: LogSink,
        origin: str | None,
        timeout: float | None,
    ) -> CompletedBuild:
        if forksandbox.wanted():
            return self._execute_forked(command, program, environment, monitor, origin, timeout)
        info_fd, info_child_fd = os.pipe()
        with open(info_fd, "rb") as info:
            try:
                process = self._start(
                    [*command, "--info-fd", str(info_child_fd), "--", *program], environment, info_child_fd
                )
            finally:
                os.close(info_child_fd)
            try:
                return self._supervise(process, program, monitor, origin, timeout)
            finally:
                _wait_for_sandbox(info)

    def _execute_forked(
        self,
        command: list[str],
        program: Sequence[str],
        environment: dict[str, str],
        monitor: LogSink,
        origin: str | None,
        timeout: float | None,
    ) -> CompletedBuild:
        with contextlib.ExitStack() as stack:
            if self.kept is not None:
                server = self.kept.forkserver
            else:
                server = forksandbox.ForkServer()
                stack.callback(server.close)
            process = server.start(command, program, environment, warm=isinstance(self.root, HostTree))
            return self._supervise(process, program, monitor, origin, timeout)

    def _supervise(
        self,
        process: subprocess.Popen[bytes] | forksandbox.ForkedProcess,
        argv: Sequence[str],
        monitor: LogSink,
        origin: str | None,
        timeout: float | None,
    ) -> CompletedBuild:
        assert process.stdout is not None
        reader = OutputReader(process.stdout.fileno(), lambda text: monitor.log(text, origin=origin))
        if self.job is not None:
            self.job.running(process.kill)
        try:
            with process.stdout:
                if not reader.read(timeout):
                    # The first process of the sandbox takes the rest of it along.
                    process.kill()
                    reader.read(_KILL_GRACE)
                    raise BuildTimeout(f"running '{' '.join(argv)}' took longer than {timeout} seconds", reader.text)
            process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if self.job is not None:
                self.job.running(None)
        return CompletedBuild(process, reader.text)

    @staticmethod
    def _start(command: list[str], env: dict[str, str], info_fd: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                close_fds=True,
                pass_fds=(info_fd,),
            )
        except FileNotFoundError:
            raise RuntimeError("the program bwrap was not found: install the package bubblewrap") from None

    def _command(
        self,
        binds: Iterable[str | tuple[str, str] | Bind] | None,
        readonly_binds: Iterable[str | tuple[str, str] | Bind] | None,
        *,
        base: str | None = None,
        var: str | None = None,
    ) -> list[str]:
        writable = [Bind.parse(bind, writable=True) for bind in binds or []]
        readonly = [Bind.parse(bind) for bind in readonly_binds or []]
        sockets = []
        for api in self._apis:
            assert api.socket_address is not None
            sockets.append(Bind(api.socket_address, f"/run/osbuild/api/{api.endpoint}", writable=True))
        return command_line(
            layout=self._layout(),
            runner=self.runner,
            dev=self.dev,
            var=var or self.var,
            base=base or self._base,
            caps=self.caps,
            binds=[*self.proc.write(), *writable, *readonly],
            sockets=sockets,
        )

    @property
    def _root_path(self) -> str:
        return "/" if isinstance(self.root, HostTree) else os.path.abspath(self.root)

    def _layout(self) -> Layout:
        key = (self._root_path, self.mount_boot, self.libdir)
        layouts = self.kept.layouts if self.kept is not None else {}
        if key not in layouts:
            layouts[key] = Layout.find(
                root=self._root_path,
                is_host=isinstance(self.root, HostTree),
                boot=self.mount_boot,
                libdir=self.libdir,
            )
        return layouts[key]

    @staticmethod
    def _environment(extra_env: dict[str, str] | None) -> dict[str, str]:
        return {
            "container": "bwrap-osbuild",
            "LC_CTYPE": "C.UTF-8",
            "PATH": "/usr/sbin:/usr/bin",
            "PYTHONPATH": "/run/osbuild/lib",
            "PYTHONUNBUFFERED": "1",
            "TERM": os.environ.get("TERM", "dumb"),
            **(extra_env or {}),
        }

    @staticmethod
    def _debug_shell(command: list[str]) -> None:
        """An interactive shell in the sandbox, with the engine's own environment and terminal."""
        # A session of its own, as stages have, would take the terminal's job control away.
        shell = [arg for arg in command if arg != "--new-session"]
        if subprocess.run([*shell, "--", "/bin/bash"], check=False).returncode != 0:
            raise RuntimeError("the debug shell ended with an error: the build stops here")


def _wait_for_sandbox(info: IO[bytes]) -> None:
    """Wait until the sandbox is gone for good, with its mounts.

    bubblewrap itself leaves as soon as it knows the exit status. The first process of the sandbox is still
    dying then, and until it is dead a file system that was mounted for the stage cannot be mounted again
    (XFS), nor can its loop device be freed.
    """
    try:
        pid = json.loads(info.read())["child-pid"]
        pidfd = os.pidfd_open(pid)
    except (ValueError, KeyError, OSError):
        # It never started, or has been dead for long enough to be forgotten.
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(_KILL_GRACE * 1000)
    finally:
        os.close(pidfd)
