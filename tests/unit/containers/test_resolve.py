# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images: lists of several architectures, digests, and one sentence for what goes wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.containers import (
    Container,
    ContainerImage,
    repository,
    resolve_containers,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ContainerError

IDENTITY = "sha256:" + "e" * 64
IMAGE = json.dumps({"schemaVersion": 2, "config": {"digest": IDENTITY}, "layers": []}).encode()


def digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def index(*platforms: dict[str, str]) -> bytes:
    return json.dumps({"manifests": [{"digest": digest(IMAGE), "platform": platform} for platform in platforms]}).encode()


class Registry:
    """Stands for skopeo and what it reaches; remembers what it was asked."""

    def __init__(self, **manifests: bytes) -> None:
        self.manifests = manifests
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> bytes:
        self.asked.append(list(arguments))
        name = arguments[-1].rpartition("/")[2]
        for key, text in self.manifests.items():
            if name in (key, f"{key}:1", f"{key}@{digest(text)}", f"containers-storage:{key}"):
                return text
        raise ContainerError("manifest unknown")


def pin(registry: Registry, architecture: str = "amd64", variant: str = "", **more: Any) -> ContainerImage:
    (found,) = resolve_containers([Container("registry.example.com/app:1", "app", **more)], architecture, variant, registry)
    return found


def test_a_single_image() -> None:
    registry = Registry(app=IMAGE)
    assert pin(registry) == ContainerImage("registry.example.com/app:1", "app", digest(IMAGE), IDENTITY)
    assert registry.asked == [["inspect", "--raw", "docker://registry.example.com/app:1"]]


def test_certificates_are_verified_unless_told_otherwise() -> None:
    registry = Registry(app=IMAGE)
    assert not pin(registry, tls_verify=False).tls_verify
    assert registry.asked[0][2] == "--tls-verify=false"


def test_the_image_of_the_architecture_is_chosen() -> None:
    several = index(
        {"os": "windows", "architecture": "amd64"}, {"os": "linux", "architecture": "arm", "variant": "v6"},
        {"os": "linux", "architecture": "arm", "variant": "v7"}, {"os": "linux", "architecture": "amd64"},
    )  # fmt: skip
    both = {"app": several}

    class Lists(Registry):
        def __call__(self, arguments: Sequence[str]) -> bytes:
            if arguments[-1].endswith(f"app@{digest(IMAGE)}"):
                self.asked.append(list(arguments))
                return IMAGE
            return super().__call__(arguments)

    for architecture, variant in (("amd64", ""), ("arm", "v7")):
        registry = Lists(**both)
        assert pin(registry, architecture, variant).digest == digest(IMAGE)
        assert registry.asked[1][-1] == f"docker://registry.example.com/app@{digest(IMAGE)}"
    with pytest.raises(ContainerError, match=r"app:1: .*: there is none for s390x; there are amd64, armv6, armv7"):
        pin(Lists(**both), "s390x")


def test_an_image_of_this_host() -> None:
    registry = Registry(app=IMAGE)
    (found,) = resolve_containers([Container("app", "app", local=True)], "amd64", "", registry)
    assert found.local and registry.asked == [["inspect", "--raw", "containers-storage:app"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"x", "its manifest is no JSON object"), (b"{}", "its manifest names no configuration"), (b"[]", "is no JSON object")],
)
def test_what_is_no_image_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ContainerError, match=f"container image registry.example.com/app:1: cannot be looked up .*{message}"):
        pin(Registry(app=text))


def test_a_registry_that_gives_another_manifest_is_not_believed() -> None:
    wanted = Container(f"registry.example.com/app@{IDENTITY}", "app")
    with pytest.raises(ContainerError, match="the manifest that was given has another digest"):
        resolve_containers([wanted], "amd64", "", lambda _arguments: IMAGE)
    with pytest.raises(ContainerError, match="was asked for, and another one given"):
        resolve_containers([Container("a.example.com/b", "b")], "amd64", "", lambda _arguments: index({"architecture": "amd64"}))


def test_an_image_that_is_not_there_says_where_it_was_looked_for() -> None:
    with pytest.raises(ContainerError, match="cannot be looked up in its registry: manifest unknown; a lock file that has it"):
        pin(Registry())
    with pytest.raises(ContainerError, match="cannot be looked up in this host's container storage: manifest unknown"):
        resolve_containers([Container("app", "app", local=True)], "amd64", "", Registry())


@pytest.mark.parametrize(
    ("reference", "name"),
    [("a:1", "a"), ("a.example.com:5000/b", "a.example.com:5000/b"), ("a.example.com:5000/b/c:1@sha256:12", "a.example.com:5000/b/c")],
)
def test_references_without_tag_and_digest(reference: str, name: str) -> None:
    assert repository(reference) == name


def test_skopeos_own_message_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "skopeo"
    program.write_text("#!/bin/sh\necho 'time=\"x\" level=fatal msg=\"Error: \\\"name unknown\\\"\"' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ContainerError, match='in its registry: Error: "name unknown"; a lock file'):
        resolve_containers([Container("a.example.com/b", "b")], "amd64")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ContainerError, match="skopeo is not installed on this host"):
        resolve_containers([Container("a.example.com/b", "b")], "amd64")
