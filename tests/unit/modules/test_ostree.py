# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for OSTree on real repositories and sysroots: check, do, check again, do again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers import run as module

from tests.support.ostreelab import REF, Lab, gpg_home, lab, make_key, ostree_on_path, run

__all__ = ["gpg_home", "lab", "ostree_on_path"]

STABLE = "debian/13/amd64/stable"
root = pytest.mark.root


def four_steps(name: str, **args: Any) -> dict[str, Any]:
    """Result of the second of: check, run, check, run; the others are as they should be."""
    checked = module(name, check=True, diff=True, **args)
    assert checked.get("failed") is None, checked["msg"]
    done = module(name, diff=True, **args)
    assert done.get("failed") is None, done["msg"]
    assert checked["changed"] and done["changed"]
    for again in (module(name, check=True, **args), module(name, **args)):
        assert not again.get("failed") and not again["changed"], again
    return {**done, "foretold": checked}


def snapshot(place: Path) -> list[str]:
    return sorted(str(path) for path in place.rglob("*"))


def test_a_repository_is_made_set_up_and_removed(ostree_on_path: str, tmp_path: Path, gpg_home: Path) -> None:
    path = str(tmp_path / "deep" / "repo")
    remote = {"name": "up", "url": "https://ostree.example.com/repo", "gpg_keys": [str(gpg_home / "repo.gpg")]}
    wanted = {"path": path, "config": {"core.min-free-space-percent": 1}, "remotes": [remote], "summary": True,
              "collection_id": "com.example.Edge"}
    assert module("ostree_repo", check=True, **wanted)["changed"] and not Path(path).exists()
    done = four_steps("ostree_repo", **wanted)
    assert done["actions"] == done["foretold"]["actions"] or "made the repository" in done["actions"]
    info = module("ostree_repo_info", path=path, size=True)
    assert (info["mode"], info["collection_id"], info["refs"]) == ("archive", "com.example.Edge", [])
    assert info["summary"] == {"exists": True, "current": True, "signed": False} and info["size"] > 0
    assert info["remotes"] == [{"name": "up", "url": "https://ostree.example.com/repo", "gpg_verify": True}]
    four_steps("ostree_repo", path=path, remotes=[{"name": "up", "state": "absent"}], config={"core.min-free-space-percent": ""})
    refused = module("ostree_repo", path=path, mode="bare")
    assert refused["failed"] and "which cannot be turned into bare" in refused["msg"]
    four_steps("ostree_repo", path=path, state="absent")
    assert not Path(path).exists()
    assert module("ostree_repo_info", path=path)["exists"] is False


@root
def test_the_remote_of_a_machine_is_set_without_a_lock_in_its_repository(lab: Lab, gpg_home: Path) -> None:
    path = lab.sysroot() / "ostree" / "repo"
    # A directory can be opened for writing as little as a file of a repository that is mounted read-only.
    (path / "forge.lock").mkdir()
    remote = {"name": "forge", "url": "https://ostree.example.com/repo", "gpg_keys": [str(gpg_home / "repo.gpg")]}
    four_steps("ostree_repo", path=str(path), mode="bare", remotes=[remote])


def test_only_a_repository_is_removed(ostree_on_path: str, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    refused = module("ostree_repo", path=str(tmp_path / "precious"), state="absent")
    assert refused["failed"] and "is no OSTree repository" in refused["msg"] and (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"remotes": [{"name": "a b", "url": "https://x"}]}, "is no name for a remote"),
        ({"remotes": [{"name": "a", "url": "ftp://x"}]}, "it must begin with http://"),
        ({"remotes": [{"name": "a", "url": "https://x", "gpg_keys": ["/nowhere/key"]}]}, "/nowhere/key cannot be read"),
        ({"config": {"fsync": True}}, "is not of the form GROUP.KEY"),
        ({"gpg_key": "x"}, "gpg_key is given without gpg_home"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    ostree_on_path: str, tmp_path: Path, args: dict[str, Any], words: str
) -> None:
    refused = module("ostree_repo", path=str(tmp_path / "repo"), **args)
    assert refused["failed"] and words in refused["msg"] and not (tmp_path / "repo").exists()


def test_old_commits_are_pruned_and_the_rest_is_whole(lab: Lab) -> None:
    for number in range(4):
        lab.commit(str(number), packages={"nginx": str(number)}, date=f"2026-01-0{number + 1}T00:00:00Z")
    wanted = {"path": str(lab.server), "prune": {"keep_last": 2, "grace_hours": 0}, "summary": True, "verify": True}
    done = four_steps("ostree_repo", **wanted)
    assert len(done["removed_commits"]) == 2 == len(done["foretold"]["removed_commits"])
    assert len(module("ostree_ref_info", path=str(lab.server), ref=REF)["history"]) == 2


def test_a_damaged_repository_fails_to_verify(lab: Lab) -> None:
    lab.commit("1")
    next(lab.server.glob("objects/*/*.filez")).unlink()
    refused = module("ostree_repo", path=str(lab.server), verify=True)
    assert refused["failed"] and "is damaged" in refused["msg"]


def test_a_ref_is_published_promoted_and_reverted(lab: Lab, gpg_home: Path) -> None:
    build = lab.init("build")
    first = lab.commit("1", repo=build)
    common: dict[str, Any] = {"path": str(lab.server), "gpg_home": str(gpg_home), "deltas": 1}
    done = four_steps("ostree_ref", ref=REF, source=str(build), **common)
    assert done["commit"] == first == done["foretold"]["commit"] and done["actions"] == ["pull", "sign", "ref", "summary"]
    second = lab.commit("2", repo=build, packages={"nginx": "1.26-2"})
    done = four_steps("ostree_ref", ref=REF, source=str(build), **common)
    assert done["packages"]["upgraded"] == ["nginx 1.26-1 -> 1.26-2"] == done["foretold"]["packages"]["upgraded"]
    assert "nginx 1.26-2\n" in done["foretold"]["diff"]["after"] and [one["from"] for one in done["deltas"]] == [first]
    promoted = four_steps("ostree_ref", ref=STABLE, commit=REF, metadata={"channel": "stable"}, **common)
    assert promoted["commit"] not in ("", second) and promoted["foretold"]["commit"] == ""
    info = module("ostree_ref_info", path=str(lab.server), ref=STABLE, compare_with=first)
    assert info["metadata"]["channel"] == "stable" and info["signed_by"] and info["package_count"] == 2
    assert info["packages"]["upgraded"] == ["nginx 1.26-1 -> 1.26-2"]
    back = four_steps("ostree_ref", ref=REF, state="reverted", commit=second, **common)
    assert back["commit"] == first and back["packages"]["downgraded"] == ["nginx 1.26-2 -> 1.26-1"]
    gone = four_steps("ostree_ref", ref=STABLE, state="absent", path=str(lab.server))
    assert gone["commit"] == ""
    assert module("ostree_repo_info", path=str(lab.server))["summary"]["current"]
    assert module("ostree_ref_info", path=str(lab.server), ref=STABLE)["exists"] is False


def test_secrets_of_signing_do_not_come_back(lab: Lab, gpg_home: Path) -> None:
    commit = lab.commit("1")
    done = module("ostree_ref", path=str(lab.server), ref=REF, commit=commit, gpg_home=str(gpg_home))
    private = [path.read_bytes() for path in (gpg_home / "private-keys-v1.d").iterdir()]
    assert private and "PRIVATE" not in json.dumps(done) and all(key.decode("latin-1")[:40] not in json.dumps(done) for key in private)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"ref": "../x"}, "is no name for a ref"),
        ({"ref": REF, "commit": "nope"}, "commit nope is not in"),
        ({"ref": REF, "source": "/nowhere"}, "/nowhere is no OSTree repository"),
        ({"ref": REF, "ed25519_key_file": "/nowhere"}, "was built without Ed25519"),
        ({"ref": REF, "gpg_home": "/nowhere"}, "is no directory"),
        ({"ref": REF, "sign_summary": True}, "say where with gpg_home"),
    ],
)
def test_a_ref_that_cannot_be_had_is_refused(lab: Lab, args: dict[str, Any], words: str) -> None:
    lab.commit("1")
    before = snapshot(lab.server)
    refused = module("ostree_ref", path=str(lab.server), **args)
    assert refused["failed"] and words in refused["msg"]
    assert set(snapshot(lab.server)) - set(before) <= {str(lab.server / "forge.lock")}


def titles(result: dict[str, Any]) -> list[str]:
    return [one["version"] for one in result["deployments"]]


@root
def test_a_machine_is_deployed_pinned_rolled_back_and_undeployed(lab: Lab) -> None:
    first = lab.commit("1")
    sysroot = str(lab.sysroot())
    new = four_steps("ostree_deployment", sysroot=sysroot, remote="forge", ref=REF, kernel_arguments=["root=LABEL=root", "rw"])
    assert titles(new) == ["1"] and new["deployments"][0]["kernel_arguments"] == ["root=LABEL=root", "rw"]
    assert new["deployments"][0]["origin"] == f"forge:{REF}"
    second = lab.commit("2", packages={"nginx": "1.26-2"})
    before = snapshot(Path(sysroot))
    checked = module("ostree_deployment", check=True, diff=True, sysroot=sysroot)
    assert checked["changed"] and checked["commit"] == second and snapshot(Path(sysroot)) == before
    assert checked["packages"]["upgraded"] == ["nginx 1.26-1 -> 1.26-2"] and "nginx 1.26-2\n" in checked["diff"]["after"]
    # Without remote and ref: what the machine follows.
    upgraded = four_steps("ostree_deployment", sysroot=sysroot)
    assert titles(upgraded) == ["2", "1"] and upgraded["reboot_required"]
    four_steps("ostree_deployment", sysroot=sysroot, state="pinned", commit=first)
    four_steps("ostree_deployment", sysroot=sysroot, state="unpinned", index=1)
    back = four_steps("ostree_deployment", sysroot=sysroot, state="rolled_back", commit=second)
    assert back["commit"] == first and titles(back)[0] == "1"
    assert module("ostree_deployment_info", sysroot=sysroot)["next"]["commit"] == first
    four_steps("ostree_deployment", sysroot=sysroot, remote="forge", ref=REF, commit=second)
    gone = four_steps("ostree_deployment", sysroot=sysroot, state="undeployed", commit=first)
    assert titles(gone) == ["2"]


@root
def test_kernel_arguments_are_added_and_taken_away_once(lab: Lab) -> None:
    commit = lab.commit("1")
    sysroot = lab.sysroot()
    lab.deploy(sysroot, commit)
    wanted: dict[str, Any] = {"sysroot": str(sysroot), "kernel_arguments": ["console=tty0", "console=ttyS0", "panic=30"]}
    done = four_steps("ostree_deployment", **wanted)
    assert done["deployments"][0]["kernel_arguments"] == ["root=LABEL=root", "console=tty0", "console=ttyS0", "panic=30"]
    assert "kernel argument panic=30\n" in done["foretold"]["diff"]["after"]
    fewer = four_steps("ostree_deployment", sysroot=str(sysroot), kernel_arguments_absent=["console"])
    assert fewer["deployments"][0]["kernel_arguments"] == ["root=LABEL=root", "panic=30"]


@root
def test_changes_of_etc_are_found(lab: Lab) -> None:
    sysroot = lab.sysroot()
    lab.deploy(sysroot, lab.commit("1"))
    info = module("ostree_deployment_info", sysroot=str(sysroot))
    etc = Path(info["running"]["path"]) / "etc"
    (etc / "hostname").write_text("other\n")
    (etc / "motd").unlink()
    (etc / "new.d").mkdir()
    (etc / "new.d" / "file").write_text("x")
    info = module("ostree_deployment_info", sysroot=str(sysroot), etc_changes=True, packages=True)
    assert info["etc_changes"] == {"added": ["new.d"], "modified": ["hostname"], "removed": ["motd"]}
    assert info["packages"]["counts"]["upgraded"] == 0 and info["health"]["state"] == "unknown"


@root
def test_a_commit_that_is_not_trusted_is_not_deployed(lab: Lab, gpg_home: Path, tmp_path: Path) -> None:
    good = lab.commit("1")
    module("ostree_ref", path=str(lab.server), ref=REF, commit=good, gpg_home=str(gpg_home))
    sysroot = lab.sysroot(keys=gpg_home / "repo.gpg")
    lab.deploy(sysroot, good)
    bad = lab.commit("2")
    make_key(tmp_path / "other", "other")
    module("ostree_ref", path=str(lab.server), ref=REF, commit=bad, gpg_home=str(tmp_path / "other"))
    for check in (True, False):
        refused = module("ostree_deployment", check=check, sysroot=str(sysroot))
        assert refused["failed"] and "signature refused: the commit is signed, but by none of the keys" in refused["msg"]
    assert titles(module("ostree_deployment_info", sysroot=str(sysroot))) == ["1"]


@root
def test_a_peer_serves_what_it_has_and_the_remote_the_rest(lab: Lab, gpg_home: Path) -> None:
    commit = lab.commit("1")
    sysroot = str(lab.sysroot())
    peer = lab.init("peer")
    run("ostree", "pull-local", f"--repo={peer}", lab.server, REF)
    wanted = {"sysroot": sysroot, "remote": "forge", "ref": REF, "commit": commit}
    done = module("ostree_deployment", **wanted, urls=[f"file://{lab.place / 'none'}", f"file://{peer}"])
    assert done["pulled_from"] == f"file://{peer}" and done["commit"] == commit
    assert "not pulled from" in json.dumps(done["warnings"]), done["warnings"]


@root
@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"state": "pinned", "index": 7}, "there are 1 deployments"),
        ({"state": "pinned", "commit": "0" * 64}, "is not deployed, so it cannot be pinned"),
        ({"state": "rolled_back"}, "say with commit what to go back from"),
        ({"state": "staged", "remote": "forge", "ref": REF, "kernel_arguments": ["x"]}, "so nothing can be staged"),
        ({"remote": "nope", "ref": REF}, "has no remote nope (there is forge)"),
        ({"remote": "forge", "ref": "nope"}, "No such branch 'nope'"),
        ({"commit": "abc"}, "commit 'abc' is no checksum"),
        ({"osname": "other"}, "osname other is not in"),
    ],
)
def test_what_cannot_be_done_with_deployments_is_refused(lab: Lab, args: dict[str, Any], words: str) -> None:
    sysroot = lab.sysroot()
    commit = lab.commit("1")
    lab.deploy(sysroot, commit)
    refused = module("ostree_deployment", sysroot=str(sysroot), **args)
    assert refused.get("failed") and words in refused["msg"], refused
    assert titles(module("ostree_deployment_info", sysroot=str(sysroot))) == ["1"]


def test_going_back_needs_something_to_go_back_to(lab: Lab) -> None:
    if os.geteuid():
        pytest.skip("needs root (immutable deployments)")
    sysroot = lab.sysroot()
    commit = lab.commit("1")
    lab.deploy(sysroot, commit)
    refused = module("ostree_deployment", sysroot=str(sysroot), state="rolled_back", commit=commit)
    assert refused["failed"] and "there is nothing to go back to" in refused["msg"]


def test_a_host_that_is_no_ostree_machine_says_so(ostree_on_path: str, tmp_path: Path) -> None:
    info = module("ostree_deployment_info", sysroot=str(tmp_path))
    assert info["ostree"] is False and info["running"] == {} and info["deployments"] == []
    refused = module("ostree_deployment", sysroot=str(tmp_path))
    assert refused["failed"] and "holds no OSTree deployments" in refused["msg"]
