# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same minbase system twice: by the debootstrap stage through the engine, and by mmdebstrap from the same archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import get_distribution
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import (
    Package,
    PackageSet,
    Request,
    Source,
    host_sources,
    resolve,
)

REPO = Path(__file__).resolve().parents[2]
#: Any fixed time: users' password ages and the like are made from it.
EPOCH = 1_750_000_000
#: Inputs that packages may come by: decompressed once per store, or as they are.
UNPACKED, PLAIN = "org.osbuild.debian.unpacked", "org.osbuild.files"
#: What mmdebstrap leaves in /dev of a directory.
DEVICE_NODES = "dev/*"
#: A system with what maintainer scripts find hard: kernel, boot loaders, services, configuration by debconf.
BIG = (
    "systemd-sysv", "dbus", "linux-image-cloud-amd64", "grub-efi-amd64-signed", "grub-pc-bin", "shim-signed",
    "openssh-server", "cloud-init", "sudo", "locales", "ifupdown", "man-db", "vim",
)


@dataclass(frozen=True)
class Selection:
    """Resolved packages of a suite, and where they come from."""

    suite: str
    architecture: str
    packages: tuple[Package, ...]
    sources: tuple[Source, ...]

    @property
    def downloads(self) -> dict[str, str]:
        """checksum -> URL."""
        return {f"sha256:{package.sha256}": package.url for package in self.packages}


def select(name: str, include: Sequence[str] = (), variant: str = "minbase", base: Sequence[str] = ()) -> Selection:
    """Resolve against the host's own mirrors, with the wanted suite; `base` is what other images include, too."""
    distribution = get_distribution(name)
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    sources = host_sources(distribution, architecture)
    request = Request(
        distribution=distribution.name, suite=distribution.suite, architecture=architecture, sources=sources,
        sets={"os": PackageSet(include=tuple(include), variant=variant, base=tuple(base))},
    )
    return Selection(distribution.suite, architecture, resolve(request).sets["os"], sources)


def manifest(selection: Selection, input_type: str = UNPACKED, **options: Any) -> dict[str, Any]:
    """One pipeline of one stage, built on the host."""
    stage = {
        "type": "org.osbuild.debootstrap",
        "options": {"suite": selection.suite, "architecture": selection.architecture, **options},
        "inputs": _packages(selection.packages, input_type),
    }
    return _document(selection, stage)


def manifest_in_steps(selection: Selection) -> dict[str, Any]:
    """The same system in two stages: what has no layer, then what is added."""
    base = [package for package in selection.packages if package.layer != "added"]
    added = [package for package in selection.packages if package.layer == "added"]
    first = {
        "type": "org.osbuild.debootstrap", "options": {"suite": selection.suite, "architecture": selection.architecture},
        "inputs": _packages(base, UNPACKED),
    }
    second = {"type": "org.osbuild.apt", "inputs": _packages(added, UNPACKED)}
    return _document(selection, first, second)


def _packages(packages: Sequence[Package], input_type: str) -> dict[str, Any]:
    references = {
        f"sha256:{package.sha256}": {"metadata": {"deb.name": package.name, **({"deb.auto": True} if package.auto else {})}}
        for package in packages
    }
    return {"packages": {"type": input_type, "origin": "org.osbuild.source", "references": references}}


def _document(selection: Selection, *stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "2",
        "pipelines": [{"name": "os", "runner": "org.osbuild.debian12", "source-epoch": EPOCH, "stages": list(stages)}],
        "sources": {"org.osbuild.curl": {"items": selection.downloads}},
    }


def engine_command(document: Path, store: Path, output: Path | None) -> list[str]:
    """Argument list that builds and exports; without `output` it only fills the store's sources."""
    argv = [sys.executable, "-m", "osbuild", "--libdir", str(REPO / "engine"), "--store", str(store)]
    if output is not None:
        argv += ["--output-directory", str(output), "--export", "os"]
    return [*argv, str(document)]


def engine_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPO / "engine")}


def build(selection: Selection, scratch: Path, name: str = "stage", **options: Any) -> Path:
    """The tree the stage makes. RuntimeError with the engine's output when it fails."""
    return build_manifest(manifest(selection, **options), scratch, name)


def build_manifest(content: dict[str, Any], scratch: Path, name: str) -> Path:
    """The tree of a manifest's pipeline `os`. RuntimeError with the engine's output when it fails."""
    document = scratch / f"{name}.json"
    document.write_text(json.dumps(content))
    result = subprocess.run(
        engine_command(document, scratch / "store", scratch / name), env=engine_environment(), check=False,
        capture_output=True, text=True,
    )
    if result.returncode:
        raise RuntimeError(result.stdout[-4000:] + result.stderr[-4000:])
    return scratch / name / "os"


def archive_folder(selection: Selection, store: Path, target: Path) -> Path:
    """The packages of a filled store under the names apt keeps them by."""
    target.mkdir(parents=True, exist_ok=True)
    for package in selection.packages:
        version = package.version.replace(":", "%3a")
        link = target / f"{package.name}_{version}_{package.architecture}.deb"
        if not link.exists():
            os.link(store / "sources/org.osbuild.files" / f"sha256:{package.sha256}", link)
    return target


def sources_file(selection: Selection, path: Path) -> Path:
    """The archive as a deb822 file for mmdebstrap."""
    stanzas = []
    for source in selection.sources:
        stanzas.append(
            f"Types: deb\nURIs: {' '.join(source.uris)}\nSuites: {' '.join(source.suites)}\n"
            f"Components: {' '.join(source.components)}\nSigned-By: {source.signed_by}\n"
        )
    path.write_text("\n".join(stanzas))
    return path


def mmdebstrap_command(
    selection: Selection, sources: Path, archives: Path, target: Path, include: Sequence[str] = ()
) -> list[str]:
    """mmdebstrap with a warm cache: the packages are there, only the indices are fetched."""
    copy = f'mkdir -p "$1/var/cache/apt/archives" && cp -l {archives}/*.deb "$1/var/cache/apt/archives/" 2>/dev/null' \
           f' || cp {archives}/*.deb "$1/var/cache/apt/archives/"'
    return [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--setup-hook={copy}", *(f"--include={name}" for name in include),
        selection.suite, str(target), str(sources),
    ]


def mmdebstrap_environment(scratch: Path) -> Mapping[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "TMPDIR": str(scratch)}
