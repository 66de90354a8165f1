# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a request to a solver is made of."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Repository:
    """A repository of RPM packages: its id and where it is, by base URLs, metalink or mirror list."""

    repo_id: str
    baseurl: list[str] = field(default_factory=list)
    metalink: str | None = None
    mirrorlist: str | None = None
    name: str | None = None
    gpgcheck: bool | None = None
    gpgkey: list[str] = field(default_factory=list)
    sslverify: bool = True
