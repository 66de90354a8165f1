# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images: made, read by skopeo, copied and unpacked again, without any network."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge import imagelayers, laying, parallel
from stages.forge.errors import StageError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making and unpacking images needs root")
SKOPEO = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    root = tmp_path / "base"
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/ping").write_text("ping")
    os.setxattr(root / "usr/bin/ping", "security.capability", CAPABILITY)
    os.chown(root / "usr/bin", 7, 8)
    (root / "usr/bin/su").write_text("su")
    (root / "usr/bin/su").chmod(0o4755)
    os.link(root / "usr/bin/su", root / "usr/bin/su2")
    return root


Make = Callable[..., Path]


@pytest.fixture
def make(load, base: Path, tmp_path: Path) -> Make:
    """Make an archive of `base` and further trees."""

    def run(*layers: Path, name: str = "i.tar", **options: Any) -> Path:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        inputs = {"base": {"path": str(base)}}
        inputs.update({f"layer.{number}": {"path": str(path)} for number, path in enumerate(layers, 1)})
        load("oci-archive").main(inputs, str(out), {"architecture": "amd64", "filename": name, **options})
        return out / name

    return run


def images(archive: Path, **more: str) -> dict[str, Any]:
    archives = {archive.name: {"format": "oci-archive", "name": "example.org/img:1"}}
    archives.update({name: {"format": kind, "name": name} for name, kind in more.items()})
    return {"images": {"path": str(archive.parent), "data": {"archives": archives}}}


def inspect(what: str, *options: str) -> Any:
    out = subprocess.run(["skopeo", "inspect", *options, what], capture_output=True, check=True, text=True).stdout
    return json.loads(out)


class TestMaking:
    def test_a_source_epoch_makes_equal_archives(self, make, base, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000")
        first = make(name="a").read_bytes()
        # The same tree again: other inodes, other times, another order of its directories.
        copy = tmp_path / "copy"
        shutil.copytree(base, copy, symlinks=True)
        shutil.rmtree(base)
        subprocess.run(["cp", "-a", "--no-preserve=timestamps", str(copy), str(base)], check=True)
        os.chown(base / "usr/bin", 7, 8)
        (base / "usr/bin/su2").unlink()
        os.link(base / "usr/bin/su", base / "usr/bin/su2")
        assert make(name="b").read_bytes() == first
        with tarfile.open(fileobj=io.BytesIO(first)) as archive:
            assert {member.mtime for member in archive} == {1000000}

    @SKOPEO
    def test_skopeo_reads_it(self, make, base, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000")
        layer = tmp_path / "layer"
        layer.mkdir()
        (layer / "extra").touch()
        config = {"Entrypoint": ["/e"], "ExposedPorts": ["80"], "Labels": {"l": "v"}, "Volumes": ["/data"]}
        archive = make(layer, config=config, variant="v1", annotations={"com.example.x": "y"})
        found = inspect(f"oci-archive:{archive}")
        assert (found["Architecture"], found["Os"], found["Created"]) == ("amd64", "linux", "1970-01-12T13:46:40Z")
        assert len(found["Layers"]) == 2
        given = inspect(f"oci-archive:{archive}", "--config")
        assert given["variant"] == "v1"
        assert given["config"] == {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"],
            "Entrypoint": ["/e"], "ExposedPorts": {"80": {}}, "Labels": {"l": "v"}, "Volumes": {"/data": {}},
        }  # fmt: skip
        assert inspect(f"oci-archive:{archive}", "--raw")["annotations"] == {"com.example.x": "y"}

    @SKOPEO
    def test_podmans_storage_takes_it(self, make, tmp_path) -> None:
        """What `podman load` does: digests, sizes and diff ids are checked on the way."""
        archive = make()
        storage = f"containers-storage:[vfs@{tmp_path}/root+{tmp_path}/run]example.org/img:1"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci-archive:{archive}", storage], check=True)
        (layer,) = (tmp_path / "root/vfs/dir").iterdir()
        assert (layer / "bin").readlink() == Path("usr/bin")
        assert os.getxattr(layer / "usr/bin/ping", "security.capability") == CAPABILITY
        assert ((layer / "usr/bin").stat().st_uid, (layer / "usr/bin").stat().st_gid) == (7, 8)

    def test_equal_and_empty_layers(self, make, tmp_path) -> None:
        empty = [tmp_path / "e1", tmp_path / "e2"]
        for path in empty:
            path.mkdir()
        with tarfile.open(make(*empty)) as archive:
            names = archive.getnames()
            assert len(names) == len(set(names))
            index = json.load(archive.extractfile("index.json"))
            blob = "blobs/sha256/" + index["manifests"][0]["digest"].partition(":")[2]
            layers = json.load(archive.extractfile(blob))["layers"]
        assert len(layers) == 3
        assert layers[1] == layers[2]

    def test_layers_are_ordered_by_number(self, load) -> None:
        names = load("oci-archive").layer_names(["layer.10", "layer.9", "base"])
        assert names == ["base", "layer.9", "layer.10"]

    @pytest.mark.parametrize("name", ["xlayer.1", "layer.1x", "layer.01"])
    def test_other_inputs_are_refused(self, load, name) -> None:
        with pytest.raises(ValueError, match=f"inputs must be called base, .* found {name}"):
            load("oci-archive").layer_names(["base", name])

    def test_a_missing_tree_fails(self, make, tmp_path) -> None:
        with pytest.raises(FileNotFoundError):
            make(tmp_path / "none")

    def test_the_log_says_what_has_no_effect(self, make, capsys) -> None:
        make(config={"StopSiganl": "SIGINT"})
        assert "config.StopSiganl has no effect" in capsys.readouterr().out


@SKOPEO
class TestCopying:
    @pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir"])
    def test_to_files(self, load, make, tree, kind) -> None:
        load("skopeo").main(images(make()), str(tree), {"destination": {"type": kind, "path": "/o"}, "remove-signatures": True})
        assert inspect(f"{kind}:{tree}/o")["Architecture"] == "amd64"

    def test_the_destination_stays_in_the_tree(self, load, make, tree, outside) -> None:
        (tree / "out").symlink_to(outside)
        (tree / str(outside).lstrip("/")).mkdir(parents=True)
        load("skopeo").main(images(make()), str(tree), {"destination": {"type": "oci-archive", "path": "/out/o"}})
        assert list(outside.iterdir()) == []
        assert (tree / str(outside).lstrip("/") / "o").is_file()

    def test_a_colon_is_refused(self, load, make, tree) -> None:
        with pytest.raises(ValueError, match="destination.path must have no colon, found /o:p"):
            load("skopeo").main(images(make()), str(tree), {"destination": {"type": "oci", "path": "/o:p"}})

    def test_only_a_storage_takes_several(self, load, make, tree) -> None:
        with pytest.raises(ValueError, match="inputs.images must hold one image for a destination of type dir, found 2"):
            load("skopeo").main(images(make(), other="dir"), str(tree), {"destination": {"type": "dir", "path": "/o"}})

    def test_a_file_that_is_no_image_fails(self, load, make, tree) -> None:
        archive = make()
        archive.write_bytes(b"no image")
        with pytest.raises(subprocess.CalledProcessError):
            load("skopeo").main(images(archive), str(tree), {"destination": {"type": "oci", "path": "/o"}})


@SKOPEO
class TestDeploying:
    def deploy(self, load, tree: Path, given: dict[str, Any], **options: Any) -> None:
        load("container-deploy").main(given, str(tree), options)

    def test_the_tree_comes_back(self, load, make, tree) -> None:
        self.deploy(load, tree, images(make()))
        assert stat.S_IMODE(tree.stat().st_mode) == 0o555
        assert (tree / "bin").readlink() == Path("usr/bin")
        assert os.getxattr(tree / "usr/bin/ping", "security.capability") == CAPABILITY
        info = (tree / "usr/bin/su").stat()
        assert (stat.S_IMODE(info.st_mode), info.st_nlink) == (0o4755, 2)

    def test_exclude_follows_links_inside_only(self, load, make, tree, outside, base) -> None:
        (outside / "keep").touch()
        (base / "out").symlink_to(outside)
        self.deploy(load, tree, images(make()), exclude=["/bin/ping", "usr/bin/none", "/out/keep"])
        assert sorted(path.name for path in (tree / "usr/bin").iterdir()) == ["su", "su2"]
        assert (outside / "keep").exists()

    def test_a_tree_with_content_keeps_it(self, load, make, tree, base) -> None:
        (base / ".wh.mine").touch()
        (tree / "mine").write_text("mine")
        (tree / "usr").mkdir()
        (tree / "usr/mine").touch()
        self.deploy(load, tree, images(make()))
        assert (tree / "mine").read_text() == "mine"
        assert sorted(path.name for path in (tree / "usr").iterdir()) == ["bin", "mine"]

    @pytest.mark.parametrize(("path", "message"), [("/", "cannot be left out"), ("../x", "climbs out")])
    def test_wrong_exclude(self, load, make, tree, path, message) -> None:
        with pytest.raises(StageError, match=message):
            self.deploy(load, tree, images(make()), exclude=[path])

    def test_one_image(self, load, make, tree) -> None:
        with pytest.raises(StageError, match="inputs.images must hold exactly one image, found 2"):
            self.deploy(load, tree, images(make(), other="dir"))


class TestLayers:
    def apply(self, tree: Path, tmp_path: Path, *layers: list[tuple[str, Any]]) -> list[str]:
        files = []
        for number, members in enumerate(layers):
            path = tmp_path / f"layer{number}"
            with tarfile.open(path, "w") as tar:
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
                    if isinstance(content, tuple):
                        info.type, info.linkname = tarfile.SYMTYPE, content[0]
                    tar.addfile(info)
            files.append(os.open(path, os.O_RDONLY))

        def work(_ignored: None) -> None:
            for fd in files:
                imagelayers.apply(fd, "/")

        parallel.run(work, [None], jobs=1, prepare=lambda: laying.enter(str(tree)))
        return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))

    def test_whiteouts_remove_what_is_below(self, tree, tmp_path) -> None:
        lower = [("d", None), ("d/a", ""), ("d/b", ""), ("f", "")]
        upper = [("d/.wh.a", ""), (".wh.f", ""), ("d/new", ""), ("d/.wh.new", ""), (".wh.none", "")]
        assert self.apply(tree, tmp_path, lower, upper) == ["d", "d/b", "d/new"]

    @pytest.mark.parametrize("first", [True, False])
    def test_opaque_directories(self, tree, tmp_path, first) -> None:
        upper = [("d", None), ("d/s", None), ("d/s/new", "")]
        upper.insert(1 if first else 3, ("d/.wh..wh..opq", ""))
        lower = [("d", None), ("d/a", ""), ("d/s", None), ("d/s/old", "")]
        assert self.apply(tree, tmp_path, lower, upper) == ["d", "d/s", "d/s/new"]

    def test_kinds_replace_each_other(self, tree, tmp_path) -> None:
        lower = [("d", None), ("d/a", ""), ("f", ""), ("l", ("d",))]
        upper = [("d", ""), ("f", None), ("l", None), ("f/x", ""), ("l/y", "")]
        assert self.apply(tree, tmp_path, lower, upper) == ["d", "f", "f/x", "l", "l/y"]

    def test_hostile_layers_stay_inside(self, tree, tmp_path, outside) -> None:
        (outside / "f").touch()
        link = ("evil", (str(outside),))
        for bad in (("evil/.wh.f", ""), ("evil/.wh..wh..opq", ""), ("evil/new", "")):
            self.apply(tree, tmp_path, [link], [bad])
        assert [path.name for path in outside.iterdir()] == ["f"]
        for name in ("../x", ".wh.", ".wh..."):
            with pytest.raises(StageError):
                self.apply(tree, tmp_path, [(name, "")])
