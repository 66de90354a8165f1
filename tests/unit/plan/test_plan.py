# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: the lock policy, equal plans for equal input, bad input by name; package changes for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils import buildtask, images, plan
from ansible_collections.debian_forge.osbuild.plugins.module_utils.arguments import invocation, read_blueprint
from ansible_collections.debian_forge.osbuild.plugins.module_utils.containers import Container, ContainerImage
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import ForgeError, ManifestError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.manifest import Manifest, Pipeline, Stage
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import (
    Package,
    Release,
    Request,
    Resolution,
    Source,
)

SOURCE = {"uris": ["http://deb.example.com/debian"], "suites": ["trixie"], "components": ["main"]}
NEEDED = tuple(
    """
    apt base-files base-passwd bash bsdutils coreutils dash debconf debian-archive-keyring debianutils diffutils dpkg
    findutils grep gzip hello hostname init-system-helpers libc-bin libpam-modules locales login mawk mount
    ncurses-base ncurses-bin passwd perl-base python3 python3-minimal python3-jsonschema sed sudo systemd
    sysvinit-utils tar tzdata util-linux zlib1g zstd
    """.split()  # noqa: SIM905 - a list of words reads better so
)


class Archive:
    """Stands for the network: answers requests from a table of versions and counts them."""

    def __init__(self) -> None:
        self.versions = dict.fromkeys(NEEDED, "1.0-1")
        self.date = "2026-01-01T00:00:00Z"
        self.asked = 0

    def __call__(self, request: Request) -> Resolution:
        self.asked += 1
        packages = tuple(
            Package(
                name=name,
                version=version,
                architecture="amd64",
                sha256=hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
                size=1000,
                path=f"pool/main/{name}_{version}_amd64.deb",
                uri="http://deb.example.com/debian",
                component="main",
                suite="trixie",
            )
            for name, version in sorted(self.versions.items())
        )
        release = Release("http://deb.example.com/debian", "trixie", "0" * 64, date=self.date)
        sets = dict.fromkeys(request.sets, packages)
        return Resolution(request.distribution, request.suite, request.architecture, (release,), sets)


@pytest.fixture
def archive() -> Archive:
    return Archive()


def inputs(blueprint: dict[str, Any] | None = None, **more: Any) -> plan.Inputs:
    values: dict[str, Any] = {
        "blueprint": read_blueprint({"name": "web", "packages": [{"name": "hello"}], **(blueprint or {})}),
        "image_type": "tar",
        "distribution": "debian-13",
        "architecture": "amd64",
        "sources": plan.parse_sources([SOURCE]),
    }
    return plan.Inputs(**{**values, **more})


def test_equal_input_gives_equal_bytes(archive: Archive) -> None:
    first, second = plan.make_plan(inputs(), archive), plan.make_plan(inputs(), archive)
    assert first.manifest == second.manifest and first.manifest_id == second.manifest_id
    assert first.lock_text == second.lock_text and first.lock_digest == second.lock_digest
    assert first.exports and first.filename and json.loads(first.manifest)["version"] == "2"


def test_a_changed_file_changes_nothing_up_to_the_last_checkpoint(archive: Archive) -> None:
    """The build root and the system's packages are kept, so only what comes after them is built again."""

    def stages(text: str) -> tuple[list[Any], list[Any]]:
        wanted = {"customizations": {"files": [{"path": "/etc/motd", "data": text}]}}
        made = plan.make_plan(inputs(wanted), archive)
        every = {one["name"]: one["stages"] for one in json.loads(made.manifest)["pipelines"]}
        kept = max(number for number, stage in enumerate(every["os"]) if stage["type"] in made.checkpoints)
        assert "build" in made.checkpoints
        assert every["os"][kept + 1]["type"] == "org.osbuild.debian.files"
        return [every["build"], every["os"][: kept + 1]], every["os"][kept + 1 :]

    (before, rest), (after, other) = stages("one"), stages("two")
    assert before == after and rest != other


def test_a_kind_of_stage_that_comes_again_is_no_checkpoint(archive: Archive) -> None:
    """A type stands for all its stages, and the tree after another one would be kept for nothing."""
    one, another, files = (Stage(f"org.osbuild.{name}") for name in ("fstab", "noop", "debian.files"))

    def before(*stages: Stage) -> str | None:
        manifest = Manifest()
        manifest.add_pipeline(Pipeline("os", stages))
        return images.before_files(manifest)

    assert before(another, one, files, another) == "org.osbuild.fstab"
    assert before(one, another, one, files) is None
    assert before(one, another) is None


def test_several_uris_of_a_source_are_mirrors(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSBUILD_SOURCES_CURL_MIRRORS", raising=False)
    alone = plan.make_plan(inputs(), archive)
    assert alone.mirrors == () and buildtask.mirrors(alone) == {}
    uris = ["http://deb.example.com/debian", "http://cache.example.com/debian"]
    made = plan.make_plan(inputs(sources=plan.parse_sources([{**SOURCE, "uris": uris}])), archive)
    assert made.mirrors == (tuple(uris),)
    assert buildtask.mirrors(made) == {"OSBUILD_SOURCES_CURL_MIRRORS": " ".join(uris)}
    monkeypatch.setenv("OSBUILD_SOURCES_CURL_MIRRORS", "the task's own")
    assert buildtask.mirrors(made) == {}


def test_a_lock_that_answers_is_used_without_asking_anybody(archive: Archive, tmp_path: Path) -> None:
    first = plan.make_plan(inputs(), archive)
    lock = tmp_path / "lock.json"
    lock.write_text(str(first.lock_text))
    archive.versions["hello"] = "2.0-1"
    second = plan.make_plan(inputs(lock=lock), archive)
    assert second.locked and archive.asked == 1
    assert second.manifest == first.manifest and second.lock_text == first.lock_text


def test_another_question_is_asked_anew(archive: Archive, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text(str(plan.make_plan(inputs(), archive).lock_text))
    found = plan.make_plan(inputs({"packages": [{"name": "hello"}, {"name": "bash"}]}, lock=lock), archive)
    assert not found.locked and archive.asked == 2


def test_an_update_shows_what_has_changed(archive: Archive, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text(str(plan.make_plan(inputs(), archive).lock_text))
    archive.versions["hello"] = "2.0-1"
    archive.versions["new"] = "1"
    del archive.versions["mawk"]
    found = plan.make_plan(inputs(lock=lock, update_lock=True), archive)
    assert not found.locked and lock.read_text() != found.lock_text
    changes = plan.compare(found.previous, found.packages, native="amd64")
    result = changes.as_result()
    assert result["upgraded"] == ["hello 1.0-1 -> 2.0-1"]
    assert result["added"] == ["new 1"] and result["removed"] == ["mawk 1.0-1"]
    assert result["counts"] == {"added": 1, "removed": 1, "upgraded": 1, "downgraded": 0}
    diff = changes.as_diff("old", "new")
    assert "hello 1.0-1\n" in diff["before"] and "hello 2.0-1\n" in diff["after"]
    assert diff["before_header"] == "old" and "sha256" not in json.dumps(diff)


def test_an_update_without_newer_packages_keeps_lock_and_manifest(archive: Archive, tmp_path: Path) -> None:
    first = plan.make_plan(inputs(), archive)
    lock = tmp_path / "lock.json"
    lock.write_text(str(first.lock_text))
    archive.date = "2026-02-02T00:00:00Z"
    found = plan.make_plan(inputs(lock=lock, update_lock=True), archive)
    assert archive.asked == 2
    assert (found.manifest_id, found.lock_text) == (first.manifest_id, first.lock_text)
    assert plan.make_plan(inputs(), archive).manifest_id != first.manifest_id


def test_without_anything_before_there_are_no_changes(archive: Archive) -> None:
    found = plan.make_plan(inputs(), archive)
    changes = plan.compare(found.previous, found.packages, native="amd64")
    assert not changes.any() and changes.as_result()["added"] == []


def test_a_diff_is_bounded() -> None:
    before = tuple(f"p{number:04}:amd64=1" for number in range(2000))
    after = tuple(f"p{number:04}:amd64=2" for number in range(2000))
    found = plan.Changes(before, after, "amd64")
    assert len(found.as_diff("a", "b")["before"].splitlines()) == 301
    assert len(found.as_result()["upgraded"]) == 100 and found.as_result()["counts"]["upgraded"] == 2000
    unequal = plan.Changes((*before, "x:amd64=1"), (*before, "x:amd64=2"), "amd64").as_diff("a", "b")
    assert unequal["before"] == "x 1\n" and unequal["after"] == "x 2\n"


def test_foreign_packages_keep_their_architecture() -> None:
    diff = plan.Changes((), ("libc6:i386=1", "bash:amd64=2", "tzdata:all=3"), "amd64").as_diff("a", "b")
    assert diff["after"] == "bash 2\nlibc6:i386 1\ntzdata 3\n"


def test_a_task_that_contradicts_the_blueprint_wins_with_a_warning(archive: Archive) -> None:
    found = plan.make_plan(inputs({"distro": "debian-12"}), archive)
    assert found.request["distribution"] == "debian-13"
    assert any("the blueprint asks for debian-12" in warning for warning in found.warnings)
    same = plan.make_plan(inputs({"distro": "trixie"}), archive)
    assert not any("asks for" in warning for warning in same.warnings)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"distribution": None}, "no distribution is given"),
        ({"distribution": "fedora-40"}, "fedora-40"),
        ({"image_type": "floppy"}, "floppy"),
        ({"architecture": "vax"}, "vax"),
    ],
)
def test_what_is_wrong_is_named(archive: Archive, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ForgeError, match=words):
        plan.make_plan(inputs(**more), archive)
    assert archive.asked == 0


def test_a_damaged_lock_is_an_error_unless_it_is_to_be_renewed(archive: Archive, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text("{")
    with pytest.raises(ForgeError, match=r"lock\.json"):
        plan.make_plan(inputs(lock=lock), archive)
    assert plan.make_plan(inputs(lock=lock, update_lock=True), archive).lock_text


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"suites": ["x"]}, r"sources\[0\].uris is empty"),
        ({"uris": ["http://deb.example.com"]}, r"sources\[0\].suites is empty"),
        ({**SOURCE, "url": "x"}, "unknown key 'url'"),
    ],
)
def test_a_source_must_be_whole(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ForgeError, match=words):
        plan.parse_sources([entry])


def test_sources_not_given_are_the_hosts() -> None:
    assert plan.parse_sources(None) is None
    assert plan.parse_sources([SOURCE]) == (
        Source(uris=("http://deb.example.com/debian",), suites=("trixie",), components=("main",), signed_by=""),
    )


def test_a_blueprint_can_be_a_dictionary_a_text_or_a_file(tmp_path: Path) -> None:
    toml, text = 'name = "web"\n', '{"name": "web"}'
    path = tmp_path / "web.toml"
    path.write_text(toml)
    assert {read_blueprint(one).name for one in ({"name": "web"}, toml, toml.strip(), text, str(path))} == {"web"}


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "NoneType"), ("", "str"), (5, "int"), ("/nonexistent/x.toml", "is no file on this host")],
)
def test_what_is_no_blueprint_is_refused(value: object, words: str) -> None:
    with pytest.raises(ForgeError, match=words):
        read_blueprint(value)


def test_a_raw_manifest_is_planned_by_its_last_pipeline() -> None:
    document = {"version": "2", "pipelines": [{"name": "a"}, {"name": "b"}]}
    assert plan.raw_plan(document).exports == ("b",)
    assert plan.raw_plan(document, ["a"]).exports == ("a",)
    assert plan.raw_plan(document).manifest_id == plan.raw_plan(json.dumps(document, indent=7)).manifest_id


@pytest.mark.parametrize("text", ["[1]", '{"version": "2"}', "{"])
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(ManifestError):
        plan.raw_plan(path)


def test_a_result_repeats_no_blueprint() -> None:
    shown = invocation({"blueprint": {"name": "x"}, "manifest": "{" + "x" * 500, "store": "/s", "wait": True})
    assert shown == {
        "module_args": {
            "blueprint": "(a dictionary)",
            "manifest": "(a text of 501 characters)",
            "store": "/s",
            "wait": True,
        }
    }
    assert invocation({"blueprint": "/srv/web.toml"})["module_args"]["blueprint"] == "/srv/web.toml"


class Registry:
    """Stands for skopeo: pins images and remembers which it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, wanted: Sequence[Container], architecture: str, variant: str) -> tuple[ContainerImage, ...]:
        self.asked += [f"{one.source} {architecture}{variant}" for one in wanted]
        digests = (f"sha256:{hashlib.sha256(one.source.encode()).hexdigest()}" for one in wanted)
        return tuple(ContainerImage(one.source, one.name, digest, digest) for one, digest in zip(wanted, digests, strict=True))


def with_containers(*sources: str, **more: Any) -> plan.Inputs:
    return inputs({"containers": [{"source": one} for one in sources]}, **more)


def skopeo_items(found: plan.Plan) -> list[str]:
    items = json.loads(found.manifest)["sources"].get("org.osbuild.skopeo", {"items": {}})["items"]
    return sorted(item["image"]["name"] for item in items.values())


def test_container_images_are_looked_up_once_and_kept_in_the_lock_file(archive: Archive, tmp_path: Path) -> None:
    registry, lock = Registry(), tmp_path / "lock.json"
    first = plan.make_plan(with_containers("a.example.com/b:1"), archive, registry)
    assert registry.asked == ["a.example.com/b:1 amd64"] and skopeo_items(first) == ["a.example.com/b"]
    lock.write_text(str(first.lock_text))
    second = plan.make_plan(with_containers("a.example.com/b:1", lock=lock), archive, registry)
    assert len(registry.asked) == 1 and second.locked
    assert (second.manifest, second.lock_text) == (first.manifest, first.lock_text)


def test_a_new_container_image_leaves_the_packages_of_the_lock_file_alone(archive: Archive, tmp_path: Path) -> None:
    registry, lock = Registry(), tmp_path / "lock.json"
    lock.write_text(str(plan.make_plan(with_containers("a.example.com/b:1"), archive, registry).lock_text))
    found = plan.make_plan(with_containers("a.example.com/b:1", "a.example.com/c:1", lock=lock), archive, registry)
    assert archive.asked == 1 and registry.asked[1:] == ["a.example.com/c:1 amd64"]
    assert not found.locked and skopeo_items(found) == ["a.example.com/b", "a.example.com/c"]
    assert len(json.loads(str(found.lock_text))["containers"]) == 2
    lock.write_text(str(found.lock_text))
    fewer = plan.make_plan(with_containers("a.example.com/c:1", lock=lock), archive, registry)
    assert len(registry.asked) == 2 and skopeo_items(fewer) == ["a.example.com/c"]
    assert [one["source"] for one in json.loads(str(fewer.lock_text))["containers"]] == ["a.example.com/c:1"]


def test_an_update_looks_container_images_up_again(archive: Archive, tmp_path: Path) -> None:
    registry, lock = Registry(), tmp_path / "lock.json"
    lock.write_text(str(plan.make_plan(with_containers("a.example.com/b:1"), archive, registry).lock_text))
    plan.make_plan(with_containers("a.example.com/b:1", lock=lock, update_lock=True), archive, registry)
    assert registry.asked == ["a.example.com/b:1 amd64"] * 2


def test_without_containers_no_registry_is_asked_and_the_lock_file_is_as_ever(archive: Archive) -> None:
    registry = Registry()
    found = plan.make_plan(inputs(), archive, registry)
    assert registry.asked == [] and "containers" not in json.loads(str(found.lock_text))


class Asked(Archive):
    """Keeps what it was asked."""

    request: Request

    def __call__(self, request: Request) -> Resolution:
        self.request = request
        return super().__call__(request)


def test_the_blueprints_mirror_takes_the_place_of_the_hosts() -> None:
    archive = Asked()
    debian = {"mirror": "https://s.example.com/{snapshot}/", "snapshot": "20260131T000000Z", "backports": True}
    found = plan.make_plan(inputs({"customizations": {"debian": debian}}, sources=None), archive)
    first, second = archive.request.sources
    assert first.uris == second.uris == ("https://s.example.com/20260131T000000Z/",)
    assert (first.suites, second.suites) == (("trixie", "trixie-updates"), ("trixie-backports",))
    assert not first.check_valid_until and archive.request.pins[0].pin == "release n=trixie-backports"
    assert found.warnings == ("customizations.debian.mirror: brings no security updates; security_mirror does",)


def test_the_tasks_sources_win_over_the_blueprints_mirror() -> None:
    archive = Asked()
    found = plan.make_plan(inputs({"customizations": {"debian": {"mirror": "https://other.example.com"}}}), archive)
    assert archive.request.sources == plan.parse_sources([SOURCE])
    assert found.warnings == ("customizations.debian.mirror is not used, since the task says where packages come from",)


def test_a_suite_is_asked_for_and_may_choose_the_distribution() -> None:
    archive = Asked()
    stable = {**SOURCE, "suites": ["stable"]}
    suite = {"customizations": {"debian": {"suite": "stable"}}}
    found = plan.make_plan(inputs(suite, distribution=None, sources=plan.parse_sources([stable])), archive)
    assert archive.request.suite == "stable" and found.request["distribution"] == "debian-13"


def test_repositories_to_install_from_are_sources_of_the_build() -> None:
    archive = Asked()
    own = {"id": "own", "baseurls": ["https://own.example.com"], "gpgcheck": False, "install_from": True, "priority": 1}
    plan.make_plan(inputs({"customizations": {"repositories": [own]}}), archive)
    assert [source.uris[0] for source in archive.request.sources] == [SOURCE["uris"][0], "https://own.example.com"]
    assert archive.request.sources[1].suites == ("trixie",)
    assert [pin.priority for pin in archive.request.pins] == [990]
