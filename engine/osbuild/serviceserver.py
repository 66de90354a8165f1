# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A warm Python that forks host services: the program behind `osbuild.servicehost`.

Starting an interpreter and reading this package takes far longer than most services have to do. A request is a message with the
program and its arguments, and the descriptors of its socket, its output, and of a pipe that is told which process it is and how
it ended.

usage: serviceserver.py FD
"""

from __future__ import annotations

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
    from typing import NoReturn

REQUEST_SIZE = 1 << 20
STATUS = struct.Struct("i")


def preload() -> None:
    """What services import."""
    import argparse  # noqa: F401

    from osbuild import devices, host, inputs, mounts, sources  # noqa: F401
    from osbuild.util import jsoncomm, linux  # noqa: F401


def serve(control: socket.socket) -> list[str]:
    """Answer requests until the other end is closed, and wait for the services that are left then.

    Returns only in the process of a service, its command line.
    """
    poller = select.poll()
    poller.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    wanted = True
    while wanted or running:
        for fd, _events in poller.poll():
            if fd in running:
                poller.unregister(fd)
                finish(fd, *running.pop(fd))
                continue
            data, fds, _flags, _address = socket.recv_fds(control, REQUEST_SIZE, 3)
            if not data:
                poller.unregister(control)
                wanted = False
                continue
            service, output, status = fds
            pid = os.fork()
            if pid == 0:
                return begin(json.loads(data), service, output)
            os.close(service)
            os.close(output)
            os.write(status, STATUS.pack(pid))
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, status)
            poller.register(pidfd, select.POLLIN)
    os._exit(0)


def begin(command: list[str], service: int, output: int) -> list[str]:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # The socket keeps the number that it has; all else is the server's.
    os.closerange(3, service)
    os.closerange(service + 1, os.sysconf("SC_OPEN_MAX"))
    return [command[0], *(str(service) if word is None else word for word in command[1:])]


def finish(pidfd: int, pid: int, status: int) -> None:
    os.close(pidfd)
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    # Told before its number may become another's.
    try:
        os.write(status, STATUS.pack(code))
    except BrokenPipeError:
        pass
    os.close(status)
    os.waitpid(pid, 0)


def run(command: list[str]) -> NoReturn:
    """Become the service, as if Python had been started for it."""
    path = command[0]
    sys.argv = command
    sys.path[0] = os.path.dirname(path)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=sys.modules["builtins"])
    sys.modules["__main__"] = main
    code = 0
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit as exc:
        if exc.code is not None and not isinstance(exc.code, int):
            print(exc.code, file=sys.stderr)
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException as exc:
        sys.excepthook(type(exc), exc, exc.__traceback__)
        code = 1
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code & 0xFF)


def main() -> None:
    # A Ctrl-C in the terminal reaches this, too; the end is that the engine closes its socket.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    preload()
    run(serve(control))


main()
