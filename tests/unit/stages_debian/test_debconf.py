# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers for debconf: set before packages ask, kept out of logs, refused when they cannot be kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Runner, Workshop, in_tree, last_line, succeeded

pytestmark = pytest.mark.root

ANSWERS = [
    {"owner": "app", "question": "app/password", "type": "password", "value": "s3cret word"},
    {"owner": "app", "question": "app/enable", "type": "boolean", "value": True},
]


@pytest.fixture
def debconf(workshop: Workshop) -> Path:
    """A package that keeps the answers in a file."""
    program = "#!/bin/sh\n[ -e /etc/debconf.conf ] || exit 9\ncat >/root/answers\n"
    return workshop.deb(
        "debconf", {"usr/bin/debconf-set-selections": program, "etc/debconf.conf": "x\n"},
        modes={"usr/bin/debconf-set-selections": 0o755}, control={"conffiles": "/etc/debconf.conf\n"},
        scripts={"postinst": "echo debconf >>/root/order\n"}, Depends="base-passwd",
    )


@pytest.fixture
def asking(workshop: Workshop) -> Path:
    return workshop.deb("app", {}, scripts={"postinst": "cat /root/answers >/root/seen\n"})


@pytest.mark.parametrize("method", ["direct", "dpkg"])
def test_answers_are_there_before_a_package_asks(
    bootstrap: Callable[..., Any], debconf: Path, asking: Path, tree: Path, method: str
) -> None:
    result = bootstrap(debconf, asking, method=method, debconf=ANSWERS, auto=["app"])
    succeeded(result)
    assert (tree / "root/seen").read_text() == "app app/password password s3cret word\napp app/enable boolean true\n"
    assert "s3cret" not in result.stdout + result.stderr
    assert "Package: app\n" in (tree / "var/lib/apt/extended_states").read_text()
    assert in_tree(tree, "dpkg", "--audit").stdout == ""


def test_answers_of_a_change_come_before_its_packages(
    bootstrap: Callable[..., Any], run_stage: Runner, debconf: Path, asking: Path, tree: Path
) -> None:
    succeeded(bootstrap(debconf))
    succeeded(run_stage("apt", tree, [asking], {"debconf": ANSWERS[1:]}))
    assert (tree / "root/seen").read_text() == "app app/enable boolean true\n"


def test_without_debconf_nothing_is_done(
    bootstrap: Callable[..., Any], run_stage: Runner, asking: Path, workshop: Workshop, tree: Path
) -> None:
    assert "input packages has no package debconf" in last_line(bootstrap(asking, debconf=ANSWERS))
    assert list(tree.iterdir()) == []
    succeeded(bootstrap())
    plain = workshop.deb("plain", {})
    assert "the tree has no debconf" in last_line(run_stage("apt", tree, [plain], {"debconf": ANSWERS}))
    assert not (tree / "var/lib/dpkg/info/plain.list").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"value": "a\nb q string x"}, "option debconf[0].value holds a line break"),
        ({"question": "a b"}, "option debconf[0].question is 'a b'; it must be one word"),
        ({"owner": "#a"}, "option debconf[0].owner is '#a'"),
    ],
)
def test_answers_that_are_no_lines_are_refused(
    bootstrap: Callable[..., Any], debconf: Path, tree: Path, entry: dict[str, str], message: str
) -> None:
    assert message in last_line(bootstrap(debconf, debconf=[{"owner": "a", "question": "b", "value": "c", **entry}]))
    assert list(tree.iterdir()) == []


def test_names_to_mark_must_be_among_the_packages(bootstrap: Callable[..., Any]) -> None:
    assert "option auto names nothere, which input packages does not have" in last_line(bootstrap(auto=["nothere"]))


def test_a_tree_for_another_machine_is_named_as_such(
    bootstrap: Callable[..., Any], run_stage: Runner, asking: Path, tree: Path
) -> None:
    succeeded(bootstrap())
    (tree / "usr/bin/dpkg").write_bytes(b"\x7fELF" + bytes(60))
    assert "/dpkg of the tree cannot run on this machine" in last_line(run_stage("apt", tree, [asking], {}))
