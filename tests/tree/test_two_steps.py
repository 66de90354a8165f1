# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A system made in two steps, so that other images can share the first, is the one that a single step makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .compare import differences, read_tree
from .minbase import BIG, build, build_manifest, manifest_in_steps, select
from .test_minbase_equals_mmdebstrap import healthy

pytestmark = [pytest.mark.root, pytest.mark.slow]

#: With services, users, hooks of the initramfs, triggers and byte code.
ADDED = ("cryptsetup-initramfs", "nginx", "rsync", "tmux", "unattended-upgrades")
#: man-db marks the caches of languages when it is triggered again; dpkg writes triggers in the order it met them.
ALLOWED = ("var/cache/man/*/CACHEDIR.TAG", "var/lib/dpkg/triggers/File")


@pytest.mark.parametrize("name", ["debian-12", "debian-13"])
def test_two_steps_make_the_tree_of_one(name: str, scratch: Path) -> None:
    selection = select(name, (*BIG, *ADDED), base=BIG)
    layers = {package.name: package.layer for package in selection.packages}
    assert {layers[name] for name in ADDED} == {"added"} and {layers[name] for name in BIG} == {""}
    place = scratch / f"steps-{name}"
    place.mkdir()
    tree = build_manifest(manifest_in_steps(selection), place, "steps")
    healthy(tree)
    listing = read_tree(tree)
    shutil.rmtree(tree)
    single = build(selection, place, "single")
    assert list(differences(listing, read_tree(single), ALLOWED)) == []
    shutil.rmtree(place)
