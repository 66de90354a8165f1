# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Container images: from a name to the digests that pin it. The only room that runs skopeo."""

from __future__ import annotations

from .model import Container, ContainerImage, repository
from .resolve import resolve_containers

__all__ = ["Container", "ContainerImage", "repository", "resolve_containers"]
