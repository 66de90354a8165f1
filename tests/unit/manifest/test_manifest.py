# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests: what may be put into one, and that equal ones are equal bytes."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ManifestError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.manifest import (
    CurlItem,
    Device,
    Input,
    Manifest,
    Mount,
    Pipeline,
    Stage,
    files_input,
    pipeline_file_input,
    sha256,
    tree_input,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def noop(**inputs):
    return Stage("org.osbuild.noop", inputs=inputs)


def test_equal_manifests_are_equal_bytes_whatever_the_order_of_sources_and_keys():
    texts = []
    for items, options in (([A, B], {"x": 1, "y": 2}), ([B, A], {"y": 2, "x": 1})):
        manifest = Manifest()
        manifest.add_curl(CurlItem(item, f"https://archive.example.com/{item[-1]}") for item in items)
        manifest.add_pipeline(Pipeline("tree", (Stage("org.osbuild.noop", options),)))
        texts.append(manifest.dumps())
    assert texts[0] == texts[1]


def test_dumps_is_the_json_of_to_dict_with_a_final_newline():
    manifest = Manifest()
    manifest.add_inline("grüße".encode())
    manifest.add_pipeline(Pipeline("tree", (Stage("org.osbuild.noop", {"text": "grüße"}),), source_epoch=0))
    text = manifest.dumps()
    assert text.endswith(b"}\n")
    assert json.loads(text) == manifest.to_dict()
    assert "grüße" in text.decode()


def test_everything_a_pipeline_says_is_written():
    manifest = Manifest()
    manifest.add_curl([CurlItem(A, "https://archive.example.com/a")])
    manifest.add_pipeline(Pipeline("build", (noop(),), runner="org.osbuild.linux", source_epoch=7))
    stage = Stage(
        "org.osbuild.copy",
        {"paths": []},
        inputs={"tree": tree_input("build"), "files": files_input({A: {"deb.name": "a"}})},
        devices={"disk": Device("org.osbuild.loopback", {"filename": "disk.img"}), "part": Device("x", parent="disk")},
        mounts=(Mount("root", "org.osbuild.ext4", source="part", target="/", partition=2),),
    )
    manifest.add_pipeline(Pipeline("tree", (stage,), build="build"))
    assert manifest.to_dict() == {
        "version": "2",
        "pipelines": [
            {
                "name": "build",
                "runner": "org.osbuild.linux",
                "source-epoch": 7,
                "stages": [{"type": "org.osbuild.noop"}],
            },
            {
                "name": "tree",
                "build": "name:build",
                "stages": [
                    {
                        "type": "org.osbuild.copy",
                        "options": {"paths": []},
                        "inputs": {
                            "tree": {
                                "type": "org.osbuild.tree",
                                "origin": "org.osbuild.pipeline",
                                "references": {"name:build": {}},
                            },
                            "files": {
                                "type": "org.osbuild.files",
                                "origin": "org.osbuild.source",
                                "references": {A: {"metadata": {"deb.name": "a"}}},
                            },
                        },
                        "devices": {
                            "disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img"}},
                            "part": {"type": "x", "parent": "disk"},
                        },
                        "mounts": [
                            {
                                "name": "root",
                                "type": "org.osbuild.ext4",
                                "source": "part",
                                "target": "/",
                                "partition": 2,
                            }
                        ],
                    }
                ],
            },
        ],
        "sources": {"org.osbuild.curl": {"items": {A: "https://archive.example.com/a"}}},
    }


def test_secrets_and_insecure_downloads_are_spelled_out():
    item = CurlItem(A, "https://archive.example.com/a", insecure=True, secrets="org.osbuild.mtls")
    assert item.to_dict() == {
        "url": "https://archive.example.com/a",
        "insecure": True,
        "secrets": {"name": "org.osbuild.mtls"},
    }


def test_inline_content_comes_back():
    manifest = Manifest()
    data = bytes(range(256))
    checksum = manifest.add_inline(data)
    assert checksum == sha256(data)
    item = manifest.to_dict()["sources"]["org.osbuild.inline"]["items"][checksum]
    assert item["encoding"] == "base64" and base64.b64decode(item["data"]) == data


def test_content_that_is_inline_is_not_downloaded():
    manifest = Manifest()
    manifest.add_curl([CurlItem(sha256(b"x"), "https://archive.example.com/x")])
    manifest.add_inline(b"x")
    assert set(manifest.to_dict()["sources"]) == {"org.osbuild.inline"}


def test_the_first_address_of_a_file_wins():
    manifest = Manifest()
    manifest.add_curl([CurlItem(A, "https://one.example.com/a"), CurlItem(A, "https://two.example.com/a")])
    assert manifest.to_dict()["sources"]["org.osbuild.curl"]["items"] == {A: "https://one.example.com/a"}


def test_an_input_may_be_one_file_of_a_pipeline():
    assert pipeline_file_input("image", "disk.raw").to_dict()["references"] == {"name:image": {"file": "disk.raw"}}


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        (Pipeline("build", ()), "there is one of that name already"),
        (Pipeline("tree", (), build="later"), "'later' is not there before it"),
        (Pipeline("tree", (noop(tree=tree_input("tree")),)), "'tree' is not there before it"),
        (Pipeline("tree", (noop(files=files_input({A: {}})),)), f"no source has {A}"),
    ],
)
def test_what_does_not_resolve_is_refused(pipeline, words):
    manifest = Manifest()
    manifest.add_pipeline(Pipeline("build", (noop(),)))
    with pytest.raises(ManifestError, match=words):
        manifest.add_pipeline(pipeline)
    assert [one.name for one in manifest.pipelines] == ["build"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CurlItem("sha256:abc", "https://archive.example.com/a"), "checksum 'sha256:abc'"),
        (lambda: CurlItem("crc32:" + "a" * 8, "https://archive.example.com/a"), "checksum"),
        (lambda: CurlItem(A.upper(), "https://archive.example.com/a"), "checksum"),
        (lambda: CurlItem(A, "archive.example.com/a"), "is no http, https, ftp or file URL"),
        (lambda: Input("org.osbuild.tree", "org.osbuild.pipeline", {"build": {}}), "lacks the prefix 'name:'"),
        (lambda: Input("org.osbuild.tree", "elsewhere", {"build": {}}), "origin 'elsewhere'"),
        (lambda: files_input({}), "has no references"),
        (lambda: Stage("org.osbuild.noop", inputs={"0": tree_input("build")}), "'0' cannot be the name of an input"),
        (lambda: Stage("x", mounts=(Mount("a", "b", source="c"),)), "unknown device 'c'"),
        (lambda: Stage("x", devices={"a": Device("b", parent="c")}), "unknown parent 'c'"),
        (lambda: Pipeline("a/b", ()), "pipeline 'a/b'"),
    ],
)
def test_what_is_malformed_is_refused(make, words):
    with pytest.raises(ManifestError, match=words):
        make()


def test_asking_for_an_unknown_pipeline_names_the_known():
    manifest = Manifest()
    manifest.add_pipeline(Pipeline("build", ()))
    assert manifest.pipeline("build").name == "build"
    with pytest.raises(ManifestError, match="no pipeline 'os'; it has build"):
        manifest.pipeline("os")
