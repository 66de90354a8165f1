# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends in one clear sentence that names the culprit, and leaves nothing: no half-written file, mount, loop or process."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.playbook import ansible_playbook, host_state

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("hello_image")]

PLAYBOOK = Path(__file__).parent / "build.yml"


def failing_build(tmp_path: Path, *names: str, **options: Any) -> str:
    """Run one build that must fail with a message holding all `names`; check that it left nothing, and return the message."""
    output = tmp_path / "output"
    before = host_state(tmp_path)
    run = ansible_playbook(PLAYBOOK, options={"output_directory": str(output), "install": True, **options})
    assert run.returncode == 2, run.output
    assert "MODULE FAILURE" not in run.output, run.output
    # A stage's own traceback is part of its log; anything before the result would be ours.
    assert "Traceback" not in run.output.split("FAILED! =>")[0], run.output
    assert host_state(tmp_path) == before
    assert not output.exists() or list(output.iterdir()) == []
    for name in names:
        assert name in run.output, run.output
    return run.output


def blueprint(**extra: Any) -> dict[str, Any]:
    return {"name": "bad", "version": "0.0.1", **extra}


def test_unknown_package(tmp_path: Path) -> None:
    failing_build(tmp_path, "ngnix", "nginx", blueprint=blueprint(packages=[{"name": "ngnix"}]), distribution="debian-13", image_type="tar")


def test_impossible_version(tmp_path: Path) -> None:
    wanted = [{"name": "nginx", "version": "99.*"}]
    failing_build(tmp_path, "nginx", "99.*", blueprint=blueprint(packages=wanted), distribution="debian-13", image_type="tar")


def test_wrong_type(tmp_path: Path) -> None:
    wrong = blueprint(customizations={"hostname": ["a"]})
    failing_build(tmp_path, "customizations.hostname", blueprint=wrong, distribution="debian-13", image_type="tar")


def test_unknown_distribution(tmp_path: Path) -> None:
    failing_build(tmp_path, "debian-99", "debian-13", blueprint=blueprint(), distribution="debian-99", image_type="tar")


@pytest.fixture
def unsigned_mirror(tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    packages = mirror / "dists" / "trixie" / "main" / "binary-amd64" / "Packages"
    packages.parent.mkdir(parents=True)
    packages.write_text("")
    digest = hashlib.sha256(b"").hexdigest()
    (mirror / "dists" / "trixie" / "Release").write_text(
        "Origin: Debian\nSuite: stable\nCodename: trixie\nArchitectures: amd64\nComponents: main\n"
        f"Date: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n {digest} 0 main/binary-amd64/Packages\n"
    )
    return mirror


def mirror_options(mirror: Path) -> dict[str, Any]:
    source = {"uris": [mirror.as_uri()], "suites": ["trixie"], "components": ["main"],
              "signed_by": "/usr/share/keyrings/debian-archive-keyring.gpg"}
    return {"blueprint": blueprint(), "distribution": "debian-13", "image_type": "tar", "sources": [source]}


def test_unsigned_release(tmp_path: Path, unsigned_mirror: Path) -> None:
    failing_build(tmp_path, unsigned_mirror.as_uri(), "signed", **mirror_options(unsigned_mirror))


def test_the_playbook_takes_sources_too(tmp_path: Path, unsigned_mirror: Path) -> None:
    options = mirror_options(unsigned_mirror)
    source = tmp_path / "bad.json"
    source.write_text(json.dumps(options.pop("blueprint")))
    output = tmp_path / "output"
    tags = ("--tags", "build")
    run = ansible_playbook("debian_forge.osbuild.build_image", *tags, blueprint=str(source), output=str(output), **options)
    assert run.returncode == 2 and unsigned_mirror.as_uri() in run.output and "signed" in run.output, run.output
    run = ansible_playbook("debian_forge.osbuild.build_image", *tags, blueprint=str(source), output=str(output), sources="main")
    assert run.returncode == 2 and "sources" in run.output, run.output
    assert not output.exists() or list(output.iterdir()) == []


def test_broken_release(tmp_path: Path, unsigned_mirror: Path) -> None:
    (unsigned_mirror / "dists" / "trixie" / "Release").unlink()
    (unsigned_mirror / "dists" / "trixie" / "InRelease").write_text("-----BEGIN PGP SIGNED MESSAGE-----\nnothing of the kind\n")
    failing_build(tmp_path, unsigned_mirror.as_uri(), **mirror_options(unsigned_mirror))


def tree_manifest(*stages: dict[str, Any], **sources: Any) -> dict[str, Any]:
    return {"version": "2", "pipelines": [{"name": "tree", "stages": list(stages)}], "sources": sources}


def with_source(url: str, checksum: str) -> dict[str, Any]:
    files = {"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [checksum]}
    copy = {"type": "org.osbuild.copy", "inputs": {"file": files},
            "options": {"paths": [{"from": f"input://file/{checksum}", "to": "tree:///file"}]}}
    manifest = tree_manifest(copy)
    manifest["sources"] = {"org.osbuild.curl": {"items": {checksum: {"url": url}}}}
    return manifest


def test_wrong_checksum(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("other than promised")
    checksum = "sha256:" + hashlib.sha256(b"promised").hexdigest()
    failing_build(tmp_path, (tmp_path / "data").as_uri(), checksum[:20], manifest=with_source((tmp_path / "data").as_uri(), checksum))


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    import http.server
    import threading

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_source_not_found(tmp_path: Path, web_server: str) -> None:
    checksum = "sha256:" + hashlib.sha256(b"anything").hexdigest()
    failing_build(tmp_path, f"{web_server}/missing.deb", "404", manifest=with_source(f"{web_server}/missing.deb", checksum))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mountpoint = tmp_path / "small"
    mountpoint.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mountpoint)], check=True)
    yield mountpoint
    subprocess.run(["umount", str(mountpoint)], check=True)


def test_disk_of_the_store_is_full(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 8_000_000)
    checksum = "sha256:" + hashlib.sha256(b"x" * 8_000_000).hexdigest()
    failing_build(tmp_path, "space left", store=str(small_disk / "store"), manifest=with_source((tmp_path / "data").as_uri(), checksum))


def test_disk_of_the_destination_is_full(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 8_000_000)
    checksum = "sha256:" + hashlib.sha256(b"x" * 8_000_000).hexdigest()
    output = small_disk / "output"
    before = host_state(tmp_path)
    manifest = with_source((tmp_path / "data").as_uri(), checksum)
    run = ansible_playbook(PLAYBOOK, options={"output_directory": str(output), "install": True, "manifest": manifest})
    assert run.returncode == 2, run.output
    assert "space left" in run.output and str(output) in run.output
    assert "Traceback" not in run.output
    assert host_state(tmp_path) == before
    assert not output.exists() or list(output.iterdir()) == []


def test_unknown_stage(tmp_path: Path) -> None:
    failing_build(tmp_path, "org.osbuild.nothing", manifest=tree_manifest({"type": "org.osbuild.nothing"}))


def test_unknown_option_of_a_stage(tmp_path: Path) -> None:
    stage = {"type": "org.osbuild.hostname", "options": {"hostname": "a", "colour": "red"}}
    failing_build(tmp_path, "colour", "pipelines[0].stages[0]", manifest=tree_manifest(stage))


def test_failing_stage_shows_its_name_its_log_and_where_the_log_is(tmp_path: Path) -> None:
    stage = {"type": "org.osbuild.chmod", "options": {"items": {"/missing": {"mode": "0644"}}}}
    output = failing_build(tmp_path, "org.osbuild.chmod", "/missing", manifest=tree_manifest(stage))
    path = re.search(r'"?log_path"?: "?([^",\s]+)', output)
    assert path, output
    assert "/missing" in Path(path[1]).read_text()
