#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_ref
short_description: Publish, promote and revert refs of an OSTree repository
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Has a ref of a repository lead to a commit, of the same or of another repository, signed and with static deltas.
  - The ref is the last to change, and after it the summary, both by rename. No client ever sees a ref whose objects are not
    there yet. What an interrupted task left undone the next one does.
  - A commit notes the refs it was made for, and clients refuse it under others. To promote one, a commit of the same content
    and metadata is made for the ref; content and metadata tell whether that was done before.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
  - debian_forge.osbuild.ostree
  - debian_forge.osbuild.ostree.signing
attributes:
  check_mode:
    details:
      - The id of a commit that has yet to be made is not known before.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Shows the package changes between the commit that the ref leads to and the new one.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
options:
  ref:
    description: The ref.
    type: str
    required: true
  state:
    description:
      - V(present) has the ref lead to O(commit).
      - V(reverted) has it lead to what came before O(commit), if that is in its history.
      - V(absent) removes the ref. Its commits stay until they are pruned.
    type: str
    choices: [present, reverted, absent]
    default: present
  commit:
    description:
      - With O(state=present), the commit to lead to, as a checksum or as another ref. By default what O(ref) is in
        O(source).
      - With O(state=reverted), the commit to get rid of.
    type: str
  source:
    description: A repository on the target to take the commit from. By default O(path).
    type: path
  metadata:
    description: Metadata that the published commit must have, like C(version). A new commit is made for it if need be.
    type: dict
    default: {}
  link:
    description:
      - When O(commit) and what the ref leads to have nothing to do with each other, as those of two builds without a parent,
        make a commit of the same content that follows the present one. Without this the ref loses its history, and what it led
        to goes with the next pruning, while clients may be fetching it.
    type: bool
    default: true
  ed25519_key_file:
    description:
      - A file with a secret Ed25519 key, base64 on one line, to sign with as well. Refused where the target's ostree was
        built without Ed25519, as that of Debian 12 and 13 is.
    type: path
  deltas:
    description: Make static deltas from so many former commits of the ref.
    type: int
    default: 0
  delta_from_scratch:
    description: Make a static delta for clients that have nothing, which is about as large as the whole tree.
    type: bool
    default: false
  summary:
    description: Bring the summary up to date. Clients believe it before the refs.
    type: bool
    default: true
  sign_summary:
    description: Sign the summary with the key of O(gpg_home). By default it stays signed when it is.
    type: bool
seealso:
  - module: debian_forge.osbuild.ostree_ref_info
  - module: debian_forge.osbuild.ostree_repo
"""

EXAMPLES = r"""
---
- name: Publish what a build made
  debian_forge.osbuild.ostree_ref:
    path: /srv/ostree/repo
    source: /srv/images/edge/repo
    ref: debian/13/amd64/edge/testing
    gpg_home: /srv/ostree/gnupg
    deltas: 3

- name: Promote it
  debian_forge.osbuild.ostree_ref:
    path: /srv/ostree/repo
    ref: debian/13/amd64/edge/stable
    commit: debian/13/amd64/edge/testing
    gpg_home: /srv/ostree/gnupg
    deltas: 3

- name: Take a bad commit back
  debian_forge.osbuild.ostree_ref:
    path: /srv/ostree/repo
    ref: debian/13/amd64/edge/stable
    state: reverted
    commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
"""

RETURN = r"""
msg:
  description: What was done, in one line; what went wrong, after a failure.
  returned: always
  type: str
  sample: debian/13/amd64/edge is fd61a03af4f7
ref:
  description: The ref.
  returned: success
  type: str
  sample: debian/13/amd64/edge
commit:
  description: The commit that the ref leads to, nothing when that has yet to be made or the ref is gone.
  returned: success
  type: str
  sample: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
before:
  description: The commit that it led to, nothing for a new ref.
  returned: success
  type: str
  sample: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
version:
  description: Version of the commit.
  returned: when the commit has one
  type: str
  sample: "13.2"
actions:
  description: What was, or would be, done, of V(pull), V(commit), V(sign), V(delta), V(ref) and V(summary), in this order.
  returned: success
  type: list
  elements: str
  sample: [pull, sign, delta, ref, summary]
deltas:
  description: Static deltas that were made, with their sizes in bytes.
  returned: when some were
  type: list
  elements: dict
  sample:
    - from: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
      to: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
      size: 812044
packages:
  description: Package changes against the former commit, at most 100 names of a kind. C(known) is false for trees without dpkg.
  returned: when O(state=present) or the ref was reverted
  type: dict
  sample:
    known: true
    total: 212
    counts: {added: 0, removed: 0, upgraded: 1, downgraded: 0}
    added: []
    removed: []
    upgraded: ["nginx 1.26.3-3 -> 1.26.3-4"]
    downgraded: []
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import ForgeError
from ..module_utils.ostree import arguments, packages, publish, refs, summary
from ..module_utils.ostree.repository import Repository


class Task:
    """One task: a ref and what it shall be."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.ref = refs.check_name(self.params["ref"])
        self.repository = Repository(Path(self.params["path"])).require()
        self.result: dict[str, t.Any] = {"changed": False, "ref": self.ref, "actions": []}

    def wish(self, rev: str, source: Repository | None) -> publish.Wish:
        ed25519 = self.params["ed25519_key_file"]
        return publish.Wish(
            ref=self.ref,
            rev=rev,
            source=source,
            extra={key: str(value) for key, value in self.params["metadata"].items()},
            key=arguments.signing_key(self.params),
            ed25519_key_file=None if ed25519 is None else Path(ed25519),
            link=self.params["link"],
            deltas=self.params["deltas"],
            delta_from_scratch=self.params["delta_from_scratch"],
            update_summary=self.params["summary"],
            sign_summary=self.params["sign_summary"],
        )

    def present(self) -> None:
        source = None if self.params["source"] is None else Repository(Path(self.params["source"]))
        self.publish(self.wish(self.params["commit"] or self.ref, source))

    def reverted(self) -> None:
        there = refs.heads(self.repository).get(self.ref)
        bad = refs.resolve(self.repository, self.params["commit"])
        target = None if there is None or bad is None else publish.before_commit(self.repository, self.ref, bad)
        if target is None:
            self.result.update(
                commit=there or "",
                before=there or "",
                msg=f"{self.params['commit']} is not in the history of {self.ref}",
            )
            return
        self.publish(self.wish(target, None))

    def publish(self, wish: publish.Wish) -> None:
        with self.repository.publishing():
            made = publish.plan(self.repository, wish)
            origin = wish.source or self.repository
            difference = packages.Difference(
                None if made.before is None else packages.of_commit(self.repository, made.before),
                packages.of_commit(origin, made.origin.checksum),
            )
            self.result.update(
                changed=bool(made.actions),
                actions=made.actions,
                before=made.before or "",
                commit=made.commit or "",
                packages=difference.as_result(),
            )
            if version := wish.extra.get("version", made.origin.version):
                self.result["version"] = version
            if self.module._diff:
                self.result["diff"] = self.diff(made, difference)
            if made.actions and not self.module.check_mode:
                self.result.update(publish.execute(self.repository, made))
        self.result["msg"] = f"{self.ref} is {self.result['commit'][:12] or 'a commit that has yet to be made'}"

    def diff(self, made: publish.Plan, difference: packages.Difference) -> dict[str, str]:
        before, after = difference.lines()
        if made.before != made.commit:
            before.insert(0, f"commit {made.before or '(none)'}")
            after.insert(0, f"commit {made.commit or '(a new one)'}")
        return arguments.diff(before, after, self.ref, self.ref)

    def absent(self) -> None:
        with self.repository.publishing():
            before = refs.heads(self.repository).get(self.ref)
            self.result.update(
                changed=before is not None, before=before or "", commit="", msg=f"{self.ref} is not there"
            )
            if self.module._diff:
                lines = [] if before is None else [f"commit {before}"]
                self.result["diff"] = arguments.diff(lines, [], self.ref, self.ref)
            if before is None:
                return
            self.result["actions"] = ["ref", "summary"] if self.params["summary"] else ["ref"]
            # Before anything is changed: the summary may be signed, and the key not given.
            key = publish.summary_key(self.repository, self.wish(self.ref, None)) if self.params["summary"] else None
            if self.module.check_mode:
                return
            refs.delete(self.repository, self.ref)
            if self.params["summary"]:
                summary.update(self.repository, key)

    def execute(self) -> dict[str, t.Any]:
        {"present": self.present, "reverted": self.reverted, "absent": self.absent}[self.params["state"]]()
        return self.result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.REPOSITORY,
            **arguments.SIGNING,
            "ref": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "reverted", "absent"], "default": "present"},
            "commit": {"type": "str"},
            "source": {"type": "path"},
            "metadata": {"type": "dict", "default": {}},
            "link": {"type": "bool", "default": True},
            "ed25519_key_file": {"type": "path", "no_log": False},
            "deltas": {"type": "int", "default": 0},
            "delta_from_scratch": {"type": "bool", "default": False},
            "summary": {"type": "bool", "default": True},
            "sign_summary": {"type": "bool"},
        },
        required_if=[["state", "reverted", ["commit"]]],
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
