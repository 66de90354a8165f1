# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from osbuild import host, sources
from osbuild.util import download, jsoncomm

if TYPE_CHECKING:
    from .conftest import Handler, Server

ENGINE = Path(__file__).parents[3] / "engine"
NOTHING = "sha256:" + "0" * 64


@pytest.fixture
def curl(load_program: Callable[[str], Any], service_fd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("OSBUILD_SOURCES"):
            monkeypatch.delenv(name)
    service = load_program("sources/org.osbuild.curl").CurlSource.from_args(["--service-fd", service_fd])
    service.setup({"cache": str(tmp_path / "cache"), "options": {}})
    return service


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache/org.osbuild.files"


def fetch_ok(curl: Any, items: dict[str, Any]) -> list[dict[str, Any]]:
    result = curl.fetch_all(items)
    assert result["success"], result["output"]
    results: list[dict[str, Any]] = result["results"]
    return results


def fetch_error(curl: Any, items: dict[str, Any]) -> str:
    """Fetch what must fail without leaving anything; returns the error."""
    result = curl.fetch_all(items)
    assert result["success"] is False
    assert not [name for name in os.listdir(curl.cache) if not name.startswith("sha256:")]
    assert all(item["success"] == (not item["error"]) for item in result["results"])
    prefix = "source org.osbuild.curl finished unsuccessfully: "
    assert result["output"].startswith(prefix)
    assert sources.SourceResults.from_dict(result).output == result["output"]
    error: str = result["output"].removeprefix(prefix)
    return error


def test_files_are_fetched_verified_and_then_known(curl: Any, cache: Path, server: Server) -> None:
    first, second = server.add("/a", b"first"), server.add("/b", b"")
    items = {first: server.url("/a"), second: {"url": server.url("/b")}}
    results = fetch_ok(curl, items)
    assert [item["metadata"]["cached"] for item in results] == [False, False]
    assert {item["metadata"]["checksum"] for item in results} == {first, second}
    assert (cache / first).read_bytes() == b"first"
    assert (cache / first).stat().st_mode & 0o777 == 0o644
    assert sorted(os.listdir(cache)) == sorted(items)
    results = fetch_ok(curl, items)
    assert [item["metadata"] for item in results] == [{"checksum": key, "cached": True} for key in items]
    assert len(server.requests) == 2


class NoServices:
    """Starting one is told instead of done."""

    started = 0

    def start(self, *_ignored: Any) -> Any:
        self.started += 1
        raise RuntimeError("started")


@pytest.mark.parametrize("kind", ["curl", "inline", "ostree", "missing", "odd"])
def test_without_anything_to_do_it_is_not_even_started(cache: Path, kind: str) -> None:
    names = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (b"a", b"b")]
    cache.mkdir(parents=True)
    os.symlink(cache.parent, cache.parent / "sources")
    for name in names:
        (cache / name).touch()
    if kind == "missing":
        (cache / names[1]).unlink()
    if kind == "odd":
        names.append("../org.osbuild.files/" + names[0])
    program = f"org.osbuild.{kind if kind in ('inline', 'ostree') else 'curl'}"
    info = SimpleNamespace(name=program, path=str(ENGINE / "sources" / program))
    source = sources.Source(info, dict.fromkeys(names, "https://example.com/"), {})  # type: ignore[arg-type]
    services, store = NoServices(), SimpleNamespace(store=str(cache.parent))
    if kind in ("curl", "inline"):
        result = source.download(services, store)  # type: ignore[arg-type]
        assert [item.metadata for item in result.results] == [{"checksum": name, "cached": True} for name in names]
        assert result.success
    else:
        with pytest.raises(RuntimeError, match="started"):
            source.download(services, store)  # type: ignore[arg-type]
    assert services.started == (kind not in ("curl", "inline"))


def test_result_has_the_documented_shape(curl: Any, server: Server) -> None:
    checksum = server.add("/a", b"x")
    assert curl.fetch_all({checksum: server.url("/a")}) == {
        "name": "source org.osbuild.curl",
        "source_type": "org.osbuild.curl",
        "success": True,
        "output": "source org.osbuild.curl finished successfully",
        "results": [{"success": True, "metadata": {"checksum": checksum, "cached": False}, "error": ""}],
    }


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_all_algorithms_are_verified(curl: Any, server: Server, algorithm: str) -> None:
    server.add("/a", b"content")
    digest = hashlib.new(algorithm, b"content").hexdigest()
    fetch_ok(curl, {f"{algorithm}:{digest}": server.url("/a")})
    assert "checksum mismatch" in curl.fetch_all({f"{algorithm}:{digest[::-1]}": server.url("/a")})["output"]


def test_many_files_travel_at_once_over_few_kept_connections(curl: Any, server: Server, cache: Path) -> None:
    server.delay = 0.02
    items = {server.add(f"/pool/{i}", os.urandom(1000)): server.url(f"/pool/{i}") for i in range(80)}
    fetch_ok(curl, items)
    assert 3 <= server.most_active <= download.CONNECTIONS_PER_HOST
    assert server.connections <= download.CONNECTIONS_PER_HOST
    assert sorted(os.listdir(cache)) == sorted(items)


def test_hosts_do_not_wait_for_each_other(
    curl: Any, server: Server, second_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECTIONS_PER_HOST", 8)
    server.delay = second_server.delay = 0.05
    items = {}
    for each in (server, second_server):
        items |= {each.add(f"/{i}", os.urandom(10)): each.url(f"/{i}") for i in range(16)}
    # Both are 127.0.0.1: another name for the second makes it another host.
    items = {key: url.replace("127.0.0.1", "localhost") if f":{second_server.server_port}/" in url else url
             for key, url in items.items()}  # fmt: skip
    fetch_ok(curl, items)
    assert server.most_active <= 8 and second_server.most_active <= 8
    assert server.most_active + second_server.most_active > 8


def test_large_file_arrives_whole(curl: Any, server: Server, cache: Path) -> None:
    content = os.urandom(3_000_001)
    checksum = server.add("/a", content)
    fetch_ok(curl, {checksum: server.url("/a")})
    assert (cache / checksum).read_bytes() == content


def test_wrong_content_is_refused_after_asking_once_more(curl: Any, server: Server) -> None:
    have = server.add("/a", b"evil")
    error = fetch_error(curl, {NOTHING: server.url("/a")})
    assert error == f"checksum mismatch: {server.url('/a')} should be {NOTHING}, but is {have}"
    assert len(server.requests) == 2
    assert "Cache-Control" not in server.headers[0]
    assert server.headers[1]["Cache-Control"] == "no-cache"


def test_stale_copy_on_the_way_is_replaced(curl: Any, server: Server) -> None:
    checksum = server.add("/a", b"new")
    server.answers["/a"] = [lambda handler: handler.reply(200, b"old")]
    fetch_ok(curl, {checksum: server.url("/a")})


def test_missing_file_is_named_with_the_answer(curl: Any, server: Server) -> None:
    error = fetch_error(curl, {NOTHING: server.url("/none")})
    assert error == f"cannot download {server.url('/none')}: the server answered 404 Not Found (tried 10 times)"


def test_one_failure_does_not_keep_others_from_coming(curl: Any, server: Server, cache: Path) -> None:
    good = server.add("/a", b"x")
    error = fetch_error(curl, {NOTHING: server.url("/none"), good: server.url("/a")})
    assert "/none" in error
    assert os.listdir(cache) == [good]


def test_several_failures_are_counted(curl: Any, server: Server) -> None:
    items = {f"sha256:{i:064x}": server.url(f"/none{i}") for i in range(3)}
    assert fetch_error(curl, items).endswith("404 Not Found (tried 10 times) (3 of 3 files failed)")


def test_results_of_failures_read_like_those_of_curl(curl: Any, server: Server) -> None:
    wrong = f"sha256:{1:064x}"
    server.add("/a", b"x")
    url = server.url("/none", "me:secret@")
    results = curl.fetch_all({wrong: server.url("/a"), NOTHING: {"url": url, "insecure": True}})["results"]
    assert [(item["metadata"], item["error"]) for item in results] == [
        (
            {"checksum": wrong},
            f"failed to move to target directory: checksum mismatch: {wrong} {server.url('/a')}",
        ),
        ({"checksum": NOTHING}, f"curl: error downloading {server.url('/none')}: exit code 22"),
        (
            {},
            f"curl: finished with return_code 22 but [('{NOTHING}', {{'url': '{server.url('/none')}', "
            "'insecure': True})] left to download",
        ),
    ]


def close_early(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"only this")
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: handler.reply(503, b"later"),
        lambda handler: handler.reply(429, b"later", Retry_After="0"),
        lambda handler: handler.reply(404, b"not yet"),
        close_early,
        hang_up,
    ],
    ids=["503", "429", "404", "truncated", "hang-up"],
)
def test_passing_failures_are_tried_again(curl: Any, server: Server, answer: Callable[[Handler], None]) -> None:
    checksum = server.add("/a", b"content" * 100)
    server.answers["/a"] = [answer, answer]
    fetch_ok(curl, {checksum: server.url("/a")})
    assert len(server.requests) == 3


def cut_after(count: int, content: bytes) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:count])
        handler.close_connection = True

    return answer


def rest_of(content: bytes, start: int | None = None) -> Callable[[Handler], None]:
    """Answer a request for a range as RFC 9110 says, or with another range than was asked for."""

    def answer(handler: Handler) -> None:
        asked = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        first = asked if start is None else start
        handler.reply(206, content[first:], Content_Range=f"bytes {first}-{len(content) - 1}/{len(content)}")

    return answer


def test_what_arrived_is_not_asked_for_again(curl: Any, server: Server, cache: Path) -> None:
    content = os.urandom(900_000)
    checksum = server.add("/a", content)
    server.answers["/a"] = [cut_after(300_000, content), hang_up, rest_of(content)]
    fetch_ok(curl, {checksum: server.url("/a")})
    assert (cache / checksum).read_bytes() == content
    asked = [headers.get("Range") for headers in server.headers]
    assert asked == [None, "bytes=300000-", "bytes=300000-"]


@pytest.mark.parametrize(
    "second",
    [
        lambda handler: handler.reply(200, b"content" * 100),
        lambda handler: handler.reply(416),
        rest_of(b"content" * 100, start=1),
        lambda handler: handler.reply(206, b"content"),
        rest_of(b"CONTENT" * 100),
    ],
    ids=["all", "refused", "another-range", "no-range", "of-another-file"],
)
def test_servers_that_cannot_go_on_start_anew(
    curl: Any, server: Server, cache: Path, second: Callable[[Handler], None]
) -> None:
    checksum = server.add("/a", b"content" * 100)
    server.answers["/a"] = [cut_after(300, b"content" * 100), second]
    fetch_ok(curl, {checksum: server.url("/a")})
    assert (cache / checksum).read_bytes() == b"content" * 100
    assert server.headers[1]["Range"] == "bytes=300-" and len(server.requests) <= 3
    assert all("Range" not in headers for headers in server.headers[2:])


def mirrored(monkeypatch: pytest.MonkeyPatch, *sets: str) -> None:
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_MIRRORS", "\n".join(sets))


def test_mirrors_are_asked_in_their_order(
    curl: Any, server: Server, second_server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = server.add("/debian/a", b"first"), server.add("/debian/b", b"second")
    second_server.add("/cache/a", b"first")
    second_server.add("/cache/b", b"SECOND")
    mirrored(monkeypatch, "https://example.com/ ; " + second_server.url("/cache/") + "  " + server.url("/debian"))
    fetch_ok(curl, {first: server.url("/debian/a"), second: second_server.url("/cache/b")})
    assert (cache / first).read_bytes() == b"first" and (cache / second).read_bytes() == b"second"
    assert sorted(second_server.requests) == ["/cache/a", "/cache/b"] and server.requests == ["/debian/b"]


@pytest.mark.parametrize("status", [403, 404, 503])
def test_another_mirror_goes_on_where_the_first_stopped(
    curl: Any, server: Server, second_server: Server, cache: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(50_000)
    checksum = server.add("/a", content)
    server.answers["/a"] = [cut_after(20_000, content), rest_of(content)]
    second_server.answers["/a"] = [lambda handler: handler.reply(status)]
    mirrored(monkeypatch, f"{server.url('')} {second_server.url('')}")
    fetch_ok(curl, {checksum: server.url("/a")})
    assert (cache / checksum).read_bytes() == content
    assert server.headers[1]["Range"] == second_server.headers[0]["Range"] == "bytes=20000-"


def test_without_a_mirror_that_has_it_the_last_answer_is_told_without_credentials(
    curl: Any, server: Server, second_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_ATTEMPTS", 4)
    mirrored(monkeypatch, f"{server.url('')} {second_server.url('', 'user:secret@')}")
    error = fetch_error(curl, {NOTHING: server.url("/a")})
    assert error == f"cannot download {second_server.url('/a')}: the server answered 404 Not Found (tried 4 times)"
    assert len(server.requests) == len(second_server.requests) == 2


def test_mirrors_that_are_none_are_refused(curl: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(monkeypatch, "deb.example.com")
    assert "OSBUILD_SOURCES_CURL_MIRRORS has 'deb.example.com'; http, https and file URLs" in fetch_error(
        curl, {NOTHING: server.url("/a")}
    )
    assert server.requests == []


@pytest.mark.parametrize("status", [400, 401, 403, 451, 204])
def test_refusal_is_not_tried_again(curl: Any, server: Server, status: int) -> None:
    server.answers["/a"] = [lambda handler: handler.reply(status)]
    assert f"the server answered {status}" in fetch_error(curl, {NOTHING: server.url("/a")})
    assert len(server.requests) == 1


def test_refused_connection_is_named(curl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_DELAY", 0.01)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/x"
        error = fetch_error(curl, {NOTHING: url})
    assert error == f"cannot download {url}: Connection refused (tried 10 times)"


def test_closed_kept_connection_costs_no_attempt(curl: Any, server: Server) -> None:
    def reply_and_close(handler: Handler) -> None:
        handler.reply(200, b"a")
        handler.close_connection = True  # without having said so

    sums = [server.add(path, path.encode()) for path in ("/b", "/c")]
    server.add("/a", b"a")
    first = f"sha256:{hashlib.sha256(b'a').hexdigest()}"
    server.answers["/a"] = [reply_and_close]
    fetch_ok(curl, {first: server.url("/a"), sums[0]: server.url("/b"), sums[1]: server.url("/c")})
    assert sorted(server.requests) == ["/a", "/b", "/c"]


def test_redirects_are_followed_without_the_credentials(curl: Any, server: Server, second_server: Server) -> None:
    checksum = second_server.add("/there/x%20y", b"x")
    server.answers["/a"] = [lambda handler: handler.reply(302, b"", Location="/b?c=d")]
    server.answers["/b?c=d"] = [lambda handler: handler.reply(307, b"", Location=second_server.url("/there/x%20y"))]
    fetch_ok(curl, {checksum: server.url("/a", "me:secret@")})
    assert ["Authorization" in headers for headers in server.headers] == [True, True]
    assert "Authorization" not in second_server.headers[0]


def test_redirect_loop_and_redirect_to_a_file_end(curl: Any, server: Server, tmp_path: Path) -> None:
    server.answers["/loop"] = [lambda handler: handler.reply(301, b"", Location="/loop")] * 30
    assert "more than 20 redirects" in fetch_error(curl, {NOTHING: server.url("/loop")})
    server.answers["/file"] = [lambda handler: handler.reply(301, b"", Location="file:///etc/hostname")]
    assert "is not followed" in fetch_error(curl, {NOTHING: server.url("/file")})


@pytest.mark.parametrize(
    ("served", "asked"),
    [
        ("/with%20space", "/with space"),
        ("/g%2B%2B_1.0~rc1%2Bdfsg-1_amd64.deb", "/g++_1.0~rc1+dfsg-1_amd64.deb"),
        ("/%C3%BC", "/ü"),
        ("/literal%252B", "/literal%2B"),
        ("/apt%2Bquoted%2B1:2~3", "/apt%2bquoted%2b1%3a2%7e3"),
        ("/q?a=b%20c&d=%2F", "/q?a=b c&d=%2F"),
    ],
)
def test_urls_are_quoted_for_the_request(curl: Any, server: Server, served: str, asked: str) -> None:
    checksum = server.add(served, b"x")
    fetch_ok(curl, {checksum: server.url(asked)})
    assert server.requests[-1] == served


def test_credentials_are_sent_and_shown_nowhere(curl: Any, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    good = server.add("/a", b"x")
    results = fetch_ok(curl, {good: server.url("/a", "me:se%40cret@")})
    assert server.headers[0]["Authorization"] == "Basic bWU6c2VAY3JldA=="
    bad = curl.fetch_all({NOTHING: server.url("/none", "me:se%40cret@")})
    text = str(results) + str(bad) + "".join(capsys.readouterr())
    assert "/none" in text and "cret" not in text and "me:" not in text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/x", "the scheme 'ftp' is not supported, only http, https and file are"),
        ("/x", "the scheme '' is not supported"),
        ("http:///x", "the URL names no host"),
        ("http://example.com:port/x", "the URL is not valid"),
        ("file://elsewhere/x", "file URLs name a file of this host, but found the host 'elsewhere'"),
        ("file:///nonexistent/x", "No such file or directory"),
        ("file:///", "it is not a regular file"),
    ],
)
def test_url_that_cannot_work_is_refused_at_once(curl: Any, url: str, reason: str) -> None:
    start = time.monotonic()
    assert fetch_error(curl, {NOTHING: url}).startswith(f"cannot download {url}: {reason}")
    assert time.monotonic() - start < 1


def test_file_urls_are_copied(curl: Any, cache: Path, tmp_path: Path) -> None:
    names = ["plain", "with space", "per%20cent", "a?b#c"]
    items = {}
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
        items[f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"] = f"file://{tmp_path}/{name}"
    (tmp_path / "as url").write_bytes(b"quoted")
    items[f"sha256:{hashlib.sha256(b'quoted').hexdigest()}"] = f"file://localhost{tmp_path}/as%20url"
    fetch_ok(curl, items)
    assert len(os.listdir(cache)) == 5


def test_keys_cannot_leave_the_cache(curl: Any, server: Server, tmp_path: Path) -> None:
    checksum = server.add("/a", b"x")
    error = fetch_error(curl, {f"../../{checksum}": server.url("/a")})
    assert "is no checksum" in error
    assert server.requests == []


def test_http_proxy_is_asked_for_full_urls(
    curl: Any, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checksum = server.add("/pool/x", b"x")
    monkeypatch.setenv("http_proxy", server.url("", "user:word@"))
    fetch_ok(curl, {checksum: "http://mirror.example.com/pool/x"})
    assert server.requests == ["http://mirror.example.com/pool/x"]
    assert server.headers[0]["Host"] == "mirror.example.com"
    assert server.headers[0]["Proxy-Authorization"] == "Basic dXNlcjp3b3Jk"
    error = fetch_error(curl, {NOTHING: "http://mirror.example.com/pool/y"})
    assert "mirror.example.com/pool/y" in error
    assert "word" not in error + "".join(capsys.readouterr())


def test_own_proxy_variable_wins_and_no_proxy_is_honoured(
    curl: Any, server: Server, second_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_PROXY", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "localhost,.example.org")
    one, two = server.add("/x", b"x"), second_server.add("/y", b"y")
    fetch_ok(curl, {one: "http://example.com/x", two: f"http://localhost:{second_server.server_port}/y"})
    assert server.requests == ["http://example.com/x"]
    assert second_server.requests == ["/y"]


def test_unusable_proxy_is_named(curl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://user:word@127.0.0.1:1")
    error = fetch_error(curl, {NOTHING: "http://example.com/x"})
    assert "the proxy's scheme 'socks5' is not supported" in error and "http_proxy" in error
    assert "word" not in error


@pytest.fixture
def tls_files(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return tmp_path


@pytest.fixture
def tls_server(server: Server, tls_files: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files / "cert.pem", tls_files / "key.pem")
    context.load_verify_locations(tls_files / "cert.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield server


def test_untrusted_certificate_is_refused_unless_insecure(curl: Any, tls_server: Server) -> None:
    checksum = tls_server.add("/a", b"x")
    url = tls_server.url("/a").replace("http:", "https:")
    error = fetch_error(curl, {checksum: url})
    assert error == f"cannot download {url}: the server's certificate is not trusted: self-signed certificate"
    fetch_ok(curl, {checksum: {"url": url, "insecure": True}})


def test_https_goes_through_a_tunnel(
    curl: Any, tls_server: Server, second_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", second_server.url("", "user:word@"))
    items: dict[str, Any] = {}
    for path in ("/a", "/b"):
        url = tls_server.url(path).replace("http:", "https:").replace("127.0.0.1", "mirror.example.com")
        items[tls_server.add(path, path.encode())] = {"url": url, "insecure": True}
    fetch_ok(curl, items)
    assert second_server.requests[0] == f"CONNECT mirror.example.com:{tls_server.server_port}"
    assert second_server.headers[0]["Proxy-Authorization"] == "Basic dXNlcjp3b3Jk"
    assert sorted(tls_server.requests) == ["/a", "/b"]
    assert all("Proxy-Authorization" not in headers for headers in tls_server.headers)
    second_server.answers["CONNECT"] = [lambda handler: handler.reply(407)]
    error = fetch_error(curl, {NOTHING: "https://mirror.example.com/x"})
    assert "Tunnel connection failed: 407" in error and f"(proxy {second_server.url('')})" in error
    assert "word" not in error


def test_mtls_secrets_come_from_the_environment(
    curl: Any, tls_server: Server, tls_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = tls_server.add("/a", b"x")
    url = tls_server.url("/a").replace("http:", "https:")
    item = {"url": url, "secrets": {"name": "org.osbuild.mtls"}}
    error = fetch_error(curl, {checksum: item})
    assert error.endswith("mtls secrets required but key (None) or cert (None) not defined")
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY", str(tls_files / "key.pem"))
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT", str(tls_files / "none.pem"))
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_SSL_CA_CERT", str(tls_files / "cert.pem"))
    assert "none.pem" in fetch_error(curl, {checksum: item})
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT", str(tls_files / "cert.pem"))
    _ignored, desc = curl.amend_secrets(checksum, item)
    assert desc["secrets"]["ssl_client_key"] == str(tls_files / "key.pem")
    fetch_ok(curl, {checksum: item})


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk_is_said_once_and_leaves_nothing(curl: Any, server: Server, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        curl.setup({"cache": str(small), "options": {}})
        items = {server.add(f"/{i}", os.urandom(300_000)): server.url(f"/{i}") for i in range(20)}
        error = fetch_error(curl, items)
        assert f"cannot store {server.url('/')}" in error
        assert os.strerror(errno.ENOSPC) in error
        assert os.listdir(curl.cache) == []
        assert len(server.requests) < 20
    finally:
        subprocess.run(["umount", small], check=True)


def test_copy_all_takes_items_to_another_store(curl: Any, server: Server, tmp_path: Path) -> None:
    checksum = server.add("/a", b"x")
    items = {checksum: server.url("/a")}
    fetch_ok(curl, items)
    assert curl.copy_all(items, str(tmp_path / "other"))["success"]
    assert (tmp_path / "other/org.osbuild.files" / checksum).read_bytes() == b"x"
    assert not curl.copy_all({NOTHING: ""}, str(tmp_path / "other"))["success"]


def start_service(fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [ENGINE / "sources/org.osbuild.curl", "--service-id", "source/org.osbuild.curl", "--service-fd", str(fd)],
        pass_fds=[fd], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(ENGINE), "PATH": os.environ["PATH"]},
    )  # fmt: skip


def test_program_serves_and_stops_a_running_download_when_the_engine_goes(server: Server, tmp_path: Path) -> None:
    checksum = server.add("/a", b"x")
    engine, service = jsoncomm.Socket.new_pair()
    process = start_service(service.fileno())
    service.close()
    release = threading.Event()
    server.answers["/slow"] = [lambda handler: (release.wait(20), None)[1]]
    try:
        args = {"items": {checksum: server.url("/a")}, "options": {}, "cache": str(tmp_path)}
        engine.send(host.ServiceProtocol.encode_method("download", args))
        reply = host.ServiceProtocol.decode_reply(engine.recv()[0]["data"])
        assert reply["success"] is True
        args["items"] = {NOTHING: server.url("/slow")}
        engine.send(host.ServiceProtocol.encode_method("download", args))
        deadline = time.monotonic() + 10
        while "/slow" not in server.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        engine.close()
        _ignored, err = process.communicate(timeout=5)
    finally:
        release.set()
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert os.listdir(tmp_path / "org.osbuild.files") == [checksum]


def test_import_and_a_full_cache_load_no_http(tmp_path: Path, load_program: Callable[[str], Any]) -> None:
    code = (
        f"import sys, socket; sys.path[:0] = [{str(ENGINE)!r}]\n"
        "from importlib.machinery import SourceFileLoader as L; import importlib.util as u\n"
        f"l = L('curl', {str(ENGINE / 'sources/org.osbuild.curl')!r}); m = u.module_from_spec(u.spec_from_loader('curl', l))\n"
        "sys.modules['curl'] = m; l.exec_module(m)\n"
        "s = m.CurlSource.from_args(['--service-fd', str(socket.socketpair()[0].detach())])\n"
        f"s.setup({{'cache': {str(tmp_path)!r}, 'options': {{}}}}); c = 'sha256:' + '0' * 64\n"
        "open(s.cache + '/' + c, 'w').close(); assert s.fetch_all({c: 'http://example.com'})['success']\n"
        "print(*({'http.client', 'ssl', 'asyncio', 'jsonschema', 'email', 'hashlib', 'inspect'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-Bc", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
