# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions, dependency fields, and whether a set satisfies itself."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from stages.forge.relations import PackageSet, Relation, compare_versions, parse, sentence
from stages.forge.stanza import Stanza, parse_stanza

from .conftest import control_text

VERSIONS = ["1.0", "1.0-1", "1.0-1+b1", "1.0~rc1", "1.0~~", "1.0~", "1:0.1", "0:1.0", "1.0a", "1.0+dfsg", "1.00", "2", "10",
            "1.2.3-4~bpo12+1", "1.2.3-4", "a", "1.0-0", "0"]


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    names = {-1: "lt", 0: "eq", 1: "gt"}
    pairs = list(itertools.combinations(VERSIONS, 2))
    script = "\n".join(
        f"dpkg --compare-versions {one} {names[compare_versions(one, two)]} {two} || echo '{one} {two}'"
        for one, two in pairs
    )
    wrong = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout
    assert wrong == ""


def test_relations_are_read() -> None:
    assert parse("a (>= 1), b:any | c (<< 2~)\n , d") == [
        [Relation("a", "", ">=", "1")],
        [Relation("b", "any", "", ""), Relation("c", "", "<<", "2~")],
        [Relation("d", "", "", "")],
    ]


def stanza(name: str, version: str = "1", architecture: str = "amd64", **fields: str) -> Stanza:
    names = {key.replace("_", "-"): value for key, value in fields.items()}
    return parse_stanza(control_text(name, version, architecture, names), name)


@pytest.mark.parametrize(
    ("packages", "problem"),
    [
        ([stanza("a", Depends="b")], "a depends on b, but b is not there"),
        ([stanza("a", Pre_Depends="b (>= 2)"), stanza("b")],
         "a pre-depends on b (>= 2), but b is there as 1 for amd64"),
        ([stanza("a", Depends="b"), stanza("b", architecture="arm64")],
         "a depends on b, but b is there as 1 for arm64"),
        ([stanza("a", Depends="v (>= 1)"), stanza("b", Provides="v")], "a depends on v (>= 1), but v is only provided by b"),
        ([stanza("a", Conflicts="v"), stanza("b", Provides="v")], "a conflicts with v, but b 1 is there"),
        ([stanza("a", Breaks="b (<< 2)"), stanza("b")], "a breaks b (<< 2), but b 1 is there"),
    ],
)
def test_what_is_wrong_is_said(packages: list[Stanza], problem: str) -> None:
    assert PackageSet(packages, "amd64").problems() == [problem]


@pytest.mark.parametrize(
    "packages",
    [
        [stanza("a", Depends="x | b (>= 1)"), stanza("b")],
        [stanza("a", Depends="v (>= 1)"), stanza("b", Provides="v (= 1.5)")],
        [stanza("a", architecture="all", Depends="b"), stanza("b")],
        [stanza("a", architecture="i386", Depends="b"), stanza("b", Multi_Arch="foreign")],
        [stanza("a", architecture="i386", Depends="b:any"), stanza("b", Multi_Arch="allowed")],
        [stanza("a", Conflicts="v", Provides="v")],
        [stanza("a", Breaks="b (<< 1)"), stanza("b")],
    ],
)
def test_what_is_well_is_accepted(packages: list[Stanza]) -> None:
    assert PackageSet(packages, "amd64").problems() == []


def test_a_long_list_of_problems_is_cut() -> None:
    assert sentence(["a", "b", "c"], limit=2) == "dependencies are not satisfied: a; b; and 1 more"
