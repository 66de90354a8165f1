# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""OSTree: repositories, refs, deltas, signatures and deployments, by way of the program ostree(1)."""

from __future__ import annotations
