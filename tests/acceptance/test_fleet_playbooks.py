# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's playbooks over several machines that are sysroots of this host; only rebooting is played."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.ostreelab import REF, Lab, gpg_home, lab, ostree_on_path

__all__ = ["gpg_home", "lab", "ostree_on_path"]

pytestmark = pytest.mark.root

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MACHINES = ("m1", "m2", "m3", "m4")

# A reboot: what boots next runs, and its checks give a verdict. "sick" has lines "machine commit".
REBOOT = """\
---
- name: Note the reboot
  ansible.builtin.shell: |
    echo "{{ inventory_hostname }}" >> "{{ lab }}/reboots"
    [ ! -e "{{ lab }}/hang-{{ inventory_hostname }}" ] || sleep 60
    commit=$(ostree admin status --sysroot="{{ fleet_sysroot }}" | awk 'NR == 1 { sub(/\\..*/, "", $2); print $2 }')
    verdict=healthy
    if grep -qs "^{{ inventory_hostname }} $commit$" "{{ lab }}/sick"; then verdict=unhealthy; fi
    mkdir -p "{{ fleet_health_directory }}"
    printf '{"state": "%s", "commit": "%s", "failed": ["10-units"], "warnings": [], "boot_id": ""}' "$verdict" "$commit" \\
      > "{{ fleet_health_directory }}/state.json"
  changed_when: true
"""


@dataclass
class Fleet:
    lab: Lab
    inventory: Path
    environment: dict[str, str]

    def command(self, playbook: str, *options: str, **variables: Any) -> list[str]:
        return [str(BIN / "ansible-playbook"), "-i", str(self.inventory), f"debian_forge.osbuild.{playbook}", "-e", json.dumps(variables),
                *options]

    def play(self, playbook: str, *options: str, code: int = 0, **variables: Any) -> str:
        done = subprocess.run(self.command(playbook, *options, **variables), env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
        return done.stdout

    def runs(self, machine: str) -> list[str]:
        """Commits of a machine in boot order."""
        from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree.deployments import Sysroot

        return [one.commit for one in Sysroot(self.lab.place / machine).deployments()]

    def first(self) -> dict[str, str]:
        return {machine: self.runs(machine)[0] for machine in MACHINES}

    def sick(self, *lines: str) -> None:
        (self.lab.place / "sick").write_text("".join(f"{line}\n" for line in lines))

    def reboots(self) -> list[str]:
        """Machines that rebooted since the last call."""
        path = self.lab.place / "reboots"
        found = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return found


@pytest.fixture
def fleet(lab: Lab) -> Iterator[Fleet]:
    old = lab.commit("1")
    (lab.place / "reboot.yml").write_text(REBOOT)
    hosts: dict[str, Any] = {}
    for machine in MACHINES:
        lab.deploy(lab.sysroot(machine), old)
        hosts[machine] = {
            "fleet_sysroot": str(lab.place / machine),
            "fleet_health_directory": str(lab.place / f"{machine}-health"),
        }
    common = {"ansible_connection": "local", "fleet_reboot_tasks": str(lab.place / "reboot.yml"), "lab": str(lab.place),
              "fleet_health_timeout": 4, "fleet_health_pause": 1, "fleet_verdict_program": "", "fleet_boot_tries": 1}
    inventory = lab.place / "inventory.json"
    inventory.write_text(json.dumps({"all": {"children": {"edge": {"hosts": hosts, "vars": common}}}}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    yield Fleet(lab, inventory, {
        **kept, "ANSIBLE_COLLECTIONS_PATH": str(REPO / "build" / "collections"), "ANSIBLE_HOME": str(lab.place / "ansible"),
        "ANSIBLE_NOCOLOR": "1", "ANSIBLE_INVENTORY_ENABLED": "yaml", "ANSIBLE_PIPELINING": "true",
    })


def test_a_commit_reaches_every_machine_and_a_second_run_changes_nothing(fleet: Fleet) -> None:
    old = fleet.first()["m1"]
    new = fleet.lab.commit("2", packages={"nginx": "1.26-2"})
    foretold = fleet.play("ostree_deploy", "--check", "--diff")
    assert "+nginx 1.26-2" in foretold and set(fleet.first().values()) == {old} and fleet.reboots() == []
    fleet.play("ostree_deploy", deploy_batches=[1, "50%", "100%"])
    assert set(fleet.first().values()) == {new}
    assert fleet.reboots()[0] == "m1"
    again = fleet.play("ostree_deploy")
    assert again.count("changed=0") == len(MACHINES) and fleet.reboots() == []
    table = fleet.play("ostree_status", status_report=str(fleet.lab.place / "report.json"))
    assert table.count(new[:12]) == len(MACHINES)
    rows = json.loads((fleet.lab.place / "report.json").read_text())
    assert [(row["host"], row["version"], row["health"]) for row in rows] == [(machine, "2", "healthy") for machine in MACHINES]


def test_a_bad_canary_goes_back_and_nothing_else_is_touched(fleet: Fleet) -> None:
    old = fleet.first()["m1"]
    new = fleet.lab.commit("2", packages={"nginx": "1.26-2"})
    fleet.sick(f"m1 {new}")
    output = fleet.play("ostree_deploy", code=2)
    assert "m1: it is not healthy: 10-units failed" in output and f"m1: went back to {old[:12]}" in output
    assert set(fleet.first().values()) == {old}
    assert set(fleet.reboots()) == {"m1"} and [len(fleet.runs(machine)) for machine in MACHINES[1:]] == [1, 1, 1]


def test_a_bad_machine_takes_its_whole_batch_back_and_the_canary_stays(fleet: Fleet) -> None:
    old = fleet.first()["m1"]
    new = fleet.lab.commit("2", packages={"nginx": "1.26-2"})
    fleet.sick(f"m3 {new}")
    output = fleet.play("ostree_deploy", code=2, deploy_batches=[1, 2, 1])
    assert fleet.first() == {"m1": new, "m2": old, "m3": old, "m4": old}
    assert "m2: went back to" in output and len(fleet.runs("m4")) == 1 and "m4" not in fleet.reboots()
    # Mended, it goes on where it was: the canary is not rebooted again.
    fleet.sick()
    fleet.play("ostree_deploy", deploy_batches=[1, 2, 1])
    assert set(fleet.first().values()) == {new} and "m1" not in fleet.reboots()


def test_an_interrupted_run_goes_on_where_it_was(fleet: Fleet) -> None:
    new = fleet.lab.commit("2", packages={"nginx": "1.26-2"})
    (fleet.lab.place / "hang-m2").touch()
    process = subprocess.Popen(fleet.command("ostree_deploy", deploy_batches=[1]), env=fleet.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    end = time.monotonic() + 120
    while "m2" not in ((fleet.lab.place / "reboots").read_text() if (fleet.lab.place / "reboots").exists() else ""):
        assert time.monotonic() < end and process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert fleet.runs("m1")[0] == new and fleet.runs("m2")[0] == new and len(fleet.runs("m3")) == 1
    fleet.reboots()
    (fleet.lab.place / "hang-m2").unlink()
    fleet.play("ostree_deploy", deploy_batches=[1])
    assert set(fleet.first().values()) == {new}
    assert fleet.reboots() == ["m2", "m3", "m4"]


def test_all_batches_get_the_commit_that_was_newest_at_the_beginning(fleet: Fleet) -> None:
    first = fleet.lab.commit("2")
    newest = fleet.lab.commit("3")
    fleet.play("ostree_deploy", "--limit", "m1,m2", deploy_commit=first)
    assert fleet.runs("m1")[0] == fleet.runs("m2")[0] == first and newest not in fleet.first().values()


def test_a_machine_that_does_not_answer_stops_its_batch(fleet: Fleet) -> None:
    content = json.loads(fleet.inventory.read_text())
    content["all"]["children"]["edge"]["hosts"]["m0"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    fleet.inventory.write_text(json.dumps(content))
    fleet.lab.commit("2")
    before = fleet.first()
    output = fleet.play("ostree_deploy", code=2, deploy_batches=[10], fleet_reboot_timeout=2)
    assert "m0: it does not answer" in output
    assert fleet.first() == before
    table = fleet.play("ostree_status")
    assert "does not answer" in table and table.count(before["m1"][:12]) == len(MACHINES)


def test_machines_go_back_when_told_to(fleet: Fleet) -> None:
    old = fleet.first()["m1"]
    new = fleet.lab.commit("2")
    fleet.play("ostree_deploy", deploy_batches=[10])
    fleet.reboots()
    foretold = fleet.play("ostree_rollback", "--check", rollback_commit=new)
    assert foretold.count("changed=1") == len(MACHINES) and set(fleet.first().values()) == {new}
    fleet.play("ostree_rollback", rollback_commit=new)
    assert set(fleet.first().values()) == {old} and sorted(fleet.reboots()) == sorted(MACHINES)
    again = fleet.play("ostree_rollback", rollback_commit=new)
    assert again.count("changed=0") == len(MACHINES) and fleet.reboots() == []


def test_publishing_by_the_playbook_signs_prunes_and_reverts(fleet: Fleet, gpg_home: Path) -> None:
    build = fleet.lab.init("build")
    common = {"publish_target": "m1", "publish_repository": str(fleet.lab.server), "publish_ref": REF, "publish_gpg_home": str(gpg_home)}
    old = fleet.first()["m1"]
    new = fleet.lab.commit("2", repo=build, packages={"nginx": "1.26-2"})
    publish = {**common, "publish_source": str(build)}
    assert "+nginx 1.26-2" in fleet.play("ostree_publish", "--check", "--diff", **publish)
    fleet.play("ostree_publish", **publish)
    assert "changed=0" in fleet.play("ostree_publish", **publish)
    fleet.play("ostree_deploy", deploy_batches=[10])
    # Of the content of the new one, and with the old one as its parent.
    published = fleet.first()["m1"]
    assert published not in (old, new) and set(fleet.first().values()) == {published}
    fleet.play("ostree_publish", **common, publish_revert=published, publish_prune={"keep_last": 5})
    fleet.play("ostree_deploy", deploy_batches=[10])
    assert set(fleet.first().values()) == {old}


@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("ostree_publish", {"publish_target": "m1"}),
        ("ostree_deploy", {"fleet_boot_tries": 10}),
        ("ostree_rollback", {"fleet_reboot_timeout": "x"}),
    ],
)
def test_variables_are_checked_first(fleet: Fleet, playbook: str, variables: dict[str, Any]) -> None:
    output = fleet.play(playbook, code=2, **variables)
    assert "Validation of arguments failed" in output and fleet.reboots() == []
