#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ostree_deployment_info
short_description: Look at the deployments of a machine that runs from OSTree
version_added: 0.2.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Returns what a machine runs, what it boots next and goes back to, what its health checks found, and what was changed in
    C(/etc).
  - On a machine that is no OSTree machine it says so and does not fail.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.info
  - debian_forge.osbuild.ostree.sysroot
options:
  etc_changes:
    description: Compare C(/etc) of the running deployment with what its commit brought.
    type: bool
    default: false
  packages:
    description: Compare the packages of what runs with those of what boots next.
    type: bool
    default: false
  health_directory:
    description: Where the health checks of the role P(debian_forge.osbuild.ostree_client#role) leave what they found.
    type: path
    default: /var/lib/forge-health
seealso:
  - module: debian_forge.osbuild.ostree_deployment
"""

EXAMPLES = r"""
---
- name: Look at the machine
  debian_forge.osbuild.ostree_deployment_info:
    etc_changes: true
  register: machine

- name: Say what it runs
  ansible.builtin.debug:
    msg: "{{ machine.running.version }} is {{ machine.health.state }}"
"""

RETURN = r"""
ostree:
  description: Whether the sysroot holds deployments.
  returned: always
  type: bool
  sample: true
deployments:
  description: Deployments in boot order.
  returned: always
  type: list
  elements: dict
  sample:
    - index: 0
      osname: debian
      commit: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
      serial: 0
      booted: true
      staged: false
      pinned: false
      version: "13.2"
      origin: forge:debian/13/amd64/edge
      path: /ostree/deploy/debian/deploy/fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13.0
      kernel_arguments: [root=LABEL=root, rw]
booted:
  description: The deployment that the machine runs, empty when the sysroot is not what it was booted from.
  returned: always
  type: dict
  sample: {}
running:
  description: The same; for a sysroot that was not booted from, the one that boots next. Empty if there is none.
  returned: always
  type: dict
  sample: {}
next:
  description: The deployment that boots next, empty if there is none.
  returned: always
  type: dict
  sample: {}
rollback:
  description: The deployment to go back to, empty if there is none.
  returned: always
  type: dict
  sample: {}
reboot_required:
  description: Whether what boots next is not what runs.
  returned: always
  type: bool
  sample: false
health:
  description:
    - What the health checks found since the machine was booted. C(state) is V(healthy), V(unhealthy), V(checking) or
      V(unknown), C(failed) and C(warnings) name checks, C(commit) is what was checked, C(fell_back_from) a commit that the machine
      left by itself.
  returned: always
  type: dict
  sample: {state: healthy, commit: "", failed: [], warnings: [], fell_back_from: ""}
etc_changes:
  description: Paths below C(/etc), at most 200 of a kind; of what was added or removed only the topmost.
  returned: with O(etc_changes)
  type: dict
  sample: {added: [hosts.d], modified: [hostname], removed: []}
packages:
  description: Package changes that the next boot brings, at most 100 names of a kind.
  returned: with O(packages)
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
from ..module_utils.ostree import arguments, deployments, etcchanges, health, packages
from ..module_utils.ostree.deployments import Deployment, Sysroot


def shown(deployment: Deployment | None) -> dict[str, t.Any]:
    return {} if deployment is None else deployment.as_dict()


def look(sysroot: Sysroot, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """What a machine has."""
    is_ostree = sysroot.repository.exists()
    everything = sysroot.deployments() if is_ostree else []
    found = [one for one in everything if params["osname"] in (None, one.osname)]
    now, first = deployments.running(found), found[0] if found else None
    result: dict[str, t.Any] = {
        "ostree": is_ostree,
        "deployments": [one.as_dict() for one in found],
        "booted": shown(deployments.booted(found)),
        "running": shown(now),
        "next": shown(first),
        "rollback": shown(deployments.rollback(found)),
        "reboot_required": now is not None and now != first,
        "health": health.read(Path(params["health_directory"])),
    }
    if params["etc_changes"]:
        changes = {} if now is None else etcchanges.changes(now.root)
        result["etc_changes"] = {kind: names[:200] for kind, names in changes.items()}
    if params["packages"] and now is not None and first is not None:
        result["packages"] = packages.compare(sysroot.repository, now.commit, first.commit).as_result()
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.SYSROOT,
            "etc_changes": {"type": "bool", "default": False},
            "packages": {"type": "bool", "default": False},
            "health_directory": {"type": "path", "default": str(health.STATE)},
        },
        supports_check_mode=True,
    )
    try:
        result = look(Sysroot(Path(module.params["sysroot"])), module.params)
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
