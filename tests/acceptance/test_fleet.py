# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two virtual machines from one OSTree image, one under UEFI and one under BIOS, over ssh: an update that goes canary first, a
commit that the canary leaves by itself, one that nobody trusts, power cuts in the middle of an update, and the way back.

FORGE_FLEET_DISTRO   distribution of the machines; default: debian-13
FORGE_FLEET_TIMEOUT  seconds in which a machine must answer; default: 1200, since an emulated processor is slow
FORGE_FLEET_KEEP     not empty: leave what is built in build/fleet, and take what is there, to try again without building
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import catalogue
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree import deltas
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree.repository import Repository

from tests.boot import machine as emulator
from tests.conftest import REPO
from tests.playbook import BIN, Run, ansible_playbook
from tests.support.ostreelab import gpg_home, make_key, ostree_on_path, run

__all__ = ["gpg_home", "ostree_on_path"]

# The address of the host as qemu's user network shows it.
HOST = "10.0.2.2"
DISTRO = os.environ.get("FORGE_FLEET_DISTRO", "debian-13")
TIMEOUT = int(os.environ.get("FORGE_FLEET_TIMEOUT", "1200"))
KEEP = bool(os.environ.get("FORGE_FLEET_KEEP"))
REF = "debian/edge"
IMAGE_TYPES = "ostree-qcow2", "ostree-repository"

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(emulator.missing_tools()), reason=f"booting takes {emulator.missing_tools()}"),
    pytest.mark.skipif(not set(IMAGE_TYPES) <= {one.name for one in catalogue.IMAGE_TYPES}, reason="no OSTree image types"),
]

# What a machine needs for Ansible, a service whose absence makes it sick, and restarts after a panic.
BLUEPRINT = """\
name = "edge"
version = "{version}.0.0"

[[packages]]
name = "openssh-server"

[[packages]]
name = "python3"

[[packages]]
name = "cron"
{packages}
[customizations.kernel]
name = "linux-image-cloud-amd64"
append = "panic=30 console=ttyS0"

[customizations.services]
enabled = ["ssh"]
masked = [{masked}]

[[customizations.user]]
name = "root"
key = "{key}"

[customizations.debian.ostree]
ref = "{ref}"
"""

# States of a machine during an update, as shell conditions: NEW is the commit that it takes. The power is cut in each.
CUTS = {
    "pulling": '[ "$(ls -d /ostree/repo/tmp/staging-* | wc -l)" -gt $PULLS ]',
    "checking out": "[ -d /ostree/deploy/debian/deploy/$NEW.0 ]",
    "writing kernels": '[ "$(ls -d /boot/ostree/* | wc -l)" -gt $KERNELS ]',
    "switching boot entries": '[ "$(readlink /boot/loader)" != $LOADER ]',
}


@dataclass(frozen=True)
class Version:
    """One version of the system: what is in its blueprint besides the common part."""

    packages: Sequence[str] = ()
    masked: str = ""


VERSIONS = {
    "1": Version(),
    "2": Version(("tree",)),
    "3": Version(("tree",), masked='"cron"'),
    # Its hook changes the initial ram disk, so that boot files are written too.
    "4": Version(("tree", "btrfs-progs")),
}


def build(place: Path, image_type: str, number: str, key: str) -> Path:
    """Build one version by the playbook; returns its output directory."""
    output = place / f"{image_type}-{number}"
    if KEEP and (output / "record.json").exists():
        return output
    wanted = VERSIONS[number]
    blueprint = place / f"edge-{number}.toml"
    packages = "".join(f'\n[[packages]]\nname = "{name}"\n' for name in wanted.packages)
    blueprint.write_text(BLUEPRINT.format(version=number, packages=packages, masked=wanted.masked, key=key, ref=REF))
    done = ansible_playbook("debian_forge.osbuild.build_image", blueprint=str(blueprint), output=str(output), distribution=DISTRO,
                            image_type=image_type)
    assert done.returncode == 0, done.output[-6000:]
    return output


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Machine:
    """A virtual machine that writes to an overlay of its own and restarts by itself."""

    name: str
    firmware: str
    image: Path
    place: Path
    key: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        self.place.mkdir()
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image, "-F", "qcow2", self.place / "disk.qcow2")
        shutil.copyfile(emulator.OVMF_VARS, self.place / "vars.fd")

    def start(self) -> None:
        # Under cache=unsafe too all that the machine wrote and flushed is the host's when qemu is killed.
        argv = [
            emulator.QEMU, "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults",
            "-display", "none", "-chardev", f"file,id=console,append=on,path={self.place / 'console.log'}", "-serial", "chardev:console",
            "-drive", f"file={self.place / 'disk.qcow2'},format=qcow2,if=virtio,cache=unsafe", "-device", "virtio-rng-pci",
            "-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=net0",
        ]  # fmt: skip
        if self.firmware == "uefi":
            argv += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={emulator.OVMF_CODE}",
                     "-drive", f"if=pflash,unit=1,format=raw,file={self.place / 'vars.fd'}"]  # fmt: skip
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def cut_power(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ssh(self, command: str, timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
        argv = ["ssh", "-i", str(self.key), "-p", str(self.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "ConnectTimeout=20", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "root@127.0.0.1", command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)

    def run(self, command: str) -> str:
        done = self.ssh(command)
        assert done.returncode == 0, f"{self.name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def wait(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + TIMEOUT
        while self.ssh("true").returncode:
            assert time.monotonic() < end, (self.place / "console.log").read_text(errors="replace")[-3000:]
            time.sleep(3)

    def started(self) -> int:
        """When it was started: proc_stat(5)."""
        return int(self.run("sed -n 's/^btime //p' /proc/stat"))

    def boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id")


def repository(output: Path) -> Path:
    """The OSTree repository in the output of a build."""
    [found] = (path.parent for path in output.rglob("config") if (path.parent / "objects").is_dir())
    return found


@dataclass
class Fleet:
    place: Path
    server: Path
    url: str
    gpg_home: Path
    commits: dict[str, Path]
    inventory: Path
    machines: dict[str, Machine]

    def argv(self, playbook: str | Path, *options: str, **variables: Any) -> list[str]:
        return [str(BIN / "ansible-playbook"), "-i", str(self.inventory), str(playbook), "-e", json.dumps(variables), *options]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"), "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_HOME": str(REPO / "build" / "ansible"), "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_TIMEOUT": "60",
                "ANSIBLE_PIPELINING": "true"}

    def play(self, playbook: str | Path, *options: str, **variables: Any) -> Run:
        done = subprocess.run(
            self.argv(playbook, *options, **variables), cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, env=self.environment,
        )  # fmt: skip
        with (self.place / "plays.log").open("a") as log:
            log.write(f"### {playbook} {options} {variables}\n{done.stdout}\n")
        return Run(done.returncode, done.stdout)

    def publish(self, version: str, gpg_home: Path | None = None) -> str:
        """Publish one version; returns its commit."""
        done = self.play("debian_forge.osbuild.ostree_publish", publish_target="publisher", publish_repository=str(self.server),
                         publish_source=str(self.commits[version]), publish_ref=REF, publish_gpg_home=str(gpg_home or self.gpg_home))
        assert done.returncode == 0, done.output[-5000:]
        return run("ostree", "rev-parse", f"--repo={self.server}", REF)

    # One try for the new system, so that a sick one is left at once.
    DEPLOY = {"deploy_target": "edge", "deploy_batches": [1, 1], "deploy_ref": REF, "fleet_remote": "forge", "fleet_boot_tries": 1}

    def deploy(self, *options: str, **variables: Any) -> Run:
        return self.play("debian_forge.osbuild.ostree_deploy", *options, **{**self.DEPLOY, **variables})

    def status(self) -> dict[str, dict[str, Any]]:
        report = self.place / "status.json"
        done = self.play("debian_forge.osbuild.ostree_status", status_target="edge", status_report=str(report))
        assert done.returncode == 0, done.output[-5000:]
        return {row["host"]: row for row in json.loads(report.read_text())}

    def runs(self) -> dict[str, str]:
        return {name: row["commit"] for name, row in self.status().items()}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def sources(gpg_home: Path, place: Path) -> tuple[Path, Path, dict[str, Path]]:
    """The machines' key and image, and a repository of each version."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "key").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "key")
    key = (place / "key.pub").read_text().strip()
    image = build(place, "ostree-qcow2", "1", key) / "disk.qcow2"
    return place / "key", image, {number: repository(build(place, "ostree-repository", number, key)) for number in VERSIONS}


@pytest.fixture(scope="module")
def fleet(ostree_on_path: str, gpg_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    place = Path(os.environ.get("FORGE_TEST_SCRATCH") or tmp_path_factory.mktemp("fleet")) / "fleet"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    key, image, commits = sources(gpg_home, REPO / "build" / "fleet" if KEEP else place / "built")
    server = place / "server"
    run("ostree", "init", f"--repo={server}", "--mode=archive")
    machines = {
        name: Machine(name, firmware, image, place / name, key) for name, firmware in (("edge1", "uefi"), ("edge2", "bios"))
    }
    hosts = {one.name: {"ansible_host": "127.0.0.1", "ansible_port": one.port} for one in machines.values()}
    common = {"ansible_user": "root", "ansible_ssh_private_key_file": str(key), "fleet_reboot_timeout": TIMEOUT,
              "fleet_health_timeout": TIMEOUT}
    inventory = place / "inventory.yml"
    publisher = {"hosts": {"publisher": {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}}
    inventory.write_text(json.dumps({"all": {"children": {"edge": {"hosts": hosts, "vars": common}, "publishers": publisher}}}))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(server))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        try:
            for one in machines.values():
                one.make()
                one.start()
            for one in machines.values():
                one.wait()
            yield Fleet(place, server, f"http://{HOST}:{web.server_port}", gpg_home, commits, inventory, machines)
        finally:
            for one in machines.values():
                one.cut_power()
            web.shutdown()


def follow(fleet: Fleet) -> None:
    """Have the machines follow the server; a second time nothing changes."""
    setup = fleet.place / "setup.yml"
    setup.write_text(json.dumps([{
        "name": "Have the machines follow the server",
        "hosts": "edge",
        "gather_facts": False,
        "roles": ["debian_forge.osbuild.ostree_client"],
        "vars": {
            "ostree_client_url": fleet.url,
            "ostree_client_gpg_keys": [str(fleet.gpg_home / "repo.gpg")],
            "ostree_client_required_units": ["cron.service"],
            "ostree_client_wait": 120,
            "ostree_client_deadline": 1200,
        },
    }]))  # fmt: skip
    done = fleet.play(setup)
    assert done.returncode == 0, done.output[-5000:]
    again = fleet.play(setup)
    assert again.output.count("changed=0") == 2, again.output[-3000:]


def leave_marks(one: Machine) -> None:
    one.run("echo mine >/etc/mine; echo '# mine' >>/etc/issue; mkdir /var/kept; echo kept >/var/kept/file")


def check_marks(fleet: Fleet) -> None:
    for one in fleet.machines.values():
        assert one.run("cat /etc/mine /var/kept/file; tail -n 1 /etc/issue").split("\n") == ["mine", "kept", "# mine"]


def check_delta(fleet: Fleet, before: str, after: str) -> None:
    """The delta for one package more is smaller than the changed files compressed, and a third."""
    served = Repository(fleet.server)
    assert deltas.listing(served) == [deltas.Delta(before, after)]

    def files(commit: str) -> set[str]:
        """Checksums of regular files."""
        listed = run("ostree", "ls", f"--repo={fleet.server}", "-RC", commit).splitlines()
        return {line.split()[4] for line in listed if line.startswith("-")}

    # In an archive repository they are compressed.
    changed = sum((fleet.server / "objects" / name[:2] / f"{name[2:]}.filez").stat().st_size for name in files(after) - files(before))
    size = deltas.Delta(before, after).size(served)
    assert 0 < size < 1.3 * changed, (size, changed)


def cut_during_update(fleet: Fleet, one: Machine, state: str, new: str) -> None:
    """Cut the machine's power when its update has come to a state, and have it boot again."""
    known = one.run(
        "echo PULLS=$(ls -d /ostree/repo/tmp/staging-* 2>/dev/null | wc -l) KERNELS=$(ls -d /boot/ostree/* | wc -l) "
        "LOADER=$(readlink /boot/loader)"
    )
    log = fleet.place / f"cut while {state}.log"
    with log.open("wb") as output:
        deploying = subprocess.Popen(
            fleet.argv("debian_forge.osbuild.ostree_deploy", **{**fleet.DEPLOY, "deploy_target": one.name}), env=fleet.environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=REPO,
        )  # fmt: skip
    try:
        seen = one.ssh(f"{known} NEW={new}; until {CUTS[state]}; do sleep 0.05; done >/dev/null 2>&1; echo seen")
        one.cut_power()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(deploying.pid, signal.SIGKILL)
        deploying.wait()
    assert seen.stdout.strip() == "seen", f"{state}: {seen.stderr}{log.read_text(errors='replace')[-3000:]}"
    one.start()
    one.wait()


def test_a_fleet_is_updated_canary_first_and_survives_what_goes_wrong(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> None:
    canary, other = fleet.machines.values()
    assert [one.ssh("test -d /sys/firmware/efi").returncode for one in (canary, other)] == [0, 1]
    first = fleet.publish("1")
    assert fleet.runs() == {"edge1": first, "edge2": first}, "equal blueprints make equal commits, in an image and a repository"
    follow(fleet)
    for one in fleet.machines.values():
        leave_marks(one)

    # One package more, canary first.
    good = fleet.publish("2")
    check_delta(fleet, first, good)
    foretold = fleet.deploy("--check", "--diff")
    assert foretold.returncode == 0 and "+tree " in foretold.output, foretold.output[-5000:]
    assert set(fleet.runs().values()) == {first}
    done = fleet.deploy()
    assert done.returncode == 0, done.output[-8000:]
    assert canary.started() < other.started()
    status = fleet.status()
    assert {row["commit"] for row in status.values()} == {good} and {row["health"] for row in status.values()} == {"healthy"}
    assert [one.run("dpkg-query -Wf '${Status}' tree") for one in (canary, other)] == ["install ok installed"] * 2
    check_marks(fleet)
    again = fleet.deploy()
    assert again.output.count("changed=0") == 2, again.output[-3000:]

    # Not healthy: the canary leaves it by itself, and the other machine never sees it.
    bad, untouched = fleet.publish("3"), other.boot_id()
    done = fleet.deploy()
    # By its last verdict or by what it runs, whichever is seen first.
    said = "edge1: it is not healthy: 10-units failed", f"edge1: it runs {good[:12]} and not {bad[:12]}, which it left by itself"
    assert done.returncode != 0 and any(words in " ".join(done.output.split()) for words in said), done.output[-8000:]
    status = fleet.status()
    assert {name: (row["commit"], row["next"]) for name, row in status.items()} == {"edge1": (good, good), "edge2": (good, good)}
    # The machine's own program notes it, nothing else does.
    assert status["edge1"]["fell_back_from"] == bad and status["edge2"]["fell_back_from"] == ""
    assert other.boot_id() == untouched
    assert other.ssh(f"ostree show --repo=/ostree/repo {bad}").returncode != 0 and bad not in other.run("ostree admin status")
    check_marks(fleet)

    # Signed by a key that the machines do not trust.
    strangers = tmp_path_factory.mktemp("strangers")
    make_key(strangers, "stranger")
    forged, untouched = fleet.publish("4", strangers), canary.boot_id()
    done = fleet.deploy()
    refusal = "signature refused: the commit is signed, but by none of the keys that the remote trusts"
    assert done.returncode != 0 and refusal in " ".join(done.output.split()), done.output[-8000:]
    assert canary.boot_id() == untouched and forged not in canary.run("ostree admin status")

    # Signed as it should be. The power fails in the middle of the update, again and again.
    new = fleet.publish("4")
    assert new == forged
    for state in CUTS:
        cut_during_update(fleet, other, state, new)
        assert fleet.runs()["edge2"] in (good, new), state
        assert other.run("systemctl is-system-running --wait >/dev/null; systemctl --failed --no-legend --plain") == "", state
        check_marks(fleet)
    done = fleet.deploy()
    assert done.returncode == 0, done.output[-8000:]
    assert fleet.runs() == {"edge1": new, "edge2": new}
    assert other.run("ostree fsck --repo=/ostree/repo >/dev/null && systemctl --failed --no-legend --plain") == ""
    check_marks(fleet)

    done = fleet.play("debian_forge.osbuild.ostree_rollback", rollback_target="edge", rollback_commit=new)
    assert done.returncode == 0, done.output[-8000:]
    assert fleet.runs() == {"edge1": good, "edge2": good}
    check_marks(fleet)
