# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The kernels of a tree, as Debian's packages install them: /boot/vmlinuz-VERSION and /boot/initrd.img-VERSION."""

from __future__ import annotations

import os
import re


def natural(text):
    """Sort key by which 6.10 comes after 6.9, and a pre-release (~rc1) before its release."""
    return [
        (2, int(part), "") if part.isdigit() else (0, 0, part) if part.startswith("~") else (1, 0, part)
        for part in re.findall(r"\d+|~[^\d~]*|[^\d~]+", text)
    ]


def kernels(boot):
    """Versions of the installed kernels, newest first."""
    prefix = "vmlinuz-"
    names = os.listdir(boot) if os.path.isdir(boot) else []
    found = [name[len(prefix):] for name in names if name.startswith(prefix)]
    if not found:
        raise FileNotFoundError("the tree has no kernel /boot/vmlinuz-*; is a linux-image package installed?")
    for version in found:
        if not os.path.exists(f"{boot}/initrd.img-{version}"):
            raise FileNotFoundError(f"the tree has a kernel but no initial ram disk /boot/initrd.img-{version}")
    return sorted(found, key=natural, reverse=True)
