# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's command line (kernel-command-line(7)), less what names the root file system."""

from __future__ import annotations

from .definition import Definition

#: Of the serial console, in baud.
SERIAL_SPEED = "115200"


def kernel_arguments(definition: Definition) -> str:
    """Kernel arguments beside the root: screen and serial console, then the blueprint's."""
    boot = definition.architecture.boot
    consoles = ["console=tty0"]
    if boot is not None:
        consoles.append(f"console={boot.console}")
    return " ".join([*consoles, *((definition.customizations.kernel.append or "").split())])
