# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths inside a tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.forge import intree


def test_a_plain_path_stays_as_it_is(tree: Path) -> None:
    assert intree.resolve(tree, "/etc/missing/file") == f"{tree}/etc/missing/file"
    assert intree.resolve(tree, "etc//./x/") == f"{tree}/etc/x"
    assert intree.resolve(tree, "/") == str(tree)


def test_dots_stop_at_the_root(tree: Path) -> None:
    assert intree.resolve(tree, "/../../etc/passwd") == f"{tree}/etc/passwd"
    assert intree.resolve(tree, "/a/../../b") == f"{tree}/b"


def test_absolute_links_are_relative_to_the_tree(tree: Path) -> None:
    (tree / "run").mkdir()
    (tree / "var").mkdir()
    (tree / "var/run").symlink_to("/run")
    assert intree.resolve(tree, "/var/run/x") == f"{tree}/run/x"


def test_relative_links_cannot_climb_out(tree: Path) -> None:
    (tree / "a").symlink_to("../../../../etc")
    assert intree.resolve(tree, "/a/passwd") == f"{tree}/etc/passwd"


def test_the_last_link_can_be_left_alone(tree: Path) -> None:
    (tree / "l").symlink_to("/target")
    assert intree.resolve(tree, "/l", follow_last=False) == f"{tree}/l"
    assert intree.resolve(tree, "/l") == f"{tree}/target"
    # A slash at the end does not change which component is the last.
    assert intree.resolve(tree, "/l/", follow_last=False) == f"{tree}/l"


def test_links_through_links_and_dots(tree: Path) -> None:
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "lib").symlink_to("usr/lib")
    (tree / "usr/lib/up").symlink_to("../../lib/deep")
    assert intree.resolve(tree, "/lib/up/x") == f"{tree}/usr/lib/deep/x"


def test_circles_are_an_error(tree: Path) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        intree.resolve(tree, "/a/x")


def test_below_means_below_and_not_beside(tree: Path, outside: Path) -> None:
    beside = tree.with_name("tree-2")
    beside.mkdir()
    (tree / "out").symlink_to(outside)
    assert intree.is_below(tree, tree)
    assert intree.is_below(tree, tree / "missing")
    assert not intree.is_below(tree, beside)
    assert not intree.is_below(tree, tree / "out")
