# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages are asked for."""

from __future__ import annotations

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import package_sets


def os_set(definition):
    return package_sets(definition)["os"]


def test_build_roots_hold_only_what_the_image_type_needs(define):
    tar, raw, qcow2 = (set(package_sets(define(image_type=name))["build"].include) for name in ("tar", "raw", "qcow2"))
    assert {"python3", "systemd", "zstd"} <= tar
    assert "e2fsprogs" not in tar and "grub-pc-bin" not in tar
    assert raw - tar == {"e2fsprogs", "fdisk", "grub-common", "grub-pc-bin", "mtools"}
    assert qcow2 - raw == {"qemu-utils"}


def test_an_archive_holds_what_was_asked_for_and_no_kernel(define):
    assert os_set(define(image_type="tar", packages=("nano",))).include == ("nano",)


@pytest.mark.parametrize(
    ("image_type", "customizations", "packages", "kernels"),
    [
        ("qcow2", {}, (), {"linux-image-cloud-amd64"}),
        ("raw", {}, (), {"linux-image-amd64"}),
        ("raw", {"kernel": {"name": "cloud-amd64"}}, (), {"linux-image-cloud-amd64"}),
        ("qcow2", {"kernel": {"name": "kernel-rt"}}, (), {"linux-image-rt-amd64"}),
        ("qcow2", {}, ("linux-image-amd64",), {"linux-image-amd64"}),
        ("tar", {}, (), set()),
    ],
)
def test_the_kernel_is_the_one_of_the_blueprint_else_of_the_image_type(
    define, image_type, customizations, packages, kernels
):
    include = os_set(define(customizations, image_type=image_type, packages=packages)).include
    assert {name for name in include if name.startswith("linux-image")} == kernels


def test_customizations_bring_the_packages_they_need(define):
    plain = set(os_set(define()).include)
    assert not plain & {"locales", "sudo", "console-setup"}
    wanted = {
        "locale": {"languages": ["de_DE.UTF-8"], "keyboard": "de"},
        "user": [{"name": "jane", "groups": ["sudo"]}],
    }
    assert {"locales", "sudo", "console-setup", "keyboard-configuration"} <= set(os_set(define(wanted)).include)


def test_built_in_locales_and_the_us_keyboard_need_no_package(define):
    wanted = {"locale": {"languages": ["C.UTF-8"], "keyboard": "us"}}
    assert os_set(define(wanted)).include == os_set(define()).include


def test_systemd_repart_is_a_package_of_its_own_from_13_on(define):
    assert "systemd-repart" in os_set(define()).include
    assert "systemd-repart" not in os_set(define(distribution="debian-12")).include


def test_another_time_daemon_replaces_timesyncd(define):
    assert "systemd-timesyncd" in os_set(define()).include
    assert "systemd-timesyncd" not in os_set(define(packages=("chrony",))).include


def test_what_the_blueprint_excludes_is_not_added(define):
    wanted = os_set(define({"debian": {"exclude": ["openssh-server"], "install_recommends": True}}))
    assert "openssh-server" not in wanted.include
    assert wanted.exclude == ("openssh-server",)
    assert wanted.recommends


def test_a_pinned_version_is_not_asked_for_a_second_time(define):
    definition = define(packages=())
    blueprint = {"name": "test", "packages": [{"name": "openssh-server", "version": "1:10.*"}]}
    from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
    from ansible_collections.debian_forge.osbuild.plugins.module_utils.images import Definition

    pinned = Definition(
        load(blueprint), definition.distribution, definition.architecture, definition.image_type, definition.sources
    )
    assert [name for name in os_set(pinned).include if name.startswith("openssh-server")] == ["openssh-server=1:10.*"]


def test_the_build_root_is_for_the_machine_that_builds(define):
    import dataclasses

    foreign = dataclasses.replace(define(architecture="arm64"), build_architecture="amd64")
    assert package_sets(foreign)["build"].architecture == "amd64"
    assert package_sets(foreign)["os"].architecture == ""
    native = dataclasses.replace(define(architecture="arm64"), build_architecture="arm64")
    assert package_sets(native)["build"].architecture == ""
