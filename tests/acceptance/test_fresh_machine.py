# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make image` in a clone, on a machine that has only Debian's base system, make, git and Python."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.nspawn import Host, make_tree


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_make_image_on_a_fresh_machine(suite: str, tmp_path: Path) -> None:
    tree = tmp_path / suite
    make_tree(suite, tree, "make", "git", "python3")
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(REPO), str(tree / "root" / "forge")], check=True)
    with Host(f"fresh-{suite}", tree) as host:
        started = time.monotonic()
        first = host.run("cd /root/forge && make image", timeout=1800)
        print(f"\n{suite}: make image, nothing cached: {time.monotonic() - started:.0f} s")
        started = time.monotonic()
        again = host.run("cd /root/forge && make image", timeout=600)
        print(f"{suite}: make image, repeated: {time.monotonic() - started:.0f} s")
        assert host.run("systemctl --failed --no-legend").stdout.strip() == ""
        assert host.run("cd /root/forge && git status --porcelain").stdout == ""
        assert host.run("losetup -l -n; grep -c /var/lib/debian-forge /proc/mounts || true").stdout.split() in ([], ["0"])
    assert re.search(r"changed=[1-9]", first.stdout), first.stdout[-2000:]
    assert re.search(r"changed=0 .*failed=0", again.stdout), again.stdout[-2000:]
    output = tree / "root" / "forge" / "build" / "hello-debian"
    record = json.loads((output / "record.json").read_text())
    assert record["files"]
    info = subprocess.run(["qemu-img", "check", str(output / "disk.qcow2")], capture_output=True, text=True, check=True)
    assert "No errors" in info.stdout
