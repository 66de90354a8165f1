# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source packages: verified, unpacked, changed; what they build as a repository."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage_process import RUN

from .conftest import Workshop, last_line, succeeded

pytestmark = pytest.mark.skipif(shutil.which("dpkg-source") is None, reason="the host has no dpkg-source")
CHANGELOG = "app (1.0-1) unstable; urgency=medium\n\n  * First.\n\n -- Jane Doe <jane@example.com>  Thu, 01 Jan 2026 00:00:00 +0000\n"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(repo: Path, tree: Path, tmp_path: Path) -> Run:
    """Run a stage; inputs: name -> paths of files, which osbuild names by their checksums; or a directory, for a tree."""

    def start(
        stage: str, inputs: Mapping[str, Sequence[Path] | Path], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        given: dict[str, Any] = {}
        for name, files in inputs.items():
            if isinstance(files, Path):
                given[name] = {"path": str(files), "data": {}}
                continue
            folder = tmp_path / "inputs" / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for path in files:
                shutil.copyfile(path, folder / checksum(path))
            given[name] = {"path": str(folder), "data": {"files": {checksum(path): {} for path in files}}}
        arguments = {"tree": str(tree), "given": given, "meta": {"source-epoch": 1767225600},
                     "options": {key.replace("_", "-"): value for key, value in options.items()}}
        return subprocess.run(
            [sys.executable, "-B", "-c", RUN, str(repo / "stages" / f"org.osbuild.{stage}")],
            input=json.dumps(arguments), capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": str(repo / "engine")},
        )

    return start


def checksum(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a source package of format 3.0 (quilt)."""
    folder = tmp_path / "source"
    place = folder / "app-1.0"
    (place / "debian/source").mkdir(parents=True)
    (place / "hello").write_text("hello\n")
    subprocess.run(["tar", "-C", str(folder), "-czf", str(folder / "app_1.0.orig.tar.gz"), "--exclude=debian", "app-1.0"], check=True)
    (place / "debian/source/format").write_text("3.0 (quilt)\n")
    (place / "debian/changelog").write_text(CHANGELOG)
    (place / "debian/control").write_text(
        "Source: app\nMaintainer: Jane Doe <jane@example.com>\n\nPackage: app\nArchitecture: all\nDescription: x\n"
    )
    subprocess.run(["dpkg-source", "-b", "app-1.0"], cwd=folder, check=True, capture_output=True)
    shutil.rmtree(place)
    return folder


def parts(source: Path) -> dict[str, list[Path]]:
    return {"dsc": [source / "app_1.0-1.dsc"], "files": sorted(source.glob("*.tar.*"))}


def test_it_is_unpacked_with_its_files_beside_it(run: Run, source: Path, tree: Path) -> None:
    succeeded(run("debian.source", parts(source)))
    assert (tree / "build/app-1.0/hello").read_text() == "hello\n"
    assert (tree / "build/app-1.0/debian/control").is_file()
    assert {path.name for path in (tree / "build").iterdir() if path.is_file()} == {path.name for path in source.iterdir()}


def test_local_changes(run: Run, source: Path, tree: Path, tmp_path: Path) -> None:
    patch = tmp_path / "patch"
    patch.write_text("--- a/hello\n+++ b/hello\n@@ -1 +1 @@\n-hello\n+bye\n")
    succeeded(run("debian.source", {**parts(source), "patches": [patch]}, patches=[checksum(patch)], keep_files=False, directory="/src",
                  local={"suffix": "+local1", "maintainer": "Jane Doe <jane@example.com>", "message": "Say bye."}))
    assert os.listdir(tree / "src") == ["app-1.0"]
    assert (tree / "src/app-1.0/hello").read_text() == "bye\n"
    text = (tree / "src/app-1.0/debian/changelog").read_text()
    assert text.endswith("\n\n" + CHANGELOG)
    said = subprocess.run(["dpkg-parsechangelog", "-l", str(tree / "src/app-1.0/debian/changelog")], capture_output=True, text=True,
                          check=True)
    assert "Version: 1.0-1+local1\n" in said.stdout
    assert "Date: Thu, 01 Jan 2026 00:00:00 -0000\n" in said.stdout
    assert said.stderr == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda dsc: dsc.replace("Checksums-Sha256", "Checksums-Other"), "has no SHA-256 of app_1.0"),
        (lambda dsc: dsc.replace("app_1.0.orig", "../app_1.0.orig"), "which names no file"),
        (lambda dsc: dsc.replace("Source: app", "Source: ../app"), "as Source, which Debian does not allow"),
        (lambda dsc: "nothing", "line 1 of its control data is no field"),
    ],
)
def test_a_dsc_that_cannot_be_trusted_is_refused(
    run: Run, source: Path, tree: Path, change: Callable[[str], str], message: str
) -> None:
    given = parts(source)
    given["dsc"][0].write_text(change(given["dsc"][0].read_text()))
    assert message in last_line(run("debian.source", given))
    assert list(tree.iterdir()) == []


def test_every_checksum_counts(run: Run, source: Path, tree: Path) -> None:
    given = parts(source)
    text = given["dsc"][0].read_text()
    md5 = hashlib.md5((source / "app_1.0.orig.tar.gz").read_bytes()).hexdigest()
    given["dsc"][0].write_text(text.replace(md5, "0" * 32))
    assert f"app_1.0.orig.tar.gz has the md5 {md5}, but the .dsc says {'0' * 32}" in last_line(run("debian.source", given))
    assert list(tree.iterdir()) == []


def test_files_must_be_those_of_the_dsc(run: Run, source: Path, tree: Path, tmp_path: Path) -> None:
    given = parts(source)
    assert "input files lacks app_1.0.orig.tar.gz" in last_line(run("debian.source", {**given, "files": given["files"][:1]}))
    other = tmp_path / "other"
    other.touch()
    assert "which the .dsc does not list" in last_line(run("debian.source", {**given, "files": [*given["files"], other]}))
    assert "inputs.dsc must hold exactly one file, found 2" in last_line(run("debian.source", {**given, "dsc": [*given["dsc"], other]}))
    assert list(tree.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patches": ["sha256:1"]}, "option patches names sha256:1"),
        ({"local": {"suffix": "a b", "maintainer": "J <j@example.com>"}}, "option local.suffix is 'a b'"),
        ({"local": {"suffix": "+a", "maintainer": "nobody"}}, "option local.maintainer is 'nobody'"),
        ({"local": {"suffix": "+a", "maintainer": "J <j@example.com>", "message": "a\nb"}}, "option local.message must be one line"),
    ],
)
def test_wrong_options_are_refused(run: Run, source: Path, tree: Path, options: Any, message: str) -> None:
    assert message in last_line(run("debian.source", parts(source), **options))
    assert list(tree.iterdir()) == []


@pytest.mark.skipif(shutil.which("gpg") is None or shutil.which("gpgv") is None, reason="the host has no gpg")
def test_the_signature_is_verified(run: Run, source: Path, tree: Path, tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    for name in ("good", "other"):
        subprocess.run([*gpg, "--quick-generate-key", f"{name}@example.com", "ed25519", "sign", "never"], check=True)
        subprocess.run([*gpg, "--output", str(tmp_path / f"{name}.gpg"), "--export", f"{name}@example.com"], check=True)
    given = parts(source)
    dsc = given["dsc"][0]
    assert "has no good signature" in last_line(run("debian.source", {**given, "keyring": [tmp_path / "good.gpg"]}))
    subprocess.run([*gpg, "--local-user", "good@example.com", "--output", str(tmp_path / "signed"), "--clearsign", str(dsc)], check=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.copyfile(tmp_path / "signed", dsc)
    assert "has no good signature" in last_line(run("debian.source", {**given, "keyring": [tmp_path / "other.gpg"]}))
    assert list(tree.iterdir()) == []
    succeeded(run("debian.source", {**given, "keyring": [tmp_path / "good.gpg"]}))
    assert (tree / "build/app-1.0/hello").is_file()


def test_packages_become_a_repository_that_apt_reads(run: Run, workshop: Workshop, tree: Path, tmp_path: Path) -> None:
    built = tmp_path / "built/deep"
    built.mkdir(parents=True)
    shutil.copyfile(workshop.deb("two", {"etc/two": "2"}, version="1:2.0"), built / "two.deb")
    inputs = {"files": [workshop.deb("one", {"etc/one": "1"})], "built": tmp_path / "built"}
    succeeded(run("debian.repo", inputs, directory="/repo", compression=["gz", "xz"], suite="local", origin="Example"))
    folder = tree / "repo"
    assert sorted(os.listdir(folder)) == [
        "Packages", "Packages.gz", "Packages.xz", "Release", "one_1_all.deb", "two_2.0_all.deb"]
    release = (folder / "Release").read_text()
    assert "Suite: local\n" in release and "Date: Thu, 01 Jan 2026 00:00:00 GMT\n" in release
    first = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    succeeded(run("debian.repo", inputs, directory="/repo", compression=["gz", "xz"], suite="local", origin="Example"))
    assert first == {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    state = tmp_path / "apt"
    for path in ("lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        (state / path).mkdir(parents=True)
    (state / "status").touch()
    (state / "list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    (state / "conf").write_text(
        f'Dir::Etc "{state}/etc"; Dir::Etc::SourceList "{state}/list"; Dir::State "{state}"; Dir::State::status "{state}/status";\n'
        f'Dir::Cache "{state}/cache"; APT::Sandbox::User "root"; Acquire::Languages "none";\n'
    )

    def ask(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True,
                              env={"APT_CONFIG": str(state / "conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).stdout

    ask("apt-get", "update")
    assert "Version: 1:2.0\n" in ask("apt-cache", "show", "two")
    assert "Inst two" in ask("apt-get", "--simulate", "install", "two")


def test_what_is_no_repository_is_refused(run: Run, workshop: Workshop, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "the inputs have no packages" in last_line(run("debian.repo", {"a": tmp_path / "empty"}))
    text = tmp_path / "text"
    text.write_text("no package")
    assert "is not a Debian package" in last_line(run("debian.repo", {"a": [text]}))
    one = workshop.deb("one", {"etc/one": "1"})
    copy = tmp_path / "one.deb"
    shutil.copyfile(one, copy)
    assert "has a second one_1_all.deb" in last_line(run("debian.repo", {"a": [copy], "b": [workshop.deb("one", {"etc/one": "2"})]}))
    assert "option suite is 'a\\nb'" in last_line(run("debian.repo", {"a": [copy]}, suite="a\nb"))
    assert list(tree.iterdir()) == []
