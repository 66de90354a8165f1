#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Install the osbuild engine and its stages on a build host
version_added: 0.1.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Installs the engine and the stages of this collection as one tree below O(root), in a directory named after the
    collection's version, with the digest of its content beside it and a link C(current) to it.
  - The tree goes to the target as one archive, is compared with its digest there, and appears at its place at once.
    Builds that run keep the tree they were started with, and the last few trees stay for controllers with another version of
    the collection.
  - The role P(debian_forge.osbuild.build_host#role) uses it.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
attributes:
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
options:
  state:
    description:
      - V(present) installs the engine, V(absent) removes all its versions.
    type: str
    choices: [present, absent]
    default: present
  root:
    description: Where engines are installed.
    type: path
    default: /usr/lib/debian-forge
  version:
    description: The version to install it as. By default that of the collection.
    type: str
  digest:
    description: The digest of the tree. Found out on the controller when not given.
    type: str
  archive:
    description:
      - Path on the target of the archive to install. By default the engine of the collection on the controller is sent.
    type: path
  jobs_directory:
    description:
      - Where the job folders lie; trees that a build is using are not removed.
    type: path
    default: /var/lib/debian-forge/jobs
seealso:
  - module: debian_forge.osbuild.engine_info
"""

EXAMPLES = r"""
---
- name: Install the engine
  debian_forge.osbuild.engine:

- name: Remove it
  debian_forge.osbuild.engine:
    state: absent
"""

RETURN = r"""
libdir:
  description: The installed library directory.
  returned: when O(state=present)
  type: str
  sample: /usr/lib/debian-forge/0.1.0
version:
  description: The installed version.
  returned: when O(state=present)
  type: str
  sample: 0.1.0
digest:
  description: SHA-256 over names, modes and contents of the tree.
  returned: when O(state=present)
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
needs_archive:
  description: Whether the tree has yet to be sent to the target; used by the module's controller side.
  returned: when O(archive) was not given and the tree is not on the target
  type: bool
  sample: true
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.driver import bundle
from ..module_utils.errors import EngineError, ForgeError
from ..module_utils.jobs import control


def in_use(jobs: Path) -> frozenset[str]:
    """Digests of the trees that running builds were started with."""
    running = [found for found in control.listing(jobs) if not found.ended]
    return frozenset(Path(found.job["engine"]["libdir"]).name for found in running if found.job.get("engine"))


def present(module: AnsibleModule, root: Path) -> dict[str, t.Any]:
    """Install the wanted tree if it is not the current one."""
    version, digest = module.params["version"], module.params["digest"]
    if not version or not digest:
        raise EngineError("version and digest are empty: the controller side of this module has to find them out")
    current = bundle.find_installed(root)
    before = None if current is None else bundle.installed_digest(current)
    result: dict[str, t.Any] = {"libdir": str(root / version), "version": version, "digest": digest, "changed": True}
    result["diff"] = {
        "before": f"{current.name if current else 'absent'} {before or ''}\n".replace(" \n", "\n"),
        "after": f"{version} {digest}\n",
        "before_header": str(root),
        "after_header": str(root),
    }
    if current == root / version and before == digest:
        return {**result, "changed": False}
    if module.check_mode:
        return result
    if (root / "bundles" / digest).is_dir():
        bundle.activate(version, digest, root)
    elif module.params["archive"]:
        bundle.install(Path(module.params["archive"]), version, digest, root)
    else:
        return {**result, "needs_archive": True}
    bundle.prune(root, in_use(Path(module.params["jobs_directory"])))
    return result


def absent(module: AnsibleModule, root: Path) -> dict[str, t.Any]:
    """Remove every installed tree."""
    there = bool(bundle.installed(root))
    if there and not module.check_mode:
        if in_use(Path(module.params["jobs_directory"])):
            raise EngineError(f"the engine in {root} is in use by a build; wait for it or cancel it first")
        bundle.remove(root)
    state = "present\n" if there else "absent\n"
    return {"changed": there, "diff": {"before": state, "after": "absent\n"}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "root": {"type": "path", "default": str(bundle.ROOT)},
            "version": {"type": "str"},
            "digest": {"type": "str"},
            "archive": {"type": "path"},
            "jobs_directory": {"type": "path", "default": "/var/lib/debian-forge/jobs"},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    try:
        result = (present if module.params["state"] == "present" else absent)(module, root)
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    except OSError as exc:
        module.fail_json(msg=f"the engine could not be installed below {root}: {exc.strerror}: {exc.filename}")
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
