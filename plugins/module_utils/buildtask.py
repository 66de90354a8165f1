# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The work of the module ``build``: what is wanted, what is there, and the way from one to the other.

Apart from the module, which does without it when there is nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from . import arguments, uptodate
from . import plan as planning
from .driver import artefacts, record
from .driver import engine as engines
from .errors import BuildError, EngineError
from .jobs import control, report

_LOCK = "lock.json"
_MIRRORS = "OSBUILD_SOURCES_CURL_MIRRORS"


def mirrors(made: planning.Plan) -> dict[str, str]:
    """Tells the engine of the mirrors, unless the task's own environment does."""
    if not made.mirrors or _MIRRORS in os.environ:
        return {}
    return {_MIRRORS: "\n".join(" ".join(uris) for uris in made.mirrors)}


class Build:
    """One task's build: what is wanted, what is there, and the way from one to the other."""

    def __init__(self, module: Any, known: uptodate.Known) -> None:
        self.module = module
        self.known = known
        self.params = module.params
        self.destination = Path(os.path.abspath(self.params["output_directory"]))
        self.root = Path(self.params["jobs_directory"])
        self.store = Path(os.path.abspath(self.params["store"]))
        self.lock_file = Path(os.path.abspath(self.params["lock_file"] or self.destination / _LOCK))
        self.record = record.read(self.destination)
        self.result: dict[str, Any] = {"changed": False}

    def plan(self) -> planning.Plan:
        """What would be built."""
        if self.params["manifest"] is not None:
            return planning.raw_plan(self.params["manifest"], self.params["exports"])
        made = planning.make_plan(
            planning.Inputs(
                blueprint=arguments.read_blueprint(self.params["blueprint"]),
                image_type=self.params["image_type"],
                distribution=self.params["distribution"],
                architecture=self.params["architecture"],
                sources=planning.parse_sources(self.params["sources"]),
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

    def execute(self) -> dict[str, Any]:
        """The whole task."""
        self.check_places()
        engine = self.find_engine()
        with self.known.watching():
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

    def title(self, made: planning.Plan) -> str:
        request = made.request
        if not request:
            return f"{', '.join(made.exports)} of the manifest {made.manifest_id[:12]}"
        return "{blueprint} ({distribution}, {architecture}, {image_type})".format(**request)

    def identity(self, made: planning.Plan, digest: str | None) -> str:
        """Equal for equal results at equal places."""
        if self.params["build_id"]:
            return str(self.params["build_id"])
        parts = [made.manifest_id, sorted(made.exports), digest, str(self.destination), str(self.store)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def describe(self, made: planning.Plan, engine: engines.Engine | None, digest: str | None) -> None:
        """The part of the result that does not depend on whether something is built."""
        self.result.update(
            build_id=self.identity(made, digest),
            output_directory=str(self.destination),
            record_path=str(self.destination / artefacts.RECORD),
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
        changes = planning.compare(before, made.packages, native=made.request["architecture"])
        self.result["packages"] = changes.as_result()
        if self.module._diff:
            header = header if before is not None else "nothing built before"
            self.result["diff"] = changes.as_diff(header, f"packages of {self.title(made)}")

    def unchanged(self, made: planning.Plan) -> dict[str, Any]:
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
        elif not self.module.check_mode and (made.locked or made.lock_text is None):
            self.known.keep(self.result, made.warnings, [one.as_dict() for one in found])
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

    def inspect(self, engine: engines.Engine | None, made: planning.Plan) -> tuple[engines.Pipeline, ...]:
        """Have the engine check the manifest and compute the ids."""
        if engine is None:
            return ()
        found = engines.inspect(engine, made.manifest, made.exports)
        self.result["pipelines"] = [
            {"name": one.name, "id": one.id, "cached": engines.is_cached(self.store, one.id)} for one in found[:50]
        ]
        return found

    def build(
        self, engine: engines.Engine, made: planning.Plan, pipelines: tuple[engines.Pipeline, ...]
    ) -> dict[str, Any]:
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
            environment=mirrors(made),
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


def cancel(module: Any) -> dict[str, Any]:
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
