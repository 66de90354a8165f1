# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a blueprint's words about archives to apt sources and pins."""

from __future__ import annotations

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import (
    backports_source,
    build_pins,
    build_sources,
    get_distribution,
    mirror_sources,
    mirror_warnings,
    of_suite,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Pin, Source

from tests.support.blueprints import ARMOURED

TRIXIE = get_distribution("debian-13")
MAIN = Source(("https://a.example.com/debian",), ("trixie", "trixie-updates"), name="debian")


def wanted(**customizations):
    return load({"name": "x", "customizations": customizations}).customizations


def archive(**keys):
    return wanted(debian=keys).debian.archive


def test_a_suite_is_another_name_of_the_same_distribution():
    assert of_suite(TRIXIE, archive(suite="stable")).suites == ("stable", "stable-updates", "stable-security")
    assert of_suite(TRIXIE, archive(suite="derived")).suite == "derived"
    assert of_suite(TRIXIE, archive()) is TRIXIE
    with pytest.raises(ImageError, match="customizations.debian.suite is bookworm, which is debian-12's, but the image is for debian-13"):
        of_suite(TRIXIE, archive(suite="bookworm"))


def test_a_mirror_gives_all_suites_and_a_snapshot_may_have_expired():
    keys = {"mirror": "https://s.example.com/debian/{snapshot}", "security_mirror": "https://s.example.com/sec/{snapshot}"}
    first, second = mirror_sources(TRIXIE, archive(**keys, snapshot="20260131T000000Z"), ("main", "contrib"))
    assert first == Source(
        ("https://s.example.com/debian/20260131T000000Z",), ("trixie", "trixie-updates"), ("main", "contrib"), name="debian",
        check_valid_until=False,
    )  # fmt: skip
    assert (second.suites, second.uris) == (("trixie-security",), ("https://s.example.com/sec/20260131T000000Z",))
    (alone,) = mirror_sources(TRIXIE, archive(mirror="https://a.example.com/debian"), ())
    assert alone.components == ("main",) and alone.check_valid_until
    assert mirror_sources(TRIXIE, archive(), ()) == ()


def test_a_mirror_without_security_updates_is_pointed_out():
    alone = archive(mirror="https://a.example.com/debian")
    assert mirror_warnings(TRIXIE, alone) == ["customizations.debian.mirror: brings no security updates; security_mirror does"]
    assert mirror_warnings(get_distribution("sid"), alone) == []


def test_backports_come_from_the_mirror_of_the_suite():
    (source,) = backports_source(TRIXIE, archive(backports=True), (MAIN,))
    assert (source.uris, source.suites, source.name) == (MAIN.uris, ("trixie-backports",), "debian-backports")
    assert backports_source(TRIXIE, archive(), (MAIN,)) == ()
    assert backports_source(TRIXIE, archive(backports=True), (MAIN, source)) == (), "it is there already"
    with pytest.raises(ImageError, match="debian-sid has no backports"):
        backports_source(get_distribution("sid"), archive(backports=True), (MAIN,))
    with pytest.raises(ImageError, match="no package source has the suite trixie"):
        backports_source(TRIXIE, archive(backports=True), ())


def test_pins_say_what_is_taken_from_backports():
    available = Pin("*", "release n=trixie-backports", 100)
    assert build_pins(TRIXIE, wanted(debian={"backports": True})) == (available,)
    taken = build_pins(TRIXIE, wanted(debian={"backports": ["nginx", "linux-*"]}))
    assert taken == (available, Pin("nginx linux-*", "release n=trixie-backports", 900))


def test_only_repositories_to_install_from_are_used_while_building():
    own = {"id": "own", "baseurls": ["https://own.example.com"], "gpgkeys": [ARMOURED], "priority": 1}
    other = {**own, "id": "other", "install_from": True, "baseurls": ["https://other.example.com"]}
    found = wanted(repositories=[own, other], payload_repositories=[{"baseurl": "https://pay.example.com", "gpgkey": ARMOURED}])
    assert [source.uris[0] for source in build_sources(TRIXIE, found)] == ["https://other.example.com", "https://pay.example.com"]
    assert {source.suites for source in build_sources(TRIXIE, found)} == {("trixie",)}
    assert build_pins(TRIXIE, found) == (Pin("*", 'origin "other.example.com"', 990),)
