# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems that OSTree updates: a disk boots, takes an update from a server, keeps what is its own, and falls back.

Commits are signed, so that machines verify what they pull.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot import machine

from .conftest import DISTROS, FOLDER, Built

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")]
VERSIONS = {"debian-12": "12", "debian-13": "13"}
PROMPT = 900.0  # seconds; an emulated processor is slow
PASSWORD = "hello-debian"
BLUEPRINT = """
name = "edge"
version = "{version}"
{packages}
[customizations.kernel]
name = "linux-image-cloud-amd64"
append = "panic=30 audit=0"
[[customizations.user]]
name = "forge"
password = "$6$hellodebian$Mo8TybQ8wWZG4iuqa9/WD8o3dCw3wIjY/I4LCW3qJptHvNWgNoPOOMhuafgmdw7AGlTNjB3H5PiyrO/CrYn78/"
groups = ["sudo"]
[customizations.debian.ostree.sign]
gpg_key_file = "{secret}"
gpg_key_checksum = "sha256:{checksum}"
[customizations.debian.ostree.remote]
name = "updates"
url = "{url}"
gpg_keys = ['''{public}''']
{parent}
"""


@dataclass(frozen=True)
class Keys:
    """A key pair: the file with the secret half, and the armoured public one."""

    secret: Path
    public: str


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-gen-key", "updates@example.com", "rsa2048", "sign"], check=True, capture_output=True)
    secret = home / "secret.asc"
    secret.write_bytes(subprocess.run([*gpg, "--armor", "--export-secret-keys"], check=True, capture_output=True).stdout)
    public = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    return Keys(secret, public)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serves the folder of images on this host; the address as a machine sees it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(_Quiet, directory=str(FOLDER))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as daemon:
        threading.Thread(target=daemon.serve_forever, daemon=True).start()
        yield f"http://10.0.2.2:{daemon.server_port}"
        daemon.shutdown()


def ostree(repo: Path, *words: str) -> str:
    return subprocess.run(["ostree", *words, f"--repo={repo}"], check=True, capture_output=True, text=True).stdout.strip()


def commit_in(folder: Path) -> str:
    return str(json.loads((folder / "compose.json").read_text())["ostree-commit"])


@dataclass(frozen=True)
class Versions:
    """The same system twice: the second has a package more, and follows the first in its repository."""

    blueprint: str
    first: Path
    second: Path


Make = Callable[[str], Versions]


@pytest.fixture(scope="module")
def versions(built: Built, keys: Keys, server: str) -> Make:
    checksum = hashlib.sha256(keys.secret.read_bytes()).hexdigest()

    @functools.cache
    def make(distro: str) -> Versions:
        def blueprint(version: str, packages: tuple[str, ...], parent: str = "") -> str:
            listed = "\n".join(f'[[packages]]\nname = "{name}"' for name in packages)
            return BLUEPRINT.format(
                version=version, packages=listed, secret=keys.secret, checksum=checksum, public=keys.public, parent=parent,
                url=f"{server}/{distro}-second/ostree-commit/repo",
            )  # fmt: skip

        one = blueprint("1.0.0", ("hello",))
        first = built("ostree-repository", distro, one, "first") / "ostree-commit"
        parent = "\n".join([
            "[customizations.debian.ostree.parent]", f'url = "file://{first / "repo"}"', f'commit = "{commit_in(first)}"',
            f"gpg_keys = ['''{keys.public}''']",
        ])  # fmt: skip
        second = built("ostree-repository", distro, blueprint("2.0.0", ("hello", "tree"), parent), "second") / "ostree-commit"
        return Versions(one, first, second)

    return make


@pytest.fixture(params=DISTROS)
def distro(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ref_of(distro: str) -> str:
    return f"debian/{VERSIONS[distro]}/amd64/edge"


def test_a_repository_holds_the_signed_commit_and_the_one_before(versions: Make, distro: str) -> None:
    made = versions(distro)
    repo = made.second / "repo"
    assert ostree(repo, "refs").split() == [ref_of(distro)]
    assert ostree(repo, "rev-parse", ref_of(distro)) == commit_in(made.second)
    assert ostree(repo, "rev-parse", f"{ref_of(distro)}^") == commit_in(made.first)
    assert ostree(repo, "show", "--print-metadata-key=version", ref_of(distro)) == "'2.0.0'"
    assert "Found 1 signature" in ostree(repo, "show", ref_of(distro))
    ostree(repo, "fsck", "--quiet")
    listed = ostree(repo, "ls", "--dironly", ref_of(distro), "/usr/bin/tree", "/usr/etc", "/usr/lib/sysimage/dpkg/status")
    assert len(listed.splitlines()) == 3
    assert ostree(repo, "ls", ref_of(distro), "/var").splitlines()[1:] == []


def test_an_archive_holds_the_same_commit(built: Built, versions: Make, distro: str, tmp_path: Path) -> None:
    made = versions(distro)
    archive = built("ostree-commit", distro, made.blueprint) / "commit.tar"
    subprocess.run(["tar", "-C", tmp_path, "-xf", archive], check=True)
    assert commit_in(tmp_path) == commit_in(made.first)
    ostree(tmp_path / "repo", "fsck", "--quiet")


@pytest.mark.skipif(not (shutil.which("podman") and shutil.which("runc")), reason="podman or runc is not installed")
def test_a_container_serves_the_commit_and_can_be_unpacked(built: Built, versions: Make, distro: str, tmp_path: Path) -> None:
    made = versions(distro)
    archive = built("ostree-container", distro, made.blueprint) / "container.tar"
    # podman takes no longer path than 50 characters for its run-time files.
    run_root = tempfile.mkdtemp(dir="/run")
    podman = ["podman", "--root", tmp_path / "storage", "--runroot", run_root, "--storage-driver", "vfs",
              "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"]  # fmt: skip

    def run(*words: object) -> str:
        done = subprocess.run([*podman, *map(str, words)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        image = run("load", "-q", "-i", archive).rsplit(" ", 1)[-1]
        assert json.loads(run("image", "inspect", image))[0]["Labels"]["ostree.ref"] == ref_of(distro)
        # Limits that may be set where root itself may not raise them.
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        name = run("run", "-d", "--network", "none", *limits, "--read-only", image)
        pid = run("inspect", "--format", "{{.State.Pid}}", name)
        # The host's ostree pulls inside the container's network.
        repo = tmp_path / "pulled"
        subprocess.run(["ostree", "init", f"--repo={repo}"], check=True)
        ostree(repo, "remote", "add", "--no-gpg-verify", "container", "http://127.0.0.1:8080/repo")
        pull = ["ostree", "pull", f"--repo={repo}", "container", ref_of(distro)]
        subprocess.run(["nsenter", "--net", "--target", pid, *pull], check=True, capture_output=True)
        assert ostree(repo, "rev-parse", f"container:{ref_of(distro)}") == commit_in(made.first)
        run("cp", f"{name}:/ostree/repo", tmp_path / "unpacked")
        assert ostree(tmp_path / "unpacked", "rev-parse", ref_of(distro)) == commit_in(made.first)
        run("rm", "-f", "-t", "0", name)
    finally:
        subprocess.run([*podman, "system", "reset", "--force"], check=False, capture_output=True)
        shutil.rmtree(run_root, ignore_errors=True)


class Machine:
    """A booted machine with a root shell on its console."""

    def __init__(self, console: machine.Console) -> None:
        self.console = console
        self.log_in()

    def log_in(self) -> None:
        self.console.login("forge", PASSWORD, PROMPT)
        self.console.become_root(PASSWORD)

    def restart(self) -> None:
        self.console.send("systemctl reboot")
        self.log_in()

    def run(self, command: str, timeout: float = 300) -> str:
        answer = self.console.run(command, timeout)
        assert answer.status == 0, f"{command}: exit status {answer.status}: {answer.text}"
        return answer.text

    def deployments(self) -> list[tuple[str, str]]:
        """Star of the running one and commit of all deployments, the default first."""
        return re.findall(r"(?m)^(?:(\*)|  ) ?debian ([0-9a-f]{64})\.\d", self.run("ostree admin status"))

    def running(self) -> str:
        return next(commit for star, commit in self.deployments() if star)

    def environment(self) -> dict[str, str]:
        lines = self.run("grub-editenv /boot/grub/grubenv list").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def boot(built: Built, versions: Make, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    if lacking := machine.missing_tools():
        pytest.skip(f"booting takes {lacking}")
    with contextlib.ExitStack() as stack:

        def start(distro: str, firmware: str, **options: object) -> Machine:
            made = versions(distro)
            image = built("ostree-qcow2", distro, made.blueprint) / "disk.qcow2"
            log = FOLDER.parent / "boot" / f"ostree-{distro}-{firmware}{'-update' if options.get('restarts') else ''}.log"
            console = stack.enter_context(machine.boot(image, firmware, tmp_path / firmware, log=log, **options))  # type: ignore[arg-type]
            return Machine(console)

        yield start


@pytest.mark.parametrize("firmware", machine.FIRMWARE)
def test_a_disk_boots_into_the_commit_and_grows(
    boot: Callable[..., Machine], versions: Make, distro: str, firmware: str
) -> None:
    running = boot(distro, firmware, grow=1024**3)
    assert (running.console.run("test -d /sys/firmware/efi").status == 0) == (firmware == "uefi")
    assert running.deployments() == [("*", commit_in(versions(distro).first))]
    assert "origin refspec: updates:" + ref_of(distro) in running.run("ostree admin status")
    for path in ("/usr/x", "/sysroot/x"):
        assert "Read-only file system" in running.console.run(f"touch {path}").text
    running.run("touch /etc/x /var/x /boot/x /home/forge/x /root/x /opt/x /usr/local/x /srv/x")
    assert running.run("hello") == "Hello, world!"
    assert "ii  hello " in running.run("dpkg -l hello")
    assert running.run("dpkg --audit") == ""
    assert running.run("id -nG forge").split() == ["forge", "sudo"]
    words = running.run("cat /proc/cmdline").split()
    assert {"rw", "panic=30", "audit=0", "console=ttyS0,115200"} <= set(words)
    running.run("systemctl is-system-running --wait || true", 600)
    assert running.run("systemctl --failed --no-legend --plain") == ""
    assert int(running.run("findmnt -nbo SIZE /etc")) > 3 * 1024**3
    assert "fsck.ext4" in running.run("lsinitramfs /usr/lib/modules/*/initramfs.img | grep fsck", 600)


def test_an_update_is_taken_and_left_again(boot: Callable[..., Machine], versions: Make, distro: str) -> None:
    first, second = (commit_in(folder) for folder in (versions(distro).first, versions(distro).second))
    running = boot(distro, "uefi", online=True, restarts=True)
    running.run("echo 'mine' >/etc/mine; echo '# mine' >>/etc/issue; mkdir /var/kept; echo kept >/var/kept/file")
    running.run("ostree admin upgrade --os=debian", 1200)
    assert running.deployments() == [("", second), ("*", first)]
    running.run("grub-editenv /boot/grub/grubenv set boot_counter=2 boot_success=0")

    running.restart()
    assert running.running() == second
    assert running.run("tree --version").startswith("tree v")
    assert "ii  tree " in running.run("dpkg -l tree")
    assert running.environment() == {"boot_counter": "1", "boot_success": "0"}, "grub takes one off at each start"
    kept = "cat /etc/mine /var/kept/file; tail -n 1 /etc/issue"
    assert running.run(kept) == "mine\nkept\n# mine"
    assert {"panic=30", "audit=0"} <= set(running.run("cat /proc/cmdline").split())
    running.run("systemctl is-system-running --wait || true", 600)
    assert running.run("systemctl --failed --no-legend --plain") == ""

    # As if the new system had never become healthy.
    running.run("grub-editenv /boot/grub/grubenv set boot_counter=0")
    running.restart()
    assert running.deployments() == [("", second), ("*", first)]
    assert running.console.run("tree --version").status == 127
    assert running.run(kept) == "mine\nkept\n# mine"
    assert running.environment() == {"boot_counter": "0", "boot_success": "0"}

    # For good: the default is the first again.
    if running.console.run("ostree admin --help 2>&1 | grep -q set-default").status == 0:
        running.run("ostree admin set-default 1", 600)
        assert running.deployments() == [("*", first), ("", second)]
    else:
        running.run("ostree admin undeploy 0", 600)
        assert running.deployments() == [("*", first)]
    running.run("grub-editenv /boot/grub/grubenv unset boot_counter; grub-editenv /boot/grub/grubenv set boot_success=1")
    running.restart()
    assert running.running() == first
    assert running.run(kept) == "mine\nkept\n# mine"
