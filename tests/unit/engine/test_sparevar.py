# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `/var` is given to the next stage only as the runner makes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from osbuild.preparedroot import PreparedRoot
from osbuild.sparevar import Lent, SpareVars


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedRoot:
    model = tmp_path / "model"
    for name in ("lib/dpkg", "tmp"):
        (model / name).mkdir(parents=True)
    (model / "tmp").chmod(0o1777)
    (model / "lib" / "state").write_text("made\n")
    (model / "lock").symlink_to("/run/lock")
    return PreparedRoot.read(str(tmp_path / "model"), str(model))


@pytest.fixture
def lend(prepared: PreparedRoot, tmp_path: Path) -> Callable[[], tuple[SpareVars, Lent]]:
    """Spares, and a directory that was in use before, so that only what the kernel says of its entries is looked at."""

    def make() -> tuple[SpareVars, Lent]:
        spares = SpareVars()
        new = spares.lend("key", prepared, str(tmp_path))
        # The kernel's clock for files stands still for some milliseconds.
        time.sleep(0.02)
        spares.give_back("key", new)
        lent = spares.lend("key", prepared, str(tmp_path))
        assert lent.before is not None
        return spares, lent

    return make


def test_what_nobody_touched_is_used_again(lend: Callable[[], tuple[SpareVars, Lent]], prepared: PreparedRoot, tmp_path: Path) -> None:
    spares, first = lend()
    # Reading changes nothing.
    (Path(first.path) / "lib" / "state").read_text()
    spares.give_back("key", first)
    second = spares.lend("key", prepared, str(tmp_path))
    third = spares.lend("key", prepared, str(tmp_path))
    assert second.path == first.path != third.path
    assert prepared.is_var(second.path) and prepared.is_var(third.path)


def test_another_content_has_directories_of_its_own(
    lend: Callable[[], tuple[SpareVars, Lent]], prepared: PreparedRoot, tmp_path: Path
) -> None:
    spares, first = lend()
    spares.give_back("key", first)
    assert spares.lend("other", prepared, str(tmp_path)).path != first.path


def rewrite(var: Path) -> None:
    """The same length, and the old times."""
    times = (var / "lib" / "state").stat()
    (var / "lib" / "state").write_text("fake\n")
    os.utime(var / "lib" / "state", ns=(times.st_atime_ns, times.st_mtime_ns))


def come_and_go(var: Path) -> None:
    times = (var / "lib").stat()
    (var / "lib" / "new").write_text("new\n")
    (var / "lib" / "new").unlink()
    os.utime(var / "lib", ns=(times.st_atime_ns, times.st_mtime_ns))


def replace(var: Path) -> None:
    (var / "lib" / "dpkg").rmdir()
    (var / "lib" / "dpkg").symlink_to("/etc")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda var: (var / "tmp" / "left").touch(),
    "a file gone": lambda var: (var / "lib" / "state").unlink(),
    "other content": rewrite,
    "a file that came and went": come_and_go,
    "a link for a directory": replace,
    "another link": lambda var: ((var / "lock").unlink(), (var / "lock").symlink_to("/etc/lock")),
    "permissions": lambda var: (var / "lib").chmod(0o777),
    "permissions of the top": lambda var: var.chmod(0o777),
    "an attribute": lambda var: os.setxattr(var / "lib" / "state", "user.name", b"value"),
    "another name": lambda var: os.link(var / "lib" / "state", var / "tmp" / "state"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_what_a_stage_changed_is_removed(
    lend: Callable[[], tuple[SpareVars, Lent]], prepared: PreparedRoot, tmp_path: Path, change: str, used: bool
) -> None:
    if used:
        spares, lent = lend()
    else:
        spares = SpareVars()
        lent = spares.lend("key", prepared, str(tmp_path))
    CHANGES[change](Path(lent.path))
    spares.give_back("key", lent)
    other = spares.lend("key", prepared, str(tmp_path))
    assert prepared.is_var(other.path)
    if change == "a file that came and went" and not used:
        # Nothing is left of it that the next stage could see.
        return
    assert other.path != lent.path
    assert not os.path.exists(lent.path)
