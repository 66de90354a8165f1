#!/usr/bin/python
# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build_info
short_description: Look at image builds on a build host
version_added: 0.1.0
author:
  - Debian Forge contributors (@debian-forge)
description:
  - Returns the state of the builds that M(debian_forge.osbuild.build) started on a host, the progress of those that run,
    and what those that ended came to.
extends_documentation_fragment:
  - debian_forge.osbuild._attributes
  - debian_forge.osbuild._attributes.info
  - debian_forge.osbuild.engine.jobs
options:
  build_id:
    description:
      - Only this build. By default all builds whose folders are still there, the newest first, 50 at most.
    type: str
  renew_lease:
    description:
      - Tell the build given by O(build_id) that somebody waits for it. A build that was started without C(detach=true) of
        M(debian_forge.osbuild.build) ends when nobody does so for its C(lease_seconds).
    type: bool
    default: true
  progress_offset:
    description:
      - With O(build_id), return the steps that came after this offset as RV(builds[].steps). Begin with V(0), go on with
        RV(builds[].progress_offset).
    type: int
seealso:
  - module: debian_forge.osbuild.build
"""

EXAMPLES = r"""
---
- name: Show all builds
  debian_forge.osbuild.build_info:
  register: all

- name: Wait for a build that was started with wait set to false
  debian_forge.osbuild.build_info:
    build_id: "{{ started.build_id }}"
  register: found
  until: found.builds[0].state not in ['queued', 'running']
  retries: 240
  delay: 15
"""

RETURN = r"""
builds:
  description:
    - The builds. Empty if there is none, or none with the given id.
  returned: success
  type: list
  elements: dict
  contains:
    build_id:
      description: The build's id.
      returned: always
      type: str
      sample: 3f0a6c1d2b9e4857
    state:
      description:
        - V(queued) (it waits for the store), V(running), V(done), V(failed), V(cancelled), or V(lost) (its owner was killed).
      returned: always
      type: str
      sample: running
    output_directory:
      description: Where the artefacts go.
      returned: always
      type: str
      sample: /srv/images/web
    log_path:
      description: The log on the host.
      returned: always
      type: str
      sample: /var/lib/debian-forge/jobs/3f0a6c1d2b9e4857/log
    progress:
      description: The last step of a build that runs.
      returned: when the build runs and has begun
      type: dict
      sample: {event: stage, pipeline: os, name: org.osbuild.debootstrap, number: 1, total: 9}
    steps:
      description: Steps since O(progress_offset).
      returned: when O(progress_offset) is given
      type: list
      elements: dict
      sample: [{event: stage, pipeline: os, name: org.osbuild.debootstrap, number: 1, total: 9, time: 1763840000.5}]
    progress_offset:
      description: The offset to give next time.
      returned: when O(progress_offset) is given
      type: int
      sample: 1620
    artifacts:
      description: What was built, with sizes in bytes and SHA-256; the build record at the destination lists everything.
      returned: when the state is V(done)
      type: list
      elements: dict
      sample:
        - path: /srv/images/web/disk.qcow2
          size: 314572800
          sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    artifact:
      description: The first of RV(builds[].artifacts).
      returned: when the state is V(done)
      type: dict
      sample:
        path: /srv/images/web/disk.qcow2
        size: 314572800
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    stages:
      description: The stages that ran, with seconds; only their names when there are more than 50.
      returned: when the build has ended
      type: list
      elements: raw
      sample: [{name: org.osbuild.debootstrap, pipeline: os, seconds: 9.2}]
    duration:
      description: Seconds.
      returned: when the build has ended
      type: float
      sample: 62.4
    error:
      description: Why it ended without artefacts, with the last lines of the log as C(log_tail).
      returned: when the state is V(failed), V(cancelled) or V(lost)
      type: dict
      sample:
        msg: "stage org.osbuild.users of pipeline os failed: no such group: x; the log is /var/lib/debian-forge/jobs/3f0a6c1d2b9e4857/log"
        failed_stage: org.osbuild.users
        failed_pipeline: os
        log_tail: ["no such group: x"]
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import ForgeError
from ..module_utils.jobs import control, report
from ..module_utils.jobs.folder import JOBS

_LISTED = 50


def describe(found: control.Status, offset: int | None) -> dict[str, t.Any]:
    """One build, with its steps since ``offset`` if that is given."""
    values = report.outcome(found)
    if not found.ended:
        steps = found.folder.steps(limit=1 << 22)[0]
        if steps:
            values["progress"] = steps[-1]
    if offset is not None:
        values["steps"], values["progress_offset"] = found.folder.steps(offset, limit=8192)
    failure = report.failure(found)
    if failure is not None:
        values["error"] = failure
    return values


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "build_id": {"type": "str"},
            "renew_lease": {"type": "bool", "default": True},
            "progress_offset": {"type": "int", "no_log": False},
            "jobs_directory": {"type": "path", "default": str(JOBS)},
        },
        required_by={"progress_offset": "build_id"},
        supports_check_mode=True,
    )
    root = Path(module.params["jobs_directory"])
    build_id = module.params["build_id"]
    try:
        if build_id is None:
            builds = [describe(found, None) for found in control.listing(root)[:_LISTED]]
            for one in builds:
                # A list of many: details are to be asked for one by one.
                one.pop("stages", None)
                one.get("error", {}).pop("log_tail", None)
        else:
            found = control.status(build_id, root)
            if found is not None and not found.ended and module.params["renew_lease"] and not module.check_mode:
                found.folder.touch_lease()
            builds = [] if found is None else [describe(found, module.params["progress_offset"])]
    except ForgeError as exc:
        module.fail_json(msg=str(exc), **exc.result)
    module.exit_json(changed=False, builds=builds)


if __name__ == "__main__":
    main()
