# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sandboxes show a stage the same world, shut it in alike, and end alike."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild import forksandbox, preparedcache
from osbuild.buildroot import BuildRoot, BuildTimeout, CompletedBuild
from osbuild.devfs import remove_dead
from osbuild.loopserver import LoopServer
from osbuild.objectstore import ObjectStore
from osbuild.preparedroot import MARK
from osbuild.stage import DEFAULT_CAPABILITIES
from osbuild.util import linux, mountinfo

REPO = Path(__file__).resolve().parents[3]
KINDS = ("bubblewrap", "fork")

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not linux.owns_all_users(), reason="the forking sandbox is not for user namespaces"),
]

LOOK = (REPO / "tests" / "support" / "look_inside.py").read_text()
RUNNER = b"#!/bin/sh\n" + MARK + b'echo root:x:0:0::/:/bin/sh > /etc/passwd\nmkdir -p /var/lib/made\nexec "$@"\n'


class Log:
    def log(self, message: str, origin: str | None = None) -> None:
        pass


@pytest.fixture(autouse=True)
def kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparedcache, "FOLDER", str(tmp_path / "kept"))


class Place:
    """Where stages of both kinds of sandbox run."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.store = ObjectStore(path / "store")
        self.monkeypatch = monkeypatch
        self.runner = path / "org.osbuild.runner"
        self.runner.write_bytes(RUNNER)
        self.runner.chmod(0o755)
        (path / "tree").mkdir()

    def run(
        self, kind: str, program: str, *, laid: bool = True, caps: set[str] | None = None, **options: Any
    ) -> CompletedBuild:
        self.monkeypatch.setenv("OSBUILD_SANDBOX", kind)
        stage = self.path / "org.osbuild.look"
        stage.write_text(program)
        stage.chmod(0o755)
        kept = self.store.kept if laid else None
        lib = REPO / "engine"
        with BuildRoot(self.store.host_tree, self.runner, lib, self.store.tmp, rundir=self.path / "run") as root:
            root.kept = kept
            root.caps = {*DEFAULT_CAPABILITIES} if caps is None else caps
            root.register_api(LoopServer(rundir=self.path / "run"))
            return root.run(
                ["/run/osbuild/bin/org.osbuild.look"],
                Log(),
                binds=[(str(self.path / "tree"), "/run/osbuild/tree")],
                readonly_binds=[(str(stage), "/run/osbuild/bin/org.osbuild.look")],
                **options,
            )

    def python(self, kind: str, source: str, **options: Any) -> CompletedBuild:
        return self.run(kind, f"#!/usr/bin/python3\n{source}", **options)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path, monkeypatch)
    with made.store:
        yield made
    assert mountinfo.mounts_below(tmp_path) == []
    assert os.listdir(tmp_path / "run") == []


def seen(place: Place, kind: str, **options: Any) -> tuple[dict[str, Any], dict[str, str]]:
    # Twice, since only the second one finds a server that has stages behind it.
    for _ignored in range(2):
        result = place.python(kind, LOOK, extra_env={"SOURCE_DATE_EPOCH": "7"}, **options)
        assert result.returncode == 0, result.output
    namespaces = json.loads((place.path / "tree" / "namespaces").read_text())
    return json.loads(result.output), namespaces


@pytest.mark.parametrize(
    ("laid", "caps"),
    [
        (True, None),
        (True, {"CAP_CHOWN", "CAP_SYS_ADMIN"}),
        (True, set()),
        (False, None),
        (False, {"CAP_CHOWN", "CAP_FOWNER"}),
    ],
    ids=["laid", "laid-few", "laid-none", "runner", "runner-few"],
)
def test_a_stage_sees_the_same(place: Place, laid: bool, caps: set[str] | None) -> None:
    views = {kind: seen(place, kind, laid=laid, caps=caps) for kind in KINDS}
    (bubblewrap, theirs), (fork, ours) = (views[kind] for kind in KINDS)
    for key, value in bubblewrap.items():
        assert fork[key] == value, key
    here = {name: os.readlink(f"/proc/self/ns/{name}") for name in ours}
    apart = ("ipc", "mnt", "net", "pid", "pid_for_children")
    for name in ours:
        assert (ours[name] == here[name]) == (theirs[name] == here[name]) == (name not in apart), name


def test_of_the_engine_nothing_is_seen(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    view, _ignored = seen(place, "fork")
    os.close(reader)
    os.close(writer)
    assert set(view["descriptors"]) <= {"0", "1", "2", "3"}
    assert "SECRET" not in view["environment"]
    assert view["modules"] == seen(place, "bubblewrap")[0]["modules"]
    assert not [name for name in view["modules"] if name.startswith("osbuild")]
    leaked = place.python("fork", 'import os\nprint(open(f"/proc/{os.getppid()}/environ").read(), end="")')
    assert "SECRET" not in leaked.output


def test_a_stage_leaves_nothing_to_the_next(place: Place) -> None:
    spoil = """
import builtins, json, os, random, signal, sys
builtins.len = None; json.loads = None; os.environ["LEFT"] = "x"; sys.path.append("/left"); sys.left = True
os.umask(0o077); os.chdir("/tmp"); signal.signal(signal.SIGTERM, signal.SIG_IGN); os.nice(3)
open("/etc/left", "w").close(); open("/tmp/left", "w").close(); open("/var/left", "w").close(); open("/dev/left", "w").close()
"""
    assert place.python("fork", spoil).returncode == 0
    view, _ignored = seen(place, "fork")
    assert not [path for path in view["tree"] if "left" in path]
    assert view == seen(place, "bubblewrap")[0]


def test_chance_is_not_the_same_for_all(place: Place) -> None:
    draws = {
        place.python("fork", "import random, tempfile\nprint(random.random(), tempfile.mktemp())").output
        for _ignored in range(3)
    }
    assert len(draws) == 3


ENDS = {
    "nothing": "",
    "number": "import sys\nsys.exit(42)",
    "text": "import sys\nsys.exit('a reason')",
    "exception": "def main():\n    raise RuntimeError('broken')\nmain()",
    "syntax": "def main(:\n    pass",
    "cause": "try:\n    1 / 0\nexcept ZeroDivisionError as exc:\n    raise ValueError('worse') from exc",
    "signal": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "abort": "import os\nos._exit(7)",
    "atexit": "import atexit\natexit.register(print, 'last')\nprint('first')",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\nprint('main')",
    "orphan": "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\nprint('leaves')",
    "name": "import __main__, sys\nclass A: pass\nprint(A, __name__, __main__.__file__, sys.modules['__main__'] is __main__)",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
    "fork": "import os\npid = os.fork()\nif not pid:\n    os._exit(3)\nprint(os.waitpid(pid, 0)[1])",
    "stdin": "import sys\nprint(repr(sys.stdin.read()))",
    "loopback": "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname())\nprint('connected')",
    "annotations": "def f(x: int): pass\nprint(f.__annotations__)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_stage_ends_the_same(place: Place, end: str) -> None:
    first, second = (place.python(kind, ENDS[end]) for kind in KINDS)
    assert (second.returncode, second.output) == (first.returncode, first.output)


@pytest.mark.parametrize(
    "program", ["#!/bin/sh\necho $0 $PWD; exit 5\n", "#!/usr/bin/python3 -I\nprint(1)\n", "#!/nonexistent\n"]
)
def test_other_programs_are_executed(place: Place, program: str) -> None:
    first, second = (place.run(kind, program) for kind in KINDS)
    assert second.returncode == first.returncode
    if first.returncode != 1:
        assert second.output == first.output


@pytest.mark.parametrize("kind", KINDS)
def test_links_of_the_host_are_followed(place: Place, kind: str) -> None:
    target = place.path / "target"
    target.write_bytes(RUNNER)
    target.chmod(0o755)
    place.runner.unlink()
    place.runner.symlink_to(target)
    result = place.python(kind, "print(open('/etc/passwd').read(), end='')")
    assert (result.returncode, result.output) == (0, "root:x:0:0::/:/bin/sh\n")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_told(place: Place, kind: str) -> None:
    place.runner.unlink()
    result = place.python(kind, "")
    assert result.returncode == 1
    assert str(place.runner) in result.output


def test_what_runs_too_long_is_killed_with_all_it_started(place: Place) -> None:
    mark = f"{os.getpid()}.25"
    source = f"import signal, subprocess\nsignal.signal(15, 1)\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True).wait()"
    for kind in KINDS:
        with pytest.raises(BuildTimeout):
            place.python(kind, source, timeout=1.5)
        assert not running(mark)


def running(mark: str) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", name, "cmdline").read_bytes().split(b"\0"):
                found.append(int(name))
        except OSError:
            continue
    return found


ENGINE = """
import os, sys
from osbuild.buildroot import BuildRoot
from osbuild.objectstore import ObjectStore
base, mark = sys.argv[1:]
class Log:
    def log(self, message, origin=None): print(message, flush=True)
with ObjectStore(base + "/store") as store:
    with BuildRoot(store.host_tree, base + "/runner", base, store.tmp, rundir=base + "/run") as root:
        root.kept = store.kept
        root.run(["/bin/sh", "-c", "echo started; sleep " + mark], Log())
"""


@pytest.mark.parametrize("kind", KINDS)
def test_with_the_engine_it_dies(kind: str, tmp_path: Path) -> None:
    (tmp_path / "runner").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "runner").chmod(0o755)
    mark = f"{os.getpid()}.5"
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path), mark],
        env={**os.environ, "PYTHONPATH": str(REPO / "engine"), "OSBUILD_SANDBOX": kind},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    assert engine.stdout.readline() == "started\n"
    assert running(mark)
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    for _ignored in range(600):
        if not running(mark):
            break
        time.sleep(0.1)
    assert not running(mark)
    remove_dead(tmp_path / "run")
    mountinfo.unmount_below(tmp_path)


def test_an_unknown_kind_is_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="OSBUILD_SANDBOX: expected bubblewrap or fork, found chroot"):
        place.python("chroot", "")


def test_without_the_rights_bubblewrap_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSBUILD_SANDBOX", "fork")
    assert forksandbox.wanted()
    monkeypatch.setattr(linux, "owns_all_users", lambda: False)
    assert not forksandbox.wanted()
