# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of a registry and what comes back, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Container:
    """A container image to put into a system.

    ``source`` is a reference such as ``registry.example.com/app:1``; ``name`` the one it shall have, ``local`` whether it
    comes from the building host's container storage instead of a registry.
    """

    source: str
    name: str
    tls_verify: bool = True
    local: bool = False


@dataclass(frozen=True)
class ContainerImage:
    """A :class:`Container` of one architecture, pinned: ``digest`` is its manifest's, ``id`` its configuration's."""

    source: str
    name: str
    digest: str
    id: str
    tls_verify: bool = True
    local: bool = False

    @property
    def repository(self) -> str:
        return repository(self.source)


def repository(reference: str) -> str:
    """A reference without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"
