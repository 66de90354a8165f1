#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build
short_description: Build a Debian image from a blueprint or an osbuild manifest
version_added: 0.1.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Resolves the packages of a blueprint, makes an osbuild manifest of it, has an osbuild engine build it, and puts the image
    into a directory, with its lock file, manifest, build record and log beside it.
  - A build belongs to the host and not to the connection. It goes on when the connection breaks, ends when nobody asks for it
    for a while (O(lease_seconds), O(detach)), and a task that asks for a build that is running joins it.
  - Nothing is done, within seconds, when the image at the destination is the one that would be built.
  - While a build runs, each stage is shown as it begins.
  - The role P(debian_forge.osbuild.build_host#role) makes a machine ready for it.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.changes
  - debian_forge.osbuild.image
  - debian_forge.osbuild.engine
  - debian_forge.osbuild.engine.jobs
attributes:
  check_mode:
    details:
      - Packages are resolved in check mode too, in a temporary directory, and the engine computes the ids. Nothing is built.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Shows the changes of the image's packages against the build that is at the destination, or else against the lock
        file, one line for each package.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details:
      - Progress is not shown then. O(wait=false) with M(debian_forge.osbuild.build_info) does the same without C(async).
options:
  state:
    description:
      - V(present) has the image at the destination.
      - V(cancelled) ends the build O(build_id), and everything it started.
    type: str
    choices: [present, cancelled]
    default: present
  manifest:
    description:
      - Build this osbuild manifest instead of a blueprint.
      - The path of a file on the target, or the text of a manifest, or the manifest itself.
    type: raw
  output_directory:
    description:
      - Where the artefacts go on the target. It is made when missing; files that are no part of a build are left alone.
      - Artefacts appear when they are complete. The build record C(record.json) is the last to come.
      - An image lies directly in it, exports of a O(manifest) in directories named after them.
    type: path
    aliases: [dest]
  exports:
    description:
      - Names of the pipelines to export from a O(manifest). By default the last one.
    type: list
    elements: str
    default: []
  checkpoints:
    description:
      - Trees that are kept in the store, so that later builds need not make them again, as names of pipelines or as ids or types
        of stages.
      - By default, for a blueprint, the build root, the system with its packages unpacked and configured, and what it is just
        before the blueprint's files are written. A change of a file or a user then costs seconds.
    type: list
    elements: str
  store:
    description: Directory of osbuild's store, which keeps downloads and finished trees for later builds.
    type: path
    default: /var/lib/debian-forge/store
  store_max_size:
    description:
      - How large the store's trees may become together, a number of bytes, or with C(MiB), C(GiB) and so on, or V(unlimited).
        The oldest go first. Downloads do not count.
    type: str
    default: 20GiB
  install:
    description:
      - Install the collection's engine first, where it is missing or another, as M(debian_forge.osbuild.engine) does.
    type: bool
    default: false
  bundle_digest:
    description:
      - Digest that the installed engine must have. By default that of the engine of the collection on the controller.
    type: str
  timeout:
    description:
      - Seconds of wall-clock time after which the build is ended, on the host itself. V(0) means no limit.
      - Waiting for other builds of the same store does not count.
    type: int
    default: 7200
  wait:
    description: Wait for the build to end. Otherwise return as soon as it has begun.
    type: bool
    default: true
  detach:
    description:
      - Let the build go on although nobody asks for it. By default the opposite of O(wait).
    type: bool
  lease_seconds:
    description:
      - A build that is not detached is ended when nobody asked for it for so many seconds, since the play was interrupted or
        its controller is gone.
    type: int
    default: 120
  poll_interval:
    description: Seconds between two looks at a running build.
    type: float
    default: 2
  build_id:
    description:
      - A name for the build, to look at it or to cancel it. By default it is made from all that the result depends on.
    type: str
  verify:
    description:
      - Compare the artefacts at the destination with their digests, to see whether they were altered. Otherwise size and time
        of last change have to do.
    type: bool
    default: false
  rebuild:
    description: Build although the image at the destination is the one that would be built.
    type: bool
    default: false
  display_progress:
    description: Show a line for each stage while the build runs.
    type: bool
    default: true
requirements:
  - python3-apt
  - bubblewrap
seealso:
  - module: debian_forge.osbuild.build_info
  - module: debian_forge.osbuild.manifest
"""

EXAMPLES = r"""
---
- name: Build an image from a blueprint of the controller
  debian_forge.osbuild.build:
    blueprint: "{{ lookup('ansible.builtin.file', 'web.toml') }}"
    distribution: debian-13
    image_type: qcow2
    output_directory: /srv/images/web

- name: Build with the newest packages, and show which have changed
  debian_forge.osbuild.build:
    blueprint: /srv/blueprints/web.toml
    distribution: debian-13
    image_type: qcow2
    update_lock: true
    output_directory: /srv/images/web
  diff: true

- name: Build a manifest
  debian_forge.osbuild.build:
    manifest: /srv/manifests/appliance.json
    exports: [image, archive]
    output_directory: /srv/images/appliance

- name: Start a long build and come back to it later
  debian_forge.osbuild.build:
    blueprint: /srv/blueprints/desktop.toml
    distribution: debian-13
    image_type: raw
    output_directory: /srv/images/desktop
    wait: false
  register: started

- name: Cancel it
  debian_forge.osbuild.build:
    state: cancelled
    build_id: "{{ started.build_id }}"
"""

RETURN = r"""
build_id:
  description: The build's id. Jobs of the same id are one build.
  returned: when there is anything to build, or to be built
  type: str
  sample: 3f0a6c1d2b9e4857
msg:
  description: What was done, in one line; what went wrong and where the log is, after a failure.
  returned: always
  type: str
  sample: built web (debian-13, amd64, qcow2) in 62 s
state:
  description: V(done) when the image is there, V(queued) or V(running) with O(wait=false), V(planned) in check mode.
  returned: success
  type: str
  sample: done
reason:
  description: Why a build was needed.
  returned: when something was, or would be, built
  type: str
  sample: the manifest is another
would_build:
  description: Whether a build would be made.
  returned: in check mode
  type: bool
  sample: true
joined:
  description: Whether the build was running already.
  returned: when something was built
  type: bool
  sample: false
artifact:
  description: The first of RV(artifacts), for an image the only one.
  returned: when the build is at its destination
  type: dict
  sample:
    path: /srv/images/web/disk.qcow2
    size: 314572800
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
artifacts:
  description: What was built, with sizes in bytes and SHA-256, at most 50; the build record lists everything.
  returned: when the build is at its destination
  type: list
  elements: dict
  sample:
    - path: /srv/images/web/disk.qcow2
      size: 314572800
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
output_directory:
  description: Where the artefacts are.
  returned: when O(state=present)
  type: str
  sample: /srv/images/web
record_path:
  description: The build record.
  returned: when O(state=present)
  type: str
  sample: /srv/images/web/record.json
manifest_id:
  description: The manifest's id.
  returned: when O(state=present)
  type: str
  sample: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
pipelines:
  description: The manifest's pipelines with their ids, and whether the store has them, at most 50.
  returned: when something was, or would be, built
  type: list
  elements: dict
  sample: [{name: build, id: 32a78317d1b1c5ab1f4a1ca46dd94f1b8f2d4dd7a9bc4bd4a2ee5ad2d4ed8f5c, cached: true}]
stages:
  description: The stages that ran, with seconds; only their names when there are more than 50.
  returned: when something was built and it has ended
  type: list
  elements: raw
  sample: [{name: org.osbuild.debootstrap, pipeline: os, seconds: 9.2}]
packages:
  description:
    - Changes of the image's packages against the build at the destination, or else the lock file, at most 100 names of a
      kind. C(total) is the number of the image's packages.
  returned: with O(blueprint)
  type: dict
  sample:
    total: 174
    counts: {added: 1, removed: 0, upgraded: 1, downgraded: 0}
    added: ["nginx-light 1.26.3-3"]
    removed: []
    upgraded: ["tzdata 2025a-2 -> 2025b-4"]
    downgraded: []
lock:
  description: The lock file, and whether it was used as it stood.
  returned: with O(blueprint)
  type: dict
  sample:
    path: /srv/images/web/lock.json
    sha256: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13
    used: true
engine:
  description: The engine.
  returned: when O(state=present) and there is one
  type: dict
  sample: {kind: embedded, version: "191", libdir: /usr/lib/debian-forge/bundles/9f86d081, digest: 9f86d081}
duration:
  description: Seconds that the build took.
  returned: when something was built and it has ended
  type: float
  sample: 62.4
log_path:
  description: The log on the host.
  returned: when something was built
  type: str
  sample: /var/lib/debian-forge/jobs/3f0a6c1d2b9e4857/log
log_tail:
  description: The last lines of the output of what failed, 40 at most.
  returned: failure of a build
  type: list
  elements: str
  sample: ["no such group: x"]
failed_stage:
  description: The stage that failed.
  returned: failure of a stage
  type: str
  sample: org.osbuild.users
failed_pipeline:
  description: The pipeline that failed.
  returned: failure of a stage
  type: str
  sample: os
failed_source:
  description: The source of files, like packages, that failed.
  returned: failure of a source
  type: str
  sample: org.osbuild.curl
error:
  description: The kind of failure, V(BuildError) or V(BuildTimeout).
  returned: failure of a build
  type: str
  sample: BuildTimeout
commands:
  description: The engine's command lines.
  returned: when something was built and verbosity is 2 or more
  type: list
  elements: list
  sample: [[/usr/bin/python3, -m, osbuild, --libdir, /usr/lib/debian-forge/bundles/9f86d081]]
"""

import errno
import importlib.util

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ..module_utils import arguments, uptodate
from ..module_utils.errors import ForgeError


def use_system_python() -> None:
    """Go on under an interpreter that has python3-apt: the one Ansible chose may be a virtual environment's."""
    if importlib.util.find_spec("apt_pkg") is None and not has_respawned():
        interpreter = probe_interpreters_for_module(["/usr/bin/python3", "/usr/bin/python"], "apt_pkg")
        if interpreter:
            respawn_module(interpreter)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **arguments.IMAGE,
            **arguments.ENGINE,
            **arguments.JOBS_DIRECTORY,
            "state": {"type": "str", "choices": ["present", "cancelled"], "default": "present"},
            "manifest": {"type": "raw"},
            "output_directory": {"type": "path", "aliases": ["dest"]},
            "exports": {"type": "list", "elements": "str", "default": []},
            "checkpoints": {"type": "list", "elements": "str"},
            "store": {"type": "path", "default": arguments.STORE},
            "store_max_size": {"type": "str", "default": "20GiB"},
            "install": {"type": "bool", "default": False},
            "bundle_digest": {"type": "str"},
            "timeout": {"type": "int", "default": 7200},
            "wait": {"type": "bool", "default": True},
            "detach": {"type": "bool"},
            "lease_seconds": {"type": "int", "default": 120},
            "poll_interval": {"type": "float", "default": 2},
            "build_id": {"type": "str"},
            "verify": {"type": "bool", "default": False},
            "rebuild": {"type": "bool", "default": False},
            "display_progress": {"type": "bool", "default": True},
        },
        required_if=[
            ["state", "present", ["output_directory"]],
            ["state", "present", ["blueprint", "manifest"], True],
            ["state", "cancelled", ["build_id"]],
        ],
        required_by={"blueprint": "image_type"},
        mutually_exclusive=[["blueprint", "manifest"]],
        supports_check_mode=True,
        # Nothing of the parameters goes to syslog: a blueprint may hold passwords.
        no_log=True,
    )
    invocation = arguments.invocation(module.params)
    known = uptodate.Known(module.params, diff=module._diff)
    answer = known.find()
    if answer is not None:
        for warning in answer.warnings:
            module.warn(warning)
        module.exit_json(invocation=invocation, **answer.result, **({"would_build": False} if module.check_mode else {}))
    if module.params["blueprint"] is not None:
        use_system_python()
    # Only now: reading all of it takes longer than the rest of a task that has nothing to do.
    from ..module_utils import buildtask

    try:
        if module.params["state"] == "cancelled":
            result = buildtask.cancel(module)
        else:
            result = buildtask.Build(module, known).execute()
    except ForgeError as exc:
        module.fail_json(msg=str(exc), invocation=invocation, **exc.result)
    except OSError as exc:
        full = "the disk is full: " if exc.errno == errno.ENOSPC else ""
        module.fail_json(
            msg=f"{full}{exc.strerror or exc}: {exc.filename or module.params['output_directory']}",
            invocation=invocation,
        )
    module.exit_json(invocation=invocation, **result)


if __name__ == "__main__":
    main()
