# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a tree to a disk: a file system without mounting it, and a compressed qcow2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmark.harness import ENGINE, PYTHON, REPO, Bench, Command, NotHere, Row

SIZE = 1536 << 20
#: mke2fs(8) as the stage has it, but for what names the file system.
MKE2FS = ("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")

_EXT4 = """
import importlib.machinery, importlib.util, sys
sys.path[:0] = [{engine!r}]
loader = importlib.machinery.SourceFileLoader("stage", {engine!r} + "/stages/org.osbuild.debian.ext4")
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("stage", loader))
loader.exec_module(module)
folder, size, tree = sys.argv[1:]
with open(folder + "/disk.raw", "wb") as file:
    file.truncate(int(size))
options = {{"filename": "disk.raw", "start": 0, "size": int(size) // 512, "uuid": "b2e9e6fa-6a07-4c6f-9e40-3a4a3b0f0e6b"}}
module.main(folder, {{"tree": {{"path": tree}}}}, options, {{"source-epoch": 1750000000}})
"""
_QCOW2 = """
import sys
sys.path.insert(0, {engine!r})
from stages.forge import qcow2, zstd
qcow2.convert(sys.argv[1], sys.argv[2], zstd.Zstd())
"""
# Both disks hold one file system from their first byte on.
_PLAIN = """
truncate -s "$1" "$2"
mkfs.ext4 -qF "$2"
mkdir "$2.mnt"
mount -o loop "$2" "$2.mnt"
cp -a "$3/." "$2.mnt"
umount "$2.mnt"
"""


def qcow2_script() -> str:
    """A program that makes the first file named a qcow2, the second, as the stage does."""
    return _QCOW2.format(engine=str(ENGINE))


def rows(bench: Bench) -> Iterator[Row]:
    for program in ("mkfs.ext4", "qemu-img"):
        if shutil.which(program) is None:
            raise NotHere(f"{program} is not installed")
    sys.path.append(str(REPO / "build" / "collections"))
    from tests.tree import minbase

    selection = minbase.select("debian-12", ("linux-image-cloud-amd64", "python3", "openssh-server", "man-db"))
    tree = minbase.build(selection, bench.scratch)
    raw, plain = bench.scratch / "disk.raw", bench.scratch / "plain.raw"

    def fresh() -> None:
        for path in (raw, plain):
            path.unlink(missing_ok=True)
        shutil.rmtree(f"{plain}.mnt", ignore_errors=True)

    mounted = Command(["sh", "-ec", _PLAIN, "sh", str(SIZE), str(plain), str(tree)], prepare=fresh)
    script = bench.scratch / "ext4.py"
    script.write_text(_EXT4.format(engine=str(ENGINE)))
    direct = [PYTHON, str(script), str(bench.scratch), str(SIZE), str(tree)]
    bare = Command([*MKE2FS, "-d", str(tree), str(raw), f"{SIZE >> 10}k"], prepare=fresh)
    yield Row(
        "tree to raw disk", Command(direct, prepare=fresh), "mkfs, mount, cp -a", mounted, 0.5, runs=3, floor=bare,
        why="The floor is mke2fs -d alone, which writes each block of 4 KiB by a call of its own; what the loop device writes is "
            "not in the yardstick's processor time.",
    )

    fresh()
    subprocess.run(direct, check=True, stdout=subprocess.DEVNULL)
    ours, theirs = bench.scratch / "ours.qcow2", bench.scratch / "theirs.qcow2"
    script = bench.scratch / "qcow2.py"
    script.write_text(qcow2_script())
    yield Row(
        "raw disk to compressed qcow2",
        Command([PYTHON, str(script), str(raw), str(ours)], prepare=lambda: ours.unlink(missing_ok=True)),
        "qemu-img convert -c",
        Command(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(raw), str(theirs)]), 0.12, runs=3,
        why="libzstd's fastest level that makes no larger a file takes two thirds of the processor time, reading and writing a sixth.",
    )
    sizes = [json.loads(subprocess.run(["qemu-img", "info", "--output=json", str(path)], check=True, capture_output=True).stdout)
             ["actual-size"] for path in (ours, theirs)]
    print(f"# qcow2: ours {sizes[0]} bytes, qemu-img's {sizes[1]}", file=sys.stderr)
