# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Certificates of a Red Hat subscription, with which the host may download from Red Hat's servers."""

from __future__ import annotations

import glob
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, Any

CONSUMER_KEY = "/etc/pki/consumer/key.pem"
CONSUMER_CERT = "/etc/pki/consumer/cert.pem"


class Subscriptions:
    """The host's subscription.

    `repositories` are those with certificates of their own, by name: `matchurl` (a compiled pattern), `sslcacert`,
    `sslclientkey`, `sslclientcert`. `secrets` are for all others, None if there are none.
    """

    DEFAULT_SSL_CA_CERT = "/etc/rhsm/ca/redhat-uep.pem"
    DEFAULT_ENTITLEMENT_DIR = "/etc/pki/entitlement"
    DEFAULT_REPO_FILE = "/etc/yum.repos.d/redhat.repo"
    # What podman and docker hand into containers on a subscribed host.
    CONTAINER_SECRETS = "/run/secrets"

    def __init__(self, repositories: dict[str, dict[str, Any]] | None) -> None:
        self.repositories = repositories
        self.secrets: dict[str, str] | None = None

    @classmethod
    def from_host_system(cls) -> Subscriptions:
        """Read what the host has. Raises RuntimeError if that is nothing."""
        found = cls(None)
        try:
            with open(cls.DEFAULT_REPO_FILE, encoding="utf8") as file:
                found = cls.parse_repo_file(file)
        except OSError:
            pass
        try:
            found.get_fallback_rhsm_secrets()
        except RuntimeError:
            if not found.repositories:
                raise
        return found

    @staticmethod
    def is_container_with_rhsm_secrets() -> bool:
        """Whether this is a container that was given its host's certificates."""
        names = ("etc-pki-entitlement", "rhsm")
        return all(os.path.exists(os.path.join(Subscriptions.CONTAINER_SECRETS, name)) for name in names)

    def get_fallback_rhsm_secrets(self) -> None:
        """Take the entitlement's certificates as `secrets`. Raises RuntimeError if there are none."""
        ca_cert, directory = self.DEFAULT_SSL_CA_CERT, self.DEFAULT_ENTITLEMENT_DIR
        if self.is_container_with_rhsm_secrets():
            ca_cert = os.path.join(self.CONTAINER_SECRETS, "rhsm/ca/redhat-uep.pem")
            directory = os.path.join(self.CONTAINER_SECRETS, "etc-pki-entitlement")
        for key in sorted(glob.glob(os.path.join(directory, "*-key.pem"))):
            cert = key.removesuffix("-key.pem") + ".pem"
            if os.path.exists(cert):
                self.secrets = {"ssl_ca_cert": ca_cert, "ssl_client_key": key, "ssl_client_cert": cert}
                return
        raise RuntimeError("No RHSM secrets found on this host.")

    @staticmethod
    def _process_baseurl(url: str) -> re.Pattern[str]:
        """The pattern of all URLs below `url`, whose variables (yum.conf(5)) stand for one part of a path each."""
        parts = re.split(r"\$(?:\w+|\{\w+\})", url)
        return re.compile("[^/]*".join(re.escape(part) for part in parts))

    @classmethod
    def parse_repo_file(cls, fp: IO[str]) -> Subscriptions:
        """Read a file of repositories; those without certificates are left out. Raises configparser.Error."""
        import configparser

        # Without interpolation: URLs have percent signs.
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_file(fp)
        repositories: dict[str, dict[str, Any]] = {}
        for name in parser.sections():
            section = parser[name]
            keys = ("sslcacert", "sslclientkey", "sslclientcert")
            if "baseurl" in section and all(key in section for key in keys):
                match = cls._process_baseurl(section["baseurl"])
                repositories[name] = {"matchurl": match, **{key: section[key] for key in keys}}
        return cls(repositories)

    def get_secrets(self, urls: Sequence[str]) -> dict[str, str]:
        """Return the certificates for the first repository that any of `urls` belongs to, else those for all others.

        Raises RuntimeError if there are none.
        """
        for repository in (self.repositories or {}).values():
            if any(repository["matchurl"].match(url) for url in urls):
                return {
                    "ssl_ca_cert": repository["sslcacert"],
                    "ssl_client_key": repository["sslclientkey"],
                    "ssl_client_cert": repository["sslclientcert"],
                }
        if self.secrets:
            return self.secrets
        raise RuntimeError(f"There are no RHSM secret associated with {urls}")

    @staticmethod
    def get_consumer_secrets() -> dict[str, str]:
        """Return the paths of the consumer's key and certificate. Raises RuntimeError if one is missing."""
        if not (os.path.exists(CONSUMER_KEY) and os.path.exists(CONSUMER_CERT)):
            raise RuntimeError("rhsm consumer key and cert not found")
        return {"consumer_key": CONSUMER_KEY, "consumer_cert": CONSUMER_CERT}
