# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linters and type checks over the whole checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*argv: str, **env: str) -> None:
    result = subprocess.run(argv, cwd=REPO, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"{' '.join(argv[:3])} … found:\n{result.stdout[-6000:]}{result.stderr[-3000:]}", pytrace=False)


def tracked(*patterns: str) -> list[str]:
    out = subprocess.run(
        ["git", "-c", f"safe.directory={REPO}", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=REPO, capture_output=True, text=True, check=True,
    ).stdout
    return [name for name in out.splitlines() if (REPO / name).is_file()]


def test_ruff() -> None:
    run(str(BIN / "ruff"), "check", ".")


def test_mypy_strict_engine_and_library() -> None:
    cache = str(REPO / "build" / "mypy")
    run(str(BIN / "mypy"), "--cache-dir", cache, "engine/osbuild", MYPYPATH="engine")
    library = "ansible_collections.debian_forge.osbuild.plugins.module_utils"
    run(str(BIN / "mypy"), "--cache-dir", cache, "-p", library, MYPYPATH="engine:build/collections")


def test_yamllint() -> None:
    run(str(BIN / "yamllint"), "--strict", *tracked("*.yml", "*.yaml"))


def test_ansible_lint_production_profile(tmp_path: Path) -> None:
    run(
        str(BIN / "ansible-lint"), "--offline", "--profile", "production", "-q", "--nocolor",
        ANSIBLE_COLLECTIONS_PATH=str(REPO / "build" / "collections"), ANSIBLE_HOME=str(tmp_path),
    )


def test_shellcheck() -> None:
    scripts = [
        name for name in tracked()
        if not name.endswith(".j2")
        if name.endswith(".sh") or (REPO / name).open("rb").readline().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))
    ]
    assert scripts
    run("shellcheck", *scripts)


def test_licences_are_reuse_compliant() -> None:
    run(str(BIN / "reuse"), "lint", "--quiet")


def test_changelog_fragments() -> None:
    run(str(BIN / "antsibull-changelog"), "lint")


def test_no_host_names_of_package_sources_and_no_paths_of_this_machine() -> None:
    """Mirrors come from the host's own apt sources, so no tracked file may name one."""
    hosts = set()
    for source in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        if source.is_file():
            for word in source.read_text(errors="replace").split():
                if "://" in word:
                    hosts.add(word.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1])
    hosts = {host for host in hosts if "." in host and not host.endswith("example.com")}
    found = []
    for name in tracked():
        text = (REPO / name).read_text(errors="replace")
        found += [f"{name}: {word}" for word in [*hosts, f"{REPO.parent}/main"] if word in text]
    assert not found


def test_reference_of_blueprints_is_up_to_date() -> None:
    run(sys.executable, "tools/blueprint-docs", "--check")


def test_sanity_ignores_name_every_program_and_nothing_else() -> None:
    run(sys.executable, "tools/sanity-ignores", "--check")


def test_docs_made_from_code_are_up_to_date() -> None:
    run(sys.executable, "tools/stage-docs", "--check")
    run(sys.executable, "tools/image-docs", "--check")
