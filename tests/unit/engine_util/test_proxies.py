# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from osbuild.util.proxies import Proxies, Proxy, parse_proxy

PROXY = Proxy("http", "proxy.example.com", 3128)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example.com:3128", PROXY),
        ("proxy.example.com:3128/", PROXY),
        ("http://proxy.example.com", Proxy("http", "proxy.example.com", 1080)),
        ("https://proxy.example.com", Proxy("https", "proxy.example.com", 443)),
        ("http://me:p%40ss@[::1]:1", Proxy("http", "::1", 1, "me:p@ss")),
    ],
)
def test_proxy_is_read_as_curl_reads_it(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize("text", ["socks5://me:secret@h", "http://me:secret@", "http://me:secret@h:port"])
def test_bad_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Proxies.from_environment({"all_proxy": text}, "")
    assert "all_proxy" in str(caught.value) and "secret" not in str(caught.value)


def test_text_of_a_proxy_has_no_password() -> None:
    proxy = parse_proxy("http://me:secret@h:1")
    assert str(proxy) == "http://h:1" and "secret" not in repr(proxy)


@pytest.mark.parametrize(
    ("environ", "scheme", "host"),
    [
        ({"http_proxy": "http://a"}, "http", "a"),
        ({"HTTP_PROXY": "http://a"}, "http", None),  # would come from a request's header in CGI
        ({"HTTPS_PROXY": "http://a"}, "https", "a"),
        ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, "https", "a"),
        ({"http_proxy": "http://a"}, "https", None),
        ({"all_proxy": "http://a", "http_proxy": "http://b"}, "http", "b"),
        ({"ALL_PROXY": "http://a"}, "https", "a"),
        ({}, "http", None),
    ],
)
def test_variables_by_scheme(environ: dict[str, str], scheme: str, host: str | None) -> None:
    proxy = Proxies.from_environment(environ).choose(scheme, "mirror.example.com", 80)
    assert (proxy.host if proxy else None) == host


def test_override_serves_all_schemes() -> None:
    proxies = Proxies.from_environment({"http_proxy": "http://a"}, "http://o")
    assert [proxies.choose(scheme, "h", 1) for scheme in ("http", "https")] == [Proxy("http", "o", 1080)] * 2


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("*", "any.example.com", True),
        ("example.com", "example.com", True),
        ("example.com", "a.EXAMPLE.com", True),
        (".example.com", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        ("a.com, b.com c.com", "c.com", True),
        ("localhost:80", "localhost", True),
        ("localhost:81", "localhost", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
        ("", "example.com", False),
    ],
)
def test_hosts_reached_directly(no_proxy: str, host: str, direct: bool) -> None:
    proxies = Proxies.from_environment({"http_proxy": "http://a", "no_proxy": no_proxy})
    assert (proxies.choose("http", host, 80) is None) is direct
