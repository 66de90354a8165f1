# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook against a Debian 13 build host over ssh, as a user who becomes root by sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.nspawn import Host, make_tree

pytestmark = [pytest.mark.root, pytest.mark.slow]

PORT = 22022
BLUEPRINT = """\
name = "remote"
version = "1.0.0"

[customizations]
hostname = "remote"
"""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("remote")
    tree = place / "trixie"
    make_tree("trixie", tree, "openssh-server", "python3", "sudo")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "key")], check=True)
    (tree / "etc/ssh/sshd_config.d/test.conf").write_text(f"Port {PORT}\nListenAddress 127.0.0.1\n")
    (tree / "etc/sudoers.d/builder").write_text("builder ALL=(ALL) NOPASSWD: ALL\n")
    subprocess.run(["chroot", str(tree), "useradd", "--create-home", "--shell", "/bin/bash", "builder"], check=True)
    keys = tree / "home/builder/.ssh"
    keys.mkdir(mode=0o700)
    shutil.copy(place / "key.pub", keys / "authorized_keys")
    subprocess.run(["chroot", str(tree), "chown", "-R", "builder:", "/home/builder/.ssh"], check=True)
    (place / "hosts.ini").write_text(
        f"[builders]\nbuilder1 ansible_host=127.0.0.1 ansible_port={PORT} ansible_user=builder "
        f"ansible_ssh_private_key_file={place / 'key'}\n"
    )
    with Host("remote-builder", tree):
        yield place / "hosts.ini"


def play(inventory: Path, *options: str, pipelining: bool) -> str:
    program = str(Path(sys.executable).parent / "ansible-playbook")
    result = subprocess.run(
        [program, "-i", str(inventory), "--become", "debian_forge.osbuild.build_image", *options],
        cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build/collections"), "ANSIBLE_HOME": str(REPO / "build/ansible"),
             "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_PIPELINING": str(pipelining), "ANSIBLE_NOCOLOR": "1"},
    )
    assert result.returncode == 0, result.stdout[-5000:]
    return result.stdout


def test_image_is_built_remotely_and_fetched_and_nothing_changes_twice(inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "remote.toml").write_text(BLUEPRINT)
    options = ["-e", f"blueprint={tmp_path / 'remote.toml'}", "-e", "output=/srv/images/remote", "-e", "distribution=debian-13",
               "-e", "image_type=tar", "-e", f"fetch_to={tmp_path / 'fetched'}"]
    first = play(inventory, *options, pipelining=False)
    assert "[builder1] os: org.osbuild.debootstrap" in first
    assert (tmp_path / "fetched" / "root.tar.zst").stat().st_size > 10_000_000
    assert (tmp_path / "fetched" / "record.json").exists()
    again = play(inventory, *options, pipelining=True)
    assert "changed=0" in again, again[-3000:]
