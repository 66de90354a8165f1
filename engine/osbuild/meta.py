# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a library directory holds: modules and their schemas, manifest formats, runners (contract, section 3)."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from . import fastschema
from .schema import Schema, ValidationError, ValidationResult
from .util import osrelease

# Only what is asked for has these imported: most runs read descriptions in JSON, and know where they lie.
if TYPE_CHECKING:
    import ast
    from pathlib import Path

__all__ = [
    "META_JSON_SCHEMA",
    "FormatInfo",
    "Index",
    "ModuleInfo",
    "RunnerInfo",
    "Schema",
    "ValidationError",
    "ValidationResult",
]

# The contents of a `.meta.json` file.
META_JSON_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "description"],
    "anyOf": [{"required": ["schema"]}, {"required": ["schema_2"]}],
    "properties": {
        "summary": {"type": "string"},
        "description": {"type": "array", "items": {"type": "string"}},
        "capabilities": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "schema": {"type": "object"},
        "schema_2": {"type": "object"},
    },
}


# Bytes of a file name, of all file systems of Linux that matter (limits.h(0p)).
_NAME_MAX = 255


class ModuleInfo:
    """A module of the library directory: its documentation, schemas and capabilities.

    `type` is one of the keys of `MODULES`, `path` the program, `opts` the schemas by manifest version, `caps` the
    capabilities it needs beyond the usual ones.
    """

    MODULES: ClassVar[dict[str, str]] = {
        "Assembler": "assemblers",
        "Device": "devices",
        "Input": "inputs",
        "Mount": "mounts",
        "Source": "sources",
        "Stage": "stages",
    }

    def __init__(self, klass: str, name: str, path: str, info: Mapping[str, Any]) -> None:
        self.name = name
        self.type = klass
        self.path = path
        self.info: str = info["info"]
        self.desc: str = info["desc"]
        self.opts: dict[str, dict[str, Any]] = {"1": info.get("schema") or {}, "2": info.get("schema_2") or {}}
        self.caps: set[str] = set(info.get("caps") or ())

    @classmethod
    def load(cls, root: str | os.PathLike[str], klass: str, name: str) -> ModuleInfo | None:
        """Read what `<name>.meta.json` says, or else what the program itself does in the older embedded form.

        None if there is no such module, or if its description is invalid (with a warning on stderr).
        Raises ValueError for an unknown class and SyntaxError where the JSON or Python cannot be parsed.
        """
        directory = cls.MODULES.get(klass)
        if directory is None:
            raise ValueError(f"Unsupported type: {klass}")
        path = os.path.join(root, directory, name)
        if not _is_module_name(name):
            return None
        try:
            with open(path + ".meta.json", encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    source = file.read()
            except (FileNotFoundError, IsADirectoryError):
                return None
            return cls(klass, name, path, _embedded_info(path, source))
        try:
            data = json.loads(text)
        except json.JSONDecodeError as exc:
            error = SyntaxError(f"Invalid schema: {exc}")
            error.add_note(f"in {path}.meta.json")
            raise error from exc
        if not _META_IS_VALID(data):
            result = Schema(META_JSON_SCHEMA, "meta.json").validate(data)
            if not result:
                errors = [err.as_dict() for err in result]
                print(f"WARNING: schema for {path} is invalid: {errors}", file=sys.stderr)
                return None
        return cls(
            klass,
            name,
            path,
            {
                "desc": data["summary"],
                "info": "\n".join(data["description"]),
                "schema": data.get("schema"),
                "schema_2": data.get("schema_2"),
                "caps": data.get("capabilities"),
            },
        )

    def get_schema(self, version: str = "1") -> dict[str, Any]:
        """The schema for an object of this type in a manifest of that version (contract, section 3.3)."""
        if version == "1" and self.type in ("Stage", "Assembler"):
            schema = _closed({"name": {"enum": [self.name]}, "options": self.opts["1"]}, ["name"])
        elif self.type in ("Stage", "Assembler"):
            members = dict(self.opts["2"]) or {"options": self.opts["1"]}
            members.setdefault("devices", {"type": "object", "additionalProperties": True})
            members.setdefault("mounts", {"type": "array"})
            schema = _closed({"type": {"enum": [self.name]}, **members}, ["type"])
        elif self.type == "Device":
            members = {"type": {"enum": [self.name]}, "options": self.opts["2"] or self.opts["1"]}
            schema = {**_closed(members, ["type"]), "additionalProperties": True}
        elif self.type == "Mount":
            raw = self.opts["2"] or self.opts["1"]
            if not raw:
                return {}
            schema = {**_closed({}, ["name", "type"]), **raw}
            schema["properties"] = {**schema["properties"], "type": {"enum": [self.name]}}
        else:
            raw = (self.opts["2"] if version != "1" else None) or self.opts["1"]
            schema = {**_closed({}, []), **raw} if raw else {}
        return _hoist_definitions(schema)

    def __repr__(self) -> str:
        return f"ModuleInfo({self.type}, {self.name})"


def _is_module_name(name: str) -> bool:
    """Whether there can be a program of that name: it comes from a manifest and must not lead out of the directory."""
    if not name.isprintable() or "/" in name or name in ("", ".", "..") or name.endswith(".meta.json"):
        return False
    return len(os.fsencode(name + ".meta.json")) <= _NAME_MAX


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:  # draft 4 wants at least one name
        schema["required"] = required
    return schema


def _hoist_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Move `definitions` from where modules write them to where `#/definitions/…` looks for them."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    found: dict[str, Any] = dict(schema.get("definitions") or {})
    if "definitions" in properties:
        properties = {name: each for name, each in properties.items() if name != "definitions"}
        found.update(schema["properties"]["definitions"])
    options = properties.get("options")
    if isinstance(options, dict) and "definitions" in options:
        properties = {**properties, "options": {name: each for name, each in options.items() if name != "definitions"}}
        found.update(options["definitions"])
    return {**schema, "properties": properties, "definitions": found} if found else schema


def _meta_check() -> Any:
    check = fastschema.compile_schema(META_JSON_SCHEMA)
    assert check is not None
    return check


_META_IS_VALID = _meta_check()


def _embedded_info(path: str, source: str) -> dict[str, Any]:
    """Description and schemas of a program that carries them as string constants; the program is parsed, not run."""
    import ast

    try:
        tree = ast.parse(source, path)
    except (SyntaxError, ValueError):
        # Not a Python program: a module without any description.
        return {"desc": "", "info": "", "schema": None, "schema_2": None, "caps": None}
    constants: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    constants[target.id] = node.value

    def schema(name: str) -> dict[str, Any] | None:
        node = constants.get(name)
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not node.value.strip():
            return None
        try:
            data = json.loads("{" + node.value + "}")
        except json.JSONDecodeError as exc:
            line = node.lineno + exc.lineno - 1
            text = source.splitlines()[line - 1] if line <= len(source.splitlines()) else ""
            raise SyntaxError(f"Invalid schema: {exc.msg}", (path, line, exc.colno, text)) from exc
        assert isinstance(data, dict)
        return data

    capabilities = constants.get("CAPABILITIES")
    summary, _ignored, description = (ast.get_docstring(tree) or "").partition("\n")
    return {
        "desc": summary,
        "info": description.strip("\n"),
        "schema": schema("SCHEMA"),
        "schema_2": schema("SCHEMA_2"),
        "caps": set(ast.literal_eval(capabilities)) if capabilities is not None else None,
    }


def reason(error: SyntaxError) -> str:
    """The error of `ModuleInfo.load` with the file it is in, which its text alone does not always name."""
    return " ".join([str(error), *getattr(error, "__notes__", [])])


class FormatInfo:
    """A manifest format: a module of `osbuild.formats` with `VERSION`, `validate`, `load`, `describe` and `output`."""

    def __init__(self, module: ModuleType) -> None:
        self.module: Any = module
        self.version: str = module.VERSION
        summary, _ignored, description = (module.__doc__ or "").partition("\n")
        self.desc = summary.strip()
        self.info = description.strip()

    @classmethod
    def load(cls, name: str) -> FormatInfo:
        """Import the format module of that dotted name; raises ValueError if there is none."""
        try:
            return cls(importlib.import_module(name))
        except ModuleNotFoundError as exc:
            raise ValueError(f"unknown manifest format: {name}") from exc


class RunnerInfo:
    """A runner program: the distribution it is for, that one's version (0 for any), and where it lies."""

    def __init__(self, distro: str, version: int, path: str | os.PathLike[str]) -> None:
        self.distro = distro
        self.version = version
        self._path = os.fspath(path)

    @functools.cached_property
    def path(self) -> Path:
        from pathlib import Path

        return Path(self._path)

    def __fspath__(self) -> str:
        return self._path

    @staticmethod
    def parse_name(name: str) -> tuple[str, int]:
        """Split a name at its trailing digits: `org.osbuild.debian12` is `org.osbuild.debian` and 12."""
        match = re.fullmatch(r"(.*?)(\d*)", name, re.ASCII | re.DOTALL)
        assert match is not None
        return match[1], int(match[2] or 0)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> RunnerInfo:
        distro, version = cls.parse_name(os.path.basename(path))
        return cls(distro, version, path)


class Index:
    """The modules, schemas, formats and runners of the library directory `path`. What was read once is kept."""

    FALLBACK_RUNNER = "org.osbuild.linux"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._directory = os.path.abspath(path)
        self._modules: dict[tuple[str, str], ModuleInfo | None] = {}
        self._formats: dict[str, FormatInfo] = {}
        self._schemas: dict[tuple[str, str | None, str], Schema] = {}

    @functools.cached_property
    def path(self) -> Path:
        from pathlib import Path

        return Path(self._directory)

    @staticmethod
    def list_formats() -> list[str]:
        return ["osbuild.formats.v1", "osbuild.formats.v2"]

    def get_format_info(self, name: str) -> FormatInfo:
        if name not in self._formats:
            self._formats[name] = FormatInfo.load(name)
        return self._formats[name]

    def detect_format_info(self, manifest: Mapping[str, Any]) -> FormatInfo | None:
        """The format of a parsed manifest, None if its `version` is not one that is known.

        Absent means "1". Only text counts: the number 2 is no version.
        """
        version = manifest.get("version", "1")
        if version not in ("1", "2"):
            return None
        return self.get_format_info(f"osbuild.formats.v{version}")

    def list_modules_for_class(self, klass: str) -> list[str]:
        """Names of all modules of that class, sorted."""
        directory = ModuleInfo.MODULES.get(klass)
        if directory is None:
            raise ValueError(f"Unsupported type: {klass}")
        try:
            entries = list(os.scandir(os.path.join(self._directory, directory)))
        except FileNotFoundError:
            return []
        return sorted(e.name for e in entries if e.is_file() and not e.name.endswith(".meta.json"))

    def get_module_info(self, klass: str, name: str) -> ModuleInfo | None:
        key = (klass, name)
        if key not in self._modules:
            self._modules[key] = ModuleInfo.load(self._directory, klass, name)
        return self._modules[key]

    def get_schema(self, klass: str, name: str | None = None, version: str = "1") -> Schema:
        """The schema of a module, or of the whole manifest (class `Manifest`); an empty one if there is none."""
        key = (klass, name, version)
        if key not in self._schemas:
            data: Mapping[str, Any] | None = None
            if klass == "Manifest":
                try:
                    with open(os.path.join(self._directory, "schemas", f"osbuild{version}.json"), encoding="utf-8") as file:
                        data = json.load(file)
                except FileNotFoundError:
                    pass
            elif klass in ModuleInfo.MODULES:
                info = self.get_module_info(klass, name) if name else None
                data = info.get_schema(version) if info else None
            else:
                raise ValueError(f"Unknown klass: {klass}")
            self._schemas[key] = Schema(data, name or klass)
        return self._schemas[key]

    @functools.cached_property
    def _runners(self) -> list[RunnerInfo]:
        try:
            entries = list(os.scandir(os.path.join(self._directory, "runners")))
        except FileNotFoundError:
            return []
        found = [RunnerInfo.from_path(entry.path) for entry in entries if entry.is_file()]
        return sorted(found, key=lambda info: (info.distro, info.version))

    def list_runners(self, distro: str | None = None) -> list[RunnerInfo]:
        """Runners sorted by distribution and version, all or those of one distribution."""
        return [info for info in self._runners if distro in (None, info.distro)]

    def detect_runner(self, name: str) -> RunnerInfo:
        """The best runner for that name: same distribution, highest version not above the wanted. Else ValueError."""
        distro, version = RunnerInfo.parse_name(name)
        fitting = [info for info in self.list_runners(distro) if info.version <= version]
        if not fitting:
            raise ValueError(f"No suitable runner for {distro}")
        return fitting[-1]

    def detect_host_runner(self) -> RunnerInfo:
        """The runner for this host; the general one, with a warning on stderr, for a distribution that has none."""
        host = "org.osbuild." + osrelease.describe_os(*osrelease.DEFAULT_PATHS)
        try:
            return self.detect_runner(host)
        except ValueError:
            runner = self.detect_runner(self.FALLBACK_RUNNER)
            print(f"WARNING: no runner for the host ({host}), using {os.path.basename(runner)}", file=sys.stderr)
            return runner
