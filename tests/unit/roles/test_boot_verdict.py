# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the role ostree_client: a machine's deployments are played, grub's environment block is a real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "ostree_client" / "files"
OLD, NEW = "a" * 64, "b" * 64

# Knows "admin status", "admin --help" and what changes the boot order; what it did is in "calls".
OSTREE = '''#!{python}
import json, sys
place = {place!r}
state = json.load(open(place + "/deployments"))
words = [word for word in sys.argv[2:] if not word.startswith("--sysroot")]
order = state["order"]
if words[0] == "--help":
    print("  status   List deployments")
    print("  set-default   Make deployment INDEX the default") if state["reorders"] else None
elif words[0] == "status":
    for commit in order:
        print("* " if commit == state["booted"] else "  ", "debian ", commit, ".0", sep="")
        print("    Version: 1\\n    origin refspec: forge:debian/edge")
else:
    with open(place + "/calls", "a") as calls:
        print(*words, file=calls)
    if words[0] == "set-default":
        order.insert(0, order.pop(int(words[1])))
    elif words[0] == "undeploy":
        assert order[int(words[1])] != state["booted"]
        order.pop(int(words[1]))
    elif words[0] == "deploy":
        order.insert(0, words[-1])
json.dump(state, open(place + "/deployments", "w"))
'''


@dataclass
class Machine:
    place: Path

    def have(self, order: list[str], booted: str, reorders: bool = True) -> None:
        (self.place / "deployments").write_text(json.dumps({"order": order, "booted": booted, "reorders": reorders}))

    @property
    def order(self) -> list[str]:
        return list(json.loads((self.place / "deployments").read_text())["order"])

    def reboot_into(self, commit: str) -> None:
        state = json.loads((self.place / "deployments").read_text())
        (self.place / "deployments").write_text(json.dumps({**state, "booted": commit}))

    def grubenv(self, **values: str) -> None:
        path = self.place / "grubenv"
        subprocess.run(["grub-editenv", str(path), "create"], check=True)
        for name, value in values.items():
            subprocess.run(["grub-editenv", str(path), "set", f"{name}={value}"], check=True)

    def variables(self) -> dict[str, str]:
        text = subprocess.run(["grub-editenv", str(self.place / "grubenv"), "list"], check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def run(self, program: str, *words: str, code: int = 0) -> str:
        done = subprocess.run([str(FILES / program), *words], capture_output=True, text=True, check=False,
                              env={**os.environ, "FORGE_HEALTH_CONFIG": str(self.place / "config")})
        assert done.returncode == code, done.stderr
        return done.stderr + done.stdout

    def verdict(self, *words: str, code: int = 0) -> str:
        return self.run("forge-boot-verdict", *words, code=code)

    @property
    def rebooted(self) -> bool:
        path = self.place / "rebooted"
        found = path.exists()
        path.unlink(missing_ok=True)
        return found

    def state(self, name: str) -> str:
        path = self.place / "state" / name
        return path.read_text().strip() if path.exists() else ""

    def check(self, name: str, script: str) -> None:
        path = self.place / "checks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def found(self) -> dict[str, Any]:
        return dict(json.loads(self.state("state.json")))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if shutil.which("grub-editenv") is None:
        pytest.skip("no program grub-editenv")
    (tmp_path / "ostree").write_text(OSTREE.format(python=sys.executable, place=str(tmp_path)))
    (tmp_path / "ostree").chmod(0o755)
    settings = {
        "FORGE_HEALTH_STATE": tmp_path / "state",
        "FORGE_HEALTH_DIRECTORY": tmp_path / "checks",
        "FORGE_HEALTH_WAIT": 0,
        "FORGE_HEALTH_PAUSE": 0.1,
        "FORGE_HEALTH_CHECK_TIMEOUT": 1,
        "FORGE_HEALTH_VERDICT": FILES / "forge-boot-verdict",
        "FORGE_OSTREE": tmp_path / "ostree",
        "FORGE_GRUBENV": tmp_path / "grubenv",
        "FORGE_REBOOT": f"touch {tmp_path / 'rebooted'}",
    }
    (tmp_path / "config").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    made = Machine(tmp_path)
    made.have([NEW, OLD], booted=OLD)
    return made


def test_a_new_deployment_is_armed_tried_and_found_healthy(machine: Machine) -> None:
    machine.grubenv(boot_success="1")
    machine.verdict("arm", "3")
    assert machine.variables() == {"boot_counter": "3", "boot_success": "0"} and machine.state("trial") == NEW
    machine.reboot_into(NEW)
    machine.verdict("settle")
    machine.verdict("healthy")
    assert machine.variables() == {"boot_success": "1"} and machine.state("trial") == "" and not machine.rebooted


def test_a_deployment_that_boots_before_it_was_armed_is_on_trial_too(machine: Machine) -> None:
    machine.grubenv(boot_success="1")
    machine.have([OLD], booted=OLD)
    machine.verdict("settle")
    assert machine.state("trial") == "", "there is nothing to go back to"
    machine.verdict("healthy")
    assert machine.state("healthy") == OLD
    machine.have([NEW, OLD], booted=NEW)  # power failed after "deploy"
    assert "put on trial by nobody" in machine.verdict("settle")
    assert machine.state("trial") == NEW
    machine.verdict("unhealthy")
    assert machine.rebooted and machine.order == [OLD, NEW] and machine.state("fell-back-from") == NEW
    machine.reboot_into(OLD)
    machine.verdict("settle")
    machine.verdict("unhealthy")
    assert machine.state("trial") == "" and not machine.rebooted, "one that was healthy is not left"


def test_healthy_commits_are_remembered_and_not_without_end(machine: Machine) -> None:
    machine.grubenv(boot_success="1")
    commits = [f"{number:x}" * 64 for number in range(12)]
    for commit in [*commits, commits[5]]:
        machine.have([commit, OLD], booted=commit)
        machine.verdict("healthy")
    assert machine.state("healthy").split() == [*commits[2:5], *commits[6:], commits[5]]


def test_nothing_is_armed_when_the_same_boots_again(machine: Machine) -> None:
    machine.grubenv(boot_success="1")
    machine.have([OLD, NEW], booted=OLD)
    assert "nothing is put on trial" in machine.verdict("arm")
    assert machine.variables() == {"boot_success": "1"}


@pytest.mark.parametrize("tries", ["0", "10", "x", ""])
def test_tries_that_grub_cannot_count_are_refused(machine: Machine, tries: str) -> None:
    machine.grubenv()
    machine.verdict("arm", tries, code=0 if tries == "" else 2)
    assert machine.variables().get("boot_counter") == ("3" if tries == "" else None)


def test_while_tries_are_left_an_unhealthy_machine_only_restarts(machine: Machine) -> None:
    machine.grubenv()
    machine.verdict("arm", "3")
    machine.reboot_into(NEW)
    machine.grubenv(boot_counter="2", boot_success="0")  # as grub left it
    machine.verdict("unhealthy")
    assert machine.rebooted and machine.order == [NEW, OLD] and machine.variables()["boot_counter"] == "2"


@pytest.mark.parametrize("command", ["unhealthy", "expired"])
def test_the_last_try_and_the_deadline_lead_back(machine: Machine, command: str) -> None:
    machine.grubenv()
    machine.verdict("arm", "2")
    machine.reboot_into(NEW)
    machine.grubenv(boot_counter="0" if command == "unhealthy" else "1", boot_success="0")
    machine.verdict(command)
    assert machine.rebooted and machine.order == [OLD, NEW]
    assert machine.variables() == {"boot_success": "1"}
    assert machine.state("fell-back-from") == NEW and machine.state("trial") == ""


def test_where_the_order_cannot_be_changed_the_boot_loader_goes_back_first(machine: Machine) -> None:
    machine.have([NEW, OLD], booted=OLD, reorders=False)
    machine.grubenv()
    machine.verdict("arm", "1")
    machine.reboot_into(NEW)
    machine.verdict("expired")
    assert machine.rebooted and machine.variables() == {"boot_counter": "0", "boot_success": "0"} and machine.order == [NEW, OLD]
    machine.reboot_into(OLD)
    machine.verdict("settle")
    assert machine.order == [OLD] and machine.variables() == {"boot_success": "1"} and not machine.rebooted


def test_without_boot_loader_support_the_former_commit_is_deployed_anew(machine: Machine) -> None:
    machine.have([NEW, OLD], booted=OLD, reorders=False)
    machine.verdict("arm")
    machine.reboot_into(NEW)
    machine.verdict("unhealthy")
    assert machine.rebooted and machine.order == [OLD, NEW, OLD]
    assert "refspec=forge:debian/edge" in machine.state("origin")


@pytest.mark.parametrize("reorders", [True, False])
def test_a_fall_back_of_the_boot_loader_is_made_lasting(machine: Machine, reorders: bool) -> None:
    machine.have([NEW, OLD], booted=OLD, reorders=reorders)
    machine.grubenv(boot_counter="0", boot_success="0")
    machine.verdict("settle")
    assert machine.order[0] == OLD and machine.variables() == {"boot_success": "1"} and machine.state("fell-back-from") == NEW
    machine.verdict("settle")
    assert machine.order[0] == OLD


@pytest.mark.parametrize("command", ["unhealthy", "expired"])
def test_a_machine_that_was_healthy_once_is_left_alone(machine: Machine, command: str) -> None:
    machine.grubenv(boot_success="1")
    machine.have([NEW, OLD], booted=NEW)
    machine.verdict(command)
    assert not machine.rebooted and machine.order == [NEW, OLD]


def test_a_machine_with_nothing_to_go_back_to_stays(machine: Machine) -> None:
    machine.verdict("arm")
    machine.have([NEW], booted=NEW)
    assert "nothing to go back to" in machine.verdict("unhealthy", code=1)
    assert not machine.rebooted


def test_required_checks_decide_and_wanted_ones_are_told(machine: Machine) -> None:
    machine.have([NEW, OLD], booted=NEW)
    machine.check("10-fine.sh", "exit 0")
    machine.check("required.d/20-also.sh", "exit 0")
    machine.check("wanted.d/30-sad.sh", "exit 4")
    machine.run("forge-health")
    assert (machine.found["state"], machine.found["failed"], machine.found["warnings"]) == ("healthy", [], ["30-sad"])
    assert machine.found["commit"] == NEW and machine.found["boot_id"]


@pytest.mark.parametrize(("script", "kind"), [("exit 1", ""), ("sleep 30", "required.d/"), ("no-such-program", "")])
def test_a_required_check_that_fails_or_hangs_is_named_and_leads_back(machine: Machine, script: str, kind: str) -> None:
    machine.verdict("arm")
    machine.reboot_into(NEW)
    machine.check(f'{kind}10-bad "name".sh', script)
    machine.run("forge-health")
    assert machine.found["state"] == "unhealthy" and machine.found["failed"] == ["10-bad__name_"]
    assert machine.rebooted and machine.order == [OLD, NEW]


def test_checks_are_repeated_while_there_is_time(machine: Machine) -> None:
    with (machine.place / "config").open("a") as stream:
        stream.write("FORGE_HEALTH_WAIT=60\n")
    machine.check("10-late.sh", f"test -e {machine.place / 'ready'}")

    def appear() -> None:
        while not (machine.place / "state" / "state.json").exists():
            time.sleep(0.05)
        (machine.place / "ready").touch()

    thread = threading.Thread(target=appear)
    thread.start()
    machine.run("forge-health")
    thread.join()
    assert machine.found["state"] == "healthy"


def test_a_look_by_hand_has_no_consequences(machine: Machine) -> None:
    machine.verdict("arm")
    machine.reboot_into(NEW)
    machine.check("10-bad.sh", "exit 1")
    machine.run("forge-health", "--once", code=1)
    assert not machine.rebooted and machine.order == [NEW, OLD]
