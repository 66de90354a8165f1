# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What the base schema of version 2 leaves open, and loading relies on.

That schema says which members an object may have, but hardly ever that there has to be an object at all, and it lets names and
numbers be anything (contract, sections 1.3 to 1.5 and 1.8). It has to stay as it is, since other engines must refuse the same
manifests; so this is where a hole in the structure becomes one clear sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a file's time stamp can hold, in seconds since 1970.
_EPOCHS = range(-(2**63), 2**63)
_KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "text"}


def check_structure(manifest: Mapping[str, Any]) -> None:
    """Raise ValueError that names the first place where the manifest cannot be loaded."""
    for name, value in _get(manifest, "metadata", dict, "").items():
        if not isinstance(value, list):
            raise _wrong(f"metadata.{name}", list, value)
    for name, source in _get(manifest, "sources", dict, "").items():
        place = f"sources.{name}"
        _need(source, dict, place)
        if not isinstance(source.get("items"), dict | list):
            raise _wrong(f"{place}.items", dict, source.get("items"))
        _get(source, "options", dict, place)
    for i, pipeline in enumerate(_get(manifest, "pipelines", list, "")):
        _check_pipeline(pipeline, f"pipelines[{i}]")


def _check_pipeline(pipeline: Any, place: str) -> None:
    _need(pipeline, dict, place)
    if not isinstance(pipeline.get("name"), str):
        raise ValueError(f"{place} has no name, or one that is not text")
    for key in ("build", "runner"):
        _get(pipeline, key, str, place)
    epoch = pipeline.get("source-epoch", 0)
    if epoch not in _EPOCHS:
        raise ValueError(f"{place}.source-epoch is a time that no file can have: a 64-bit number of seconds is needed")
    for i, stage in enumerate(_get(pipeline, "stages", list, place)):
        _check_stage(stage, f"{place}.stages[{i}]")


def _check_stage(stage: Any, place: str) -> None:
    _check_part(stage, place)
    for key, device in _get(stage, "devices", dict, place).items():
        _check_part(device, f"{place}.devices.{key}")
        _get(device, "parent", str, f"{place}.devices.{key}")
    for key, each in _get(stage, "inputs", dict, place).items():
        _check_input(each, f"{place}.inputs.{key}")
        # It becomes the name of a directory, and the schema's pattern binds the beginning of the name only.
        if not key.isprintable() or "/" in key or key in ("", ".", ".."):
            raise ValueError(f"{place}.inputs: {key!r} is no name for an input: it has to be usable as a file name")
    for i, mount in enumerate(_get(stage, "mounts", list, place)):
        _check_part(mount, f"{place}.mounts[{i}]")
        if not isinstance(mount.get("name"), str):
            raise ValueError(f"{place}.mounts[{i}] has no name, or one that is not text")
        for key in ("source", "target"):
            _get(mount, key, str, f"{place}.mounts[{i}]")


def _check_part(part: Any, place: str) -> None:
    """A stage or what belongs to one."""
    _need(part, dict, place)
    if not isinstance(part.get("type"), str):
        raise ValueError(f"{place} has no type, or one that is not text")
    _get(part, "options", dict, place)


def _check_input(part: Any, place: str) -> None:
    _check_part(part, place)
    _need(part.get("origin"), str, f"{place}.origin")
    references = part.get("references")
    if isinstance(references, list):
        for i, each in enumerate(references):
            if not isinstance(each, str) and not (isinstance(each, dict) and isinstance(each.get("id"), str)):
                raise ValueError(f"{place}.references[{i}] must be text, or an object with an id")
            if isinstance(each, dict):
                _get(each, "options", dict, f"{place}.references[{i}]")
        return
    _need(references, dict, f"{place}.references")
    for key, options in references.items():
        # No options at all may be written in any way (contract, section 1.5).
        if options:
            _need(options, dict, f"{place}.references.{key}")


def _get(node: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
    """The member `key`, an empty value of that kind if there is none."""
    value = node.get(key)
    if key not in node:
        return kind()
    _need(value, kind, f"{place}.{key}" if place else key)
    return value


def _need(value: Any, kind: type, place: str) -> None:
    if not isinstance(value, kind):
        raise _wrong(place, kind, value)


def _wrong(place: str, kind: type, value: Any) -> ValueError:
    found = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number"}.get(type(value))
    return ValueError(f"{place} must be {_KINDS[kind]}, found {found or _KINDS[type(value)]}")
