# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing unverified is ever used, and each reason is a sentence naming the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Source

from .conftest import DEBS, Deb, Keys, Repo, ago

DAY = 86400.0


def failure(resolve: Any, source: Source, **more: Any) -> str:
    with pytest.raises(PackageError) as caught:
        resolve(source, **more)
    text = str(caught.value)
    assert text.startswith("source test (") and "\n" not in text
    return text


def names(resolution: Any) -> list[str]:
    return [package.name for package in resolution.sets["os"]]


def test_signed_repository_is_used_and_its_release_recorded(broken: Repo, resolve: Any) -> None:
    found = resolve(broken.source())
    assert names(found) == ["apt", "base"]
    (release,) = found.releases
    assert (release.uri, release.suite, release.valid_until) == (broken.uri, "stable", "")
    assert len(release.sha256) == 64 and release.date.endswith("Z")


def test_armoured_key_in_the_source_is_enough(broken: Repo, resolve: Any) -> None:
    assert names(resolve(broken.source(signed_by=broken.keys.armoured))) == ["apt", "base"]


def test_unsigned_release_is_refused(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, sign=False)
    assert "the Release file is not signed" in failure(resolve, broken.source())


def test_unsigned_release_of_a_trusted_source_is_used(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, sign=False)
    assert "base" in names(resolve(broken.source(trusted=True)))


def test_detached_signature_is_accepted_too(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, sign=False)
    place = broken.root / "dists/stable"
    signature = broken.keys.gpg("--armor", "--detach-sign", data=(place / "Release").read_bytes())
    (place / "Release.gpg").write_bytes(signature)
    assert "base" in names(resolve(broken.source()))


def test_key_of_a_stranger_is_refused_by_its_id(broken: Repo, other_keys: Keys, resolve: Any) -> None:
    text = failure(resolve, broken.source(signed_by=str(other_keys.keyring)))
    assert "signed by unknown keys (" in text and str(other_keys.keyring) in text


def test_altered_release_is_refused(broken: Repo, resolve: Any) -> None:
    path = broken.root / "dists/stable/InRelease"
    path.write_text(path.read_text().replace("Label: Test", "Label: Evil"))
    assert "the signature of the Release file is wrong" in failure(resolve, broken.source())


@pytest.mark.skipif(Path("/usr/bin/sqv").exists(), reason="sqv (apt 3) takes what a key signed before it expired")
def test_expired_key_is_refused(broken: Repo, tmp_path: Path, resolve: Any) -> None:
    old = Keys(tmp_path / "old", when="20200101T000000")
    try:
        place = broken.root / "dists/stable"
        words = ("--faked-system-time", "20200101T000100", "--clearsign")
        (place / "InRelease").write_bytes(old.gpg(*words, data=b"Origin: Test\nSuite: stable\nDate: Wed, 01 Jan 2020 00:00:00 UTC\n"))
        text = failure(resolve, broken.source(signed_by=str(old.keyring)))
    finally:
        old.close()
    assert "has expired" in text


def test_release_without_checksums_is_refused(broken: Repo, resolve: Any) -> None:
    broken.release(f"Origin: Test\nSuite: stable\nDate: {ago(60)}\n")
    assert "the Release file has no strong checksums" in failure(resolve, broken.source())


def test_login_page_instead_of_a_release_is_told(broken: Repo, resolve: Any) -> None:
    (broken.root / "dists/stable/InRelease").write_text("<html>Please log in</html>\n")
    assert "not a properly signed one" in failure(resolve, broken.source())


def test_expired_release_is_refused_unless_the_source_says_so(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, **{"Date": ago(9 * DAY), "Valid-Until": ago(2 * DAY)})
    assert "the Release file has expired since 2d" in failure(resolve, broken.source())
    assert resolve(broken.source(check_valid_until=False)).releases[0].valid_until.endswith("Z")


def test_release_from_the_future_is_refused(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, Date=ago(-3 * DAY))
    assert "dated in the future" in failure(resolve, broken.source())


def test_index_that_does_not_match_is_retried_and_refused(broken: Repo, resolve: Any) -> None:
    index = broken.root / "dists/stable/main/binary-amd64/Packages"
    index.write_text(index.read_text().replace("Package: apt", "Package: bad"))
    text = failure(resolve, broken.source(), retry_pauses=(0.0, 0.0))
    assert "main amd64 Packages does not match the signed Release file" in text and "(tried 3 times)" in text


def test_mirror_in_mid_sync_is_used_once_it_is_whole(broken: Repo, serve: Any, resolve: Any) -> None:
    server = serve(broken.root)
    path = "/dists/stable/main/binary-amd64/Packages"
    server.answers[path] = [b"Package: half\n"]
    source = broken.source(uris=(server.uri,))
    assert names(resolve(source, retry_pauses=(0.0,))) == ["apt", "base"]
    assert server.requests.count(path) == 2


def test_missing_suite_component_and_architecture_are_told(broken: Repo, serve: Any, resolve: Any) -> None:
    assert "there is no Release file; check the URI and the suite name" in failure(resolve, broken.source("nosuite"))
    assert "there is no component 'contrib'; there are main" in failure(
        resolve, broken.source(components=("main", "contrib")))
    broken.publish(DEBS, architectures=("i386",))
    assert "there is no architecture 'amd64'; there are i386" in failure(resolve, broken.source())
    server = serve(broken.root)
    server.answers["/dists/stable/InRelease"] = [403] * 9
    assert "403 Forbidden" in failure(resolve, broken.source(uris=(server.uri,)))


def test_unreachable_mirror_is_told(broken: Repo, serve: Any, resolve: Any) -> None:
    server = serve(broken.root)
    server.close()
    text = failure(resolve, broken.source(uris=(server.uri,)))
    assert "could not be fetched" in text and "connect" in text.lower()
    server.close = lambda: None


def test_debian_release_under_another_suites_name_is_refused(broken: Repo, resolve: Any) -> None:
    broken.publish(DEBS, Origin="Debian", Suite="oldstable", Codename="old")
    assert "the Release file is that of old / oldstable" in failure(resolve, broken.source())
    broken.publish(DEBS, Origin="Vendor", Suite="default", Codename="")
    assert "that of default" in resolve(broken.source()).warnings[0]


def test_one_bad_source_among_good_ones_fails_all(repo: Repo, broken: Repo, other_keys: Keys, resolve: Any) -> None:
    bad = broken.source(name="extra", signed_by=str(other_keys.keyring))
    with pytest.raises(PackageError, match=r"source extra \(.*unknown keys"):
        resolve((repo.source(), bad))


def test_empty_pocket_is_no_error(broken: Repo, resolve: Any) -> None:
    broken.publish([], suite="stable-updates")
    found = resolve(broken.source("stable", "stable-updates"))
    assert [release.suite for release in found.releases] == ["stable", "stable-updates"]


def test_package_of_suite_and_pocket_is_taken_from_the_suite(broken: Repo, resolve: Any) -> None:
    broken.publish([Deb("apt"), Deb("newer", "2.0")], suite="stable-updates")
    found = {package.name: package.suite for package in resolve(broken.source("stable-updates", "stable"), "newer").sets["os"]}
    assert found == {"apt": "stable", "base": "stable", "newer": "stable-updates"}


def test_missing_keyring_is_named(broken: Repo, resolve: Any) -> None:
    with pytest.raises(PackageError, match="the keyring '/no/such.gpg' named by signed_by does not exist"):
        resolve(broken.source(signed_by="/no/such.gpg"))


def test_hosts_apt_settings_stay_out_but_for_its_proxy(broken: Repo, tmp_path: Path, serve: Any, resolve: Any) -> None:
    """The fixture resolves with ``root=tmp_path``: what lies in its etc/apt is the host's configuration."""
    parts = tmp_path / "etc/apt/apt.conf.d"
    parts.mkdir(parents=True)
    proxy = serve(broken.root)
    (parts / "10all").write_text(
        f'Acquire::http::Proxy "{proxy.uri}/";\nAcquire::Check-Valid-Until "false";\nAPT::Install-Recommends "true";\n'
    )
    broken.publish([Deb("base", fields={"Essential": "yes", "Priority": "required", "Recommends": "apt-doc"}), Deb("apt"),
                    Deb("apt-doc")])
    found = resolve(broken.source(uris=("http://mirror.example.com",)))
    assert any(request.startswith("http://mirror.example.com/") for request in proxy.requests)
    assert names(found) == ["apt", "base"]
