# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles ostree_server and ostree_client on this host, everything they write in a folder: forth, once more, and back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.playbook import Run, ansible_playbook
from tests.support.ostreelab import REF, Lab, gpg_home, lab, ostree_on_path, run

__all__ = ["gpg_home", "lab", "ostree_on_path"]

pytestmark = pytest.mark.root


def play(lab: Lab, role: str, *options: str, code: int = 0, **variables: Any) -> Run:
    path = lab.place / f"{role}.yml"
    document = {"name": "Run the role", "hosts": "localhost", "gather_facts": False, "roles": [f"debian_forge.osbuild.{role}"],
                "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}
    path.write_text(json.dumps([document]))
    done = ansible_playbook(path, *options, **variables)
    assert done.returncode == code, done.output[-5000:]
    return done


def server_variables(lab: Lab) -> dict[str, Any]:
    (lab.place / "sites").mkdir(exist_ok=True)
    return {
        "ostree_server_install_packages": False,
        "ostree_server_manage_service": False,
        "ostree_server_directory": str(lab.place / "srv"),
        "ostree_server_repository": str(lab.place / "srv" / "repo"),
        "ostree_server_gpg_home": str(lab.place / "srv" / "gnupg"),
        "ostree_server_site_file": str(lab.place / "sites" / "forge.conf"),
        "ostree_server_site_link": str(lab.place / "sites" / "on.conf"),
    }


def test_a_server_is_set_up_once_signs_and_is_taken_away(lab: Lab) -> None:
    variables = {**server_variables(lab), "ostree_server_make_key": True, "ostree_server_prune": {"keep_last": 2}}
    srv = lab.place / "srv"
    assert play(lab, "ostree_server", "--check", **variables).changed > 0 and not srv.exists()
    try:
        assert play(lab, "ostree_server", **variables).changed > 0
        assert (srv / "gnupg").stat().st_mode & 0o777 == 0o700 and "BEGIN PGP PUBLIC KEY" in (srv / "key.asc").read_text()
        assert play(lab, "ostree_server", **variables).changed == 0
        assert play(lab, "ostree_server", "--check", **variables).changed == 0
    finally:
        subprocess.run(["gpgconf", "--homedir", str(srv / "gnupg"), "--kill", "all"], capture_output=True, check=False)
    assert "ssl" not in (lab.place / "sites" / "on.conf").read_text()
    tls = {**variables, "ostree_server_tls_certificate": "/etc/x.pem", "ostree_server_tls_key": "/etc/x.key", "ostree_server_listen": "",
           "ostree_server_client_ca": "/etc/ca.pem"}
    play(lab, "ostree_server", "--tags", "web", **tls)
    text = (lab.place / "sites" / "on.conf").read_text()
    assert "listen 443 ssl;" in text and "ssl_verify_client on;" in text and "listen 80" not in text
    play(lab, "ostree_server", **variables, ostree_server_state="absent", ostree_server_remove_data=True)
    assert not (srv / "repo").exists() and (srv / "gnupg").exists() and not list((lab.place / "sites").iterdir())


def test_a_mirror_copies_what_is_new(lab: Lab) -> None:
    commit = lab.commit("1")
    variables = {**server_variables(lab), "ostree_server_gpg_home": "", "ostree_server_mirror_url": f"file://{lab.server}",
                 "ostree_server_mirror_refs": [REF]}
    repo = lab.place / "srv" / "repo"
    play(lab, "ostree_server", **variables)
    assert run("ostree", "rev-parse", f"--repo={repo}", REF) == commit
    assert play(lab, "ostree_server", "--tags", "mirror", **variables).changed == 0
    newer = lab.commit("2")
    play(lab, "ostree_server", "--tags", "mirror", **variables)
    client = lab.client(url=f"file://{repo}")
    run("ostree", "pull", f"--repo={client}", "forge", REF)
    assert run("ostree", "rev-parse", f"--repo={client}", f"forge:{REF}") == newer


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ostree_server_tls_key": "/x"}, "belong together"),
        ({"ostree_server_listen": ""}, "nothing would be served"),
        ({"ostree_server_client_ca": "/x"}, "only TLS knows"),
        ({"ostree_server_gpg_home": "", "ostree_server_make_key": True}, "needs ostree_server_gpg_home"),
        ({"ostree_server_location": "/a b"}, "must begin with a slash"),
    ],
)
def test_a_server_that_cannot_work_is_refused(lab: Lab, variables: dict[str, Any], words: str) -> None:
    done = play(lab, "ostree_server", code=2, **{**server_variables(lab), **variables})
    assert words in done.output and not (lab.place / "srv").exists()


def client_variables(lab: Lab, sysroot: Path) -> dict[str, Any]:
    etc = lab.place / "etc"
    return {
        "ostree_client_sysroot": str(sysroot),
        "ostree_client_manage_service": False,
        "ostree_client_keys_directory": str(etc / "keys"),
        "ostree_client_checks_directory": str(etc / "forge-health.d"),
        "ostree_client_state_directory": str(lab.place / "state"),
        "ostree_client_program_directory": str(lab.place / "sbin"),
        "ostree_client_units_directory": str(etc / "systemd" / "system"),
        "ostree_client_config_file": str(etc / "forge-health"),
    }


def test_a_client_is_set_up_once_and_taken_back(lab: Lab, gpg_home: Path) -> None:
    sysroot = lab.sysroot()
    lab.deploy(sysroot, lab.commit("1"))
    (lab.place / "etc" / "systemd" / "system").mkdir(parents=True)
    (lab.place / "bad.sh").write_text("#!/bin/sh\nexit 1\n")
    variables = {
        **client_variables(lab, sysroot),
        "ostree_client_remote": "updates",
        "ostree_client_url": "https://ostree.example.com/repo",
        "ostree_client_gpg_keys": [str(gpg_home / "repo.gpg")],
        "ostree_client_required_units": ["ssh.service"],
        "ostree_client_watchdog": "60s",
        "ostree_client_checks": [
            {"name": "20-fine", "content": "#!/bin/sh\nexit 0\n"},
            {"name": "30-sad", "kind": "wanted", "content": "#!/bin/sh\nexit 1\n"},
            {"name": "40-old", "state": "absent"},
        ],
    }
    assert play(lab, "ostree_client", "--check", **variables).changed > 0 and not (lab.place / "sbin").exists()
    play(lab, "ostree_client", **variables)
    assert play(lab, "ostree_client", **variables).changed == 0
    etc = lab.place / "etc"
    assert "repo@" in run("ostree", "remote", "gpg-list-keys", f"--repo={sysroot / 'ostree/repo'}", "updates")
    assert run("cat", etc / "forge-health.d/required.d/10-units.sh").endswith("exec systemctl is-active ssh.service")
    assert "RuntimeWatchdogSec=60s" in (etc / "systemd/system.conf.d/forge-watchdog.conf").read_text()
    if shutil.which("systemd-analyze"):
        # Of units that another one names and this host has not, it would complain.
        units = [str(path) for path in (etc / "systemd" / "system").glob("forge-*")]
        run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units)
    (etc / "forge-health.d/required.d/10-units.sh").unlink()
    found = subprocess.run([str(lab.place / "sbin" / "forge-health"), "--once"], capture_output=True, text=True, check=False,
                           env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "FORGE_HEALTH_CONFIG": str(etc / "forge-health")})
    assert found.returncode == 0 and "30-sad failed" in found.stderr, found
    play(lab, "ostree_client", **variables, ostree_client_state="absent")
    left = [path for path in lab.place.rglob("forge*") if path.is_file() and "sysroot" not in path.parts and "server" not in path.parts]
    assert left == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ostree_client_boot_tries": 10}, "the boot loader counts from 1 to 9"),
        ({"ostree_client_deadline": 100}, "before its checks had their time"),
        ({"ostree_client_url": "https://x"}, "every commit would be refused"),
        ({"ostree_client_checks": [{"name": "../x", "content": "x"}]}, "no file name"),
        ({"ostree_client_checks": [{"name": "x"}]}, "has no content for x"),
        ({}, "holds no OSTree deployments"),
    ],
)
def test_a_client_that_cannot_work_is_refused(lab: Lab, variables: dict[str, Any], words: str) -> None:
    done = play(lab, "ostree_client", code=2, **{**client_variables(lab, lab.place / "none"), **variables})
    assert words in " ".join(done.output.split()) and not (lab.place / "sbin").exists()
