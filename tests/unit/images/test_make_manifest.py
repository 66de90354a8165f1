# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From definition and packages to a manifest."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ImageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import IMAGE_TYPES, make_manifest, warnings
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import Source

REPO = Path(__file__).resolve().parents[3]
GIB = 1024**3

EVERYTHING = {
    "hostname": "web.example.com",
    "kernel": {"append": "audit=0"},
    "user": [
        {
            "name": "jane",
            "description": "Jane",
            "password": "$6$salt$hash",
            "key": "ssh-ed25519 AAAA jane@example.com",
            "groups": ["wheel", "staff"],
            "uid": 1234,
        },
        {"name": "root", "password": "$6$salt$hash"},
    ],
    "group": [{"name": "staff", "gid": 4242}],
    "timezone": {"timezone": "Europe/Berlin", "ntpservers": ["time.example.com"]},
    "locale": {"languages": ["de_DE.UTF-8", "fr_FR.UTF-8"], "keyboard": "de-latin1-nodeadkeys"},
    "services": {"enabled": ["nginx"], "disabled": ["apt-daily.timer"], "masked": ["systemd-networkd"]},
    "filesystem": [{"mountpoint": "/", "minsize": 3 * GIB}, {"mountpoint": "/var/log", "minsize": GIB}],
    "directories": [{"path": "/srv/www", "mode": "0750", "user": "jane", "group": 0, "ensure_parents": True}],
    "files": [{"path": "/etc/motd", "data": "hello\n", "mode": "0600"}],
    "debian": {
        "pins": [{"package": "nginx", "pin": "release n=trixie", "priority": 900}],
    },
}


@pytest.fixture
def build(define, resolve):
    """The manifest's document for customizations."""

    def make(customizations=None, **options):
        definition = define(customizations, **options)
        return make_manifest(definition, resolve(definition)).to_dict()

    return make


def stages(document, pipeline):
    return next(one for one in document["pipelines"] if one["name"] == pipeline)["stages"]


def options(document, pipeline, stage):
    """Options of the only stage of that type."""
    (found,) = [one for one in stages(document, pipeline) if one["type"] == f"org.osbuild.{stage}"]
    return found.get("options", {})


def inline_files(document):
    """Path -> content of what the files stage writes."""
    items = document["sources"]["org.osbuild.inline"]["items"]
    files = options(document, "os", "debian.files")["files"]
    return {one["path"]: base64.b64decode(items[one["source"]]["data"]).decode() for one in files}


@pytest.mark.parametrize(
    ("image_type", "names"),
    [
        ("tar", ["build", "os", "archive"]),
        ("raw", ["build", "os", "image"]),
        ("qcow2", ["build", "os", "image", "qcow2"]),
        ("vmdk", ["build", "os", "image", "vmdk"]),
        ("vhd", ["build", "os", "image", "vpc"]),
        ("ami", ["build", "os", "image"]),
        ("gce", ["build", "os", "image", "archive"]),
        ("ova", ["build", "os", "image", "ovf", "archive"]),
        ("oci", ["build", "os", "container"]),
        ("squashfs", ["build", "os", "squashfs"]),
        ("erofs", ["build", "os", "erofs"]),
        ("wsl", ["build", "os", "archive"]),
        ("iso", ["build", "os", "iso-tree", "iso"]),
    ],
)
def test_the_exported_pipeline_is_the_last_and_everything_is_built_in_the_build_root(
    define, resolve, image_type, names
):
    definition = define(image_type=image_type)
    document = make_manifest(definition, resolve(definition)).to_dict()
    assert [one["name"] for one in document["pipelines"]] == names
    assert definition.image_type.export == names[-1]
    assert "build" not in document["pipelines"][0]
    assert document["pipelines"][0]["runner"] == "org.osbuild.debian13"
    assert {one["build"] for one in document["pipelines"][1:]} == {"name:build"}
    # The last stage writes the file under its advertised name.
    written = [stage["options"].get("filename") for stage in document["pipelines"][-1]["stages"]]
    assert definition.image_type.filename in written


@pytest.mark.parametrize("image_type", [one.name for one in IMAGE_TYPES])
@pytest.mark.parametrize("distribution", ["debian-12", "debian-13", "debian-testing", "debian-sid"])
@pytest.mark.parametrize("customizations", [{}, EVERYTHING], ids=["plain", "everything"])
def test_the_engine_finds_nothing_to_object_to(build, image_type, distribution, customizations):
    from osbuild.formats import v2
    from osbuild.meta import Index

    result = v2.validate(build(customizations, image_type=image_type, distribution=distribution), Index(REPO / "engine"))
    assert result.valid, [error.as_dict() for error in result]


def test_the_example_blueprint_makes_a_manifest(define, resolve):
    blueprint = load((REPO / "examples" / "hello-debian.toml").read_text(encoding="utf-8"), format="toml")
    assert blueprint.warnings == ()
    definition = dataclasses.replace(define(), blueprint=blueprint)
    assert make_manifest(definition, resolve(definition)).pipeline("qcow2").build == "build"


def test_equal_definitions_give_equal_bytes(define, resolve):
    texts = {make_manifest(define(EVERYTHING), resolve(define(EVERYTHING))).dumps() for _ignored in range(3)}
    assert len(texts) == 1


def test_times_are_those_of_the_newest_release(build):
    assert {one["source-epoch"] for one in build()["pipelines"]} == {1767323045}


def test_a_lock_without_any_date_is_refused(define, resolve):
    resolution = resolve(define())
    dateless = dataclasses.replace(
        resolution, releases=tuple(dataclasses.replace(one, date="") for one in resolution.releases)
    )
    with pytest.raises(ImageError, match="none of the package sources' Release files has a date"):
        make_manifest(define(), dateless)
    with pytest.raises(ImageError, match="the date 'Friday', which is not RFC 3339"):
        make_manifest(define(), resolve(define(), date="Friday"))


def test_packages_of_another_distribution_or_architecture_are_refused(define, resolve):
    with pytest.raises(ImageError, match="resolved for the distribution debian-12, but the image is for debian-13"):
        make_manifest(define(), resolve(define(distribution="debian-12")))
    with pytest.raises(ImageError, match="resolved for the architecture arm64"):
        make_manifest(define(), resolve(define(architecture="arm64")))
    with pytest.raises(ImageError, match="the package set 'os' is empty"):
        make_manifest(define(), dataclasses.replace(resolve(define()), sets={**resolve(define()).sets, "os": ()}))


def test_every_package_is_a_download_by_checksum_and_an_input_of_debootstrap(define, resolve):
    definition = define()
    resolution = resolve(definition)
    document = make_manifest(definition, resolution).to_dict()
    for pipeline in ("build", "os"):
        first = stages(document, pipeline)[0]
        assert first["type"] == "org.osbuild.debootstrap"
        assert first["options"]["suite"] == "trixie" and first["options"]["architecture"] == "amd64"
        references = first["inputs"]["packages"]["references"]
        assert set(references) == {f"sha256:{package.sha256}" for package in resolution.sets[pipeline]}
        assert references.keys() <= document["sources"]["org.osbuild.curl"]["items"].keys()
    marked = [one["metadata"]["deb.name"] for one in references.values() if one["metadata"].get("deb.auto")]
    assert marked == ["base-files"], "apt has to know what nobody asked for by name"


def layered(resolution, **layers):
    """The same resolution with layers of some packages of the system, by name."""
    system = tuple(dataclasses.replace(one, layer=layers.get(one.name, "")) for one in resolution.sets["os"])
    return dataclasses.replace(resolution, sets={**resolution.sets, "os": system})


def test_images_that_differ_in_a_few_packages_share_the_first_stage(define, resolve):
    first = {}
    for names in ((), ("figlet",), ("dpkg", "figlet", "nano")):
        definition = define(packages=names)
        resolution = layered(resolve(definition), dpkg="named" if "dpkg" in names else "", figlet="added", nano="added")
        document = make_manifest(definition, resolution).to_dict()
        base, second = stages(document, "os")[:2]
        first[names] = base
        if not names:
            assert second["type"] != "org.osbuild.apt"
            continue
        assert second["type"] == "org.osbuild.apt"
        given = {one["metadata"]["deb.name"] for one in second["inputs"]["packages"]["references"].values()}
        assert given == set(names) - {"dpkg"}
        assert second.get("options", {}) == ({"manual": ["dpkg"]} if "dpkg" in names else {})
    # Apart from the mark of dpkg, which is one in the base.
    marked = [one["metadata"] for one in first["dpkg", "figlet", "nano"]["inputs"]["packages"]["references"].values()]
    assert {one["deb.name"] for one in marked if one.get("deb.auto")} == {"base-files", "dpkg"}
    assert first[()] == first["figlet",]


@pytest.mark.parametrize(("customizations", "changes"), [
    ({"debian": {"dpkg": {"path_exclude": ["/usr/share/doc/*"]}}}, {}),
    ({}, {"architecture": "i386"}),
    ({}, {"essential": True}),
    ({}, {"name": "base-passwd"}),
    ({"debian": {"debconf": [{"owner": "a", "question": "a/b", "type": "string", "value": "c"}]}}, {"name": "debconf"}),
])
def test_one_stage_installs_all_where_two_might_not_do_the_same(define, resolve, customizations, changes):
    definition = define(customizations, packages=("figlet",))
    resolution = layered(resolve(definition), figlet="added")
    changed = tuple(dataclasses.replace(one, **changes) if one.name == "figlet" else one for one in resolution.sets["os"])
    resolution = dataclasses.replace(resolution, sets={**resolution.sets, "os": changed})
    types = [stage["type"] for stage in stages(make_manifest(definition, resolution).to_dict(), "os")]
    assert "org.osbuild.apt" not in types


def test_one_stage_installs_all_where_most_of_it_is_added(define, resolve):
    definition = define(packages=("figlet",))
    resolution = layered(resolve(definition), **{one.name: "added" for one in resolve(definition).sets["os"] if "e" in one.name})
    types = [stage["type"] for stage in stages(make_manifest(definition, resolution).to_dict(), "os")]
    assert "org.osbuild.apt" not in types


def test_addresses_are_not_percent_encoded(define, resolve):
    # osbuild encodes the path itself, and would encode it a second time.
    definition = define()
    resolution = resolve(definition)
    odd = dataclasses.replace(resolution.sets["os"][0], path="pool/g/g++/g++_4%3a1+b~1_amd64.deb", sha256="f" * 64)
    resolution = dataclasses.replace(resolution, sets={**resolution.sets, "os": (odd,)})
    items = make_manifest(definition, resolution).to_dict()["sources"]["org.osbuild.curl"]["items"]
    assert items[f"sha256:{'f' * 64}"] == "https://archive.example.com/debian/pool/g/g++/g++_4%3a1+b~1_amd64.deb"


def test_a_mirror_on_this_machine_becomes_a_file_address(define, resolve):
    definition = define()
    resolution = resolve(definition)
    local = dataclasses.replace(resolution.sets["os"][0], uri="copy:/srv/mirror/", sha256="f" * 64)
    resolution = dataclasses.replace(resolution, sets={**resolution.sets, "os": (local,)})
    items = make_manifest(definition, resolution).to_dict()["sources"]["org.osbuild.curl"]["items"]
    assert items[f"sha256:{'f' * 64}"].startswith("file:///srv/mirror/pool/")


def test_accounts(build):
    document = build(EVERYTHING)
    assert options(document, "os", "groups") == {"groups": {"staff": {"gid": 4242}}, "force": True}
    users = options(document, "os", "users")["users"]
    assert users["jane"] == {
        "description": "Jane",
        "groups": ["sudo", "staff"],
        "home": "/home/jane",
        "key": "ssh-ed25519 AAAA jane@example.com",
        "password": "$6$salt$hash",
        "shell": "/bin/bash",
        "uid": 1234,
    }
    assert users["root"] == {"password": "$6$salt$hash"}, "an existing account keeps its home and shell"


def test_names_language_and_time(build):
    document = build(EVERYTHING)
    assert options(document, "os", "hostname") == {"hostname": "web.example.com"}
    assert "127.0.1.1\tweb.example.com web\n" in inline_files(document)["/etc/hosts"]
    assert options(document, "os", "debian.locale") == {"languages": ["de_DE.UTF-8", "fr_FR.UTF-8"]}
    assert options(document, "os", "debian.keyboard") == {"layout": "de", "variant": "nodeadkeys"}
    assert options(document, "os", "timezone") == {"zone": "Europe/Berlin"}
    assert inline_files(document)["/etc/systemd/timesyncd.conf.d/50-image.conf"] == "[Time]\nNTP=time.example.com\n"
    assert "org.osbuild.debian.timezone" not in [one["type"] for one in stages(document, "os")]
    older = build(EVERYTHING, distribution="debian-12")
    assert options(older, "os", "debian.timezone") == {"zone": "Europe/Berlin"}


def test_services_and_their_preset(build):
    document = build(EVERYTHING)
    assert options(document, "os", "systemd") == {
        "enabled_services": ["ssh-host-keys.service", "nginx.service"],
        "disabled_services": ["apt-daily.timer"],
        "masked_services": ["systemd-networkd.service"],
    }
    assert inline_files(document)["/etc/systemd/system-preset/20-image.preset"] == (
        "enable nginx.service\ndisable apt-daily.timer\ndisable systemd-networkd.service\n"
    )


def test_files_and_directories_of_the_blueprint(build):
    document = build(EVERYTHING)
    wanted = options(document, "os", "debian.files")
    assert {
        "path": "/srv/www",
        "mode": "0750",
        "user": "jane",
        "group": 0,
        "ensure_parents": True,
    } in wanted["directories"]
    (motd,) = [one for one in wanted["files"] if one["path"] == "/etc/motd"]
    assert motd["mode"] == "0600"
    assert inline_files(document)["/etc/motd"] == "hello\n"


def test_accounts_come_before_files_and_files_before_services(build):
    order = [one["type"].removeprefix("org.osbuild.") for one in stages(build(EVERYTHING), "os")]
    assert order.index("groups") < order.index("users") < order.index("debian.files") < order.index("systemd")
    # What a file of the blueprint replaces was there before.
    assert all(order.index(name) < order.index("debian.files") for name in ("hostname", "fstab", "debian.grub"))
    assert order[0] == "debootstrap" and order[-1] == "machine-id"


def test_network_setup_is_left_to_packages_that_do_it(build):
    assert "/etc/systemd/network/80-dhcp.network" in inline_files(build())
    document = build(packages=("network-manager",))
    assert "/etc/systemd/network/80-dhcp.network" not in inline_files(document)
    assert "systemd-networkd.service" not in options(document, "os", "systemd")["enabled_services"]


def test_apt_of_the_image_knows_its_sources_and_pins(build):
    assert options(build(EVERYTHING), "os", "apt.config") == {
        "sources": [
            {
                "name": "debian",
                "uris": ["https://archive.example.com/debian"],
                "suites": ["trixie", "trixie-updates"],
                "components": ["main"],
                "signed-by": "/usr/share/keyrings/debian-archive-keyring.gpg",
            },
            {
                "name": "debian-security",
                "uris": ["https://archive.example.com/debian-security"],
                "suites": ["trixie-security"],
                "components": ["main"],
                "signed-by": "/usr/share/keyrings/debian-archive-keyring.gpg",
            },
        ],
        "pins": [{"name": "image", "package": "nginx", "pin": "release n=trixie", "priority": 900}],
    }


def test_sources_that_only_this_machine_has_stay_out_of_the_image_with_a_warning(define, resolve):
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n"
    sources = (
        Source(("file:/srv/mirror",), ("trixie",), name="local"),
        Source(("https://one.example.com",), ("trixie",), signed_by="/etc/apt/keyrings/one.gpg", name="one"),
        Source(("https://two.example.com",), ("trixie",), signed_by=key, name="two"),
    )
    definition = define(sources=sources)
    document = make_manifest(definition, resolve(definition)).to_dict()
    written = options(document, "os", "apt.config")["sources"]
    assert [one["name"] for one in written] == ["one", "two"]
    assert written[1]["key"] == key and "signed-by" not in written[1]
    first, second = warnings(definition)
    assert "source local: is a directory of this host" in first
    assert "source one: the image's apt will look for the keyring /etc/apt/keyrings/one.gpg" in second


def test_the_disk_the_file_systems_and_fstab_agree(build):
    document = build(EVERYTHING)
    table = options(document, "image", "debian.disk")
    made = [one for one in stages(document, "image") if one["type"] == "org.osbuild.debian.ext4"]
    by_start = {one["start"]: one for one in table["partitions"]}
    for stage in made:
        assert by_start[stage["options"]["start"]]["size"] == stage["options"]["size"]
    root, log = (one["options"] for one in made)
    assert root["exclude"] == ["/var/log"] and "source" not in root
    assert log["source"] == "/var/log" and "exclude" not in log
    fstab = {one["path"]: one for one in options(document, "os", "fstab")["filesystems"]}
    assert list(fstab) == ["/", "/boot/efi", "/var/log"]
    assert fstab["/"]["uuid"] == root["uuid"] and "x-systemd.growfs" in fstab["/"]["options"]
    assert fstab["/var/log"]["uuid"] == log["uuid"]
    esp = options(document, "image", "debian.esp")
    assert fstab["/boot/efi"]["uuid"].replace("-", "") == esp["volume-id"]
    assert fstab["/boot/efi"]["vfs_type"] == "vfat"


def test_the_boot_loaders_look_where_the_kernel_is(build):
    document = build(EVERYTHING)
    root = options(document, "os", "debian.grub")["root-fs-uuid"]
    assert options(document, "image", "debian.esp")["grub"] == {"fs-uuid": root, "prefix": "/boot/grub"}
    bios = options(document, "image", "grub2.inst")
    assert bios["prefix"]["number"] == 2 and bios["prefix"]["path"] == "/boot/grub"
    table = options(document, "image", "debian.disk")["partitions"]
    assert bios["location"] == table[0]["start"]
    grub = options(document, "os", "debian.grub")
    assert grub["kernel-opts"] == "console=tty0 console=ttyS0,115200 audit=0"
    assert "boot-fs-uuid" not in grub


def test_with_a_boot_partition_the_boot_loaders_look_there(build):
    document = build({"filesystem": [{"mountpoint": "/boot", "minsize": GIB}]})
    grub = options(document, "os", "debian.grub")
    made = {
        one["options"].get("source", "/"): one["options"]["uuid"]
        for one in stages(document, "image")
        if one["type"] == "org.osbuild.debian.ext4"
    }
    assert grub["root-fs-uuid"] == made["/"] and grub["boot-fs-uuid"] == made["/boot"]
    assert options(document, "image", "debian.esp")["grub"] == {"fs-uuid": made["/boot"], "prefix": "/grub"}
    bios = options(document, "image", "grub2.inst")["prefix"]
    assert (bios["number"], bios["path"]) == (3, "/grub")


def test_nested_mount_points_are_excluded_once(build):
    document = build({"filesystem": [{"mountpoint": path, "minsize": GIB} for path in ("/var", "/var/log", "/home")]})
    excluded = {
        one["options"].get("source", "/"): one["options"].get("exclude")
        for one in stages(document, "image")
        if one["type"] == "org.osbuild.debian.ext4"
    }
    assert excluded == {"/": ["/home", "/var"], "/home": None, "/var": ["/log"], "/var/log": None}


def test_arm64_has_no_bios_stage(build):
    document = build(architecture="arm64")
    assert "org.osbuild.grub2.inst" not in [one["type"] for one in stages(document, "image")]
    assert "console=ttyAMA0,115200" in options(document, "os", "debian.grub")["kernel-opts"]


def test_raw_and_qcow2_share_the_disk_when_their_packages_agree(build):
    kernel = {"kernel": {"name": "linux-image-amd64"}}
    raw, qcow2 = (build(kernel, image_type=name) for name in ("raw", "qcow2"))
    assert stages(raw, "image") == stages(qcow2, "image")


def test_an_archive_has_neither_disk_nor_boot_loader(build):
    types = {one["type"] for pipeline in build(image_type="tar")["pipelines"] for one in pipeline["stages"]}
    assert types == {"org.osbuild.debootstrap", "org.osbuild.apt.config", "org.osbuild.tar"}


def test_no_secret_but_the_hash_is_in_the_manifest(define, resolve):
    definition = define({"user": [{"name": "jane", "password": "a plain secret"}]})
    text = make_manifest(definition, resolve(definition)).dumps().decode()
    assert "a plain secret" not in text
    assert json.loads(text)


def test_a_directory_is_the_system_itself(define, resolve):
    definition = define(image_type="directory")
    document = make_manifest(definition, resolve(definition)).to_dict()
    assert [one["name"] for one in document["pipelines"]] == ["build", "os"]
    assert definition.image_type.export == "os" and definition.image_type.filename == ""


def test_clouds_get_their_own_data_source_only(build):
    document = build(image_type="openstack")
    assert inline_files(document)["/etc/cloud/cloud.cfg.d/90-image.cfg"] == (
        "datasource_list: [ConfigDrive, OpenStack, None]\n"
    )
    assert "/etc/cloud/cloud.cfg.d/90-image.cfg" not in inline_files(build(image_type="qcow2"))


def test_a_medium_has_no_partitions_and_starts_live(build):
    document = build({"iso": {"volume_id": "WEB", "publisher": "Example"}}, image_type="iso")
    types = [one["type"].removeprefix("org.osbuild.") for one in stages(document, "os")]
    assert not {"fstab", "debian.grub"} & set(types)
    assert options(document, "iso-tree", "debian.iso")["kernel-opts"].startswith("boot=live console=tty0 console=ttyS0")
    medium = options(document, "iso", "xorrisofs")
    assert (medium["volid"], medium["pub"]) == ("WEB", "Example")
    assert "/etc/repart.d/50-root.conf" not in inline_files(document)


@pytest.mark.parametrize(
    ("image_type", "loader", "message"),
    [
        ("tar", "uki", "customizations.debian.boot_loader is uki, but an image of type tar has none to choose"),
        ("uki", "grub", "customizations.debian.boot_loader is grub, but image type uki boots without one; use qcow2"),
    ],
)
def test_a_boot_loader_that_the_image_type_cannot_have_is_refused(define, image_type, loader, message):
    with pytest.raises(ImageError, match=message):
        define({"debian": {"boot_loader": loader}}, image_type=image_type)
