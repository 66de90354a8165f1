#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_repo
short_description: Make and look after an OSTree repository
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Makes an OSTree repository, sets its configuration and its remotes with the keys they trust, brings the summary up to
    date, takes out old commits, and checks its content.
  - What is done at once is done in this order. Refs and summary change under a lock of the repository, so that tasks and
    publications do not come into each other's way.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
  - debian_forge.osbuild.ostree
  - debian_forge.osbuild.ostree.signing
attributes:
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: full
options:
  state:
    description: V(present) has the repository, V(absent) removes it with all that is in it.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - The repository's mode. V(archive) is for serving, V(bare) for deployments.
      - A repository's mode cannot be changed; another one is refused.
    type: str
    choices: [archive, bare, bare-user, bare-user-only]
    default: archive
  collection_id:
    description: A name for the repository that is unique in the world, like C(com.example.Edge), for pulls from peers.
    type: str
  config:
    description:
      - Settings of the repository's configuration, each as C(GROUP.KEY) and its value. An empty value takes a setting away.
    type: dict
    default: {}
  remotes:
    description: Remotes to have, or not to have. Others are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the remote.
        type: str
        required: true
      state:
        description: Whether it shall be there.
        type: str
        choices: [present, absent]
        default: present
      url:
        description: Where it is. Needed unless V(absent).
        type: str
      gpg_verify:
        description: Refuse commits that no key of O(remotes[].gpg_keys) has signed.
        type: bool
        default: true
      gpg_verify_summary:
        description: Refuse a summary that no key of O(remotes[].gpg_keys) has signed.
        type: bool
        default: false
      gpg_keys:
        description: Files on the target with the public keys to trust, and no others. Their content counts, not their names.
        type: list
        elements: path
        default: []
      settings:
        description: Further keys of the remote's group in the configuration, like C(tls-ca-path) or C(proxy).
        type: dict
        default: {}
  summary:
    description: Have the summary say what the repository has. Clients believe it before the refs.
    type: bool
    default: false
  sign_summary:
    description: Sign the summary with the key of O(gpg_home). By default it stays signed when it is.
    type: bool
  prune:
    description:
      - Takes out commits that no rule wants to stay, what belongs to them alone, and static deltas that lead to no ref's
        newest commit. Without a rule only such deltas go.
    type: dict
    suboptions:
      keep_last:
        description: So many of the newest commits of each ref stay. The newest always does.
        type: int
      keep_days:
        description: Commits that are younger than so many days stay.
        type: float
      grace_hours:
        description:
          - Commits that were the newest of their ref, and deltas that were made, within so many hours stay, since clients
            may still be fetching them.
        type: float
        default: 24
  verify:
    description: Check that all objects are whole and nothing is missing, and fail otherwise.
    type: bool
    default: false
seealso:
  - module: debian_forge.osbuild.ostree_repo_info
  - module: debian_forge.osbuild.ostree_ref
"""

EXAMPLES = r"""
---
- name: Make a repository to serve
  debian_forge.osbuild.ostree_repo:
    path: /srv/ostree/repo
    mode: archive
    summary: true

- name: Keep the last ten commits of each ref, and what is younger than 90 days
  debian_forge.osbuild.ostree_repo:
    path: /srv/ostree/repo
    prune:
      keep_last: 10
      keep_days: 90
    summary: true
    verify: true

- name: Trust one key for what comes from a server
  debian_forge.osbuild.ostree_repo:
    path: /ostree/repo
    mode: bare
    remotes:
      - name: forge
        url: https://ostree.example.com/repo
        gpg_keys: [/etc/ostree/forge.gpg]
"""

RETURN = r"""
msg:
  description: What was done, in one line; what went wrong, after a failure.
  returned: always
  type: str
  sample: "/srv/ostree/repo: updated the summary"
actions:
  description: What was, or would be, done.
  returned: success
  type: list
  elements: str
  sample: ["removed 3 commits", "updated the summary"]
removed_commits:
  description: Commits that were, or would be, taken out, at most 100.
  returned: with O(prune)
  type: list
  elements: str
  sample: [fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13]
removed_deltas:
  description: Static deltas that were, or would be, taken out, at most 100.
  returned: with O(prune)
  type: list
  elements: str
  sample: []
freed:
  description: What that freed, as ostree says it.
  returned: when commits were taken out
  type: str
  sample: 51.2 MB
refs:
  description: How many refs the repository has.
  returned: when O(state=present) and the repository is there
  type: int
  sample: 3
"""

import shutil
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import ForgeError, OstreeError
from ..module_utils.ostree import arguments, prune, refs, remotes, summary
from ..module_utils.ostree.program import attempt, error_line
from ..module_utils.ostree.repository import MODES, Repository, setting_name


class Task:
    """One task: what is wanted of the repository, and what was done for it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.repository = Repository(Path(self.params["path"]))
        self.key = arguments.signing_key(self.params)
        self.actions: list[str] = []
        self.before: list[str] = []
        self.after: list[str] = []
        self.result: dict[str, t.Any] = {}

    def note(self, action: str, before: str | None = None, after: str | None = None) -> bool:
        """Remember an action; returns whether it is to be done and not only foretold."""
        self.actions.append(action)
        self.before += [before] if before is not None else []
        self.after += [after] if after is not None else []
        return not self.module.check_mode

    def present(self) -> None:
        # Everything that can be refused is, before anything is changed.
        wanted = [self.remote(one) for one in self.params["remotes"]]
        settings = [(setting_name(name), name, value) for name, value in self.params["config"].items()]
        if self.repository.exists():
            if self.repository.mode != self.params["mode"]:
                raise OstreeError(
                    f"{self.repository.path} is a repository of mode {self.repository.mode}, which cannot be turned into "
                    f"{self.params['mode']}; make another and pull into it"
                )
        elif self.note("made the repository", after=f"repository of mode {self.params['mode']}"):
            self.repository.create(self.params["mode"], self.params["collection_id"])
        if not self.repository.exists():
            # Check mode, and nothing there to compare with.
            for _setting, name, value in settings:
                self.note(f"set {name}", after=f"{name}={value}")
            for remote, state in wanted:
                if state == "present":
                    self.note(f"added remote {remote.name}", after=f"remote {remote.name} {remote.url}")
            if self.params["summary"]:
                self.note("updated the summary")
            return
        collection = self.params["collection_id"]
        if collection is not None and self.repository.collection_id != collection:
            settings.append((("core", "collection-id"), "core.collection-id", collection))
        for (group, key), name, value in settings:
            self.setting(group, key, name, value)
        for remote, state in wanted:
            self.have_remote(remote, state)
        if self.params["prune"] is not None or self.params["summary"]:
            # Not otherwise: the repository of a running system is mounted read-only, so there can be no lock.
            with self.repository.publishing():
                if self.params["prune"] is not None:
                    self.prune()
                if self.params["summary"]:
                    self.summary()
        if self.params["verify"]:
            self.verify()
        self.result["refs"] = len(refs.heads(self.repository))

    def remote(self, one: dict[str, t.Any]) -> tuple[remotes.Remote, str]:
        made = remotes.Remote(
            name=one["name"],
            url=one["url"] or "",
            gpg_verify=one["gpg_verify"],
            gpg_verify_summary=one["gpg_verify_summary"],
            gpg_keys=tuple(Path(path) for path in one["gpg_keys"]),
            settings={key: _word(value) for key, value in one["settings"].items()},
        )
        if one["state"] == "present":
            remotes.check(made)
            made.wanted()
        return made, one["state"]

    def setting(self, group: str, key: str, name: str, value: t.Any) -> None:
        there = self.repository.settings().get(group, {}).get(key)
        wanted = None if value in (None, "") else _word(value)
        if there != wanted:
            before = None if there is None else f"{name}={there}"
            if self.note(f"set {name}", before, None if wanted is None else f"{name}={wanted}"):
                self.repository.set(group, key, wanted)

    def have_remote(self, remote: remotes.Remote, state: str) -> None:
        there = remote.name in remotes.names(self.repository)
        if state == "absent":
            if there and self.note(f"removed remote {remote.name}", before=f"remote {remote.name}"):
                remotes.remove(self.repository, remote.name)
            return
        changes = remotes.differences(self.repository, remote)
        if not changes:
            return
        for key, (before, after) in changes.items():
            self.before += [f"remote {remote.name} {key}={before}"] if before is not None else []
            self.after += [f"remote {remote.name} {key}={after}"] if after is not None else []
        if self.note(f"{'changed' if there else 'added'} remote {remote.name}"):
            remotes.apply(self.repository, remote)

    def prune(self) -> None:
        made = prune.plan(self.repository, prune.Rule(**self.params["prune"]))
        self.result["removed_commits"] = made.commits[:100]
        self.result["removed_deltas"] = [delta.name for delta in made.deltas][:100]
        if not made:
            return
        self.before += [f"commit {one}" for one in made.commits[:100]] + [
            f"delta {one.name}" for one in made.deltas[:100]
        ]
        if self.note(f"removed {len(made.commits)} commits and {len(made.deltas)} deltas"):
            self.result["freed"] = prune.execute(self.repository, made)

    def summary(self) -> None:
        signed = self.params["sign_summary"]
        if signed is None:
            signed = (self.repository.path / "summary.sig").is_file()
        if signed and self.key is None:
            raise OstreeError(f"signing the summary of {self.repository.path} needs the key: say where with gpg_home")
        key = self.key if signed else None
        stale_signature = not signed and (self.repository.path / "summary.sig").is_file()
        # A signature may be of another key: only what was just written is known.
        if (stale_signature or not summary.is_current(self.repository, key)) and self.note("updated the summary"):
            summary.update(self.repository, key)

    def verify(self) -> None:
        done = attempt(["fsck", "--quiet"], self.repository.path)
        if done.returncode:
            raise OstreeError(f"{self.repository.path} is damaged: {error_line(done.stderr)}")

    def absent(self) -> None:
        if not self.repository.path.exists():
            return
        self.repository.require()
        if self.note("removed the repository", before=f"repository of mode {self.repository.mode}"):
            shutil.rmtree(self.repository.path)

    def execute(self) -> dict[str, t.Any]:
        (self.present if self.params["state"] == "present" else self.absent)()
        path = self.repository.path
        self.result.update(changed=bool(self.actions), actions=self.actions)
        self.result["msg"] = f"{path}: {', '.join(self.actions) or 'nothing to do'}"
        if self.module._diff:
            self.result["diff"] = arguments.diff(self.before, self.after, str(path), str(path))
        return self.result


def _word(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.REPOSITORY,
            **arguments.SIGNING,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "mode": {"type": "str", "choices": list(MODES), "default": "archive"},
            "collection_id": {"type": "str"},
            "config": {"type": "dict", "default": {}},
            "remotes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "url": {"type": "str"},
                    "gpg_verify": {"type": "bool", "default": True},
                    "gpg_verify_summary": {"type": "bool", "default": False},
                    "gpg_keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
                    "settings": {"type": "dict", "default": {}},
                },
                "required_if": [["state", "present", ["url"]]],
            },
            "summary": {"type": "bool", "default": False},
            "sign_summary": {"type": "bool"},
            "prune": {
                "type": "dict",
                "options": {
                    "keep_last": {"type": "int"},
                    "keep_days": {"type": "float"},
                    "grace_hours": {"type": "float", "default": 24},
                },
            },
            "verify": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = Task(module).execute()
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    except OSError as exc:
        module.fail_json(msg=f"{module.params['path']}: {exc.strerror}: {exc.filename}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
