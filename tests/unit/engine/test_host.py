# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host services: programs the engine starts, calls and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from osbuild import host, servicehost, services
from osbuild.host import ProtocolError, RemoteError, ServiceManager
from osbuild.util.jsoncomm import FdSet

PROGRAM = """\
import os, sys, time
from osbuild import host

class Service(host.Service):
    def dispatch(self, method, args, fds):
        if method == "echo":
            return [args, self.id], None
        if method == "fail":
            raise ValueError("no luck")
        if method == "die":
            os._exit(3)
        if method == "print":
            os.write(1, args.encode("latin-1"))
            return None, None
        if method == "fds":
            self.emit_signal("working")
            r, w = os.pipe()
            os.write(w, os.read(fds[0], 100))
            os.close(w)
            return None, [r]
        raise host.ProtocolError("unknown method")

    def stop(self):
        with open(sys.argv[-1], "a") as f:
            f.write(self.id + "\\n")

service = Service.from_args(sys.argv[1:-1])
service.main()
"""


def in_libdir(tmp_path: Path, source: str) -> str:
    """A service of a library directory with this package, which the engine need not start as a program."""
    path = tmp_path / "lib" / "inputs" / "service"
    path.parent.mkdir(parents=True)
    (tmp_path / "lib" / "osbuild").symlink_to(Path(host.__file__).parent)
    path.write_text(f"#!/usr/bin/python3\n{source}")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(params=["started", "forked"])
def program(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if request.param == "forked":
        return in_libdir(tmp_path, PROGRAM)
    path = tmp_path / "service"
    path.write_text(f"#!{sys.executable}\n{PROGRAM}")
    path.chmod(0o755)
    return str(path)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, message: str, origin: str | None = None) -> None:
        self.lines.append(message)


def test_calls_are_answered(program: str, tmp_path: Path) -> None:
    with ServiceManager() as mgr:
        client = mgr.start("input/a", program, [str(tmp_path / "log")])
        assert client.call("echo", {"x": [1, 2]}) == [{"x": [1, 2]}, "input/a"]
        # No arguments are an empty list on the wire.
        assert client.call("echo") == [[], "input/a"]


def test_big_replies_arrive(program: str, tmp_path: Path) -> None:
    data = ["x" * 1000] * 8000
    with ServiceManager() as mgr:
        assert mgr.start("a", program, [str(tmp_path / "log")]).call("echo", data)[0] == data


def test_an_exception_of_the_service_is_a_remote_error(program: str, tmp_path: Path) -> None:
    with ServiceManager() as mgr:
        client = mgr.start("a", program, [str(tmp_path / "log")])
        with pytest.raises(RemoteError) as info:
            client.call("fail")
        assert (info.value.name, info.value.value) == ("ValueError", "no luck")
        assert "dispatch" in info.value.stack
        # It goes on afterwards.
        assert client.call("echo", 1) == [1, "a"]
        with pytest.raises(RemoteError, match="ProtocolError"):
            client.call("nonsense")


def test_a_service_that_dies_is_noticed(program: str, tmp_path: Path) -> None:
    with ServiceManager() as mgr, pytest.raises((ProtocolError, ConnectionResetError)):
        mgr.start("a", program, [str(tmp_path / "log")]).call("die")


def test_descriptors_and_signals(program: str, tmp_path: Path) -> None:
    signals: list[Any] = []
    with ServiceManager() as mgr:
        client = mgr.start("a", program, [str(tmp_path / "log")])
        r, w = os.pipe()
        os.write(w, b"hello")
        reply, fds = client.call_with_fds("fds", fds=[r], on_signal=lambda value, _ignored: signals.append(value))
        os.close(r)
        os.close(w)
        assert reply is None
        assert signals == ["working"]
        assert os.read(fds[0], 100) == b"hello"
        fds.close()


def test_services_stop_in_reverse_order_after_releasing(program: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServiceManager() as mgr:
        for name in ("one", "two", "three"):
            mgr.start(name, program, [str(log)])
    assert log.read_text().split() == ["three", "two", "one"]


def test_a_service_outlives_signals_but_not_its_engine(program: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, sys, time\n"
        "from osbuild.host import ServiceManager\n"
        "mgr = ServiceManager(); mgr.__enter__()\n"
        f"client = mgr.start('a', {program!r}, [{str(log)!r}])\n"
        "client.call('echo', 1)\n"
        "print(client.proc.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", code], env=ServiceManager.make_env(), stdout=subprocess.PIPE)
    assert engine.stdout is not None
    pid = int(engine.stdout.readline())
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    pidfd = os.pidfd_open(pid)
    engine.kill()
    engine.wait()
    engine.stdout.close()
    import select

    assert select.select([pidfd], [], [], 10)[0], "the service is still there"
    os.close(pidfd)
    assert log.read_text() == "a\n"


def test_output_goes_to_the_monitor_line_by_line(program: str, tmp_path: Path) -> None:
    log = Log()
    with ServiceManager(monitor=log) as mgr:
        mgr.start("mount/x", program, [str(tmp_path / "log")]).call("print", "one\ntw\xff\n")
    assert log.lines == ["mount/x (service): one\n", "mount/x (service): tw\N{REPLACEMENT CHARACTER}\n"]


def test_names_are_used_once_and_only_inside(program: str, tmp_path: Path) -> None:
    mgr = ServiceManager()
    with pytest.raises(RuntimeError, match="not running"):
        mgr.start("a", program)
    with mgr:
        mgr.start("a", program, [str(tmp_path / "log")])
        mgr.stop("a")
        with pytest.raises(ValueError, match="already started"):
            mgr.start("a", program)
        with pytest.raises(ValueError, match="unknown service"):
            mgr.stop("b")
    assert not mgr.running


@pytest.mark.parametrize("msg", [None, {}, {"type": "method"}, {"data": {"a": 1}}, {"type": "x", "data": {}}])
def test_messages_without_kind_or_content_are_refused(msg: Any) -> None:
    with pytest.raises(ProtocolError):
        host.ServiceProtocol.decode_message(msg)


def test_service_side_imports_stay_light() -> None:
    code = (
        "import sys\n"
        "import osbuild.sources, osbuild.inputs, osbuild.devices, osbuild.mounts, osbuild.api, osbuild.remoteloop\n"
        "heavy = {'asyncio', 'subprocess', 'tempfile', 'hashlib', 'logging', 'ssl', 'jsonschema', 'typing', 'argparse',"
        " 'shutil', 'threading', 'ctypes'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    out = subprocess.run(
        [sys.executable, "-S", "-c", code], env=ServiceManager.make_env(), capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


LOOK = """\
import os, signal, sys
from osbuild import host

class Service(host.Service):
    def dispatch(self, method, args, fds):
        if method == "leave":
            sys.exit(args)
        return {
            "argv": sys.argv[:-1],
            "path": sys.path[:2],
            "name": [__name__, __file__, sys.modules["__main__"].Service is Service],
            "environment": dict(os.environ),
            "cwd": os.getcwd(),
            "descriptors": sorted(
                os.readlink(f"/proc/self/fd/{fd}").partition("[")[0]
                for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
            ),
            "handlers": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
            "ids": [os.getuid(), os.getsid(0), os.getpgid(0), os.umask(0o022)],
            "namespaces": sorted(os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")),
        }, None

Service.from_args(sys.argv[1:]).main()
"""


def test_a_forked_service_sees_what_a_started_one_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = in_libdir(tmp_path, LOOK)

    def look() -> Any:
        with ServiceManager() as mgr:
            client = mgr.start("a", program)
            return isinstance(client.proc, servicehost.ServiceProcess), client.call("look")

    for number in range(2):
        # Also after what it inherits has changed.
        monkeypatch.setenv("LOOKED", str(number))
        monkeypatch.chdir(tmp_path if number else "/")
        forked, ours = look()
        with monkeypatch.context() as patch:
            patch.setattr(servicehost, "_is_ours", lambda _program: False)
            started, theirs = look()
        assert (forked, started) == (True, False)
        for key, value in theirs.items():
            assert ours[key] == value, key


def test_a_server_that_is_ready_is_the_one_that_forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = in_libdir(tmp_path, LOOK)
    own = servicehost.ServiceHost()
    monkeypatch.setattr(services, "_host", own)
    ServiceManager.get_ready()
    ready = own._control
    assert ready is not None
    with ServiceManager() as mgr:
        assert isinstance(mgr.start("a", program).proc, servicehost.ServiceProcess)
    assert own._control is ready


def test_services_of_another_package_are_started(tmp_path: Path) -> None:
    program = in_libdir(tmp_path, LOOK)
    (tmp_path / "lib" / "osbuild").unlink()
    (tmp_path / "lib" / "osbuild").mkdir()
    with ServiceManager() as mgr:
        assert not isinstance(mgr.start("a", program).proc, servicehost.ServiceProcess)


def test_one_that_hangs_is_killed(tmp_path: Path) -> None:
    program = in_libdir(tmp_path, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pause()\n")
    mgr = ServiceManager()
    with mgr:
        client = mgr.start("a", program)
        client.stop(0.5)
        assert client.proc.returncode == -signal.SIGKILL


def test_fd_set_type_is_shared() -> None:
    assert host.FdSet is FdSet
