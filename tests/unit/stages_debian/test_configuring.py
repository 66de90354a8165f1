# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done once for all while packages are configured: the outcome is that of the plain way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge import bytecode

from .conftest import Workshop, last_line, succeeded

pytestmark = pytest.mark.root

Bootstrap = Callable[..., Any]

_SYNC = """
import errno, os, sys
from stages.forge import nosync
ends = os.pipe()
def can(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "yes"
print(can(os.fsync, ends[0]), nosync.suppress(), can(os.fsync, ends[0]), can(os.fdatasync, ends[0]), can(os.lseek, ends[0], 0, 0))
"""


def test_synchronising_does_nothing_and_other_calls_work_as_ever(repo: Path) -> None:
    """A pipe cannot be synchronised: that it seems to succeed shows that the kernel was not asked."""
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("no filter for this machine")
    result = subprocess.run([sys.executable, "-c", _SYNC], env={"PYTHONPATH": str(repo / "engine")}, capture_output=True,
                            text=True, check=True)
    assert result.stdout.split() == ["EINVAL", "True", "yes", "yes", "ESPIPE"]


def python(workshop: Workshop, script: str) -> Path:
    return workshop.deb(
        "python3", {"usr/bin/py3compile": '#!/bin/sh\necho "$@" >>/root/at-once\n', "usr/bin/python3": f"#!/bin/sh\n{script}\n"},
        modes={"usr/bin/py3compile": 0o755, "usr/bin/python3": 0o755},
    )


def test_packages_are_compiled_together_at_the_end(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    maker = python(workshop, 'cat "$3" >/root/later')
    packages = [
        workshop.deb(name, Depends="python3", scripts={"postinst": f"py3compile -p {name} '/usr/lib/a b'\ntest ! -e /root/later\n"})
        for name in ("one", "two")
    ]
    other = workshop.deb("zoo", Depends="python3", scripts={"postinst": "py3compile -V 3.13 /usr/lib/zoo\n"})
    succeeded(bootstrap(maker, *packages, other))
    later = (tree / "root/later").read_text().splitlines()
    assert sorted(later) == ["-p\0one\0/usr/lib/a b\0", "-p\0two\0/usr/lib/a b\0"]
    assert (tree / "root/at-once").read_text() == "-V 3.13 /usr/lib/zoo\n"
    assert "at-once" in (tree / "usr/bin/py3compile").read_text()


def test_code_that_cannot_be_compiled_fails_with_what_was_said(bootstrap: Bootstrap, workshop: Workshop) -> None:
    maker = python(workshop, "echo SyntaxError in x.py\nexit 1")
    package = workshop.deb("one", Depends="python3", scripts={"postinst": "py3compile -p one\n"})
    assert last_line(bootstrap(maker, package)).endswith(
        "py3compile failed with exit status 1; its output: SyntaxError in x.py"
    )


def compiled(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.pyc")}


def test_together_the_same_code_is_made(tmp_path: Path) -> None:
    program = Path("/usr/bin/py3compile")
    if not program.exists():
        pytest.skip("the host has no py3compile")
    (tmp_path / "compile.py").write_text(bytecode.COMPILE)
    folders = [tmp_path / name for name in ("one", "two", "bad")]
    sources = sorted(Path("/usr/lib/python3.11/json").glob("*.py")) or sorted(Path(os.__file__).parent.glob("json/*.py"))
    for folder in folders[:2]:
        folder.mkdir()
        for path in sources:
            shutil.copy2(path, folder)

    def run(*names: Path) -> subprocess.CompletedProcess[str]:
        (tmp_path / "requests").write_text("".join(f"{name}\0\n" for name in names))
        return subprocess.run(["/usr/bin/python3", tmp_path / "compile.py", program, tmp_path / "requests"], capture_output=True,
                              text=True, check=False)

    for folder in folders[:2]:
        subprocess.run([program, folder], check=True)
    plain = [compiled(folder) for folder in folders[:2]]
    assert len(plain[0]) == len(sources)
    for folder in folders[:2]:
        shutil.rmtree(folder / "__pycache__")
    assert run(*folders[:2]).returncode == 0
    assert [compiled(folder) for folder in folders[:2]] == plain
    folders[2].mkdir()
    (folders[2] / "wrong.py").write_text("def\n")
    result = run(folders[2])
    assert result.returncode == 1
    assert "wrong.py" in result.stdout + result.stderr
