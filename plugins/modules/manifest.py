#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: Make an osbuild manifest from a blueprint
version_added: 0.1.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Resolves the packages that a blueprint asks for, with the signatures of the package sources verified, and writes an
    osbuild manifest that pins each of them by its checksum.
  - Equal input gives an equal manifest, byte for byte. With a lock file the packages stay the same until they are updated.
  - M(debian_forge.osbuild.build) does all this by itself; this module is for those who want to look at a manifest, keep it,
    or build it elsewhere.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
  - debian_forge.osbuild.image
attributes:
  check_mode:
    details:
      - Packages are resolved in check mode too, in a temporary directory.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Shows the changes of the image's packages against the lock file, one line for each package.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
options:
  blueprint:
    description:
      - The image's definition, an osbuild-composer blueprint.
      - Either a dictionary, or the text of a blueprint in TOML or JSON, or the path of such a file on the target.
        A string that has several lines, or that begins like a blueprint, is taken as text.
      - To use a file of the controller, give its text with P(ansible.builtin.file#lookup).
    type: raw
    required: true
  image_type:
    description:
      - What comes out, V(tar) (the file system as an archive), V(raw) (a disk) or V(qcow2) (a disk for virtual machines).
    type: str
    required: true
  dest:
    description: Path on the target of the manifest to write. The directory must exist.
    type: path
    required: true
requirements:
  - python3-apt
seealso:
  - module: debian_forge.osbuild.build
"""

EXAMPLES = r"""
---
- name: Make a manifest from a blueprint of the controller
  debian_forge.osbuild.manifest:
    blueprint: "{{ lookup('ansible.builtin.file', 'web.toml') }}"
    distribution: debian-13
    image_type: qcow2
    lock_file: /srv/images/web.lock.json
    dest: /srv/images/web.manifest.json

- name: Make one from a definition in the play, with newer packages
  debian_forge.osbuild.manifest:
    blueprint:
      name: web
      packages:
        - name: nginx-light
      customizations:
        hostname: web
    distribution: debian-13
    image_type: tar
    lock_file: /srv/images/web.lock.json
    update_lock: true
    dest: /srv/images/web.manifest.json
"""

RETURN = r"""
manifest:
  description: The manifest, with the SHA-256 of the file, and the manifest's id, which does not depend on its formatting.
  returned: success
  type: dict
  sample:
    path: /srv/images/web.manifest.json
    size: 312480
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    id: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
lock:
  description: The lock file, and whether it was used as it stood. Its path is empty when O(lock_file) was not given.
  returned: success
  type: dict
  sample:
    path: /srv/images/web.lock.json
    sha256: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
    used: true
exports:
  description: The pipelines that make up the image.
  returned: success
  type: list
  elements: str
  sample: [qcow2]
packages:
  description:
    - Changes of the image's packages against the lock file that was there, at most 100 names of a kind.
    - C(total) is the number of the image's packages.
  returned: success
  type: dict
  sample:
    total: 174
    counts: {added: 1, removed: 0, upgraded: 1, downgraded: 0}
    added: ["nginx-light 1.26.3-3"]
    removed: []
    upgraded: ["tzdata 2025a-2 -> 2025b-4"]
    downgraded: []
msg:
  description: What was done, in one line.
  returned: success
  type: str
  sample: wrote the manifest of web (debian-13, amd64, qcow2) with 174 packages
"""

import hashlib
import importlib.util
import os
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ..module_utils import arguments, plan
from ..module_utils.errors import ForgeError, ManifestError


def use_system_python() -> None:
    """Go on under an interpreter that has python3-apt: the one Ansible chose may be a virtual environment's."""
    if importlib.util.find_spec("apt_pkg") is None and not has_respawned():
        interpreter = probe_interpreters_for_module(["/usr/bin/python3", "/usr/bin/python"], "apt_pkg")
        if interpreter:
            respawn_module(interpreter)


def same(path: Path, content: bytes) -> bool:
    """Whether the file is there with this content."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def replace(module: AnsibleModule, path: Path, content: bytes, mode: int) -> None:
    """Write a file so that it is never seen half-written."""
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    os.chmod(name, mode)
    module.atomic_move(name, str(path), keep_dest_attrs=False)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Plan, compare, and write what is other."""
    params = module.params
    dest = Path(params["dest"])
    if not dest.parent.is_dir() or dest.is_dir():
        raise ManifestError(f"dest is {dest}; it must be the path of a file in a directory that exists")
    lock_file = Path(params["lock_file"]) if params["lock_file"] else None
    made = plan.make_plan(
        plan.Inputs(
            blueprint=arguments.read_blueprint(params["blueprint"]),
            image_type=params["image_type"],
            distribution=params["distribution"],
            architecture=params["architecture"],
            sources=plan.parse_sources(params["sources"]),
            lock=lock_file,
            update_lock=params["update_lock"],
        )
    )
    for warning in made.warnings:
        module.warn(warning)
    wanted = {dest: made.manifest}
    if lock_file is not None and made.lock_text is not None:
        wanted[lock_file] = made.lock_text.encode()
    other = [path for path, content in wanted.items() if not same(path, content)]
    if not module.check_mode:
        for path in other:
            replace(module, path, wanted[path], arguments.file_mode(made.manifest) if path == dest else 0o644)
    changes = plan.compare(made.previous, made.packages, native=made.request["architecture"])
    verb = ("would write" if module.check_mode else "wrote") if other else "nothing to change in"
    about = ", ".join(str(made.request[key]) for key in ("distribution", "architecture", "image_type"))
    counts = f"{len(made.packages.get('os', ()))} packages"
    result: dict[str, t.Any] = {
        "changed": bool(other),
        "msg": f"{verb} the manifest of {made.request['blueprint']} ({about}) with {counts}",
        "manifest": {
            "path": str(dest),
            "size": len(made.manifest),
            "sha256": hashlib.sha256(made.manifest).hexdigest(),
            "id": made.manifest_id,
        },
        "lock": {"path": str(lock_file or ""), "sha256": made.lock_digest, "used": made.locked},
        "exports": list(made.exports),
        "packages": changes.as_result(),
    }
    if module._diff:
        name = str(lock_file) if lock_file else "packages"
        result["diff"] = changes.as_diff(name if made.previous is not None else "no lock file", name)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.IMAGE,
            "blueprint": {"type": "raw", "required": True},
            "image_type": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
        # Nothing of the parameters goes to syslog: a blueprint may hold passwords.
        no_log=True,
    )
    invocation = arguments.invocation(module.params)
    use_system_python()
    try:
        result = run(module)
    except ForgeError as exc:
        module.fail_json(msg=str(exc), invocation=invocation, **exc.result)
    except OSError as exc:
        module.fail_json(msg=f"{exc.strerror or exc}: {exc.filename or module.params['dest']}", invocation=invocation)
    module.exit_json(invocation=invocation, **result)


if __name__ == "__main__":
    main()
