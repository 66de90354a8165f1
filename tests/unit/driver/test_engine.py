# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine is used, and what it says of a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import bundle
from ansible_collections.debian_forge.osbuild.plugins.module_utils.driver import engine as engines
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import EngineError, ManifestError

STUB = Path(__file__).parents[2] / "support" / "stub_libdir"


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither an osbuild on PATH nor an installed bundle, whatever machine this runs on."""
    monkeypatch.setattr(bundle, "ROOT", tmp_path / "root")
    monkeypatch.setattr(bundle.find_installed, "__defaults__", (tmp_path / "root", None))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def upstream(place: Path, version: str, libdir: bool = True) -> None:
    program = place / "bin" / "osbuild"
    program.write_text(f"#!/bin/sh\necho 'osbuild {version}'\n")
    program.chmod(0o755)
    if libdir:
        stage = place / "root" / "upstream" / "stages" / "org.osbuild.debootstrap"
        stage.parent.mkdir(parents=True)
        stage.touch()


def install_stub(place: Path) -> None:
    archive = place / "stub.tar.gz"
    archive.write_bytes(bundle.pack(STUB))
    bundle.install(archive, "1.0.0", bundle.digest(STUB), place / "root")


def test_without_any_engine_the_sentence_says_how_to_get_one() -> None:
    with pytest.raises(EngineError, match="run the role debian_forge.osbuild.build_host"):
        engines.find_engine()


def test_auto_takes_a_usable_upstream_engine(nothing_installed: Path) -> None:
    install_stub(nothing_installed)
    upstream(nothing_installed, "200")
    found = engines.find_engine("auto")
    assert (found.kind, found.version) == ("upstream", "200")


@pytest.mark.parametrize(("version", "libdir"), [("120", True), ("200", False)])
def test_auto_takes_the_embedded_engine_when_upstreams_cannot_be_used(
    nothing_installed: Path, version: str, libdir: bool
) -> None:
    install_stub(nothing_installed)
    upstream(nothing_installed, version, libdir)
    found = engines.find_engine("auto")
    assert (found.kind, found.version, found.digest) == ("embedded", "191", bundle.digest(STUB))
    assert found.libdir == nothing_installed / "root" / "bundles" / bundle.digest(STUB)
    assert engines.find_engine("embedded") == found
    assert engines.find_engine("embedded", wanted=found.digest) == found


def test_an_unusable_upstream_engine_is_refused_with_the_reason(nothing_installed: Path) -> None:
    upstream(nothing_installed, "120")
    with pytest.raises(EngineError, match="is osbuild 120; 191 or newer is needed"):
        engines.find_engine("upstream")


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(EngineError, match="engine is 'docker'; it must be one of auto, upstream, embedded"):
        engines.find_engine("docker")


def test_a_checkout_is_known_by_what_it_holds() -> None:
    assert engines.find_engine("embedded", STUB).digest == bundle.digest(STUB)


def test_another_bundle_than_the_controllers_is_refused() -> None:
    found = engines.find_engine("embedded", STUB)
    engines.check_digest(found, found.digest)
    engines.check_digest(found, None)
    with pytest.raises(EngineError, match="is not the one of the collection on the controller"):
        engines.check_digest(found, "0" * 64)


def manifest(kind: str = "org.osbuild.noop") -> bytes:
    return json.dumps({"version": "2", "pipelines": [{"name": "tree", "stages": [{"type": kind}]}]}).encode()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> engines.Engine:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return engines.find_engine("embedded", STUB)


def test_ids_come_from_the_engine(stub: engines.Engine) -> None:
    (found,) = engines.inspect(stub, manifest(), ["tree"])
    assert found.name == "tree" and found.id is not None and len(found.id) == 64
    assert found.stages == ("org.osbuild.noop",)


def test_an_unknown_stage_is_named_with_its_place(stub: engines.Engine) -> None:
    with pytest.raises(
        ManifestError,
        match=r"^the manifest is invalid: pipelines\[0\]\.stages\[0\]: could not find schema information for 'com.acme.x'$",
    ):
        engines.inspect(stub, manifest("com.acme.x"))


def test_an_unknown_export_is_named(stub: engines.Engine) -> None:
    with pytest.raises(ManifestError, match="Export zz not found in"):
        engines.inspect(stub, manifest(), ["zz"])


def test_an_engine_that_cannot_be_run_is_one_sentence() -> None:
    broken = engines.Engine("embedded", ("/nonexistent/python3",), STUB, "191", None)
    with pytest.raises(EngineError, match="cannot be run"):
        engines.inspect(broken, manifest())


def test_only_what_an_engine_needs_is_passed_on() -> None:
    found = engines.passed_environment(
        {"http_proxy": "p", "AWS_SECRET": "s", "LD_PRELOAD": "x", "OSBUILD_SANDBOX": "fork", "PATH": "/bin"}
    )
    assert found == {"http_proxy": "p", "OSBUILD_SANDBOX": "fork", "PATH": "/bin", "LC_ALL": "C.UTF-8"}
