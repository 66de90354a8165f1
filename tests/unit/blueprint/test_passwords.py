# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords: hashed at once, the same for the same blueprint, shown nowhere."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint.shacrypt import sha512_crypt
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError

SECRET = "correct horse: battery"


def crypted(password: Any = SECRET, user: str = "a", name: str = "x") -> str:
    found = load({"name": name, "customizations": {"user": [{"name": user, "password": password}]}})
    text: str = found.customizations.users[0].password
    assert SECRET not in json.dumps(found.to_dict()) and SECRET not in repr(found)
    return text


@pytest.mark.parametrize("password", ["a", "Hello world!", "x" * 63, "y" * 64, "z" * 65, "ü€" * 40, "q" * 200])
@pytest.mark.parametrize("salt", ["saltstring", "a", "abcdefghijklmnop"])
def test_sha512_crypt_is_that_of_openssl(password: str, salt: str) -> None:
    command = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    told = subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()
    assert sha512_crypt(password, salt) == told


def test_sha512_crypt_with_rounds_is_that_of_the_specification() -> None:
    """Test vector of the published specification of the scheme."""
    assert sha512_crypt("Hello world!", "saltstringsaltst", 10000) == (
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
    )


def test_plain_password_becomes_a_hash_that_verifies() -> None:
    text = crypted()
    _ignored, kind, rounds, salt, _ignored = text.split("$")
    assert kind == "6" and text == sha512_crypt(SECRET, salt, int(rounds.removeprefix("rounds=")))


def test_equal_blueprints_give_equal_hashes_and_others_do_not() -> None:
    assert crypted() == crypted()
    salts = {crypted().split("$")[3], crypted(user="b").split("$")[3], crypted(name="y").split("$")[3]}
    assert len(salts) == 3


def test_salt_tells_nothing_about_the_password() -> None:
    assert crypted().split("$")[3] == crypted("another").split("$")[3]


@pytest.mark.parametrize("text", ["$y$j9T$abc$def", "$6$salt$hash", "$6$rounds=1000$s$h", "$5$s$h", "$2b$12$abcdef", "$gy$j9T$a$b"])
def test_crypted_password_is_kept(text: str) -> None:
    assert crypted(text) == text


def test_md5_is_kept_with_a_warning() -> None:
    found = load({"name": "x", "customizations": {"user": [{"name": "a", "password": "$1$salt$hash"}]}})
    assert "is hashed with MD5" in found.warnings[0]


@pytest.mark.parametrize("text", ["$6$salt$ha:sh", "$9$salt$hash", "$money", "!"])
def test_what_only_looks_crypted_is_a_plain_password(text: str) -> None:
    assert crypted(text).startswith("$6$rounds=")


@pytest.mark.parametrize("value", [12345678, "", "two\nlines", ["secretword"], {"a": "secretword"}])
def test_refused_password_is_not_shown(value: Any) -> None:
    with pytest.raises(BlueprintError, match=r"^customizations\.user\[0\]\.password: ") as caught:
        crypted(value)
    for part in ("12345678", "lines", "secretword"):
        assert part not in str(caught.value) + repr(caught.value.result)


def test_private_key_is_refused_and_not_shown() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----"
    with pytest.raises(BlueprintError, match=r"user\[0\]\.key: is a private key") as caught:
        load({"name": "x", "customizations": {"user": [{"name": "a", "key": key}]}})
    assert "b3BlbnNz" not in str(caught.value)


def test_odd_key_is_a_warning() -> None:
    found = load({"name": "x", "customizations": {"user": [{"name": "a", "key": "not a key"}]}})
    assert found.warnings == ("customizations.user[0].key: does not look like an SSH public key",)
