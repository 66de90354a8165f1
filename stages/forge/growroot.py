# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Units and script that make a file system as large as its disk. Source: repart.d(5), systemd-growfs(8), sfdisk(8)."""

from __future__ import annotations

GROWFS = "/usr/lib/systemd/systemd-growfs"
SCRIPT = "/usr/libexec/grow-root-partition"
PARTITION_UNIT = "grow-root-partition.service"
FILESYSTEM_UNIT = "grow-root-filesystem.service"

REPART = """\
# The partition takes the free space behind it: see repart.d(5).
[Partition]
Type={type}
"""

FILESYSTEM = """\
[Unit]
Description=Grow the root file system
Documentation=man:systemd-growfs(8)
DefaultDependencies=no
After=systemd-repart.service {partition} systemd-remount-fs.service
Conflicts=shutdown.target
Before=shutdown.target
{mounts}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={growfs} {path}
TimeoutSec=infinity

[Install]
WantedBy=sysinit.target
"""

PARTITION = """\
[Unit]
Description=Grow the partition of the root file system
DefaultDependencies=no
ConditionVirtualization=!container
After=systemd-remount-fs.service
Before={filesystem} shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={script} {path}

[Install]
WantedBy=sysinit.target
"""

# sysfs counts in sectors of 512 bytes whatever the disk's are. Less than 1 MiB behind the partition is no reason to write
# a new table; behind the last partition 34 sectors are the table's own.
TEXT = """\
#!/bin/sh
# Makes the partition of a mounted file system as large as the free space behind it allows.
set -eu

node=/sys/dev/block/$(findmnt -nvo MAJ:MIN "$1" | tr -d ' ')
[ -e "$node" ] || node=/sys/class/block/$(basename "$(readlink -f "$(findmnt -nvo SOURCE "$1")")")
if [ ! -e "$node/partition" ]; then
    echo "$1 does not lie on a partition, so none is enlarged"
    exit 0
fi
node=$(readlink -f "$node")
number=$(cat "$node/partition")
disk=$(dirname "$node")
end=$(($(cat "$node/start") + $(cat "$node/size")))
limit=$(($(cat "$disk/size") - 34))
for other in "$disk"/*/start; do
    start=$(cat "$other")
    if [ "$start" -ge "$end" ] && [ "$start" -lt "$limit" ]; then limit=$start; fi
done
if [ $((limit - end)) -lt 2048 ]; then
    echo "there is no free space behind partition $number"
    exit 0
fi
device=/dev/$(basename "$disk" | tr '!' /)
echo ', +' | sfdisk --no-reread --no-tell-kernel --force -N "$number" "$device"
partx --update --nr "$number" "$device"
"""


def repart(partition_type: str) -> str:
    return REPART.format(type=partition_type)


def filesystem_unit(path: str) -> str:
    mounts = "" if path == "/" else f"RequiresMountsFor={path}\n"
    return FILESYSTEM.format(partition=PARTITION_UNIT, growfs=GROWFS, path=path, mounts=mounts)


def partition_unit(path: str) -> str:
    return PARTITION.format(filesystem=FILESYSTEM_UNIT, script=SCRIPT, path=path)
