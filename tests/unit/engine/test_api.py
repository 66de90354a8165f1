# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage's side of the API, and the servers it talks to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from osbuild import api
from osbuild.host import ServiceManager
from osbuild.util import jsoncomm


class Echo(api.BaseAPI):
    endpoint = "echo"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.messages: list[Any] = []
        self.cleaned = False

    def _message(self, msg: Any, fds: Any, sock: jsoncomm.Socket) -> None:
        self.messages.append(msg)
        if msg == "fail":
            raise ValueError("told to")
        if msg != "silent":
            sock.send({"echo": msg})

    def _cleanup(self) -> None:
        self.cleaned = True


def test_server_serves_many_clients_and_cleans_up(tmp_path: Path) -> None:
    server = Echo(rundir=tmp_path / "run")
    with server:
        assert server.running
        assert server.socket_address is not None
        assert Path(server.socket_address).parent.name.startswith("api-")
        with pytest.raises(AssertionError), server:
            pass
        clients = [jsoncomm.Socket.new_client(server.socket_address) for _ignored in range(5)]
        for number, client in enumerate(clients):
            assert client.send_and_recv(number)[0] == {"echo": number}
        for client in clients:
            client.close()
    assert server.cleaned
    assert (server.thread, server.event_loop, server.socket_address) == (None, None, None)
    assert list((tmp_path / "run").iterdir()) == []


def test_server_reports_exceptions_and_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Echo(rundir=tmp_path) as server:
        assert server.socket_address is not None
        with jsoncomm.Socket.new_client(server.socket_address) as client:
            reply = client.send_and_recv("fail")[0]
            assert reply["exception"]["type"] == "ValueError"
            assert client.send_and_recv(1)[0] == {"echo": 1}
    assert "told to" in capfd.readouterr().err


def test_messages_sent_before_the_end_count(tmp_path: Path) -> None:
    for _ignored in range(20):
        with Echo(rundir=tmp_path) as server:
            assert server.socket_address is not None
            client = jsoncomm.Socket.new_client(server.socket_address)
            for _ignored in range(3):
                client.send("silent")
            client.close()
        assert server.messages == ["silent"] * 3


class Slow(Echo):
    """Takes its time to let the first client in."""

    def _start(self) -> None:
        self.starting.set()
        time.sleep(0.2)
        super()._start()

    starting = threading.Event()


def test_the_end_waits_for_a_client_that_is_being_let_in(tmp_path: Path) -> None:
    with Slow(rundir=tmp_path) as server:
        assert server.socket_address is not None
        with jsoncomm.Socket.new_client(server.socket_address) as client:
            client.send("silent")
            assert server.starting.wait(30)
    assert server.messages == ["silent"]
    assert not server.running


def test_given_address_is_kept(tmp_path: Path) -> None:
    address = str(tmp_path / "here")
    with Echo(socket_address=address) as server, jsoncomm.Socket.new_client(address) as client:
        assert client.send_and_recv("x")[0] == {"echo": "x"}
    assert server.socket_address == address
    assert not Path(address).exists()


def run_stage(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from osbuild import api\n{code}"],
        env=ServiceManager.make_env(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_exception_of_a_stage_is_reported(tmp_path: Path) -> None:
    with api.API(rundir=tmp_path) as server:
        run = run_stage(f"with api.exception_handler({server.socket_address!r}):\n    raise KeyError('tree')")
    assert run.returncode == 2
    assert "KeyError: 'tree'" in run.stderr
    assert server.error is not None
    assert server.error["type"] == "exception"
    data = server.error["data"]
    assert (data["type"], data["value"]) == ("KeyError", "'tree'")
    assert "<string>" in data["traceback"]


def test_leaving_by_exit_is_no_exception(tmp_path: Path) -> None:
    with api.API(rundir=tmp_path) as server:
        run = run_stage(f"with api.exception_handler({server.socket_address!r}):\n    raise SystemExit(7)")
    assert run.returncode == 7
    assert server.error is None


def test_arguments_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "arguments"
    with pytest.raises(FileNotFoundError):
        api.arguments(str(path))
    path.write_text("{no json")
    with pytest.raises(json.JSONDecodeError):
        api.arguments(str(path))
    path.write_text('{"tree": "/x"}')
    assert api.arguments(str(path)) == {"tree": "/x"}

    meta = tmp_path / "meta"
    api.metadata({"a": "long " * 100}, meta)
    api.metadata({"b": 1}, meta)
    assert meta.read_text() == '{\n  "b": 1\n}'


def test_only_exception_messages_are_errors() -> None:
    assert api.get_exception_from_msg({"method": "other"}) is None
    assert api.get_exception_from_msg({}) is None
    assert api.get_exception_from_msg({"method": "exception", "exception": 1}) == {"type": "exception", "data": 1}


def test_stage_side_imports_next_to_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; old = set(sys.modules); import osbuild.api\n"
         "print(sorted(m for m in set(sys.modules) - old if not m.startswith('osbuild')))"],
        env=ServiceManager.make_env(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    new = set(json.loads(run.stdout.replace("'", '"')))
    assert not new & {"asyncio", "socket", "threading", "subprocess", "logging", "traceback", "selectors"}, new
