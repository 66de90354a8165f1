# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.user``, ``.sshkey`` and ``.group``."""

from __future__ import annotations

import dataclasses
import re

from ..errors import BlueprintError
from .describe import YES, section
from .fields import Table, show, unique
from .model import Group, User
from .passwords import crypt_password, is_crypted, is_weak
from .paths import canonical

# useradd(8) of Debian takes more; these survive every tool (and 32 is utmp's limit).
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
NAME_RULE = "1 to 32 characters of [A-Za-z0-9_.-], the first a letter or _"
# -1 and its 16-bit sister mean "unchanged" to chown(2).
LAST_ID = 2**32 - 2
_GECOS = re.compile(r"[^:\x00-\x1f\x7f]*")
_KEY_TYPE = re.compile(r"(?:^|\s)(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+)\s", re.MULTILINE)
_MAPPED_GROUPS = {"wheel": "sudo"}

FIELDS = (
    *section(
        "customizations.user[]",
        ("name", YES, NAME_RULE, "An account; one that exists, such as root, is changed."),
        ("description", YES, "one line without a colon", "Full name."),
        (
            "password", YES, "crypt(5) text, or plain",
            "Plain ones are hashed at once and kept nowhere. Without password and key a user is locked.",
        ),
        ("key", YES, "ssh public key", "~/.ssh/authorized_keys."),
        ("home", YES, "absolute path", "By default /home/NAME."),
        ("shell", YES, "absolute path", "By default /bin/bash."),
        ("groups", YES, "array of groups", "Further groups; `wheel` means `sudo`, with a warning."),
        ("uid", YES, "number", "Its id."),
        ("gid", YES, "number", "Id of its primary group."),
        ("expiredate", YES, "days since 1970-01-01", "When the account ends."),
        ("force_password_reset", YES, "boolean", "The password must be changed at the first login."),
    ),
    *section(
        "customizations.sshkey[]",
        ("user", YES, "name", "Deprecated, with a warning: appended to the user's keys."),
        ("key", YES, "ssh public key", "The key."),
    ),
    *section(
        "customizations.group[]",
        ("name", YES, NAME_RULE, "A group."),
        ("gid", YES, "number", "Its id."),
    ),
    *section(
        "customizations",
        ("users", YES, "as `user`", "The Cloud API's spelling of it."),
        ("groups", YES, "as `group`", "The Cloud API's spelling of it."),
    ),
)  # fmt: skip


def read_users(table: Table, blueprint: str) -> tuple[User, ...]:
    """Users, with the keys of the deprecated ``sshkey`` form added to them."""
    spelling = table.either("user", "users")
    found = tuple(_user(item, blueprint) for item in table.tables(spelling))
    users = unique(found, lambda user: user.name, table.at(spelling), "user")
    if table.has("sshkey"):
        table.warn("sshkey", "deprecated; use customizations.user with key")
    for item in table.tables("sshkey"):
        name = item.required("user", item.text("user", NAME, NAME_RULE))
        key = item.required("key", _key(item))
        item.close()
        users = _with_key(users, name, key)
    return users


def _with_key(users: tuple[User, ...], name: str, key: str) -> tuple[User, ...]:
    if all(user.name != name for user in users):
        return (*users, User(name=name, key=key))
    return tuple(
        dataclasses.replace(user, key=f"{user.key.rstrip()}\n{key}" if user.key else key) if user.name == name else user
        for user in users
    )


def _user(table: Table, blueprint: str) -> User:
    name = table.required("name", table.text("name", NAME, NAME_RULE))
    user = User(
        name=name,
        description=table.text("description", _GECOS, "one line without a colon"),
        password=_password(table, blueprint, name),
        key=_key(table),
        home=_path(table, "home"),
        shell=_path(table, "shell"),
        groups=_groups(table),
        uid=table.integer("uid", 0, LAST_ID),
        gid=table.integer("gid", 0, LAST_ID),
        expiredate=table.integer("expiredate", 0, 2**31 - 1),
        force_password_reset=table.boolean("force_password_reset"),
    )
    table.close()
    if user.uid == 0 and user.name != "root":
        raise table.error("uid", "0 is root's; use customizations.user with name 'root'")
    if user.password is None and user.key is None and user.name != "root":
        table.warn("name", f"user '{user.name}' has neither password nor key and will be locked")
    return user


def _path(table: Table, key: str) -> str | None:
    value = table.text(key)
    if value is not None:
        problem = "must not hold a colon" if ":" in value else canonical(value)
        if problem:
            raise table.error(key, f"{show(value)} {problem}")
    return value


def _password(table: Table, blueprint: str, user: str) -> str | None:
    value = table.take("password")
    if value is None:
        return None
    # No message below may show what was given.
    if not isinstance(value, str):
        raise table.error("password", "must be a string")
    if not value:
        raise table.error("password", "is empty; leave it out for an account without password")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise table.error("password", "must not hold control characters")
    if is_crypted(value):
        if is_weak(value):
            table.warn("password", "is hashed with MD5; use yescrypt ($y$) or SHA-512 ($6$)")
        return value
    return crypt_password(value, blueprint, user)


def _key(table: Table) -> str | None:
    value = table.take("key")
    if value is None:
        return None
    # A private key must not be repeated in a message.
    if not isinstance(value, str):
        raise table.error("key", "must be a string")
    if "PRIVATE KEY-----" in value:
        raise table.error("key", "is a private key; give the public one (the .pub file)")
    if "\0" in value or not value.strip():
        raise table.error("key", "is not an SSH public key")
    if not _KEY_TYPE.search(value):
        table.warn("key", "does not look like an SSH public key")
    return value.strip()


def _groups(table: Table) -> tuple[str, ...]:
    names = []
    for name in table.texts("groups", NAME, NAME_RULE):
        mapped = _MAPPED_GROUPS.get(name, name)
        if mapped != name:
            table.warn("groups", f"group '{name}' is '{mapped}' on Debian")
        if mapped not in names:
            names.append(mapped)
    return tuple(names)


def read_groups(table: Table) -> tuple[Group, ...]:
    groups = []
    spelling = table.either("group", "groups")
    for item in table.tables(spelling):
        name = item.required("name", item.text("name", NAME, NAME_RULE))
        groups.append(Group(name, item.integer("gid", 0, LAST_ID)))
        item.close()
    found = unique(tuple(groups), lambda group: group.name, table.at(spelling), "group")
    ids = tuple(group for group in found if group.gid is not None)
    unique(ids, lambda group: group.gid, table.at(spelling), "gid")
    return found


def check_ids(users: tuple[User, ...]) -> None:
    """Raises BlueprintError when two users share a uid."""
    seen: dict[int, str] = {}
    for number, user in enumerate(users):
        if user.uid is not None and user.uid in seen:
            where = f"customizations.user[{number}].uid"
            raise BlueprintError(f"{where}: {user.uid} is the uid of user '{seen[user.uid]}' already", field=where)
        if user.uid is not None:
            seen[user.uid] = user.name
