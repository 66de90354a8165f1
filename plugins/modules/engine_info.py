#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_info
short_description: Find out which osbuild engines a host has
version_added: 0.1.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Returns the osbuild engines that M(debian_forge.osbuild.build) can use on a host, and for those that it cannot use the
    reason.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.info
options:
  libdir:
    description: Look at this library directory instead of the installed ones.
    type: path
  verify:
    description: Compute the digest of the library directory anew and compare it with the noted one.
    type: bool
    default: false
seealso:
  - module: debian_forge.osbuild.engine
"""

EXAMPLES = r"""
---
- name: Which engines are there
  debian_forge.osbuild.engine_info:
  register: found

- name: Show the one a build would use
  ansible.builtin.debug:
    var: found.selected
"""

RETURN = r"""
engines:
  description: The engines, usable or not.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(upstream) or V(embedded).
      returned: always
      type: str
      sample: embedded
    usable:
      description: Whether a build can use it.
      returned: always
      type: bool
      sample: true
    reason:
      description: Why it cannot be used.
      returned: when it cannot
      type: str
      sample: "engine is 'upstream', but no program osbuild is on PATH"
    version:
      description: The osbuild version whose behaviour the engine has.
      returned: when usable
      type: str
      sample: "191"
    libdir:
      description: Its library directory.
      returned: when usable
      type: str
      sample: /usr/lib/debian-forge/bundles/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    digest:
      description: Digest of the library directory, as noted when it was installed.
      returned: when usable
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    intact:
      description: Whether the library directory still has that digest.
      returned: when usable and O(verify=true)
      type: bool
      sample: true
selected:
  description: The engine that C(engine=auto) takes, empty if there is none.
  returned: success
  type: dict
  sample: {kind: embedded, usable: true, version: "191", libdir: /usr/lib/debian-forge/bundles/9f86d081, digest: 9f86d081}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.driver import bundle
from ..module_utils.driver.engine import find_engine
from ..module_utils.errors import EngineError


def look(kind: str, libdir: str | None, verify: bool) -> dict[str, t.Any]:
    """One kind of engine on this host."""
    try:
        engine = find_engine(kind, libdir)
    except EngineError as exc:
        return {"kind": kind, "usable": False, "reason": str(exc)}
    found = {**engine.as_dict(), "usable": True}
    if verify:
        found["intact"] = engine.digest is not None and bundle.digest(engine.libdir) == engine.digest
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={"libdir": {"type": "path"}, "verify": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    libdir, verify = module.params["libdir"], module.params["verify"]
    engines = [look(kind, libdir, verify) for kind in ("upstream", "embedded")]
    selected = next((found for found in engines if found["usable"]), {})
    module.exit_json(changed=False, engines=engines, selected=selected)


if __name__ == "__main__":
    main()
