#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_ref_info
short_description: Look at the commits of an OSTree ref
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Returns the history of a ref or commit, who signed it, and the package difference to another commit.
  - With O(remote) it asks that for its newest commit and verifies its signature, without fetching more than that.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.info
  - debian_forge.osbuild.ostree
options:
  ref:
    description: The ref, as C(REMOTE:REF) for what was pulled, or a commit.
    type: str
    required: true
    aliases: [commit]
  compare_with:
    description: A ref or commit of the same repository whose packages are compared with those of O(ref).
    type: str
  limit:
    description: How many commits of the history to return.
    type: int
    default: 10
  remote:
    description: Ask this remote of the repository instead of the repository itself.
    type: str
  urls:
    description: Ask these addresses before that of O(remote), with the same keys.
    type: list
    elements: str
    default: []
seealso:
  - module: debian_forge.osbuild.ostree_ref
"""

EXAMPLES = r"""
---
- name: Show what came with the last commit
  debian_forge.osbuild.ostree_ref_info:
    path: /srv/ostree/repo
    ref: debian/13/amd64/edge
    compare_with: debian/13/amd64/edge^
  register: edge

- name: Ask the server for its newest commit
  debian_forge.osbuild.ostree_ref_info:
    path: /ostree/repo
    remote: forge
    ref: debian/13/amd64/edge
  register: newest
"""

RETURN = r"""
exists:
  description: Whether the repository has the commit.
  returned: success
  type: bool
  sample: true
commit:
  description: The commit, nothing when there is none.
  returned: success
  type: str
  sample: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
history:
  description: The commit and its parents, newest first, with dates in UTC. C(content) is a digest of the tree alone.
  returned: when it exists, without O(remote)
  type: list
  elements: dict
  sample:
    - commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
      parent: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
      content: 580774f0e67c02ffd1f9535256a5f61a983399018796f895992d1a5b8e9d3256
      date: "2026-01-02T03:04:05Z"
      version: "13.2"
      subject: edge 13.2
metadata:
  description: Metadata of the commit.
  returned: when it exists, without O(remote)
  type: dict
  sample: {version: "13.2", ostree.bootable: true, ostree.ref-binding: [debian/13/amd64/edge]}
signed_by:
  description: Ids of the GPG keys that signed the commit. Whether one of them is trusted only a client can say.
  returned: when it exists, without O(remote)
  type: list
  elements: str
  sample: [16086A187198AAC0]
package_count:
  description: How many packages the commit has; null for a tree without dpkg.
  returned: when it exists, without O(remote)
  type: int
  sample: 212
packages:
  description: Package changes from O(compare_with), at most 100 names of a kind.
  returned: with O(compare_with)
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
from ..module_utils.ostree import arguments, history, metadata, packages, pull, refs, signatures
from ..module_utils.ostree.program import CHECKSUM
from ..module_utils.ostree.repository import Repository


def ask(repository: Repository, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """What a remote has."""
    ref, commit = (None, params["ref"]) if CHECKSUM.fullmatch(params["ref"]) else (params["ref"], None)
    found = pull.remote_commit(repository, params["remote"], ref, commit, params["urls"])
    return {"exists": True, "commit": found}


def look(repository: Repository, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the repository has."""
    commit = refs.resolve(repository, params["ref"])
    if commit is None or not repository.has_commit(commit):
        return {"exists": False, "commit": ""}
    newest = history.read(repository, commit)
    there = packages.of_commit(repository, commit)
    found: dict[str, t.Any] = {
        "exists": True,
        "commit": commit,
        "history": [one.as_dict() for one in history.history(repository, commit, params["limit"])],
        "metadata": {key: metadata.value(text) for key, text in newest.extra.items()},
        "signed_by": signatures.key_ids(repository, commit),
        "package_count": None if there is None else len(there),
    }
    if params["compare_with"] is not None:
        before = refs.require(repository, params["compare_with"], "compare_with")
        found["packages"] = packages.Difference(packages.of_commit(repository, before), there).as_result()
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.REPOSITORY,
            "ref": {"type": "str", "required": True, "aliases": ["commit"]},
            "compare_with": {"type": "str"},
            "limit": {"type": "int", "default": 10},
            "remote": {"type": "str"},
            "urls": {"type": "list", "elements": "str", "default": []},
        },
        mutually_exclusive=[["compare_with", "remote"]],
        supports_check_mode=True,
    )
    try:
        repository = Repository(Path(module.params["path"])).require()
        result = (look if module.params["remote"] is None else ask)(repository, module.params)
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
