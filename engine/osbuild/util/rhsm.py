# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Certificates of a Red Hat subscription. Hosts this engine builds on have none, and this says so."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CONSUMER_KEY = "/etc/pki/consumer/key.pem"
CONSUMER_CERT = "/etc/pki/consumer/cert.pem"


class Subscriptions:
    """The host's subscription; `repositories` are those it has certificates for."""

    def __init__(self, repositories: dict[str, dict[str, str]] | None) -> None:
        self.repositories = repositories
        self.secrets: dict[str, str] | None = None

    @classmethod
    def from_host_system(cls) -> Subscriptions:
        """Raises RuntimeError: reading Red Hat's repository files is not supported."""
        raise RuntimeError("No RHSM secrets found on this host.")

    def get_secrets(self, urls: Sequence[str]) -> dict[str, str]:
        """Raises RuntimeError: there are none."""
        raise RuntimeError(f"There are no RHSM secret associated with {urls}")

    @staticmethod
    def get_consumer_secrets() -> dict[str, str]:
        """Return the paths of the consumer's key and certificate. Raises RuntimeError if one is missing."""
        if not (os.path.exists(CONSUMER_KEY) and os.path.exists(CONSUMER_CERT)):
            raise RuntimeError("rhsm consumer key and cert not found")
        return {"consumer_key": CONSUMER_KEY, "consumer_cert": CONSUMER_CERT}
