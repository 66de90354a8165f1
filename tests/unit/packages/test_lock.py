# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: stable bytes, readable in a diff, good with another mirror, refused when damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import (
    LOCK_SCHEMA,
    Package,
    PackageSet,
    Pin,
    Release,
    Request,
    Resolution,
    Source,
    dumps_lock,
    loads_lock,
    read_lock,
    write_lock,
)

MIRROR = "http://mirror.example.com/debian"
SOURCES = (Source((MIRROR,), ("trixie", "trixie-updates"), signed_by="/keys/a.gpg"),)
REQUEST = Request("debian-13", "trixie", "amd64", SOURCES, {"os": PackageSet(("bash", "vim")), "build": PackageSet()})


def package(name: str, version: str = "1.0", **more: Any) -> Package:
    return Package(name, version, "amd64", (name[0].encode().hex() * 32)[:64], 100, f"pool/{name}_{version}.deb", MIRROR,
                   source=name, source_version=version, component="main", suite="trixie", **more)


RESOLUTION = Resolution(
    "debian-13", "trixie", "amd64",
    (Release(MIRROR, "trixie", "0" * 64, "2026-09-12T07:55:41Z"), Release(MIRROR, "trixie-updates", "1" * 64)),
    {"os": (package("bash", essential=True), package("libc6", auto=True, installed_size=9), package("vim")),
     "build": (package("bash", essential=True),)},
)


def test_lock_comes_back_as_the_same_resolution_and_bytes() -> None:
    text = dumps_lock(RESOLUTION, REQUEST)
    lock = loads_lock(text)
    assert lock.resolution(SOURCES) == RESOLUTION
    assert dumps_lock(lock.resolution(SOURCES), REQUEST) == text


def test_one_package_a_line_so_that_a_diff_shows_what_changed() -> None:
    before = dumps_lock(RESOLUTION, REQUEST).splitlines()
    newer = {**RESOLUTION.sets, "os": (*RESOLUTION.sets["os"][:2], package("vim", "2.0"))}
    after = dumps_lock(replace(RESOLUTION, sets=newer), REQUEST).splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and '"name": "vim", "version": "2.0"' in changed[0]


def test_order_of_sets_and_packages_does_not_matter() -> None:
    sets = {name: tuple(reversed(items)) for name, items in reversed(RESOLUTION.sets.items())}
    assert dumps_lock(replace(RESOLUTION, sets=sets), REQUEST) == dumps_lock(RESOLUTION, REQUEST)


def test_packages_move_to_the_mirrors_of_today() -> None:
    lock = loads_lock(dumps_lock(RESOLUTION, REQUEST))
    found = lock.resolution((Source(("https://near.example.com/deb/",), ("trixie",)),))
    assert found.sets["os"][0].url == "https://near.example.com/deb/pool/bash_1.0.deb"
    with pytest.raises(PackageError, match="package bash comes from suite 'trixie', which none of the sources has"):
        lock.resolution((Source((MIRROR,), ("bookworm",)),))


def test_packages_of_equal_suites_go_back_to_their_own_mirror() -> None:
    other = "http://vendor.example.com/apt"
    sources = (*SOURCES, Source((other,), ("trixie",)))
    releases = (*RESOLUTION.releases, Release(other, "trixie", "2" * 64))
    sets = {"os": (package("bash"), replace(package("tool"), uri=other))}
    text = dumps_lock(replace(RESOLUTION, releases=releases, sets=sets), REQUEST)
    assert [item.uri for item in loads_lock(text).resolution(sources).sets["os"]] == [MIRROR, other]


def test_another_mirror_or_keyring_keeps_the_lock_and_another_wish_does_not() -> None:
    lock = loads_lock(dumps_lock(RESOLUTION, REQUEST))
    moved = (Source(("http://b.example.com",), ("trixie",)), Source(("http://c.example.com",), ("trixie-updates",)))
    wider = (replace(SOURCES[0], components=("main", "non-free-firmware")),)
    assert all(lock.matches(replace(REQUEST, sources=sources)) for sources in (SOURCES, moved, wider))
    sets = dict(REQUEST.sets)
    for other in (
        replace(REQUEST, suite="bookworm"),
        replace(REQUEST, architecture="arm64"),
        replace(REQUEST, sources=SOURCES + SOURCES),
        replace(REQUEST, sources=(replace(SOURCES[0], components=("contrib",)),)),
        replace(REQUEST, pins=(Pin("vim", "version 1", 900),)),
        replace(REQUEST, foreign_architectures=("i386",)),
        replace(REQUEST, sets={"os": sets["os"]}),
        replace(REQUEST, sets={**sets, "os": PackageSet(("bash",))}),
        replace(REQUEST, sets={**sets, "os": replace(sets["os"], recommends=True)}),
        replace(REQUEST, sets={**sets, "os": replace(sets["os"], exclude=("nano",))}),
        replace(REQUEST, sets={**sets, "os": replace(sets["os"], variant="standard")}),
    ):
        assert not lock.matches(other), other


def test_order_of_the_wish_does_not_matter() -> None:
    sets = {"build": PackageSet(), "os": PackageSet(("vim", "bash", "vim"))}
    assert replace(REQUEST, sets=sets).digest() == REQUEST.digest()


def test_schema_in_the_repository_is_the_one_in_force() -> None:
    path = Path(__file__).resolve().parents[3] / "docs/schemas/lock.schema.json"
    assert json.loads(path.read_text()) == LOCK_SCHEMA
    jsonschema.validate(json.loads(dumps_lock(RESOLUTION, REQUEST)), LOCK_SCHEMA)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lock: lock.update(format=2), "format is 2, this version reads 1; resolve again"),
        (lambda lock: lock.pop("sets"), "'sets' is missing"),
        (lambda lock: lock.update(extra=1), "extra: unknown key"),
        (lambda lock: lock["sets"]["os"][0].update(path="../../etc/passwd"), r"sets\.os\[0\]\.path: '\.\./\.\./etc/passwd'"),
        (lambda lock: lock["sets"]["os"][0].update(path="/etc/passwd"), r"sets\.os\[0\]\.path"),
        (lambda lock: lock["sets"]["os"][0].update(sha256="abc"), r"sets\.os\[0\]\.sha256: 'abc' is not allowed"),
        (lambda lock: lock["sets"]["os"][1].update(size="1"), r"sets\.os\[1\]\.size: must be of type integer"),
        (lambda lock: lock["sets"]["os"][1].update(size=True), r"sets\.os\[1\]\.size: must be of type integer"),
        (lambda lock: lock["sets"]["os"][1].update(size=-1), r"sets\.os\[1\]\.size: must be at least 0"),
        (lambda lock: lock["sets"].update(os={}), r"sets\.os: must be of type array"),
    ],
)
def test_damaged_lock_names_the_field_as_jsonschema_would(change: Any, sentence: str) -> None:
    content = json.loads(dumps_lock(RESOLUTION, REQUEST))
    change(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, LOCK_SCHEMA)
    with pytest.raises(PackageError, match=sentence):
        loads_lock(json.dumps(content))


def test_unreadable_lock_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"lock .*/none\.json: does not exist"):
        read_lock(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(PackageError, match=r"lock .*/bad\.json: is not valid JSON"):
        read_lock(tmp_path / "bad.json")


def test_written_lock_replaces_the_old_one_wholly(tmp_path: Path) -> None:
    path = tmp_path / "hello.lock.json"
    path.write_text("old")
    text = write_lock(path, RESOLUTION, REQUEST)
    assert path.read_text() == text and [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(PackageError, match="cannot be written"):
        write_lock(tmp_path / "no/such/dir.json", RESOLUTION, REQUEST)
