#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_repo_info
short_description: Look at an OSTree repository
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Returns mode, refs, remotes, static deltas and the state of the summary of an OSTree repository, and what the target's
    ostree is.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.info
  - debian_forge.osbuild.ostree
options:
  size:
    description: Add up the sizes of the repository's files, which takes a while for a large one.
    type: bool
    default: false
seealso:
  - module: debian_forge.osbuild.ostree_repo
  - module: debian_forge.osbuild.ostree_ref_info
"""

EXAMPLES = r"""
---
- name: Look at a repository
  debian_forge.osbuild.ostree_repo_info:
    path: /srv/ostree/repo
  register: repository

- name: Say what is in it
  ansible.builtin.debug:
    msg: "{{ repository.refs | map(attribute='ref') | join(', ') }}"
"""

RETURN = r"""
exists:
  description: Whether there is a repository.
  returned: always
  type: bool
  sample: true
mode:
  description: Its mode.
  returned: when it exists
  type: str
  sample: archive
collection_id:
  description: Its collection id, or nothing.
  returned: when it exists
  type: str
  sample: ""
refs:
  description: Its own refs and their commits.
  returned: when it exists
  type: list
  elements: dict
  sample: [{ref: debian/13/amd64/edge, commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13}]
remotes:
  description: Names and addresses of its remotes, and whether signatures are demanded.
  returned: when it exists
  type: list
  elements: dict
  sample: [{name: forge, url: https://ostree.example.com/repo, gpg_verify: true}]
deltas:
  description: Static deltas; C(from) is null for one from scratch. At most 200.
  returned: when it exists
  type: list
  elements: dict
  sample:
    - from: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
      to: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
      size: 812044
summary:
  description: Whether there is a summary, whether it says what the repository has, and whether it is signed.
  returned: when it exists
  type: dict
  sample: {exists: true, current: true, signed: false}
size:
  description: Bytes that the repository's files have together.
  returned: when it exists and O(size=true)
  type: int
  sample: 251822080
ostree:
  description: Version of the target's ostree, and what it was built with.
  returned: always
  type: dict
  sample: {version: "2025.2", features: [gpgme, libcurl]}
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import ForgeError
from ..module_utils.ostree import arguments, deltas, refs, remotes, summary
from ..module_utils.ostree.program import features
from ..module_utils.ostree.repository import Repository


def look(repository: Repository, size: bool) -> dict[str, t.Any]:
    """What a module returns of a repository."""
    version, built_with = features()
    found: dict[str, t.Any] = {
        "exists": repository.exists(),
        "ostree": {"version": version, "features": sorted(built_with)},
    }
    if not found["exists"]:
        return found
    settings = repository.settings()
    found.update(
        mode=repository.mode,
        collection_id=repository.collection_id,
        refs=[{"ref": ref, "commit": commit} for ref, commit in refs.heads(repository).items()],
        remotes=[
            {
                "name": name,
                "url": settings[f'remote "{name}"'].get("url", ""),
                "gpg_verify": settings[f'remote "{name}"'].get("gpg-verify", "true") == "true",
            }
            for name in remotes.names(repository)
        ],
        deltas=[delta.as_dict(repository) for delta in deltas.listing(repository)[:200]],
        summary={
            "exists": (repository.path / "summary").is_file(),
            "current": summary.is_current(repository),
            "signed": (repository.path / "summary.sig").is_file(),
        },
    )
    if size:
        found["size"] = sum(path.lstat().st_size for path in repository.path.rglob("*") if not path.is_dir())
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={**arguments.REPOSITORY, "size": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    try:
        result = look(Repository(Path(module.params["path"])), module.params["size"])
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
