# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image types ostree-*: pipelines, what the commit depends on, and what is refused."""

from __future__ import annotations

import re

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError, ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import get_image_type, make_manifest

GIB = 1024**3
TYPES = ("ostree-commit", "ostree-repository", "ostree-container", "ostree-raw", "ostree-qcow2")
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n"
CHECKSUM = f"sha256:{'a' * 64}"
FULL = {
    "ref": "fleet/stable",
    "osname": "fleet",
    "remote": {"name": "updates", "url": "https://updates.example.com/repo", "gpg_keys": [KEY]},
    "parent": {"url": "https://updates.example.com/repo", "commit": "b" * 64, "gpg_keys": [KEY]},
    "sign": {"gpg_key_file": "/root/secret.asc", "gpg_key_checksum": CHECKSUM, "gpg_key_id": "updates@example.com"},
}


@pytest.fixture
def build(define, resolve):
    def make(customizations=None, **options):
        definition = define(customizations, **options)
        return make_manifest(definition, resolve(definition)).to_dict()

    return make


def stages(document, pipeline):
    return next(one for one in document["pipelines"] if one["name"] == pipeline)["stages"]


def types(document, pipeline):
    return [one["type"].removeprefix("org.osbuild.") for one in stages(document, pipeline)]


def stage(document, pipeline, name):
    (found,) = [one for one in stages(document, pipeline) if one["type"] == f"org.osbuild.{name}"]
    return found


@pytest.mark.parametrize(
    ("image_type", "names"),
    [
        ("ostree-commit", ["ostree-commit", "commit-archive"]),
        ("ostree-repository", ["ostree-commit"]),
        ("ostree-container", ["ostree-commit", "server", "container"]),
        ("ostree-raw", ["ostree-commit", "deployment", "image"]),
        ("ostree-qcow2", ["ostree-commit", "deployment", "image", "qcow2"]),
    ],
)
def test_pipelines(define, resolve, image_type, names):
    definition = define(image_type=image_type)
    document = make_manifest(definition, resolve(definition)).to_dict()
    assert [one["name"] for one in document["pipelines"]] == ["build", "os", *names]
    assert definition.image_type.export == names[-1]
    assert types(document, "os")[-3:] == ["debian.initramfs", "debian.ostree.generator", "ostree.preptree"]


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("edge-commit", "ostree-commit"),
        ("iot-commit", "ostree-commit"),
        ("edge-container", "ostree-container"),
        ("iot-container", "ostree-container"),
        ("edge-raw-image", "ostree-raw"),
        ("iot-raw-image", "ostree-raw"),
    ],
)
def test_composer_clients_find_their_names(alias, name):
    assert get_image_type(alias).name == name


@pytest.mark.parametrize("wanted", [{}, {"filesystem": [{"mountpoint": "/boot", "minsize": GIB}], "debian": {"ostree": FULL}}])
def test_every_type_has_the_same_commit(build, wanted):
    documents = [build(wanted, image_type=name) for name in TYPES]
    for document in documents:
        commit = stage(document, "ostree-commit", "ostree.commit")
        commit["options"].pop("compression-level", None)
    assert all(stages(document, "os") == stages(documents[0], "os") for document in documents)
    assert all(stages(document, "ostree-commit") == stages(documents[0], "ostree-commit") for document in documents)


def test_the_ref_names_release_architecture_and_blueprint(build):
    for distribution, ref in (("debian-12", "debian/12/amd64/test"), ("debian-sid", "debian/sid/amd64/test")):
        document = build(image_type="ostree-commit", distribution=distribution)
        options = stage(document, "ostree-commit", "ostree.commit")["options"]
        assert (options["ref"], options["os_version"]) == (ref, "0.0.0")


def test_a_disk_follows_its_remote_and_names_its_root(build):
    document = build({"kernel": {"append": "quiet"}, "debian": {"ostree": FULL}}, image_type="ostree-qcow2")
    deploy = stage(document, "deployment", "ostree.deploy")
    root = stage(document, "image", "debian.ext4")["options"]["uuid"]
    assert deploy["options"] == {
        "osname": "fleet",
        "kernel_opts": ["rw", "console=tty0", "console=ttyS0,115200", "quiet"],
        "rootfs": {"uuid": root},
        "remote": "updates",
    }
    assert deploy["inputs"]["commits"]["references"] == {"name:ostree-commit": {"ref": "fleet/stable"}}
    (remote,) = stage(document, "deployment", "ostree.remotes")["options"]["remotes"]
    assert remote == {"name": "updates", "url": "https://updates.example.com/repo", "gpgkeys": [KEY]}
    assert "quiet" not in str(stages(document, "os")), "arguments of a disk's kernel are not the commit's"


def test_a_disk_takes_files_from_the_sysroot_and_boot_loaders_from_the_system(build):
    document = build(image_type="ostree-qcow2")
    assert stage(document, "image", "debian.ext4")["inputs"]["tree"]["references"] == {"name:deployment": {}}
    esp = stage(document, "image", "debian.esp")
    assert esp["inputs"]["tree"]["references"] == {"name:os": {}}
    assert esp["options"]["grub"]["prefix"] == "/boot/grub"
    assert stage(document, "image", "grub2.inst")["options"]["prefix"]["path"] == "/boot/grub"


def sysroot_settings(document):
    return [
        one["options"]["config"]["sysroot"] for one in stages(document, "deployment") if one["type"].endswith("ostree.config")
    ]


def test_the_boot_loader_is_switched_on_after_the_deployment_only(build):
    first, last = sysroot_settings(build(image_type="ostree-raw"))
    assert first == {"bootloader": "none", "bootprefix": True} and last == {"bootloader": "grub2"}


def test_the_initial_ram_disk_learns_the_kind_of_root(build):
    wanted = {"disk": {"partitions": [{"mountpoint": "/", "fs_type": "xfs", "minsize": GIB}]}}
    for given, kind in (({}, "ext4"), (wanted, "xfs")):
        options = stage(build(given, image_type="ostree-raw"), "os", "debian.initramfs")["options"]
        assert options == {"initramfs-tools": {"root-filesystems": [kind]}}


def test_the_older_libostree_is_told_of_the_read_only_sysroot_in_the_repository(build):
    assert sysroot_settings(build(image_type="ostree-raw", distribution="debian-12"))[0]["readonly"] is True


def test_file_systems_of_their_own_are_mounted_by_the_deployment(build):
    wanted = {"filesystem": [{"mountpoint": path, "minsize": GIB} for path in ("/boot", "/var/lib/data")]}
    document = build(wanted, image_type="ostree-qcow2")
    assert sysroot_settings(document)[0]["bootprefix"] is False
    fstab = stage(document, "deployment", "fstab")["options"]
    assert fstab["ostree"] == {"deployment": {"default": True}}
    assert [one["path"] for one in fstab["filesystems"]] == ["/boot", "/boot/efi", "/var/lib/data"]
    made = {one["options"].get("source", "/"): one["options"] for one in stages(document, "image") if "ext4" in one["type"]}
    data = "/ostree/deploy/debian/var/lib/data"
    assert set(made) == {"/", "/boot", data} and made["/"]["exclude"] == ["/boot", data]
    assert stage(document, "deployment", "ostree.deploy")["options"]["mounts"] == [data]
    assert stage(document, "image", "debian.esp")["options"]["grub"]["prefix"] == "/grub"


def test_the_secret_key_is_named_and_the_parent_is_pulled(define, resolve):
    definition = define({"debian": {"ostree": FULL}}, image_type="ostree-commit")
    document = make_manifest(definition, resolve(definition)).to_dict()
    assert document["sources"]["org.osbuild.curl"]["items"][CHECKSUM] == "file:///root/secret.asc"
    remote = {"url": "https://updates.example.com/repo", "gpgkeys": [KEY]}
    assert document["sources"]["org.osbuild.ostree"]["items"] == {"b" * 64: {"remote": remote}}
    commit = stage(document, "ostree-commit", "ostree.commit")
    assert commit["options"]["sign"] == {"gpg": {"key": f"input://keys/{CHECKSUM}", "id": "updates@example.com"}}
    assert commit["inputs"]["keys"]["references"] == {CHECKSUM: {}}
    assert commit["inputs"]["previous"]["references"] == {"b" * 64: {}}
    built = {one["metadata"]["deb.name"] for one in stages(document, "build")[0]["inputs"]["packages"]["references"].values()}
    assert {"gpg", "gpg-agent", "ostree"} <= built


def test_other_image_types_take_no_notice(build):
    plain, told = ([one["type"] for one in stages(build({"debian": wanted}), "os")] for wanted in ({}, {"ostree": FULL}))
    assert plain == told and "org.osbuild.ostree.preptree" not in plain


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"debian": {"boot_loader": "uki"}}, "customizations.debian.boot_loader is uki, but image type ostree-qcow2 needs grub"),
        ({"debian": {"verity": True}}, "customizations.debian.verity cannot be had"),
        ({"filesystem": [{"mountpoint": "/home", "minsize": GIB}]}, "/home cannot be .* (it is a link to /var/home, which can)"),
        ({"filesystem": [{"mountpoint": "/usr", "minsize": GIB}]}, "customizations.filesystem[0].mountpoint: /usr cannot be"),
        ({"partitioning_mode": "lvm"}, "has plain partitions only"),
    ],
)
def test_what_such_a_system_cannot_have_is_refused(define, wanted, message):
    with pytest.raises(ImageError, match=re.escape(message).replace(r"\.\*", ".*")):
        define(wanted, image_type="ostree-qcow2")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"ref": "/x"}, "customizations.debian.ostree.ref: '/x' is not allowed"),
        ({"osname": "a/b"}, "ostree.osname: 'a/b' is not allowed"),
        ({"remote": {"name": "x"}}, "ostree.remote.url: is required"),
        ({"remote": {"name": "x", "url": "ftp://x"}}, "ostree.remote.url: 'ftp://x' is not allowed"),
        ({"remote": {"name": "x", "url": "https://x", "gpg_keys": ["/a"]}}, "gpg_keys[0]: must be an armoured public key"),
        ({"remote": {"name": "x", "url": "https://x", "gpg_key_paths": ["a"]}}, "gpg_key_paths[0]: 'a' must be an absolute path"),
        ({"remote": {"name": "x", "url": "https://x", "gpg_key_paths": ["/a;b"]}}, "gpg_key_paths[0]: '/a;b' has a ','"),
        ({"parent": {"url": "https://x", "commit": "main"}}, "parent.commit: 'main' is not allowed; must be the id of a commit"),
        ({"sign": {"gpg_key_file": "/a/../b", "gpg_key_checksum": CHECKSUM}}, "sign.gpg_key_file: '/a/../b' must be canonical"),
        ({"sign": {"gpg_key_file": "/a", "gpg_key_checksum": "x"}}, "sign.gpg_key_checksum: 'x' is not allowed"),
    ],
)
def test_a_wrong_section_is_refused_by_its_key(wanted, message):
    with pytest.raises(BlueprintError, match=re.escape(message)):
        load({"name": "x", "customizations": {"debian": {"ostree": wanted}}})


def test_a_remote_without_keys_is_warned_of():
    remote = {"name": "x", "url": "https://x.example.com"}
    (warning,) = load({"name": "x", "customizations": {"debian": {"ostree": {"remote": remote}}}}).warnings
    assert "machines do not verify what they get from remote 'x'" in warning
