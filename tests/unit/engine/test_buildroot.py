# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox: what a stage sees, may do, and cannot do."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from osbuild import preparedcache
from osbuild.bubblewrap import Bind, Layout, command_line
from osbuild.buildroot import BuildRoot, CompletedBuild
from osbuild.devfs import remove_dead
from osbuild.loopserver import LoopServer
from osbuild.objectstore import ObjectStore
from osbuild.output import OutputReader
from osbuild.preparedroot import MARK, Entry, Kept, PreparedRoot
from osbuild.stage import DEFAULT_CAPABILITIES
from osbuild.util import linux, mountinfo

REPO = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


class Log:
    def __init__(self) -> None:
        self.messages: list[tuple[str, str | None]] = []

    def log(self, message: str, origin: str | None = None) -> None:
        self.messages.append((message, origin))


@pytest.fixture(autouse=True)
def kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparedcache, "FOLDER", str(tmp_path / "kept"))


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    path = tmp_path / "org.osbuild.test"
    path.write_text('#!/bin/sh\nexec "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def root(store: ObjectStore, runner: Path, tmp_path: Path) -> Iterator[BuildRoot]:
    with BuildRoot(store.host_tree, runner, REPO / "engine", store.tmp, rundir=tmp_path / "run") as opened:
        yield opened
    assert os.listdir(tmp_path / "run") == []
    assert mountinfo.mounts_below(tmp_path) == []


def sh(root: BuildRoot, script: str, log: Log | None = None, **kwargs: object) -> CompletedBuild:
    return root.run(["/bin/sh", "-c", script], log or Log(), **kwargs)  # type: ignore[arg-type]


# Makes what a real one makes: files of several kinds, modes and owners, and says what it did.
PREPARES = """#!/bin/sh
{mark}echo prepared
mkdir -p /etc/made /var/lib/made /run/made
echo 'root:x:0:0::/:/bin/sh' > /etc/passwd
chmod 640 /etc/passwd; chown 0:5 /etc/passwd; chmod 1770 /var/lib/made; ln -s made /run/link; chmod 1777 /tmp
exec "$@"
"""
LOOK = (
    "stat -c '%n %a %u:%g %F' /etc/made /etc/passwd /var/lib/made /var/tmp /run/made /run/link /tmp / /var /etc;"
    "cat /etc/passwd; readlink /run/link; touch /etc/mine /var/lib/mine /run/mine; ls -A /etc /var/lib"
)


def look(
    kept: Kept | None, mark: bytes, store: ObjectStore, tmp_path: Path, instead: str = "echo prepared"
) -> CompletedBuild:
    runner = tmp_path / "org.osbuild.prepares"
    runner.write_text(PREPARES.format(mark=mark.decode()).replace("echo prepared", instead))
    runner.chmod(0o755)
    with BuildRoot(store.host_tree, runner, REPO / "engine", store.tmp, rundir=tmp_path / "run") as root:
        root.kept = kept
        return sh(root, LOOK)


@pytest.mark.root
def test_what_a_runner_makes_is_laid_under_each_stage(store: ObjectStore, tmp_path: Path) -> None:
    expected = look(None, b"", store, tmp_path)
    assert expected.returncode == 0, expected.output
    kept = Kept()
    first, second = (look(kept, MARK, store, tmp_path) for _ignored in range(2))
    assert first.output == expected.output
    assert second.output == expected.output.removeprefix("prepared\n")
    assert len(kept.roots) == 1


@pytest.mark.root
def test_what_a_quiet_runner_makes_is_kept_for_later_runs(store: ObjectStore, tmp_path: Path) -> None:
    first, second = (look(Kept(), MARK, store, tmp_path, ":") for _ignored in range(2))
    (kept,) = (tmp_path / "kept").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    expected = look(None, MARK, store, tmp_path, ":")
    assert first.output == second.output == expected.output


@pytest.mark.root
def test_what_others_may_write_is_not_believed(tmp_path: Path) -> None:
    entry = Entry("", stat.S_IFDIR | 0o755, (0, 0), None, ())
    preparedcache.save("name", PreparedRoot([entry], [entry]))
    assert preparedcache.load("name") is not None
    path = tmp_path / "kept" / "name"
    path.chmod(0o644)
    assert preparedcache.load("name") is None
    path.chmod(0o600)
    path.write_text('[[["../out", 16877, [0, 0], null, []]], []]')
    assert preparedcache.load("name") is None
    path.write_text("nonsense")
    assert preparedcache.load("name") is None


@pytest.mark.root
def test_a_host_that_has_changed_is_prepared_anew(tmp_path: Path) -> None:
    root = tmp_path / "host"
    (root / "usr/lib/sysusers.d").mkdir(parents=True)
    (root / "usr/lib/x86_64-linux-gnu").mkdir()
    runner = tmp_path / "runner"
    runner.write_text("one")

    def key(**environment: str) -> str | None:
        return preparedcache.key(str(root), str(runner), environment, is_host=True)

    keys = [key(), key(SOURCE_DATE_EPOCH="1")]
    (root / "usr/lib/sysusers.d/x.conf").write_text("u x")
    keys.append(key())
    (root / "usr/lib/sysusers.d/x.conf").write_text("u yy")
    keys.append(key())
    (root / "usr/lib/x86_64-linux-gnu/libx.so.1").touch()
    keys.append(key())
    runner.write_text("two")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == keys[-1]
    assert preparedcache.key(str(root), str(runner), {}, is_host=False) is None


@pytest.mark.root
def test_a_runner_that_says_nothing_runs_each_time(store: ObjectStore, tmp_path: Path) -> None:
    kept = Kept()
    assert [look(kept, b"", store, tmp_path).output.count("prepared") for _ignored in range(2)] == [1, 1]
    assert kept.roots == {}


@pytest.mark.root
def test_a_runner_that_fails_fails_the_stage(store: ObjectStore, tmp_path: Path) -> None:
    assert look(Kept(), MARK, store, tmp_path, "exit 3").returncode == 3


@pytest.mark.parametrize("code", [0, 1, 42])
@pytest.mark.root
def test_exit_status_is_the_programs(root: BuildRoot, code: int) -> None:
    assert sh(root, f"exit {code}").returncode == code


@pytest.mark.root
def test_output_arrives_as_it_comes_and_ends_empty(root: BuildRoot) -> None:
    log = Log()
    result = sh(root, "echo one; sleep 0.3; echo two >&2", log)
    assert result.output == "one\ntwo\n"
    assert log.messages == [("one\n", "stages/sh"), ("two\n", "stages/sh"), ("", "stages/sh")]


@pytest.mark.root
def test_output_that_is_no_text_does_no_harm(root: BuildRoot) -> None:
    result = sh(root, r"printf 'a\377b'; printf '\303'; sleep 0.2; printf '\244'")
    assert result.returncode == 0
    assert result.output == "a\N{REPLACEMENT CHARACTER}bä"


@pytest.mark.root
def test_missing_runner_is_told(store: ObjectStore, tmp_path: Path) -> None:
    log = Log()
    with BuildRoot(store.host_tree, "/nonexistent", REPO / "engine", store.tmp, rundir=tmp_path / "run") as root:
        result = root.run(["/bin/true"], log)
    assert result.returncode == 1
    assert "/nonexistent" in result.output
    assert "/nonexistent" in "".join(message for message, _ignored in log.messages)


@pytest.mark.root
def test_limit_is_wall_clock_and_kills_all(root: BuildRoot) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError) as info:
        # Prints all the time, ignores signals, and has a child of its own session.
        sh(root, "trap '' TERM; setsid sleep 600 & while :; do echo tick; sleep 0.1; done", timeout=0.7)
    assert 0.6 < time.monotonic() - start < 10
    assert "tick" in info.value.output  # type: ignore[attr-defined]


@pytest.mark.root
def test_environment_is_the_contracts(root: BuildRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("TERM", "vt100")
    result = root.run(["/usr/bin/env"], Log(), extra_env={"SOURCE_DATE_EPOCH": "7"})
    assert dict(line.split("=", 1) for line in result.output.splitlines()) == {
        "container": "bwrap-osbuild",
        "LC_CTYPE": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin",
        "PYTHONPATH": "/run/osbuild/lib",
        "PYTHONUNBUFFERED": "1",
        "TERM": "vt100",
        "SOURCE_DATE_EPOCH": "7",
        "PWD": "/",
    }


@pytest.mark.root
def test_capabilities_are_dropped_even_where_one_is_missing(root: BuildRoot) -> None:
    # The second name stands for one that the engine itself has not.
    root.caps = {*DEFAULT_CAPABILITIES, "CAP_NO_SUCH_THING"}
    expected = set(DEFAULT_CAPABILITIES) & linux.permitted_capabilities()
    result = sh(root, "grep CapEff /proc/self/status")
    assert result.returncode == 0, result.output
    bits = int(result.output.split()[1], 16)
    assert {name for number, name in enumerate(linux.CAPABILITIES) if bits >> number & 1} == expected


@pytest.mark.root
def test_the_stage_is_shut_in(root: BuildRoot) -> None:
    script = """
        ls /sys/class/net >/dev/null; cat /proc/net/dev | grep -v lo: | tail -n +3 | wc -l
        echo $(ls /proc | grep -c '^[0-9]')
        touch /usr/x 2>&1; touch /run/osbuild/lib/x 2>&1
        grep NoNewPrivs /proc/self/status
        readlink /proc/self/fd/0; umask; pwd; touch /root-is-writable && echo yes
    """
    lines = sh(root, script).output.splitlines()
    assert lines[0] == "0", "network devices are visible"
    assert int(lines[1]) < 12, "foreign processes are visible"
    assert "Read-only" in lines[2]
    assert "Read-only" in lines[3]
    assert lines[4].split() == ["NoNewPrivs:", "1"]
    assert lines[5:] == ["/dev/null", "0022", "/", "yes"]


@pytest.mark.root
def test_dev_has_what_programs_expect(root: BuildRoot) -> None:
    script = """
        set -e
        echo x >/dev/null; head -c4 /dev/zero | wc -c; head -c4 /dev/urandom | wc -c; head -c4 /dev/random | wc -c
        ! echo x >/dev/full 2>/dev/null
        echo out >/dev/stdout; echo err >/dev/stderr
        bash -c 'cat <(echo fd)'
        echo x >/dev/console
        touch /dev/shm/x
        python3 -c 'import pty, sys; pty.spawn(["tty"])' </dev/null
    """
    result = sh(root, script)
    assert result.returncode == 0, result.output
    assert result.output.split() == ["4", "4", "4", "out", "err", "fd", "/dev/pts/0"]


@pytest.mark.root
def test_devices_of_services_appear(root: BuildRoot) -> None:
    os.mknod(os.path.join(root.dev, "mine"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert sh(root, "echo x > /dev/mine && test -c /dev/mine").returncode == 0


@pytest.mark.root
def test_debians_alternatives_and_certificates_are_seen(root: BuildRoot) -> None:
    if not os.path.isdir("/etc/alternatives"):
        pytest.skip("the host has no /etc/alternatives")
    assert sh(root, "test -d /etc/alternatives && awk 'BEGIN { print 1 }'").output == "1\n"
    assert sh(root, "touch /etc/alternatives/x").returncode != 0
    assert sh(root, "test -e /etc/shadow -o -e /etc/ssl/private").returncode == 1


@pytest.mark.root
def test_binds_with_colons_work(root: BuildRoot, tmp_path: Path) -> None:
    odd = tmp_path / "a:b c"
    odd.mkdir()
    (odd / "file").write_text("x")
    result = sh(
        root,
        "cat /ro/file; touch /rw/new; ! touch /ro/new 2>/dev/null",
        binds=[f"{odd}:/rw"],
        readonly_binds=[(str(odd), "/ro")],
    )
    assert (result.returncode, result.output) == (0, "x")
    assert (odd / "new").exists()


@pytest.mark.root
def test_proc_cmdline_is_the_contracts(root: BuildRoot) -> None:
    assert sh(root, "cat /proc/cmdline").output == "root=/dev/osbuild\n"
    root.proc.cmdline = "mine"
    assert sh(root, "cat /proc/cmdline").output == "mine"


@pytest.mark.root
def test_engine_and_stages_are_found_inside(root: BuildRoot) -> None:
    result = root.run(["/usr/bin/python3", "-c", "import osbuild.api; print(osbuild.api.__file__)"], Log())
    assert result.output == "/run/osbuild/lib/osbuild/api.py\n"
    assert sh(root, "ls /run/osbuild/lib/stages/").returncode == 0


@pytest.mark.root
def test_an_empty_package_in_the_libdir_is_filled(store: ObjectStore, runner: Path, tmp_path: Path) -> None:
    (tmp_path / "lib" / "osbuild").mkdir(parents=True)
    with BuildRoot(store.host_tree, runner, tmp_path / "lib", store.tmp, rundir=tmp_path / "run") as root:
        assert root.run(["/usr/bin/python3", "-c", "import osbuild.api"], Log()).returncode == 0


def options(tmp_path: Path, root: Path, **kwargs: object) -> list[str]:
    tree: dict[str, object] = {"root": str(root), "is_host": False, "boot": True, "libdir": str(tmp_path), **kwargs}
    values: dict[str, object] = {
        "layout": Layout.find(**tree),  # type: ignore[arg-type]
        "runner": "/r/org.osbuild.x",
        "dev": "/d",
        "var": "/v",
        "caps": None,
        "binds": [],
        "sockets": [],
    }
    return command_line(**values)  # type: ignore[arg-type]


def test_links_of_a_build_tree_do_not_lead_to_the_host(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "ssl").symlink_to("/etc")
    (root / "etc" / "alternatives").mkdir()
    (root / "usr").symlink_to("/usr")
    (root / "boot").symlink_to("/boot")
    args = options(tmp_path, root)
    assert "/usr" not in args
    assert "/boot" not in args
    assert "/etc/ssl" not in args
    assert args[args.index("/etc/alternatives") - 1] == str(root / "etc" / "alternatives")


def test_boot_is_a_build_pipelines_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "boot").mkdir(parents=True)
    assert "/boot" in options(tmp_path, root)
    assert "/boot" not in options(tmp_path, root, boot=False)
    assert "/boot" not in options(tmp_path, root, is_host=True)


def test_bind_needs_a_target() -> None:
    assert Bind.parse("/a:b:/c") == Bind("/a:b", "/c")
    with pytest.raises(ValueError, match="SOURCE:TARGET"):
        Bind.parse("/a")


def test_reader_stops_at_its_limit_and_can_go_on() -> None:
    r, w = os.pipe()
    pieces: list[str] = []
    reader = OutputReader(r, pieces.append)
    os.write(w, "ä".encode()[:1])
    assert not reader.read(0.05)
    os.write(w, "ä".encode()[1:] + b"\xff")
    os.close(w)
    assert reader.read(5)
    os.close(r)
    assert reader.text == "ä\N{REPLACEMENT CHARACTER}"
    assert pieces[-1] == ""


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="the kernel has no loop devices here")
def test_a_stage_makes_loop_devices_through_the_engine(root: BuildRoot, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"x" * 8192)
    root.register_api(LoopServer(rundir=tmp_path / "run"))
    code = (
        "from osbuild.remoteloop import LoopClient\n"
        "import os\n"
        "with LoopClient('/run/osbuild/api/remoteloop').device('/image', offset=4096) as path:\n"
        "    print(path[:9], open(path, 'rb').seek(0, 2))\n"
        "    with open(path, 'wb') as f:\n"
        "        f.write(b'y' * 4096)\n"
        "        f.flush()\n"
        "        os.fsync(f.fileno())\n"
        "print(os.path.exists(path))\n"
    )
    result = root.run(["/usr/bin/python3", "-c", code], Log(), binds=[(str(image), "/image")])
    assert result.output.split() == ["/dev/loop", "4096", "False"]
    assert image.read_bytes() == b"x" * 4096 + b"y" * 4096


def test_directories_of_the_dead_go_and_those_of_others_only_when_nobody_listens(tmp_path: Path) -> None:
    with LoopServer(rundir=tmp_path) as alive:
        assert alive.socket_address is not None
        for name in ("api-forge-00000000", "api-abcdefgh"):
            (tmp_path / name).mkdir()
        remove_dead(tmp_path)
        # Another engine may just be going to listen in its one.
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["api-abcdefgh", Path(alive.socket_address).parent.name]
        )
