# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own mirrors become the sources of another suite; other vendors' repositories stay out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Source, host_sources

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Wanted:
    suite: str = "trixie"
    pockets: tuple[str, ...] = ("updates", "security")
    components: tuple[str, ...] = ("main",)


@dataclass
class Host:
    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def sources(self, wanted: Wanted | None = None) -> tuple[Source, ...]:
        return host_sources(wanted or Wanted(), "amd64", root=self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.write("etc/os-release", 'ID=debian\nVERSION_CODENAME=bookworm\n')
    made.write(KEYRING.lstrip("/"), "key")
    return made


def test_deb822_with_comments_inside_the_stanza(host: Host) -> None:
    host.write("etc/apt/sources.list.d/debian.sources", f"""\
Types: deb deb-src
# http://snapshot.example.com/archive/debian/20250520T000000Z
URIs: http://mirror.example.com/debian/
Suites: bookworm bookworm-updates
Components: main contrib
# a key
Signed-By: {KEYRING}

Types: deb
URIs: http://mirror.example.com/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}
""")
    main, security = host.sources()
    assert main.uris == ("http://mirror.example.com/debian",)
    assert main.suites == ("trixie", "trixie-updates") and main.components == ("main", "contrib")
    assert security.uris == ("http://mirror.example.com/debian-security",) and security.suites == ("trixie-security",)
    assert main.signed_by == security.signed_by == str(host.root / KEYRING.lstrip("/"))
    assert not main.trusted and main.check_valid_until and main.architectures == ()


def test_one_line_style_with_options(host: Host) -> None:
    host.write("etc/apt/sources.list", """\
# deb cdrom:[Debian]/ bookworm main
deb [arch=amd64 trusted=yes check-valid-until=no] http://one.example.com/debian bookworm main non-free-firmware # x
deb-src http://one.example.com/debian bookworm main
deb http://one.example.com/debian-security bookworm-security main
""")
    main, security = host.sources()
    assert main.uris == ("http://one.example.com/debian",) and main.suites == ("trixie", "trixie-updates")
    assert main.trusted and not main.check_valid_until and main.components == ("main", "non-free-firmware")
    assert main.architectures == () and security.suites == ("trixie-security",) and not security.trusted


def test_a_newer_host_makes_older_suites_and_the_other_way_round(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb http://m.example.com/debian bookworm main\n"
                                       "deb http://s.example.com/debian-security bookworm-security main\n")
    assert host.sources(Wanted("bookworm"))[0].suites == ("bookworm", "bookworm-updates")
    assert host.sources(Wanted("testing"))[1].suites == ("testing-security",)
    (sid,) = host.sources(Wanted("sid", pockets=()))
    assert sid.suites == ("sid",)


def test_host_of_sid_gets_the_security_archive_beside_the_main_one(host: Host) -> None:
    host.write("etc/os-release", "ID=debian\nVERSION_CODENAME=forky\n")
    host.write("etc/apt/sources.list", "deb http://m.example.com/pub/debian sid main\n")
    main, security = host.sources()
    assert main.suites == ("trixie", "trixie-updates")
    assert security.uris == ("http://m.example.com/pub/debian-security",)


def test_without_a_guessable_security_archive_the_option_is_named(host: Host) -> None:
    host.write("etc/apt/sources.list", f"deb [signed-by={KEYRING}] http://m.example.com/d bookworm main\n")
    with pytest.raises(PackageError, match="no security archive for trixie-security.*; set sources"):
        host.sources()
    assert host.sources(Wanted("sid", pockets=()))[0].uris == ("http://m.example.com/d",)


def test_other_vendors_repositories_are_left_out(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb http://m.example.com/debian bookworm main\n")
    host.write("etc/apt/sources.list.d/a.list", """\
deb [signed-by=/etc/apt/keyrings/a.gpg] https://containers.example.com/linux/debian bookworm stable
deb [signed-by=/etc/apt/keyrings/b.gpg] https://apt.example.com bookworm main
deb https://php.example.com/php bookworm main
deb https://pg.example.com/debian bookworm-pgdg main
deb https://browser.example.com/deb stable main
""")
    host.write("etc/apt/sources.list.d/off.sources", """\
Enabled: no
Types: deb
URIs: http://off.example.com/debian
Suites: bookworm
Components: main
""")
    host.write("etc/apt/sources.list.d/old.list.save", "deb http://save.example.com/debian bookworm main\n")
    host.write("etc/apt/sources.list.d/c.list", "deb http://vendor.example.com/debian bookworm main\n")
    host.write("var/lib/apt/lists/vendor.example.com_debian_dists_bookworm_InRelease", "Origin: Vendor\n")
    assert {uri for source in host.sources() for uri in source.uris} == {
        "http://m.example.com/debian", "http://m.example.com/debian-security"}


def test_private_mirror_with_own_key_is_known_by_its_release_file(host: Host) -> None:
    host.write("etc/apt/sources.list",
               "deb [signed-by=/etc/apt/keyrings/corp.gpg] http://apt.example.com/mirrors/deb bookworm main\n")
    host.write("var/lib/apt/lists/apt.example.com_mirrors_deb_dists_bookworm_InRelease",
               "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: Debian\n")
    (source,) = host.sources(Wanted("sid", pockets=()))
    assert source.signed_by == "/etc/apt/keyrings/corp.gpg"


def test_mirror_list_of_a_cloud_image_stands_for_its_first_entry(host: Host) -> None:
    host.write("etc/apt/mirrors/debian.list", "# nearest\nhttps://near.example.com/debian\tpriority:1\nhttps://far.example.com/debian\n")
    host.write("etc/apt/sources.list.d/debian.sources",
               "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n")
    assert host.sources()[0].uris == ("https://near.example.com/debian",)


def test_inline_key_is_kept(host: Host) -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----"
    folded = "\n".join(" " + (line or ".") for line in key.splitlines())
    host.write("etc/apt/sources.list.d/debian.sources",
               f"Types: deb\nURIs: http://m.example.com/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n{folded}\n")
    assert host.sources()[0].signed_by == key


def test_components_of_one_mirror_in_several_lines_become_one_source(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb http://m.example.com/debian bookworm main\n"
                                       "deb http://m.example.com/debian bookworm contrib\n"
                                       "deb http://m.example.com/debian bookworm-updates main\n")
    (source,) = host.sources(Wanted("sid", pockets=()))
    assert source.components == ("main", "contrib")


def test_components_the_image_wants_are_added(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb http://m.example.com/debian bookworm main non-free-firmware\n")
    wanted = Wanted("sid", (), ("main", "contrib"))
    assert host.sources(wanted)[0].components == ("main", "non-free-firmware", "contrib")


def test_two_mirrors_of_the_same_content_are_one_source(host: Host) -> None:
    host.write("etc/apt/sources.list.d/debian.sources",
               "Types: deb\nURIs: http://a.example.com/debian http://b.example.com/debian\nSuites: bookworm\nComponents: main\n")
    (source,) = host.sources(Wanted("sid", pockets=()))
    assert source.uris == ("http://a.example.com/debian", "http://b.example.com/debian")


@pytest.mark.parametrize("text", ["", "deb https://apt.example.com bookworm-vendor main\n", "deb ftp+x://a bookworm main\n",
                                  "deb http://m.example.com/debian bullseye main\n"])
def test_no_usable_source_names_the_option(host: Host, text: str) -> None:
    host.write("etc/apt/sources.list", text)
    with pytest.raises(PackageError, match="name no mirror of the Debian archive .* trixie for amd64; set sources"):
        host.sources()
