# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two virtual machines from one OSTree image: updated canary first, a bad commit stopped at the canary, rolled back.

FORGE_FLEET_DISTRO   distribution of the machines; default: debian-13
FORGE_FLEET_TIMEOUT  seconds in which a machine must answer; default: 1200, since an emulated processor is slow
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import catalogue

from tests.conftest import REPO
from tests.playbook import BIN, Run, ansible_playbook
from tests.support.ostreelab import gpg_home, ostree_on_path, run

__all__ = ["gpg_home", "ostree_on_path"]

QEMU = "qemu-system-x86_64"
# The address of the host as qemu's user network shows it.
HOST = "10.0.2.2"
DISTRO = os.environ.get("FORGE_FLEET_DISTRO", "debian-13")
TIMEOUT = int(os.environ.get("FORGE_FLEET_TIMEOUT", "1200"))
REF = "debian/edge"
IMAGE_TYPES = "ostree-qcow2", "ostree-repository"

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"no program {QEMU}"),
    pytest.mark.skipif(not set(IMAGE_TYPES) <= {one.name for one in catalogue.IMAGE_TYPES}, reason="no OSTree image types"),
]

# What a machine needs for Ansible, a service whose absence makes it sick, and restarts after a panic.
BLUEPRINT = """\
name = "edge"
version = "{version}"

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


def build(place: Path, image_type: str, version: str, key: str, packages: str = "", masked: str = "") -> Path:
    """Build one version by the playbook; returns its output directory."""
    output = place / f"{image_type}-{version}"
    blueprint = place / f"edge-{version}.toml"
    more = f'\n[[packages]]\nname = "{packages}"\n' if packages else ""
    blueprint.write_text(BLUEPRINT.format(version=version, packages=more, masked=masked, key=key, ref=REF))
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
    image: Path
    place: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.place.mkdir()
        overlay = self.place / "disk.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image, "-F", "qcow2", overlay)
        self.process = subprocess.Popen(
            [QEMU, "-accel", "kvm", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults",
             "-display", "none", "-serial", f"file:{self.place / 'console.log'}",
             "-drive", f"file={overlay},format=qcow2,if=virtio,cache=unsafe", "-device", "virtio-rng-pci",
             "-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=net0"],
            stdin=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


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

    def play(self, playbook: str | Path, *options: str, **variables: Any) -> Run:
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), "-i", str(self.inventory), str(playbook), "-e", json.dumps(variables), *options],
            cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_HOME": str(REPO / "build" / "ansible"), "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_TIMEOUT": "60"},
        )
        return Run(done.returncode, done.stdout)

    def publish(self, version: str) -> str:
        """Publish one version; returns its commit."""
        done = self.play("debian_forge.osbuild.ostree_publish", publish_target="publisher", publish_repository=str(self.server),
                         publish_source=str(self.commits[version]), publish_ref=REF, publish_gpg_home=str(self.gpg_home))
        assert done.returncode == 0, done.output[-5000:]
        return run("ostree", "rev-parse", f"--repo={self.server}", REF)

    def status(self) -> dict[str, dict[str, Any]]:
        report = self.place / "status.json"
        done = self.play("debian_forge.osbuild.ostree_status", status_target="edge", status_report=str(report))
        assert done.returncode == 0, done.output[-5000:]
        return {row["host"]: row for row in json.loads(report.read_text())}


@pytest.fixture(scope="module")
def fleet(ostree_on_path: str, gpg_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    place = Path(os.environ.get("FORGE_TEST_SCRATCH") or tmp_path_factory.mktemp("fleet")) / "fleet"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "key")
    key = (place / "key.pub").read_text().strip()
    # The machines run version 1, which no commit of the server needs to know.
    image = build(place, "ostree-qcow2", "1", key) / "disk.qcow2"
    commits = {
        "2": build(place, "ostree-repository", "2", key, packages="tree"),
        "3": build(place, "ostree-repository", "3", key, masked='"cron"'),
    }
    commits = {version: repository(output) for version, output in commits.items()}
    server = place / "server"
    run("ostree", "init", f"--repo={server}", "--mode=archive")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(server))
    web = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    web.daemon_threads = True
    threading.Thread(target=web.serve_forever, daemon=True).start()
    machines = [Machine(name, image, place / name) for name in ("edge1", "edge2")]
    hosts = {one.name: {"ansible_host": "127.0.0.1", "ansible_port": one.port} for one in machines}
    common = {"ansible_user": "root", "ansible_ssh_private_key_file": str(place / "key"), "fleet_reboot_timeout": TIMEOUT,
              "fleet_health_timeout": TIMEOUT}
    inventory = place / "inventory.yml"
    publisher = {"hosts": {"publisher": {"ansible_connection": "local"}}}
    inventory.write_text(json.dumps({"all": {"children": {"edge": {"hosts": hosts, "vars": common}, "publishers": publisher}}}))
    made = Fleet(place, server, f"http://{HOST}:{web.server_address[1]}", gpg_home, commits, inventory)
    try:
        for one in machines:
            one.start()
        for one in machines:
            wait_for_ssh(one, place / "key")
        yield made
    finally:
        for one in machines:
            one.stop()
        web.shutdown()


def wait_for_ssh(machine: Machine, key: Path) -> None:
    argv = ["ssh", "-i", str(key), "-p", str(machine.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ConnectTimeout=20", "-o", "BatchMode=yes", "root@127.0.0.1", "true"]
    end = time.monotonic() + TIMEOUT
    while subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        assert time.monotonic() < end, (machine.place / "console.log").read_text(errors="replace")[-3000:]
        time.sleep(3)


def test_canary_batches_a_bad_commit_and_the_way_back(fleet: Fleet) -> None:
    before = fleet.status()
    first = before["edge1"]["commit"]
    assert before["edge2"]["commit"] == first and before["edge1"]["version"] == "1"
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
            "ostree_client_wait": 240,
            "ostree_client_deadline": 1200,
        },
    }]))
    done = fleet.play(setup)
    assert done.returncode == 0, done.output[-5000:]
    assert fleet.play(setup).output.count("changed=0") == 2

    good = fleet.publish("2")
    deploy = functools.partial(fleet.play, "debian_forge.osbuild.ostree_deploy", deploy_target="edge", deploy_batches=[1, 1],
                               deploy_ref=REF, fleet_remote="forge", fleet_boot_tries=1)
    foretold = deploy("--check", "--diff")
    assert foretold.returncode == 0 and "+tree " in foretold.output, foretold.output[-5000:]
    done = deploy()
    assert done.returncode == 0, done.output[-8000:]
    assert {row["commit"] for row in fleet.status().values()} == {good}
    assert deploy().output.count("changed=0") == 2

    bad = fleet.publish("3")
    done = deploy()
    assert done.returncode != 0 and "edge1: it" in done.output, done.output[-8000:]
    after = fleet.status()
    assert {name: row["commit"] for name, row in after.items()} == {"edge1": good, "edge2": good}
    assert after["edge1"]["next"] == good and after["edge2"]["next"] == good and bad not in (good, first)

    done = fleet.play("debian_forge.osbuild.ostree_rollback", rollback_target="edge", rollback_commit=good)
    assert done.returncode == 0, done.output[-8000:]
    assert fleet.status()["edge2"]["commit"] == first
