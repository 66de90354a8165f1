# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking order, and the steps of real dpkg."""

from __future__ import annotations

from stages.forge import deb
from stages.forge.order import batches, essential, unpack_order

from .conftest import Workshop


def read(workshop: Workshop) -> list[deb.Package]:
    return [deb.read_package(str(path)) for path in workshop.built.values()]


def test_the_base_comes_first_and_predependencies_before_their_users(workshop: Workshop) -> None:
    workshop.deb("aa", Pre_Depends="zz | yy")
    workshop.deb("zz")
    workshop.deb("tool", Essential="yes")
    workshop.deb("base-passwd")
    workshop.deb("base-files", Pre_Depends="zz")
    found = [package.name for package in unpack_order(read(workshop))]
    assert found == ["base-files", "base-passwd", "tool", "zz", "aa"]


def test_a_circle_of_predependencies_ends(workshop: Workshop) -> None:
    workshop.deb("a", Pre_Depends="b")
    workshop.deb("b", Pre_Depends="a")
    assert sorted(package.name for package in unpack_order(read(workshop))) == ["a", "b"]


def test_the_essential_set_is_closed_over_dependencies(workshop: Workshop) -> None:
    workshop.deb("dpkg", Depends="liba (>= 1), awk")
    workshop.deb("liba", Pre_Depends="libb")
    workshop.deb("libb")
    workshop.deb("mawk", Provides="awk")
    workshop.deb("other", Depends="liba")
    assert sorted(package.name for package in essential(read(workshop))) == ["dpkg", "liba", "libb", "mawk"]


def test_predependencies_are_configured_before_their_user_is_unpacked(workshop: Workshop) -> None:
    workshop.deb("app", Pre_Depends="helper")
    workshop.deb("helper", Depends="lib")
    workshop.deb("lib")
    workshop.deb("plain")
    steps = [([p.name for p in unpack], [p.name for p in configure]) for unpack, configure in batches(read(workshop))]
    assert steps == [(["helper", "lib"], ["helper", "lib"]), (["app", "plain"], [])]


def test_without_predependencies_there_is_one_step(workshop: Workshop) -> None:
    workshop.deb("a", Depends="b")
    workshop.deb("b")
    steps = batches(read(workshop))
    assert [([p.name for p in unpack], configure) for unpack, configure in steps] == [(["a", "b"], [])]
