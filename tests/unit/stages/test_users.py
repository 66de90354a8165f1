# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups: what cannot be, secrets, keys and homes."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from stages.forge import shadow

KEY = "ssh-ed25519 AAAA user@example.com"
FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\nsudo:x:27:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\nsudo:*::\n",
}


@pytest.fixture
def system(tree: Path) -> Path:
    """A tree with account files."""
    for name in ("etc/skel", "home", "root"):
        (tree / name).mkdir(parents=True)
    for name, text in FILES.items():
        (tree / "etc" / name).write_text(text)
    for name in ("shadow", "gshadow"):
        (tree / "etc" / name).chmod(0o640)
    (tree / "etc/skel/.profile").write_text("# skel\n")
    return tree


def account(tree: Path, file: str, name: str) -> list[str]:
    lines = (tree / "etc" / file).read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}:")).split(":")


@pytest.mark.root
class TestUsers:
    def test_a_named_home_is_made_with_keys_in_it(self, load, system) -> None:
        load("users").main(str(system), {"users": {"bob": {"uid": 1500, "home": "/home/bob", "key": KEY}}})
        keys = system / "home/bob/.ssh/authorized_keys"
        assert keys.read_text() == KEY + "\n"
        assert (keys.stat().st_uid, stat.S_IMODE(keys.stat().st_mode)) == (1500, 0o600)
        assert (system / "home/bob/.profile").exists()

    def test_a_password_never_is_on_a_command_line(self, load, system, monkeypatch) -> None:
        run, seen = subprocess.run, []
        monkeypatch.setattr(
            subprocess, "run", lambda command, check=False, **kw: (seen.append(list(command)), run(command, check=check, **kw))[1]
        )
        users = {"root": {"password": "$6$secret1", "shell": "/bin/bash"}, "bob": {"password": "$6$secret2"}}
        load("users").main(str(system), {"users": users})
        assert account(system, "shadow", "root")[1] == "$6$secret1"
        assert account(system, "shadow", "bob")[1] == "$6$secret2"
        assert seen and "secret" not in repr(seen)

    def test_the_day_of_a_changed_password_is_that_of_the_build(self, load, system, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(20000 * 86400 + 5))
        load("users").main(str(system), {"users": {"root": {"password": "!"}}})
        assert account(system, "shadow", "root")[1:3] == ["!", "20000"]
        assert (system / "etc/shadow-").read_text() == FILES["shadow"]
        assert stat.S_IMODE((system / "etc/shadow").stat().st_mode) == 0o640

    @pytest.mark.parametrize("password", ["a:0:root", "a\nroot2::0"])
    def test_a_password_that_breaks_the_line_changes_nothing(self, load, system, password) -> None:
        users = {"first": {}, "bob": {"password": password}}
        with pytest.raises(ValueError, match=r"users.bob.password must be a password hash"):
            load("users").main(str(system), {"users": users})
        assert (system / "etc/passwd").read_text() == FILES["passwd"]

    @pytest.mark.parametrize("field", ["uid", "gid"])
    def test_ids_of_an_existing_user_are_not_changed(self, load, system, field) -> None:
        with pytest.raises(ValueError, match=rf"users.root.{field} is 5, but the user exists with {field} 0"):
            load("users").main(str(system), {"users": {"root": {field: 5}}})
        assert (system / "etc/passwd").read_text() == FILES["passwd"]

    def test_a_home_that_is_a_link_is_looked_up_in_the_tree(self, load, system, outside) -> None:
        (system / "root").rmdir()
        (system / "root").symlink_to(outside)
        Path(f"{system}{outside}").mkdir(parents=True)
        load("users").main(str(system), {"users": {"root": {"key": KEY}}})
        assert list(outside.iterdir()) == []
        assert Path(f"{system}{outside}/.ssh/authorized_keys").read_text() == KEY + "\n"

    def test_keys_are_not_written_through_a_link_out_of_the_tree(self, load, system, outside) -> None:
        (system / "root/.ssh").mkdir()
        (outside / "keys").write_text("")
        (system / "root/.ssh/authorized_keys").symlink_to(outside / "keys")
        Path(f"{system}{outside}").mkdir(parents=True)
        load("users").main(str(system), {"users": {"root": {"key": KEY}}})
        assert (outside / "keys").read_text() == ""

    def test_keys_go_on_a_line_of_their_own(self, load, system) -> None:
        (system / "root/.ssh").mkdir()
        (system / "root/.ssh/authorized_keys").write_text("old key")
        load("users").main(str(system), {"users": {"root": {"keys": ["k1\n", "k2"], "key": "k3"}}})
        assert (system / "root/.ssh/authorized_keys").read_text() == "old key\nk1\nk2\nk3\n"


def test_a_tree_without_shadow_keeps_hashes_in_passwd(tree: Path) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("a:x:1:1::/:/bin/sh\n")
    shadow.set_password(str(tree), "a", "hash", changed_today=True)
    assert (tree / "etc/passwd").read_text() == "a:hash:1:1::/:/bin/sh\n"
    with pytest.raises(ValueError, match="users.b: the user has no line in /etc/passwd"):
        shadow.set_password(str(tree), "b", "hash")
    assert os.listdir(tree / "etc") == ["passwd"]


@pytest.mark.root
class TestGroups:
    def test_creates_groups(self, load, system) -> None:
        load("groups").main(str(system), {"groups": {"g1": {"gid": 4000}}})
        assert account(system, "group", "g1")[2] == "4000"

    def test_an_existing_group_needs_force(self, load, system) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            load("groups").main(str(system), {"groups": {"sudo": {}}})
        assert load("groups").main(str(system), {"groups": {"sudo": {}}, "force": True}) == 0
