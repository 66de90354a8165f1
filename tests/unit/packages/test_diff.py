# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of package lists, and dpkg's version order without dpkg."""

from __future__ import annotations

import itertools
import subprocess

from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Package, diff_packages
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages.select import match_version
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages.versions import version_key

VERSIONS = ["1.0", "1.0-1", "1.0-1+b1", "1.0-0", "1.0~rc1-1", "1.0~~", "1.0a", "1.0+dfsg", "1.00", "1.10", "1.9", "1:0.1", "0:1.0",
            "2", "2.0-1~deb13u1", "2.0-1", "1.0.", "1.0-1.1", "1.0-1-1", "a", "~", "9999999999999999999", "1.2.3-~", "1.0-a"]


def package(name: str, version: str, sha256: str = "0", architecture: str = "amd64") -> Package:
    return Package(name, version, architecture, sha256, 1, "p", "u")


def test_version_order_is_dpkgs() -> None:
    pairs = list(itertools.combinations(VERSIONS, 2))
    script = "\n".join(
        f"dpkg --compare-versions '{a}' lt '{b}' && echo lt || {{ dpkg --compare-versions '{a}' eq '{b}' && echo eq || echo gt; }}"
        for a, b in pairs
    )
    told = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout.split()
    for (a, b), word in zip(pairs, told, strict=True):
        mine = "lt" if version_key(a) < version_key(b) else "eq" if version_key(a) == version_key(b) else "gt"
        assert mine == word, f"{a} {b}: dpkg says {word}"


def test_changes_are_sorted_into_what_happened() -> None:
    before = [package("gone", "1"), package("same", "1"), package("up", "1.9"), package("down", "2"), package("re", "1", "a")]
    after = [package("same", "1"), package("up", "1.10"), package("down", "1"), package("re", "1", "b"), package("new", "1")]
    changes = diff_packages(before, after)
    assert changes.as_text() == (
        "v down (amd64) 2 -> 1\n- gone (amd64) 1\n+ new (amd64) 1\n= re (amd64) 1 (other content)\n^ up (amd64) 1.9 -> 1.10\n"
    )
    assert changes.as_dict() == {
        "added": [{"name": "new", "architecture": "amd64", "version": "1"}],
        "removed": [{"name": "gone", "architecture": "amd64", "version": "1"}],
        "upgraded": [{"name": "up", "architecture": "amd64", "before": "1.9", "after": "1.10"}],
        "downgraded": [{"name": "down", "architecture": "amd64", "before": "2", "after": "1"}],
        "rebuilt": [{"name": "re", "architecture": "amd64", "before": "1", "after": "1"}],
    }


def test_equal_lists_are_no_change() -> None:
    changes = diff_packages([package("a", "1")], [package("a", "1")])
    assert not changes and changes.as_text() == ""


def test_architectures_are_told_apart() -> None:
    changes = diff_packages([package("a", "1")], [package("a", "1"), package("a", "1", architecture="i386")])
    assert changes.as_text() == "+ a (i386) 1\n"


def test_version_patterns() -> None:
    assert match_version("5.2.15", "1:5.2.15-2+b7") and match_version("1:5.2.15-2+b7", "1:5.2.15-2+b7")
    assert match_version("5.*", "5.2") and match_version("1.2-3", "1:1.2-3")
    assert not match_version("5.2", "5.2.15-2") and not match_version("2:5.*", "1:5.2") and not match_version("5.1*", "5.2.1")
