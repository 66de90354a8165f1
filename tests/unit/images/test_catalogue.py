# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions, architectures and image types by name."""

from __future__ import annotations

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import (
    DISTRIBUTIONS,
    get_architecture,
    get_distribution,
    get_image_type,
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("debian-12", "debian-12"),
        ("bookworm", "debian-12"),
        ("Debian-13", "debian-13"),
        ("trixie", "debian-13"),
        ("testing", "debian-testing"),
        ("unstable", "debian-sid"),
        ("debian-sid", "debian-sid"),
    ],
)
def test_distributions_go_by_name_and_code_name(name, found):
    assert get_distribution(name).name == found


def test_suites_are_those_that_a_distribution_has():
    assert get_distribution("debian-13").suites == ("trixie", "trixie-updates", "trixie-security")
    assert get_distribution("debian-sid").suites == ("sid",)


def test_no_name_means_two_distributions():
    names = [name for one in DISTRIBUTIONS for name in (one.name, *one.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["amd64", "x86_64", "AMD64"])
def test_architectures_go_by_both_spellings(name):
    assert get_architecture(name).name == "amd64"


def test_guest_image_is_what_composer_calls_qcow2():
    assert get_image_type("guest-image").name == "qcow2"


@pytest.mark.parametrize(
    ("get", "name", "words"),
    [
        (get_distribution, "debian-7", "debian-12, debian-13, debian-testing, debian-sid"),
        (get_distribution, "", "debian-12"),
        (get_architecture, "vax", "amd64, arm64, armhf"),
        (get_image_type, "floppy", "tar, tar-gzip, .*, raw, qcow2"),
    ],
)
def test_unknown_names_are_refused_with_the_known(get, name, words):
    with pytest.raises(ImageError, match=f"unknown .* '{name}'; known are .*{words}"):
        get(name)


def test_a_disk_for_an_architecture_without_boot_loader_is_refused(define):
    with pytest.raises(ImageError, match="image type raw cannot be made for s390x"):
        define(image_type="raw", architecture="s390x")
    assert define(image_type="tar", architecture="s390x").architecture.machine == "s390x"
