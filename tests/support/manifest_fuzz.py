# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong manifests in any number, the same ones each time, and what an engine must make of each of them."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from osbuild import main_cli, meta

from tests.conftest import REPO, shared_dir

PARTS = ("sources", "inputs", "devices", "mounts", "runners", "schemas", "stages", "assemblers", "osbuild")

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

# Manifests that have every structure there is, with modules that exist.
OWN: list[dict[str, Any]] = [
    {
        "version": "2",
        "metadata": {"generators": [{"name": "test", "version": "1"}], "exports": [{"name": "tree"}]},
        "pipelines": [
            {"name": "build", "runner": "org.osbuild.linux", "stages": [{"type": "org.osbuild.noop"}]},
            {"name": "empty"},
            {
                "name": "tree", "build": "name:build", "source-epoch": 1700000000,
                "stages": [
                    {"type": "org.osbuild.mkdir", "options": {"paths": [{"path": "/a", "mode": 493, "parents": True}]}},
                    {
                        "type": "org.osbuild.copy",
                        "inputs": {
                            "tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:build"]},
                            "one": {
                                "type": "org.osbuild.files", "origin": "org.osbuild.source",
                                "references": [{"id": HELLO,
                                                "options": {"metadata": {"name": "one"}}}],
                            },
                        },
                        "options": {"paths": [{"from": "input://tree/", "to": "tree:///a"}]},
                    },
                    {
                        "type": "org.osbuild.copy",
                        "inputs": {
                            "tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": {"name:build": {}}}
                        },
                        "options": {"paths": [{"from": "input://tree/", "to": "mount://root/"}]},
                        "devices": {
                            "disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img", "start": 2048, "size": 4096}},
                            "part": {"type": "org.osbuild.loopback", "parent": "disk", "options": {"filename": "disk.img"}},
                        },
                        "mounts": [
                            {"name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/"},
                            {"name": "boot", "type": "org.osbuild.ext4", "source": "part", "target": "/boot", "partition": 2},
                        ],
                    },
                ],
            },
        ],
        "sources": {
            "org.osbuild.inline": {
                "items": {HELLO: {"encoding": "base64", "data": "aGVsbG8="}}
            }
        },
    },
    {
        "pipeline": {
            "build": {"pipeline": {"stages": [{"name": "org.osbuild.noop", "options": {}}]}, "runner": "org.osbuild.linux"},
            "stages": [{"name": "org.osbuild.noop", "options": {}}],
            "assembler": {"name": "org.osbuild.noop", "options": {}},
        },
    },
]  # fmt: skip

# What may stand in place of anything.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 1.0, -0.0, 1e300, float("inf"), float("nan"),
    "", " ", "a", "name:", "name:tree", "name:nothing", "\0", "a\0b", "\ud800", "žluť 💥", "x" * 5000, "../../etc/passwd",
    "/", ".", "..", "org.osbuild.noop", "org.osbuild.nothing", "org.osbuild.noop.meta.json", "org.osbuild.source", "%s{0}\n\r\x1b[31m",
    [], {}, [[]], [{}], [None], {"": None}, {"a": {"a": {}}}, {"type": "org.osbuild.noop"}, ["name:tree", {"id": "a"}],
)  # fmt: skip


def corpus(most: int = 400) -> list[tuple[str, dict[str, Any]]]:
    """Name and content of manifests to start from: our own and, where they are, up to `most` recorded ones."""
    found = [(f"own{i}", manifest) for i, manifest in enumerate(OWN)]
    recorded = shared_dir() / "conformance"
    cases = sorted(recorded.glob("ids/*.manifest.json")) + sorted(recorded.glob("stages/*/*.json"))
    step = max(1, len(cases) // most)
    for path in cases[::step]:
        data = json.loads(path.read_text())
        manifest = data.get("manifest", data) if isinstance(data, dict) else data
        if isinstance(manifest, dict) and len(json.dumps(manifest)) < 30000:
            found.append((f"{path.parent.name}/{path.name}", manifest))
    return found


Place = tuple[Any, Any]


def _places(node: Any) -> Iterator[Place]:
    """All members: their container and their key or index."""
    members = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in members:
        yield node, key
        yield from _places(value)


def _delete(rng: random.Random, where: Place, root: Any) -> None:
    del where[0][where[1]]


def _replace(rng: random.Random, where: Place, root: Any) -> None:
    where[0][where[1]] = copy.deepcopy(rng.choice(ODD))


def _repeat(rng: random.Random, where: Place, root: Any) -> None:
    node, key = where
    if isinstance(node, list):
        node.insert(rng.randrange(len(node) + 1), copy.deepcopy(node[key]))
    else:
        node[f"{key}-again"] = copy.deepcopy(node[key])


def _rename(rng: random.Random, where: Place, root: Any) -> None:
    node, key = where
    if isinstance(node, dict):
        new = rng.choice([text for text in ODD if isinstance(text, str)] + ["name", "type", "id", "options", "stages", "build", "parent"])
        node[new] = node.pop(key)
    else:
        node[key] = [node[key]]


def _add(rng: random.Random, where: Place, root: Any) -> None:
    node, _key = where
    value = copy.deepcopy(rng.choice(ODD))
    if isinstance(node, dict):
        node[rng.choice(["name", "type", "id", "options", "partition", "source-epoch", "runner", "references", "extra", ""])] = value
    else:
        node.append(value)


def _swap(rng: random.Random, where: Place, root: Any) -> None:
    node, key = rng.choice(list(_places(root)))
    value = copy.deepcopy(node[key])
    node[key], where[0][where[1]] = copy.deepcopy(where[0][where[1]]), value


def _deepen(rng: random.Random, where: Place, root: Any) -> None:
    value = where[0][where[1]]
    for _round in range(rng.choice([1, 5, 40, 100])):
        value = {"options": value} if rng.random() < 0.5 else [value]
    where[0][where[1]] = value


CHANGES: tuple[Callable[[random.Random, Place, Any], None], ...] = (
    _delete, _delete, _replace, _replace, _replace, _repeat, _rename, _add, _swap, _swap, _deepen,
)  # fmt: skip


def _garble(rng: random.Random, text: bytes) -> bytes:
    """Changes that leave no JSON, or not the usual one."""
    kind = rng.randrange(10)
    cut = rng.randrange(len(text) + 1)
    if kind == 0:
        return text[:cut]
    if kind == 1:
        return text[:cut] + bytes([rng.randrange(256)]) + text[cut + 1 :]
    if kind == 2:
        return text[:cut] + b"\xff\xfe\0" + text[cut:]
    if kind == 3:
        return "\ufeff".encode() + text
    if kind == 4:
        return b"[" * 100000
    if kind == 5:
        return b'{"version": "2", "pipelines": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}"
    if kind == 6:
        return text.replace(b"1", b"1" * 5000, 1)
    if kind == 7:
        return text + text
    if kind == 8:
        # What can just be read may still be too deep to be looked at.
        depth, closed = rng.choice([300, 700, 900, 960, 980]), rng.choice(["mkdir", "noop"])
        options = '{"paths":' + "[" * depth + "]" * depth + "}"
        stage = f'{{"type": "org.osbuild.{closed}", "options": {options}}}'
        return f'{{"version": "2", "pipelines": [{{"name": "a", "stages": [{stage}]}}]}}'.encode()
    return text.decode().encode("utf-16")


@dataclass(frozen=True)
class Mutant:
    name: str
    data: bytes


def mutants(count: int, seed: int, most: int = 400) -> Iterator[Mutant]:
    """`count` wrong (or still right) manifests; the same for the same arguments and data."""
    rng = random.Random(seed)
    origins = corpus(most)
    for number in range(count):
        # A third from our own: they are small, so that a change hits what matters.
        name, manifest = rng.choice(origins[: len(OWN)]) if rng.random() < 0.33 else rng.choice(origins)
        manifest = copy.deepcopy(manifest)
        for _round in range(rng.choice([1, 1, 1, 2, 3, 6])):
            places = list(_places(manifest))
            if places:
                rng.choice(CHANGES)(rng, rng.choice(places), manifest)
        data = json.dumps(manifest).encode()
        if rng.random() < 0.08:
            data = _garble(rng, data)
        yield Mutant(f"{number}:{name}", data)


def open_libdir(path: Path, manifests: list[tuple[str, dict[str, Any]]]) -> Path:
    """The engine's library directory, completed by modules with an open schema for all that `manifests` name."""
    for part in PARTS:
        (path / part).mkdir(parents=True)
        source = REPO / "engine" / part
        if part in ("osbuild", "schemas"):
            (path / part).rmdir()
            (path / part).symlink_to(source)
            continue
        for each in source.iterdir() if source.is_dir() else []:
            (path / part / each.name).symlink_to(each)
    anything: dict[str, Any] = {"type": "object"}
    whole = {"type": "object", "additionalProperties": True}
    for folder, name in sorted({each for _name, manifest in manifests for each in _modules(manifest)}):
        program = path / folder / name
        if "/" in name or program.exists():
            continue
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        stage = folder in ("stages", "assemblers")
        schema = {"options": anything, "inputs": anything} if stage else whole
        document: dict[str, Any] = {"summary": name, "description": ["For tests."], "schema_2": schema}
        if stage:
            document["schema"] = anything
        Path(f"{program}.meta.json").write_text(json.dumps(document))
    return path


def _modules(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Folder and name of the modules that a sound manifest of version 2 names."""
    if manifest.get("version") != "2":
        return
    for name in manifest.get("sources") or {}:
        yield "sources", name
    for pipeline in manifest.get("pipelines") or []:
        for stage in pipeline.get("stages") or [] if isinstance(pipeline, dict) else []:
            found = [("stages", stage)]
            for folder in ("inputs", "devices"):
                found += [(folder, each) for each in (stage.get(folder) or {}).values()]
            found += [("mounts", each) for each in stage.get("mounts") or []]
            for folder, each in found:
                if isinstance(each, dict) and isinstance(each.get("type"), str):
                    yield folder, each["type"]


class Judge:
    """Throws manifests at the engine and says what is wrong with its answer, "" if nothing is."""

    def __init__(self, libdir: Path, scratch: Path) -> None:
        self.libdir = libdir
        self.scratch = scratch
        self.index = meta.Index(libdir)
        self.codes: dict[int, int] = {}

    def in_process(self, mutant: Mutant, *, text: bool = False) -> str:
        """Have it inspected, or the same as text."""
        return self.inspect(mutant.data, text=text)[0]

    def inspect(self, data: bytes, *, text: bool = False) -> tuple[str, str]:
        """The judgement and what was printed; the index is kept, or reading descriptions would be all that takes time."""
        path = self.scratch / "manifest.json"
        path.write_bytes(data)
        argv = ["osbuild", "--libdir", str(self.libdir), "--store", str(self.scratch / "never"), str(path)]
        # Without an export and output directory it stops before anything is downloaded.
        argv += ["--export", "no such pipeline"] if text else ["--inspect"]
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
        with (
            mock.patch.object(sys, "argv", argv),
            mock.patch.object(meta, "Index", lambda _path: self.index),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main_cli.osbuild_cli()
        printed, said = out.buffer.getvalue(), err.buffer.getvalue()  # type: ignore[attr-defined]
        return self._judge(code, printed, said, json_wanted=not text), printed.decode()

    def as_process(self, mutant: Mutant) -> str:
        """A real run that fetches the sources and has nothing to build."""
        run = subprocess.run(
            [sys.executable, "-m", "osbuild", "--libdir", str(self.libdir), "--store", str(self.scratch / "store"),
             "--rundir", str(self.scratch / "run"), "--json", "-"],
            input=mutant.data, capture_output=True, check=False, timeout=120, cwd=self.scratch,
            env={**os.environ, "PYTHONPATH": str(REPO / "engine")},
        )  # fmt: skip
        return self._judge(run.returncode, run.stdout, run.stderr, json_wanted=True)

    def _judge(self, code: int, out: bytes, err: bytes, *, json_wanted: bool) -> str:
        self.codes[code] = self.codes.get(code, 0) + 1
        if b"Traceback" in err or b"Traceback" in out:
            return f"a traceback: {err[-1500:].decode('utf-8', 'replace')}"
        if code not in (0, 1, 2):
            return f"exit code {code}"
        if not json_wanted or out in (b"Unsupported manifest format\n",):
            return "" if out or err else f"exit code {code} without a word"
        if out.count(b"\n") != 1:
            return f"exit code {code}, and no single line on stdout: {out[:300]!r}, stderr {err[-300:]!r}"
        document = json.loads(out)
        if code == 2 and not (document.get("errors") and document.get("title") and document.get("success") is False):
            return f"exit code 2 without a validation document: {out[:300]!r}"
        if code == 1:
            error = document.get("error")
            if document.get("success") is not False or not isinstance(error, dict) or not error.get("details"):
                return f"exit code 1 without a result document: {out[:300]!r}"
            said = [line for line in err.splitlines() if not line.startswith(b"WARNING: ")]
            if error["type"] == "org.osbuild.error.engine" or "message" in error["details"] and len(said) != 1:
                return f"exit code 1 without one sentence: {out[:600]!r}, stderr {err[-600:]!r}"
        return ""


def complaints(answers: Iterator[tuple[Mutant, str]], keep: Path) -> list[str]:
    """What was wrong; the manifests are kept for looking at them."""
    found = []
    for mutant, answer in answers:
        if answer:
            keep.mkdir(exist_ok=True)
            path = keep / f"{len(found)}.json"
            path.write_bytes(mutant.data)
            found.append(f"{mutant.name} ({path}): {answer}")
    return found
