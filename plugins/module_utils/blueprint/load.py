# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Read a blueprint: TOML, JSON or a mapping, from memory or a file; same keys in all of them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..containers.model import Container
from ..errors import BlueprintError
from .containers import read_containers
from .customizations import read_customizations
from .describe import MAP, YES, section
from .fields import Table, unique
from .model import Blueprint, PackageSpec
from .unsupported import refuse

_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]+")
# https://semver.org, the part before the optional pre-release and build metadata is what matters to us.
_SEMVER = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_DISTRO = re.compile(r"[a-z][a-z0-9.-]*")
_PACKAGE = re.compile(r"[A-Za-z0-9*?\[][A-Za-z0-9+.*?\[\]!-]*(?::[a-z0-9-]+)?")
_VERSION = re.compile(r"[A-Za-z0-9.+:~*?\[\]!-]*")
_TASK = re.compile(r"[a-z0-9][a-z0-9+.-]*")

# Composer's spelling (rpm's, uname's) -> Debian's.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7hl": "armhf",
    "armhfp": "armhf",
    "i686": "i386",
    "ppc64le": "ppc64el",
}
_DEBIAN_ARCHITECTURES = ("amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x")

FIELDS = section(
    "",
    ("name", YES, "characters of [a-zA-Z0-9._-]", "Needed."),
    ("description", YES, "text", "For people."),
    ("version", YES, "semantic version", "By default 0.0.0."),
    ("distro", YES, "name or code name", "debian-12, debian-13, debian-testing or debian-sid; a task's `distribution` wins."),
    ("architecture", MAP, "Debian's or the kernel's name", "`x86_64` is amd64, and so on. Also `arch`."),
    ("arch", MAP, "as `architecture`", "Another word for it."),
    ("packages[].name", MAP, "name, `name:arch`, or glob", "A package; virtual ones too."),
    ("packages[].version", MAP, "version, or glob such as `5.*`", "The newest that matches, in dpkg's order; empty or `*`: any."),
    ("modules[].name", MAP, "as `packages[].name`", "An old word for packages."),
    ("modules[].version", MAP, "as `packages[].version`", "The same."),
    ("groups[].name", MAP, "task such as `ssh-server`", "The package task-NAME."),
    ("customizations.packages", MAP, "array of names", "The Cloud API's way to name packages."),
    ("customizations.containers", YES, "as `containers`", "The Cloud API's place for them."),
)  # fmt: skip


def load(source: str | bytes | Mapping[str, Any] | Path, *, format: Literal["toml", "json"] | None = None) -> Blueprint:
    """A checked blueprint.

    ``source``: text (or UTF-8 bytes) of a blueprint, its content as a mapping, or the path of a file.  ``format``:
    by default a file's suffix decides, and for text whether it begins with a brace.  Raises BlueprintError that
    names the field, what was found and what is allowed.
    """
    content = source if isinstance(source, Mapping) else _parse(source, format)
    warnings: list[str] = []
    return _blueprint(Table(content, "", warnings), warnings)


def _parse(source: str | bytes | Path, format: str | None) -> Any:
    what = "blueprint"
    if isinstance(source, Path):
        what = f"blueprint {source}"
        suffix = source.suffix.lower().lstrip(".")
        format = format or (suffix if suffix in ("toml", "json") else None)
        try:
            source = source.read_bytes()
        except OSError as error:
            raise BlueprintError(f"{what}: cannot be read: {error.strerror}") from None
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BlueprintError(f"{what}: is not UTF-8 text (byte {error.start})") from None
    if format is None:
        format = "json" if source.lstrip().startswith("{") else "toml"
    try:
        return json.loads(source) if format == "json" else tomllib.loads(source)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise BlueprintError(f"{what}: is not valid {format.upper()}: {error}") from None
    except RecursionError:
        raise BlueprintError(f"{what}: is nested too deeply") from None


def _blueprint(table: Table, warnings: list[str]) -> Blueprint:
    refuse(table)
    wanted = table.table("customizations")
    name = table.required("name", table.text("name", _NAME, "characters of [a-zA-Z0-9._-]"))
    version = table.take("version") or "0.0.0"
    if not isinstance(version, str) or not _SEMVER.fullmatch(version):
        raise table.error(
            "version", f"Invalid 'version', must use Semantic Versioning: '{version}' is not of the form 1.2.3"
        )
    blueprint = Blueprint(
        name=name,
        description=table.text("description") or "",
        version=version,
        distro=table.text("distro", re.compile(rf"(?:{_DISTRO.pattern})?"), "a name such as debian-13") or None,
        architecture=_architecture(table),
        packages=_packages(table, wanted),
        containers=_containers(table, wanted),
        customizations=read_customizations(wanted, name),
    )
    table.close()
    # Blueprint is frozen, and warnings are complete only now.
    object.__setattr__(blueprint, "warnings", tuple(warnings))
    return blueprint


def _architecture(table: Table) -> str | None:
    key = "arch" if table.has("arch") and not table.has("architecture") else "architecture"
    value = table.text(key)
    if not value:
        return None
    name = _ARCHITECTURES.get(value, value)
    if name not in _DEBIAN_ARCHITECTURES:
        known = ", ".join((*_DEBIAN_ARCHITECTURES, *_ARCHITECTURES))
        raise table.error(key, f"'{value}' is not a known architecture; known are {known}")
    return name


def _containers(table: Table, customizations: Table | None) -> tuple[Container, ...]:
    found = read_containers(table)
    if customizations is not None:
        found += read_containers(customizations)
    return unique(found, lambda one: one.name, "containers", "name")


def _packages(table: Table, customizations: Table | None) -> tuple[PackageSpec, ...]:
    found: dict[PackageSpec, None] = {}
    for key in ("packages", "modules"):
        for item in table.tables(key):
            name = item.required("name", item.text("name", _PACKAGE, "a package name, name:arch, or a glob"))
            rule = "a Debian version or a glob of one (no comparison operators)"
            version = item.text("version", _VERSION, rule) or ""
            found[PackageSpec(name, "" if version == "*" else version)] = None
            item.close()
    if customizations is not None:
        for text in customizations.texts("packages", _PACKAGE, "a package name, name:arch, or a glob"):
            found[PackageSpec(text)] = None
    for item in table.tables("groups"):
        # A comps group is a task on Debian; one that does not exist is told by the solver, with close matches.
        name = item.required("name", item.text("name", _TASK, "a task name, such as ssh-server"))
        found[PackageSpec(f"task-{name}")] = None
        item.close()
    return tuple(found)
