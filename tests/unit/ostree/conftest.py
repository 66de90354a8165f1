# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real repositories and sysroots of tiny trees."""

from __future__ import annotations

from tests.support.ostreelab import gpg_home, lab, ostree_on_path

__all__ = ["gpg_home", "lab", "ostree_on_path"]
