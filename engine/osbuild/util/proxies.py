# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Which proxy to use for a server: curl's environment variables and rules (curl(1), ENVIRONMENT)."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Proxy:
    """An http proxy; its text is without `credentials` (decoded ``user:password``, or empty)."""

    scheme: str
    host: str
    port: int
    credentials: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_proxy(text: str) -> Proxy:
    """Read ``[http[s]://][user:password@]host[:port]``. Raises ValueError, without credentials in its text."""
    try:
        parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the proxy's URL is not valid") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"the proxy's scheme '{parts.scheme}' is not supported, only http and https are")
    if not host:
        raise ValueError("the proxy's URL names no host")
    default = 443 if parts.scheme == "https" else 1080
    credentials = urllib.parse.unquote(parts.netloc.rpartition("@")[0])
    return Proxy(parts.scheme, host, port if port is not None else default, credentials)


@dataclass(frozen=True)
class Proxies:
    """Proxies by scheme of the URL, and the hosts that are reached without."""

    by_scheme: Mapping[str, Proxy]
    bypass: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], override: str = "") -> Proxies:
        """Read ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` (all but the first in capitals, too).

        `override`, if not empty, is the proxy for all schemes. Raises ValueError naming the variable.
        """
        found = {}
        for scheme in ("http", "https"):
            names = [f"{scheme}_proxy", "HTTPS_PROXY" if scheme == "https" else "", "all_proxy", "ALL_PROXY"]
            name = next((name for name in names if environ.get(name)), "")
            text = override or environ.get(name, "")
            if not text:
                continue
            try:
                found[scheme] = parse_proxy(text)
            except ValueError as error:
                raise ValueError(f"{error} (environment variable {'of the proxy' if override else name})") from None
        bypass = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        return cls(found, tuple(word for word in bypass.lower().replace(",", " ").split() if word))

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for a server, None to go there directly."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None or any(_matches(pattern, host.lower(), port) for pattern in self.bypass):
            return None
        return proxy


NO_PROXY = Proxies({})


def _matches(pattern: str, host: str, port: int) -> bool:
    if pattern == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        pass  # one of the two is a name
    name, colon, wanted = pattern.rpartition(":")
    if colon and wanted.isdigit():
        if int(wanted) != port:
            return False
        pattern = name
    pattern = pattern.strip("[]").removeprefix("*").strip(".")
    host = host.rstrip(".")
    return bool(pattern) and (host == pattern or host.endswith(f".{pattern}"))
