#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_deployment
short_description: Deploy commits to a machine that runs from OSTree
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Has a commit be what the machine boots next, pins, rolls back or removes deployments. It never reboots.
  - A commit that no trusted key has signed is refused, wherever it was pulled from, and nothing is changed.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
  - debian_forge.osbuild.ostree.sysroot
attributes:
  check_mode:
    details:
      - The remote is asked in check mode too, and the package database of a commit that is not there yet is fetched, into a
        temporary directory.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Shows package changes against the running deployment, and changes of kernel arguments.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
options:
  state:
    description:
      - V(deployed) has the commit boot next.
      - V(staged) does the same, but writes the boot entries only when the machine goes down, with C(/etc) as it is then.
      - V(pinned) and V(unpinned) say whether a deployment stays until it is removed.
      - V(rolled_back) has the deployment before O(commit), or before the running one, boot next.
      - V(undeployed) removes the deployments of O(commit), or the one at O(index). What runs is never removed.
    type: str
    choices: [deployed, staged, pinned, unpinned, rolled_back, undeployed]
    default: deployed
  remote:
    description: The remote to pull from. By default that of the running deployment.
    type: str
  ref:
    description: The ref to pull, and to follow with later upgrades. By default that of the running deployment.
    type: str
  commit:
    description:
      - The commit. By default the newest of O(ref), or with O(state=rolled_back) the running one.
    type: str
  index:
    description:
      - A deployment by its place in the boot order, V(0) is what boots next. For O(state=pinned), O(state=unpinned) and
        O(state=undeployed), instead of O(commit).
    type: int
  urls:
    description:
      - Pull from the first of these addresses that has the commit, such as a peer, and from the remote when none has.
    type: list
    elements: str
    default: []
  pull:
    description: Pull the commit. Otherwise it must be in the repository already.
    type: bool
    default: true
  kernel_arguments:
    description: Kernel arguments that the deployment must have, in addition to those it takes over.
    type: list
    elements: str
    default: []
  kernel_arguments_absent:
    description: Kernel arguments that it must not have, as C(NAME=VALUE), or as C(NAME) for all of that name.
    type: list
    elements: str
    default: []
  retain:
    description: Keep deployments that would otherwise be removed, all but the running one and the one before.
    type: bool
    default: false
notes:
  - The ostree of Debian 12 cannot reorder deployments. There, O(state=rolled_back) removes deployments that are not running and
    come before the one to go back to; when one of them is running, it deploys that one's commit anew, with the running one's C(/etc).
seealso:
  - module: debian_forge.osbuild.ostree_deployment_info
"""

EXAMPLES = r"""
---
- name: Upgrade to the newest commit of what the machine runs
  debian_forge.osbuild.ostree_deployment:

- name: Show which packages would change
  debian_forge.osbuild.ostree_deployment:
    remote: forge
    ref: debian/13/amd64/edge
  check_mode: true
  diff: true

- name: Deploy one commit, from a machine nearby if that has it
  debian_forge.osbuild.ostree_deployment:
    remote: forge
    ref: debian/13/amd64/edge
    commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
    urls: [http://edge1.example.com/repo]
    kernel_arguments: [panic=30]

- name: Go back from it
  debian_forge.osbuild.ostree_deployment:
    state: rolled_back
    commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
"""

RETURN = r"""
msg:
  description: What was done, in one line; what went wrong, after a failure.
  returned: always
  type: str
  sample: fd61a03af4f7 (13.2) boots next
commit:
  description: The commit that boots next.
  returned: success
  type: str
  sample: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
before:
  description: The commit that runs; on a sysroot that was not booted from, what was to boot before the task. Nothing if none is.
  returned: success
  type: str
  sample: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
reboot_required:
  description: Whether what boots next is not what runs.
  returned: success
  type: bool
  sample: true
deployments:
  description: Deployments in boot order, as they are after the task.
  returned: success
  type: list
  elements: dict
  sample:
    - index: 0
      osname: debian
      commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
      serial: 0
      booted: false
      staged: false
      pinned: false
      version: "13.2"
      origin: forge:debian/13/amd64/edge
      path: /ostree/deploy/debian/deploy/fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13.0
      kernel_arguments: [root=LABEL=root, rw]
packages:
  description: Package changes against the running deployment, at most 100 names of a kind.
  returned: when O(state=deployed) or O(state=staged)
  type: dict
  sample:
    known: true
    total: 212
    counts: {added: 0, removed: 0, upgraded: 1, downgraded: 0}
    added: []
    removed: []
    upgraded: ["nginx 1.26.3-3 -> 1.26.3-4"]
    downgraded: []
pulled_from:
  description: Which of O(urls) it was pulled from, nothing for the remote itself.
  returned: when something was pulled
  type: str
  sample: http://edge1.example.com/repo
method:
  description: How the boot order was changed, V(set-default), V(undeploy) or V(deploy).
  returned: when something was rolled back
  type: str
  sample: set-default
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import ForgeError, OstreeError
from ..module_utils.ostree import arguments, deploy, deployments, packages, pull, refs
from ..module_utils.ostree.deployments import Deployment, Sysroot


class Task:
    """One task on a sysroot."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.sysroot = Sysroot(Path(self.params["sysroot"])).require()
        self.repository = self.sysroot.repository
        self.found = self.sysroot.deployments()
        self.now = deployments.running(self.found)
        self.result: dict[str, t.Any] = {"changed": False, "before": self.now.commit if self.now else ""}

    def origin(self) -> tuple[str, str | None]:
        """Remote and ref to pull."""
        remote, ref = self.params["remote"], self.params["ref"]
        followed, _colon, name = (self.now.origin if self.now else "").rpartition(":")
        remote = remote or followed
        if not remote:
            raise OstreeError(
                "which remote to pull from is not clear, since what runs follows none; say it with remote"
            )
        return remote, ref or name or None

    def wanted_commit(self, remote: str, ref: str | None) -> str:
        """The commit to deploy, in the repository unless in check mode."""
        commit, urls = self.params["commit"], self.params["urls"]
        if commit is not None and self.repository.is_complete(commit):
            return str(commit)
        if not self.params["pull"]:
            rev = commit or f"{remote}:{ref}"
            return refs.require(self.repository, rev)
        if self.module.check_mode:
            return pull.remote_commit(self.repository, remote, ref, commit, urls)
        pulled = pull.pull(self.repository, remote, ref, commit, urls)
        for failure in pulled.failures:
            self.module.warn(f"not pulled from {failure}")
        self.result["pulled_from"] = pulled.url or ""
        return pulled.commit

    def packages(self, remote: str, ref: str | None, commit: str) -> packages.Difference:
        before = packages.of_commit(self.repository, self.now.commit) if self.now else None
        if self.repository.is_complete(commit):
            after = packages.of_commit(self.repository, commit)
        else:
            after = pull.remote_packages(self.repository, remote, ref, commit, self.params["urls"])
        return packages.Difference(before, after)

    def deployed(self) -> None:
        osname = deployments.the_osname(self.sysroot, self.found, self.params["osname"])
        remote, ref = self.origin()
        commit = self.wanted_commit(remote, ref)
        wish = deploy.Wish(
            osname=osname,
            commit=commit,
            origin=f"{remote}:{ref}" if ref else None,
            arguments_present=tuple(self.params["kernel_arguments"]),
            arguments_absent=tuple(self.params["kernel_arguments_absent"]),
            staged=self.params["state"] == "staged",
            retain=self.params["retain"],
        )
        difference = self.packages(remote, ref, commit)
        self.result["packages"] = difference.as_result()
        self.result["changed"] = not deploy.is_done(self.found, wish)
        before, after = difference.lines()
        if self.result["changed"]:
            first = self.found[0].commit if self.found else "(none)"
            if first != commit:
                before.insert(0, f"commit {first}")
                after.insert(0, f"commit {commit}")
            old = self.found[0].kernel_arguments if self.found else ()
            new = deploy.arguments(self.found, wish)
            before += [f"kernel argument {word}" for word in old if word not in new]
            after += [f"kernel argument {word}" for word in new if word not in old]
            if not self.module.check_mode:
                deploy.execute(self.sysroot, self.found, wish)
        self.result["commit"] = commit
        self.result["msg"] = f"{commit[:12]} boots next"
        self.diff(before, after)

    def chosen(self) -> list[Deployment]:
        """Deployments that the task names."""
        index, commit = self.params["index"], self.params["commit"]
        if index is not None:
            if not 0 <= index < len(self.found):
                raise OstreeError(f"index is {index}, but there are {len(self.found)} deployments, from 0")
            return [self.found[index]]
        return [one for one in self.found if one.commit == commit]

    def pinned(self) -> None:
        wanted = self.params["state"] == "pinned"
        chosen = self.chosen()
        if not chosen:
            if not wanted:
                self.result["msg"] = f"{self.params['commit']} is not deployed"
                return
            raise OstreeError(f"commit {self.params['commit']} is not deployed, so it cannot be pinned")
        if wanted and any(one.staged for one in chosen):
            raise OstreeError("a staged deployment cannot be pinned before the machine was rebooted")
        changing = [one for one in chosen if one.pinned != wanted]
        self.result["changed"] = bool(changing)
        for one in changing if not self.module.check_mode else ():
            deploy.pin(self.sysroot, one, wanted)
        self.result["msg"] = f"{chosen[0].title()} is {self.params['state']}"
        words = ("unpinned", "pinned") if wanted else ("pinned", "unpinned")
        self.diff(*([f"{one.commit} {word}" for one in changing] for word in words))

    def undeployed(self) -> None:
        chosen = self.chosen()
        if any(one.booted for one in chosen):
            raise OstreeError(f"{chosen[0].title()} is running and cannot be removed; roll it back and reboot first")
        self.result["changed"] = bool(chosen)
        # From the last on, so that places of the others stay as they are.
        for one in reversed(chosen) if not self.module.check_mode else ():
            if one.pinned:
                deploy.pin(self.sysroot, one, False)
            deploy.undeploy(self.sysroot, one)
        self.result["msg"] = f"{len(chosen)} deployments removed"
        self.diff([f"{one.commit}.{one.serial}" for one in chosen], [])

    def rolled_back(self) -> None:
        booted = deployments.booted(self.found)
        bad = self.params["commit"] or (booted.commit if booted else None)
        if bad is None:
            raise OstreeError(f"nothing runs from {self.sysroot.path}; say with commit what to go back from")
        if not self.found or self.found[0].commit != bad:
            self.result["msg"] = f"{bad[:12]} does not boot next"
            return
        target = next((one for one in self.found if one.commit != bad and one.osname == self.found[0].osname), None)
        if target is None:
            raise OstreeError(f"there is nothing to go back to from {bad[:12]}: no other commit is deployed")
        self.result["changed"] = True
        self.result["msg"] = f"{target.title()} boots next"
        self.diff([f"commit {bad}"], [f"commit {target.commit}"])
        self.result["commit"] = target.commit
        if not self.module.check_mode:
            self.result["method"] = deploy.make_first(self.sysroot, self.found, target)

    def diff(self, before: list[str], after: list[str]) -> None:
        if self.module._diff:
            header = f"deployments in {self.sysroot.path}"
            self.result["diff"] = arguments.diff(before, after, header, header)

    def execute(self) -> dict[str, t.Any]:
        acting = {
            "deployed": self.deployed,
            "staged": self.deployed,
            "pinned": self.pinned,
            "unpinned": self.pinned,
            "rolled_back": self.rolled_back,
            "undeployed": self.undeployed,
        }
        acting[self.params["state"]]()
        if self.result["changed"] and not self.module.check_mode:
            self.found = self.sysroot.deployments()
        first = self.found[0].commit if self.found else ""
        self.result["deployments"] = [one.as_dict() for one in self.found]
        self.result.setdefault("commit", first)
        self.result["reboot_required"] = self.result["commit"] != self.result["before"]
        if not self.result["reboot_required"]:
            # The same commit with other kernel arguments wants a reboot as well.
            booted = deployments.booted(self.found)
            self.result["reboot_required"] = booted is not None and booted.index != 0
        return self.result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.SYSROOT,
            "state": {
                "type": "str",
                "choices": ["deployed", "staged", "pinned", "unpinned", "rolled_back", "undeployed"],
                "default": "deployed",
            },
            "remote": {"type": "str"},
            "ref": {"type": "str"},
            "commit": {"type": "str"},
            "index": {"type": "int"},
            "urls": {"type": "list", "elements": "str", "default": []},
            "pull": {"type": "bool", "default": True},
            "kernel_arguments": {"type": "list", "elements": "str", "default": []},
            "kernel_arguments_absent": {"type": "list", "elements": "str", "default": []},
            "retain": {"type": "bool", "default": False},
        },
        required_if=[
            ["state", "pinned", ["commit", "index"], True],
            ["state", "unpinned", ["commit", "index"], True],
            ["state", "undeployed", ["commit", "index"], True],
        ],
        mutually_exclusive=[["commit", "index"]],
        supports_check_mode=True,
    )
    try:
        result = Task(module).execute()
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    except OSError as exc:
        module.fail_json(msg=f"{module.params['sysroot']}: {exc.strerror}: {exc.filename}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
