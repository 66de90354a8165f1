# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Which osbuild engine is used, and how it is called (osbuild(1); contract section 7)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EngineError, ManifestError
from . import bundle

CHOICES = ("auto", "upstream", "embedded")

#: The oldest upstream osbuild whose behaviour the stages and this driver are written for.
MINIMUM_UPSTREAM = 191

#: Below the bundles' root: where upstream's library directory, with our stages added, is looked for.
UPSTREAM_LIBDIR = "upstream"

_HINT = "run the role debian_forge.osbuild.build_host on this host, or build with install: true"
_PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "TERM",
    "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
)  # fmt: skip


def system_python() -> str:
    """The interpreter that engine and stages are written for: the system's, never a virtual environment's."""
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


def passed_environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """What an engine gets of our own environment: path, language, proxies, and the variables osbuild itself reads."""
    source = os.environ if source is None else source
    kept = {name: source[name] for name in _PASSED_ON if name in source}
    kept.update({name: value for name, value in source.items() if name.startswith("OSBUILD_")})
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    # Ansible runs modules with LC_ALL=C; stage output is UTF-8.
    kept["LC_ALL"] = "C.UTF-8"
    return kept


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as the engine sees it: its id is the id of its last stage, None without stages."""

    name: str
    id: str | None
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """An engine that can be run.

    :param kind: ``upstream`` or ``embedded``.
    :param program: argv of the program, without options.
    :param libdir: library directory; real path, so that a running build keeps its tree when another is installed.
    :param digest: the bundle's digest (hex), None where upstream's engine has a tree without one.
    :param environment: what must be set for the program, beside `passed_environment`.
    """

    kind: str
    program: tuple[str, ...]
    libdir: Path
    version: str
    digest: str | None
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """argv of a run with these arguments."""
        return [*self.program, "--libdir", str(self.libdir), *arguments]

    def as_dict(self) -> dict[str, Any]:
        """For results and records."""
        return {"kind": self.kind, "version": self.version, "libdir": str(self.libdir), "digest": self.digest}


def _embedded(libdir: Path | None, wanted: str | None) -> Engine | None:
    place = libdir or bundle.find_installed(wanted=wanted)
    if place is None or not (place / "osbuild" / "__main__.py").is_file():
        return None
    # The digest lies beside <version>, which is a link: read it before the path is resolved.
    known = bundle.installed_digest(place)
    real = place.resolve()
    if known is None:
        # A checkout: its stages may change between two builds, which has to show.
        known = bundle.digest(real)
    return Engine(
        kind="embedded",
        program=(system_python(), "-m", "osbuild"),
        libdir=real,
        version=_embedded_version(real),
        digest=known,
        environment={"PYTHONPATH": str(real)},
    )


def _embedded_version(libdir: Path) -> str:
    # Read, not run: starting an engine only for its number would cost each idle run a quarter of a second.
    try:
        text = (libdir / "osbuild" / "__init__.py").read_text(encoding="utf-8")
    except OSError:
        text = ""
    match = re.search(r"^__version__(?:: *str)? *= *[\"']([^\"']+)[\"']", text, re.MULTILINE)
    return match.group(1) if match else "unknown"


def _upstream(libdir: Path | None) -> tuple[Engine | None, str]:
    program = shutil.which("osbuild")
    if program is None:
        return None, "no program osbuild is on PATH"
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return None, f"{program} --version does not work: {exc}"
    match = re.search(r"osbuild\s+(\d+)", answer.stdout)
    if answer.returncode != 0 or match is None:
        return None, f"{program} --version does not answer like osbuild"
    if int(match.group(1)) < MINIMUM_UPSTREAM:
        return None, f"{program} is osbuild {match.group(1)}; {MINIMUM_UPSTREAM} or newer is needed"
    place = libdir or bundle.ROOT / UPSTREAM_LIBDIR
    if not (place / "stages" / "org.osbuild.debootstrap").exists():
        return None, f"{place} has no upstream library directory merged with the Debian stages"
    return (
        Engine("upstream", (program,), place.resolve(), match.group(1), bundle.installed_digest(place)),
        "",
    )


def find_engine(choice: str = "auto", libdir: Path | str | None = None, wanted: str | None = None) -> Engine:
    """Find the engine to use.

    :param choice: ``upstream`` is a real osbuild on PATH, new enough, with a library directory that has our stages;
        ``embedded`` is the installed bundle; ``auto`` takes upstream's where it is usable, else the embedded one.
    :param libdir: another library directory than the installed one.
    :param wanted: digest of the bundle to take if several are installed.
    :raises EngineError: there is none; the sentence says how to get one.
    """
    if choice not in CHOICES:
        raise EngineError(f"engine is {choice!r}; it must be one of {', '.join(CHOICES)}")
    place = Path(libdir) if libdir is not None else None
    reason = ""
    if choice != "embedded" and not (
        choice == "auto" and place is not None and (place / "osbuild/__main__.py").exists()
    ):
        found, reason = _upstream(place)
        if found is not None:
            return found
        if choice == "upstream":
            raise EngineError(f"engine is 'upstream', but {reason}")
    embedded = _embedded(place, wanted)
    if embedded is None:
        where = place or bundle.ROOT
        raise EngineError(f"no osbuild engine is installed below {where}: {_HINT}")
    return embedded


def check_digest(engine: Engine, wanted: str | None) -> None:
    """Refuse an engine whose bundle is not the one the controller has (``wanted``, None if it is not known).

    :raises EngineError: they differ.
    """
    if wanted and engine.digest and engine.digest != wanted:
        raise EngineError(
            f"the engine in {engine.libdir} (digest {engine.digest[:12]}) is not the one of the collection on the"
            f" controller (digest {wanted[:12]}): {_HINT}",
            engine=engine.as_dict(),
        )


def _validation_sentence(document: Mapping[str, Any]) -> str:
    errors = document.get("errors") or []
    parts = []
    for error in errors[:3]:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.get("path") or [])
        parts.append(f"{where.lstrip('.') or 'the document'}: {error.get('message', 'is invalid')}")
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return f"the manifest is invalid: {'; '.join(parts) or document.get('title', 'unknown error')}{more}"


def inspect(engine: Engine, manifest: bytes, exports: Sequence[str] = (), timeout: float = 120) -> tuple[Pipeline, ...]:
    """Let the engine validate a manifest and compute the pipelines' ids (``--inspect``); nothing is built or written.

    :param timeout: seconds.
    :raises ManifestError: the manifest is invalid or has no such export; the sentence names where and what.
    :raises EngineError: the engine could not be run.
    """
    options = [word for name in exports for word in ("--export", name)]
    if exports:
        # Only asked for by the option parser; --inspect never makes it.
        options += ["--output-directory", "/nonexistent"]
    command = engine.command("--inspect", *options, "-")
    try:
        done = subprocess.run(
            command,
            input=manifest,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd="/",
            env={**passed_environment(), **engine.environment},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineError(f"the engine {engine.program[0]} cannot be run: {exc}") from exc
    text = done.stdout.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text.splitlines()[-1]) if text else None
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("errors"):
        raise ManifestError(_validation_sentence(document), errors=document["errors"][:20])
    if done.returncode != 0 or not isinstance(document, dict):
        words = [line for line in (text + "\n" + done.stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
        plain = next((line.strip() for line in words if line.startswith(("Export ", "Checkpoint"))), None)
        if plain:
            raise ManifestError(f"the manifest cannot be built: {plain}")
        raise EngineError(
            f"the engine could not read the manifest (exit status {done.returncode}): {words[-1].strip() if words else 'no output'}"
        )
    found = []
    for pipeline in document.get("pipelines") or []:
        stages = pipeline.get("stages") or []
        found.append(
            Pipeline(
                name=pipeline["name"],
                id=stages[-1]["id"] if stages else None,
                stages=tuple(stage["type"] for stage in stages),
            )
        )
    return tuple(found)


def is_cached(store: Path, pipeline_id: str | None) -> bool:
    """Whether the store has the finished tree of a pipeline (contract 6.1); looks only, takes no lock."""
    return pipeline_id is not None and (store / "objects" / pipeline_id / "object.lock").exists()
