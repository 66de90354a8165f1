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
      - By default, for a blueprint, the build root and the system with its packages unpacked and configured, before the
        blueprint's other wishes. A change of a file or a user then costs seconds.
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
import hashlib
import importlib.util
import json
import os
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ..module_utils import arguments, plan
from ..module_utils.driver import engine as engines
from ..module_utils.driver import record
from ..module_utils.errors import BuildError, EngineError, ForgeError
from ..module_utils.jobs import control, report

_LOCK = "lock.json"


def use_system_python() -> None:
    """Go on under an interpreter that has python3-apt: the one Ansible chose may be a virtual environment's."""
    if importlib.util.find_spec("apt_pkg") is None and not has_respawned():
        interpreter = probe_interpreters_for_module(["/usr/bin/python3", "/usr/bin/python"], "apt_pkg")
        if interpreter:
            respawn_module(interpreter)


class Build:
    """One task's build: what is wanted, what is there, and the way from one to the other."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.destination = Path(os.path.abspath(self.params["output_directory"]))
        self.root = Path(self.params["jobs_directory"])
        self.store = Path(os.path.abspath(self.params["store"]))
        self.lock_file = Path(os.path.abspath(self.params["lock_file"] or self.destination / _LOCK))
        self.record = record.read(self.destination)
        self.result: dict[str, t.Any] = {"changed": False}

    def plan(self) -> plan.Plan:
        """What would be built."""
        if self.params["manifest"] is not None:
            return plan.raw_plan(self.params["manifest"], self.params["exports"])
        made = plan.make_plan(
            plan.Inputs(
                blueprint=arguments.read_blueprint(self.params["blueprint"]),
                image_type=self.params["image_type"],
                distribution=self.params["distribution"],
                architecture=self.params["architecture"],
                sources=plan.parse_sources(self.params["sources"]),
                lock=self.lock_file,
                update_lock=self.params["update_lock"],
            )
        )
        for warning in made.warnings:
            self.module.warn(warning)
        return made

    def find_engine(self) -> engines.Engine | None:
        """The engine; in check mode none is no error, since a role may be about to install it."""
        try:
            found = engines.find_engine(self.params["engine"], self.params["libdir"], self.params["bundle_digest"])
            if not self.params["libdir"]:
                engines.check_digest(found, self.params["bundle_digest"])
        except EngineError as exc:
            if not self.module.check_mode:
                raise
            self.module.warn(f"{exc} (ids cannot be computed now)")
            return None
        return found

    def check_places(self) -> None:
        """Refuse what cannot work before anything is begun."""
        for name, path in (("output_directory", self.destination), ("store", self.store)):
            place = path
            while not place.exists() and place != place.parent:
                place = place.parent
            if not place.is_dir():
                raise BuildError(f"{name} is {path}, but {place} is no directory")
            if path == Path("/"):
                raise BuildError(f"{name} is /; it must be a directory of its own")
        if self.destination == self.store or self.store in self.destination.parents:
            raise BuildError(
                f"output_directory {self.destination} lies in the store {self.store}, which belongs to osbuild"
            )

    def execute(self) -> dict[str, t.Any]:
        """The whole task."""
        self.check_places()
        engine = self.find_engine()
        made = self.plan()
        digest = engine.digest if engine else self.params["bundle_digest"]
        reason = record.outdated(
            self.record,
            self.destination,
            manifest=made.manifest_id,
            exports=made.exports,
            bundle_digest=digest,
            verify=self.params["verify"],
        )
        if reason is None and self.params["rebuild"]:
            reason = "the task asks for it"
        self.describe(made, engine, digest)
        if reason is None:
            return self.unchanged(made)
        self.result.update(changed=True, reason=reason)
        pipelines = self.inspect(engine, made)
        if self.module.check_mode or engine is None:
            of = self.title(made)
            return {**self.result, "state": "planned", "would_build": True, "msg": f"would build {of}: {reason}"}
        return self.build(engine, made, pipelines)

    def title(self, made: plan.Plan) -> str:
        request = made.request
        if not request:
            return f"{', '.join(made.exports)} of the manifest {made.manifest_id[:12]}"
        return "{blueprint} ({distribution}, {architecture}, {image_type})".format(**request)

    def identity(self, made: plan.Plan, digest: str | None) -> str:
        """Equal for equal results at equal places."""
        if self.params["build_id"]:
            return str(self.params["build_id"])
        parts = [made.manifest_id, sorted(made.exports), digest, str(self.destination), str(self.store)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def describe(self, made: plan.Plan, engine: engines.Engine | None, digest: str | None) -> None:
        """The part of the result that does not depend on whether something is built."""
        self.result.update(
            build_id=self.identity(made, digest),
            output_directory=str(self.destination),
            record_path=str(self.destination / record.RECORD),
            manifest_id=made.manifest_id,
        )
        if engine is not None:
            self.result["engine"] = engine.as_dict()
        if made.lock_text is None:
            return
        self.result["lock"] = {"path": str(self.lock_file), "sha256": made.lock_digest, "used": made.locked}
        before, header = made.previous, f"packages of {self.lock_file}"
        if self.record is not None and self.record.get("packages"):
            before, header = self.record["packages"], f"packages of the build in {self.destination}"
        changes = plan.compare(before, made.packages, native=made.request["architecture"])
        self.result["packages"] = changes.as_result()
        if self.module._diff:
            header = header if before is not None else "nothing built before"
            self.result["diff"] = changes.as_diff(header, f"packages of {self.title(made)}")

    def unchanged(self, made: plan.Plan) -> dict[str, t.Any]:
        """The image is there; only its lock file may have to be renewed or put back."""
        found = record.artefacts_of(self.record or {})
        files = report.files([{**one.as_dict(), "path": str(self.destination / one.path)} for one in found])
        self.result.update(state="done", artifacts=files, artifact=files[0], msg=f"{self.title(made)} is there already")
        if self.module.check_mode:
            self.result["would_build"] = False
        if made.lock_text is not None and not self.has_lock(made.lock_text):
            self.result.update(changed=True, msg=f"{self.result['msg']}; its lock file was renewed")
            if not self.module.check_mode:
                self.write_lock(made.lock_text)
        return self.result

    def has_lock(self, text: str) -> bool:
        try:
            return self.lock_file.read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError):
            return False

    def write_lock(self, text: str) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.module.tmpdir)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(name, 0o644)
        self.lock_file.parent.mkdir(parents=True, exist_ok=True)
        self.module.atomic_move(name, str(self.lock_file), keep_dest_attrs=False)

    def inspect(self, engine: engines.Engine | None, made: plan.Plan) -> tuple[engines.Pipeline, ...]:
        """Have the engine check the manifest and compute the ids."""
        if engine is None:
            return ()
        found = engines.inspect(engine, made.manifest, made.exports)
        self.result["pipelines"] = [
            {"name": one.name, "id": one.id, "cached": engines.is_cached(self.store, one.id)} for one in found[:50]
        ]
        return found

    def build(
        self, engine: engines.Engine, made: plan.Plan, pipelines: tuple[engines.Pipeline, ...]
    ) -> dict[str, t.Any]:
        """Start the build, or join it, and wait for it if that is wanted."""
        params = self.params
        detach = params["detach"] if params["detach"] is not None else not params["wait"]
        checkpoints = params["checkpoints"] if params["checkpoints"] is not None else made.checkpoints
        lock_name = _LOCK if self.lock_file == self.destination / _LOCK else str(self.lock_file)
        job = control.Job(
            build_id=self.result["build_id"],
            engine=engine,
            manifest=made.manifest,
            store=self.store,
            exports=made.exports,
            destination=self.destination,
            record=record.template(
                build_id=self.result["build_id"],
                manifest=made.manifest_id,
                exports=made.exports,
                engine=engine.as_dict(),
                pipelines={one.name: one.id for one in pipelines},
                lock_digest=made.lock_digest,
                request=made.request,
                packages=made.packages,
            ),
            flatten=made.filename is not None,
            checkpoints=tuple(checkpoints),
            store_max_size=params["store_max_size"],
            extra={} if made.lock_text is None else {lock_name: made.lock_text.encode()},
            timeout=float(params["timeout"]) or None,
            manifest_mode=arguments.file_mode(made.manifest),
            lease_seconds=None if detach else float(params["lease_seconds"]),
        )
        status, started = control.start(job, self.root)
        self.result["joined"] = not started
        if self.module._verbosity >= 2:
            self.result["commands"] = [engine.command()]
        if not params["wait"]:
            self.result.update(report.outcome(status), msg=f"started the build of {self.title(made)}")
            if not started:
                self.result["msg"] = f"the build of {self.title(made)} was running already"
            return self.result
        status = control.wait(status.build_id, max(0.1, params["poll_interval"]), root=self.root)
        error = control.error_of(status)
        if error is not None:
            raise error
        self.result.update(report.outcome(status))
        self.result["msg"] = f"built {self.title(made)} in {self.result['duration']:.0f} s"
        return self.result


def cancel(module: AnsibleModule) -> dict[str, t.Any]:
    """End a build."""
    build_id, root = module.params["build_id"], Path(module.params["jobs_directory"])
    if module.check_mode:
        found = control.status(build_id, root)
        changed = found is not None and not found.ended
    else:
        found, changed = control.cancel(build_id, root=root)
    if found is None:
        return {"changed": False, "build_id": build_id, "msg": f"there is no build {build_id}"}
    words = "was cancelled" if changed else f"has ended before ({found.state})"
    return {"changed": changed, "msg": f"build {build_id} {words}", **report.outcome(found)}


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
    if module.params["blueprint"] is not None:
        use_system_python()
    try:
        result = cancel(module) if module.params["state"] == "cancelled" else Build(module).execute()
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
