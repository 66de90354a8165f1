# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a subscription, as a host with one has them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from osbuild.util.rhsm import Subscriptions

REPOSITORIES = """
[base]
baseurl = https://cdn.example.com/dist/$releasever/$basearch/base%20os
sslcacert = /ca
sslclientkey = /base-key
sslclientcert = /base-cert
[open]
baseurl = https://example.com/open
"""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Subscriptions, "DEFAULT_REPO_FILE", str(tmp_path / "redhat.repo"))
    monkeypatch.setattr(Subscriptions, "DEFAULT_ENTITLEMENT_DIR", str(tmp_path / "entitlement"))
    monkeypatch.setattr(Subscriptions, "CONTAINER_SECRETS", str(tmp_path / "secrets"))
    return tmp_path


def add_entitlement(directory: Path) -> None:
    directory.mkdir(parents=True)
    for name in ("0-key.pem", "1-key.pem", "1.pem"):
        (directory / name).write_text("")


def test_host_without_any_says_so() -> None:
    with pytest.raises(RuntimeError, match="No RHSM secrets found on this host"):
        Subscriptions.from_host_system()


def test_repository_is_found_by_its_url_and_its_variables() -> None:
    found = Subscriptions.parse_repo_file(io.StringIO(REPOSITORIES))
    assert list(found.repositories or {}) == ["base"]
    urls = ["https://example.com/x", "https://cdn.example.com/dist/9/x86_64/base%20os/Packages/a.rpm"]
    assert found.get_secrets(urls) == {"ssl_ca_cert": "/ca", "ssl_client_key": "/base-key", "ssl_client_cert": "/base-cert"}
    for url in ("https://cdn.example.com/dist/9/more/x86_64/base%20os/a", "https://cdn-example.com/dist/9/x86_64/base%20os/a"):
        with pytest.raises(RuntimeError, match="no RHSM secret associated with"):
            found.get_secrets([url])


def test_entitlement_serves_what_no_repository_does(host: Path) -> None:
    add_entitlement(host / "entitlement")
    (host / "redhat.repo").write_text(REPOSITORIES)
    secrets = Subscriptions.from_host_system().get_secrets(["https://elsewhere.example.com/"])
    assert secrets["ssl_client_key"] == str(host / "entitlement/1-key.pem")
    assert secrets["ssl_client_cert"] == str(host / "entitlement/1.pem")
    assert secrets["ssl_ca_cert"] == Subscriptions.DEFAULT_SSL_CA_CERT


def test_container_has_its_hosts(host: Path) -> None:
    assert not Subscriptions.is_container_with_rhsm_secrets()
    add_entitlement(host / "secrets/etc-pki-entitlement")
    (host / "secrets/rhsm").mkdir()
    assert Subscriptions.is_container_with_rhsm_secrets()
    secrets = Subscriptions.from_host_system().get_secrets([])
    assert all(path.startswith(str(host / "secrets")) for path in secrets.values())
