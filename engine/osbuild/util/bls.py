# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Boot Loader Specification entries."""

from __future__ import annotations

import glob
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def options_append(root_path: str | os.PathLike[str], kernel_arguments: Sequence[str]) -> None:
    """Append `kernel_arguments` to the ``options`` of every entry in ``<root_path>/loader/entries``.

    Entries are replaced, each at once. Raises RuntimeError if there is none, OSError.
    """
    pattern = f"{os.fspath(root_path)}/loader/entries/*.conf"
    entries = sorted(glob.glob(pattern))
    if not entries:
        raise RuntimeError(f"no BLS configuration found in {pattern}")

    arguments = " ".join(kernel_arguments)
    for entry in entries:
        with open(entry, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("options "):
                lines[number] = f"{line} {arguments}"
                break
        else:
            lines.append(f"options {arguments}")
        with open(f"{entry}.tmp", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        os.rename(f"{entry}.tmp", entry)
