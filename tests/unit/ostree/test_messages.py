# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ostree writes, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import SignatureError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree import deployments, kernelargs
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree.program import explain

A, B, C = "a" * 64, "b" * 64, "c" * 64
# Of ostree 2025.2 on a machine that was booted; 2022.7 writes the same.
STATUS = f"""\
  debian {A}.0 (staged)
    Version: 13.3
    origin refspec: forge:debian/edge
* debian {B}.1
    Version: 13.2
    Pinned: yes
    origin refspec: forge:debian/edge
    GPG: Signature made Wed Nov 25 17:02:43 2026 using EdDSA key ID 16086A187198AAC0
         Good signature from "Repo <r@example.com>"
  debian {C}.0 (rollback)
    origin: <unknown origin type>
"""


def test_the_status_of_a_machine_is_read() -> None:
    staged, booted, former = deployments.parse_status(STATUS, Path("/"))
    assert (staged.staged, staged.version, staged.booted) == (True, "13.3", False)
    assert (booted.booted, booted.pinned, booted.serial, booted.index) == (True, True, 1, 1)
    assert (former.origin, former.version, former.commit) == ("", "", C)
    found = [staged, booted, former]
    assert deployments.running(found) == booted and deployments.rollback(found) == former
    assert deployments.parse_status("No deployments.\n") == []


@pytest.mark.parametrize("quotes", ["\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "''", "??"])
def test_a_commit_of_another_ref_is_explained(quotes: str) -> None:
    first, last = quotes
    text = f"error: Commit {A}: Commit has no requested ref {first}d/prod{last} in ref binding metadata ({first}d/x{last})\n"
    assert str(explain(text)).startswith("the commit was not made for ref d/prod; promote it with the module ostree_ref")


def test_only_what_speaks_of_signatures_is_a_matter_of_signatures() -> None:
    assert isinstance(explain("error: GPG signatures found, but none are in trusted keyring: key expired"), SignatureError)
    assert not isinstance(explain("error: certificate has expired"), SignatureError)
    assert str(explain("")) == "it gave no reason"


@pytest.mark.parametrize(
    ("present", "absent", "wanted"),
    [
        ((), (), ("root=x", "console=tty0", "console=ttyS0", "rw")),
        (("rw", "quiet", "quiet"), (), ("root=x", "console=tty0", "console=ttyS0", "rw", "quiet")),
        ((), ("console=tty0",), ("root=x", "console=ttyS0", "rw")),
        (("console=tty1",), ("console",), ("root=x", "rw", "console=tty1")),
        ((), ("r",), ("root=x", "console=tty0", "console=ttyS0", "rw")),
    ],
)
def test_kernel_arguments_are_changed_by_name_or_value(present: tuple[str, ...], absent: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert kernelargs.change(("root=x", "console=tty0", "console=ttyS0", "rw"), present, absent) == wanted
