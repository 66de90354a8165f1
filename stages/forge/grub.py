# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What every configuration of grub has in common. Source: grub's manual, "Writing full configuration files directly"."""

from __future__ import annotations

import os

from . import bootfiles, intree


def single_quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def serial_setup(serial):
    if not serial:
        return ""
    # A machine may have no serial port: then the command fails, and only the console is used.
    return (
        f"if serial {serial}; then\n"
        "\tterminal_input console serial\n"
        "\tterminal_output console serial\n"
        "fi\n"
    )


def copy_modules(system, platform, tree):
    """Copy the modules that grub loads at run time, those of `platform` in `system`, to /boot/grub of `tree`."""
    source = intree.resolve(system, f"/usr/lib/grub/{platform}")
    if not os.path.isdir(source):
        raise FileNotFoundError(f"there is no /usr/lib/grub/{platform}; is the grub package for {platform} installed?")
    bootfiles.copy_modules(source, tree, f"/boot/grub/{platform}")
