# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refs, history, packages, signatures, deltas, pruning and publishing, on real repositories."""

from __future__ import annotations

import datetime
import errno
import functools
import gzip
import http.server
import os
import random
import threading
from pathlib import Path

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import OstreeError, SignatureError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree import (
    deltas,
    history,
    metadata,
    packages,
    prune,
    publish,
    pull,
    refs,
    remotes,
    signatures,
    summary,
)
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree.repository import Repository, setting_name

from tests.support.ostreelab import REF, Lab, make_key, run

STABLE = "debian/13/amd64/stable"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def put(repository: Repository, wish: publish.Wish) -> publish.Plan:
    made = publish.plan(repository, wish)
    publish.execute(repository, made)
    return made


def test_history_is_read_with_messages_versions_and_dates(lab: Lab) -> None:
    first = lab.commit("1", date="2026-01-02T03:04:05Z", words=("--subject=One", "--body=a\n\nb: c"))
    second = lab.commit("2", packages={"nginx": "1.26-2"})
    found = history.history(Repository(lab.server), REF)
    assert [one.checksum for one in found] == [second, first]
    assert found[0].parent == first and found[1].parent is None
    assert (found[1].version, found[1].subject, found[1].body) == ("1", "One", "a\n\nb: c")
    assert found[1].date == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert found[0].content != found[1].content
    assert history.history(Repository(lab.server), REF, 1) == found[:1]


@pytest.mark.parametrize("text", ["plain", "it's", 'say "x"', "a <b> c", "back\\slash", "ü"])
def test_metadata_survives_quotes_and_brackets(lab: Lab, text: str) -> None:
    lab.commit("1", words=(f"--add-metadata-string=key={text}", "--add-metadata=n=uint32 7", "--add-metadata=b=true"))
    found = history.read(Repository(lab.server), REF)
    assert metadata.value(found.extra["key"]) == text
    assert metadata.value(found.extra["n"]) == 7 and metadata.value(found.extra["b"]) is True
    assert found.bindings == [REF]


def test_metadata_of_a_commit_without_any(lab: Lab) -> None:
    run("ostree", "commit", f"--repo={lab.server}", "--branch=x", f"--tree=dir={lab.tree()}", "--no-bindings")
    found = history.read(Repository(lab.server), "x")
    assert found.extra == {} and found.bindings is None


def test_packages_of_two_commits_are_compared_in_dpkgs_order(lab: Lab) -> None:
    first = lab.commit("1", packages={"old": "1", "nginx": "1.26-9"})
    del lab.packages["old"]
    second = lab.commit("2", packages={"new": "2~rc1", "nginx": "1.26-10", "base-files": "12"})
    found = packages.compare(Repository(lab.server), first, second)
    result = found.as_result()
    assert result["counts"] == {"added": 1, "removed": 1, "upgraded": 1, "downgraded": 1}
    assert result["upgraded"] == ["nginx 1.26-9 -> 1.26-10"] and result["added"] == ["new 2~rc1"]
    assert found.lines() == (["base-files 13", "nginx 1.26-9", "old 1"], ["base-files 12", "new 2~rc1", "nginx 1.26-10"])


def test_a_commit_without_dpkg_has_no_known_packages(lab: Lab) -> None:
    (lab.place / "empty").mkdir()
    run("ostree", "commit", f"--repo={lab.server}", "--branch=x", f"--tree=dir={lab.place / 'empty'}")
    assert packages.compare(Repository(lab.server), None, "x").as_result()["known"] is False


def test_a_package_that_is_not_installed_does_not_count() -> None:
    text = "Package: a\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\nPackage: b\n" \
           "Status: install ok installed\nVersion: 2\nArchitecture: all\nDescription: x\n Package: c\n"
    assert [one.name for one in packages.parse_status(text)] == ["b"]


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", "a b", "remote:a", "0" * 64, ".hidden"])
def test_names_that_cannot_be_refs_are_refused(name: str) -> None:
    with pytest.raises(OstreeError, match="is no name for a ref"):
        refs.check_name(name)


def test_deleting_a_ref_leaves_others_alone(lab: Lab) -> None:
    repository = Repository(lab.server)
    first = lab.commit("1")
    refs.move(repository, "debian/13/amd64/edge-2", first)
    refs.move(repository, "other/x", first)
    refs.delete(repository, "other/x")
    assert not (lab.server / "refs/heads/other").exists()
    refs.delete(repository, REF)
    assert list(refs.heads(repository)) == ["debian/13/amd64/edge-2"]
    with pytest.raises(OstreeError, match="ref nope is not in"):
        refs.delete(repository, "nope")


def test_a_missing_commit_is_named(lab: Lab) -> None:
    with pytest.raises(OstreeError, match=r"commit nope is not in .*Refspec 'nope' not found"):
        refs.require(Repository(lab.server), "nope")
    with pytest.raises(OstreeError, match="is no OSTree repository"):
        Repository(lab.place / "nowhere").require()


@pytest.mark.parametrize("name", ["fsync", ".x", "core."])
def test_settings_need_group_and_key(name: str) -> None:
    with pytest.raises(OstreeError, match="is not of the form GROUP.KEY"):
        setting_name(name)


def test_promotion_makes_a_commit_that_clients_of_the_ref_accept(lab: Lab) -> None:
    commit = lab.commit("1", words=("--add-metadata-string=note=it's",))
    repository = Repository(lab.server)
    made = put(repository, publish.Wish(STABLE, commit))
    assert made.actions == ["commit", "ref", "summary"]
    head = history.read(repository, STABLE)
    assert head.checksum != commit and head.bindings == [STABLE]
    assert head.version == "1" and metadata.value(head.extra["note"]) == "it's"
    assert head.extra["ostree.bootable"] == "true"
    run("ostree", "pull", f"--repo={lab.client()}", "forge", STABLE)
    assert publish.plan(repository, publish.Wish(STABLE, commit)).actions == []


def test_metadata_makes_a_new_commit_once(lab: Lab) -> None:
    commit = lab.commit("1")
    repository = Repository(lab.server)
    wish = publish.Wish(REF, commit, extra={"version": "1.1", "note": "a 'b' \\ c"})
    put(repository, wish)
    head = history.read(repository, REF)
    assert head.version == "1.1" and head.parent == commit and metadata.value(head.extra["note"]) == "a 'b' \\ c"
    assert publish.plan(repository, wish).actions == []
    assert publish.plan(repository, publish.Wish(REF, commit, extra={"version": "1.2"})).actions == ["commit", "ref", "summary"]


def test_publishing_from_another_repository_signs_makes_deltas_and_happens_once(lab: Lab, gpg_home: Path) -> None:
    build = lab.init("build")
    repository, source = Repository(lab.server), Repository(build)
    key = signatures.gpg_key(gpg_home)
    first = lab.commit("1", repo=build)
    put(repository, publish.Wish(REF, first, source=source, key=key, deltas=2))
    assert deltas.listing(repository) == []  # nothing to start from, and none from scratch unless asked
    second = lab.commit("2", repo=build, packages={"nginx": "1.26-2"})
    wish = publish.Wish(REF, second, source=source, key=key, deltas=2)
    made = put(repository, wish)
    assert made.actions == ["pull", "sign", "delta", "ref", "summary"]
    assert [one.name for one in deltas.listing(repository)] == [f"{first}-{second}"]
    found = summary.read(repository)
    assert found is not None and found.refs == {REF: second} and found.deltas == {f"{first}-{second}"}
    assert publish.plan(repository, wish).actions == []
    client = lab.client(keys=gpg_home / "repo.gpg")
    run("ostree", "pull", f"--repo={client}", "forge", REF)
    assert refs.resolve(Repository(client), f"forge:{REF}") == second
    signatures.verify(Repository(client), second, "forge")


def test_a_commit_without_a_parent_follows_what_was_published_before(lab: Lab, gpg_home: Path) -> None:
    first = lab.commit("1")
    repository = Repository(lab.server)
    source = Repository(lab.init("build"))
    second = lab.commit("2", repo=source.path, packages={"nginx": "2"})
    put(repository, publish.Wish(REF, second, source=source, deltas=1))
    found = history.history(repository, REF)
    assert [one.version for one in found] == ["2", "1"] and found[1].checksum == first and found[0].checksum != second
    assert found[0].content == history.read(source, second).content and len(deltas.listing(repository)) == 1
    assert publish.plan(repository, publish.Wish(REF, second, source=source, deltas=1)).actions == []
    # Going back to a commit of its own history is no reason for a new one.
    assert publish.plan(repository, publish.Wish(REF, first)).commit == first
    assert publish.plan(repository, publish.Wish(REF, second, source=source, link=False)).commit == second
    signatures.sign(source, second, signatures.gpg_key(gpg_home))
    with pytest.raises(OstreeError, match="which loses its signature"):
        publish.plan(repository, publish.Wish(STABLE, second, source=source))


def test_an_interrupted_publication_is_completed(lab: Lab, gpg_home: Path) -> None:
    first = lab.commit("1")
    second = lab.commit("2", packages={"nginx": "2"})
    repository = Repository(lab.server)
    (lab.server / "summary").unlink()
    wish = publish.Wish(REF, second, key=signatures.gpg_key(gpg_home), deltas=1)
    assert publish.plan(repository, wish).actions == ["sign", "delta", "summary"]
    put(repository, wish)
    assert publish.plan(repository, wish).actions == []
    assert deltas.listing(repository) == [deltas.Delta(first, second)]


def test_deltas_bring_the_signatures_that_their_commit_has_now(lab: Lab, gpg_home: Path, tmp_path: Path) -> None:
    """A delta has those of when it was made, and clients believe it."""
    first = lab.commit("1")
    repository = Repository(lab.server)
    put(repository, publish.Wish(REF, first, key=signatures.gpg_key(gpg_home), deltas=1))
    make_key(tmp_path / "other", "other")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(lab.server))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        client = lab.client(url=f"http://127.0.0.1:{web.server_port}", keys=gpg_home / "repo.gpg")
        fetch = "ostree", "pull", f"--repo={client}", "--require-static-deltas", "forge", REF
        pull.pull(Repository(client), "forge", REF)
        second = lab.commit("2", packages={"nginx": "2"})
        put(repository, publish.Wish(REF, second, key=signatures.gpg_key(tmp_path / "other"), deltas=1))
        assert not deltas.Delta(first, second).outdated(repository)
        with pytest.raises(AssertionError, match="public key not found"):
            run(*fetch)
        wish = publish.Wish(REF, second, key=signatures.gpg_key(gpg_home), deltas=1)
        assert put(repository, wish).actions == ["sign", "delta", "summary"]
        run(*fetch)
        assert refs.resolve(Repository(client), f"forge:{REF}") == second
        web.shutdown()
    assert publish.plan(repository, wish).actions == []


def test_a_delta_from_scratch_only_when_asked(lab: Lab) -> None:
    commit = lab.commit("1")
    repository = Repository(lab.server)
    put(repository, publish.Wish(REF, commit, deltas=5))
    assert deltas.listing(repository) == []
    put(repository, publish.Wish(REF, commit, deltas=5, delta_from_scratch=True))
    assert deltas.listing(repository) == [deltas.Delta(None, commit)]
    assert deltas.Delta(None, commit).size(repository) > 0


def test_a_delta_of_one_package_is_smaller_than_its_files_compressed_and_a_third(lab: Lab) -> None:
    randomness = random.Random(1)
    bulk: dict[str, str | bytes] = {f"usr/share/bulk/{number}": randomness.randbytes(20_000) for number in range(20)}
    words = [bytes(randomness.choices(b"abcdefghij \n", k=60)) for _ignored in range(2000)]
    old = {f"usr/share/pkg/{number}": b"".join(randomness.choices(words, k=600)) for number in range(8)}
    new = {name: text[:9000] + b"".join(randomness.choices(words, k=450)) for name, text in old.items()}
    first = lab.commit("1", files={**bulk, **old})
    second = lab.commit("2", files={**bulk, **new}, packages={"nginx": "1.26-2"})
    repository = Repository(lab.server)
    put(repository, publish.Wish(REF, second, deltas=1))
    changed = {**new, "status": run("ostree", "cat", f"--repo={lab.server}", second, "usr/lib/sysimage/dpkg/status").encode()}
    compressed = sum(len(gzip.compress(text)) for text in changed.values())
    size = deltas.Delta(first, second).size(repository)
    assert 0 < size < 1.3 * compressed, (size, compressed)


def test_reverting_goes_before_the_commit_and_no_further(lab: Lab) -> None:
    first, bad, newer = lab.commit("1"), lab.commit("2"), lab.commit("3")
    repository = Repository(lab.server)
    assert publish.before_commit(repository, REF, bad) == first
    assert publish.before_commit(repository, REF, newer) == bad
    assert publish.before_commit(repository, REF, "0" * 64) is None
    with pytest.raises(OstreeError, match="no commit before it"):
        publish.before_commit(repository, REF, first)


def test_pruning_keeps_what_any_rule_wants(lab: Lab) -> None:
    days = ["2026-01-01", "2026-01-05", "2026-01-09", "2026-01-10"]
    commits = [lab.commit(day, date=f"{day}T00:00:00Z", packages={"nginx": day}) for day in days]
    repository = Repository(lab.server)
    now = datetime.datetime(2026, 1, 10, 12, tzinfo=datetime.UTC)

    def gone(**rule: float | None) -> list[str]:
        made = prune.plan(repository, prune.Rule(**rule), now)  # type: ignore[arg-type]
        return [days[commits.index(one)] for one in made.commits]

    assert gone() == []
    assert gone(keep_last=1, grace_hours=0) == ["2026-01-09", "2026-01-05", "2026-01-01"]
    assert gone(keep_last=1, grace_hours=24) == ["2026-01-05", "2026-01-01"]  # the 9th was the newest 12 hours ago
    assert gone(keep_days=7, grace_hours=0) == ["2026-01-01"]
    assert gone(keep_last=2, keep_days=7, grace_hours=0) == ["2026-01-01"]
    assert gone(keep_last=0, keep_days=0, grace_hours=0) == ["2026-01-09", "2026-01-05", "2026-01-01"]


def test_pruning_removes_commits_of_one_ref_and_keeps_those_of_another(lab: Lab) -> None:
    commits = [lab.commit(str(number), packages={"nginx": str(number)}) for number in range(3)]
    repository = Repository(lab.server)
    refs.move(repository, "pinned", commits[0])
    deltas.generate(repository, deltas.Delta(commits[0], commits[1]))
    made = prune.plan(repository, prune.Rule(keep_last=1, grace_hours=0))
    assert made.commits == [commits[1]] and made.deltas == [deltas.Delta(commits[0], commits[1])]
    prune.execute(repository, made)
    assert [repository.has_commit(one) for one in commits] == [True, False, True]
    assert deltas.listing(repository) == []
    assert not prune.plan(repository, prune.Rule(keep_last=1, grace_hours=0))
    run("ostree", "fsck", f"--repo={lab.server}", "-q")


def test_the_summary_is_current_only_while_it_says_what_there_is(lab: Lab, gpg_home: Path) -> None:
    first = lab.commit("1")
    repository = Repository(lab.server)
    assert summary.is_current(repository)
    refs.move(repository, "more", first)
    assert not summary.is_current(repository)
    key = signatures.gpg_key(gpg_home)
    summary.update(repository, key)
    assert summary.is_current(repository, key) and (lab.server / "summary.sig").exists()
    summary.update(repository)
    assert not (lab.server / "summary.sig").exists() and not summary.is_current(repository, key)


@pytest.mark.parametrize("how", ["unsigned", "unknown key", "altered"])
def test_a_bad_signature_is_refused_with_the_reason(lab: Lab, gpg_home: Path, tmp_path: Path, how: str) -> None:
    commit = lab.commit("1")
    server, client = Repository(lab.server), Repository(lab.client(keys=gpg_home / "repo.gpg"))
    meaning = "the commit is not signed"
    if how == "unknown key":
        make_key(tmp_path / "other", "other")
        signatures.sign(server, commit, signatures.gpg_key(tmp_path / "other"))
        meaning = "by none of the keys that the remote trusts"
    elif how == "altered":
        signatures.sign(server, commit, signatures.gpg_key(gpg_home))
        first = lab.server / "objects" / commit[:2] / f"{commit[2:]}.commitmeta"
        other = lab.commit("2")
        (lab.server / "objects" / other[:2] / f"{other[2:]}.commitmeta").write_bytes(first.read_bytes())
        meaning = "the signature does not fit the commit"
    with pytest.raises(SignatureError, match=f"^{REF} cannot be pulled from remote forge: signature refused: {meaning}|{meaning}"):
        pull.pull(client, "forge", REF)
    assert refs.resolve(client, f"forge:{REF}") is None


def test_ed25519_is_refused_where_ostree_has_it_not(lab: Lab, tmp_path: Path) -> None:
    commit = lab.commit("1")
    (tmp_path / "key").write_text("c2VjcmV0\n")
    repository = Repository(lab.server)
    with pytest.raises(OstreeError, match="was built without Ed25519"):
        publish.plan(repository, publish.Wish(REF, commit, ed25519_key_file=tmp_path / "key"))


def test_a_signing_key_must_be_clear(gpg_home: Path, tmp_path: Path) -> None:
    assert len(signatures.gpg_key(gpg_home, "repo@example.com").fingerprint) == 40
    with pytest.raises(OstreeError, match="has no secret key nobody"):
        signatures.gpg_key(gpg_home, "nobody")
    with pytest.raises(OstreeError, match="is no directory"):
        signatures.gpg_key(tmp_path / "none")
    home = tmp_path / "two"
    make_key(home, "a")
    make_key(home, "b")
    with pytest.raises(OstreeError, match="has 2 secret keys that fit"):
        signatures.gpg_key(home)


def refuse(*_ignored: object, **_more: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_remotes_are_written_once_and_lose_keys_that_are_no_longer_wanted(
    lab: Lab, gpg_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(lab.init("client", "bare-user"))
    # On a machine only libostree may write there.
    monkeypatch.setattr(Path, "unlink", refuse)
    other = make_key(tmp_path / "other", "other")
    wanted = remotes.Remote("forge", f"file://{lab.server}", gpg_keys=(gpg_home / "repo.gpg", other))
    assert set(remotes.differences(repository, wanted)) == {"url", "gpg-verify", "gpg-verify-summary", "forge-keys"}
    remotes.apply(repository, wanted)
    assert remotes.differences(repository, wanted) == {} and remotes.names(repository) == ["forge"]
    assert "other@" in run("ostree", "remote", "gpg-list-keys", f"--repo={repository.path}", "forge")
    fewer = remotes.Remote("forge", f"file://{lab.server}", gpg_keys=(gpg_home / "repo.gpg",))
    remotes.apply(repository, fewer)
    listed = run("ostree", "remote", "gpg-list-keys", f"--repo={repository.path}", "forge")
    assert "repo@" in listed and "other@" not in listed
    none = remotes.Remote("forge", f"file://{lab.server}", gpg_verify=False, settings={"proxy": "http://proxy.example.com"})
    remotes.apply(repository, none)
    assert remotes.differences(repository, none) == {} and not remotes.keyring(repository, "forge").exists()
    assert repository.settings()[none.group] == none.wanted()
    remotes.remove(repository, "forge")
    assert remotes.names(repository) == [] and not remotes.keyring(repository, "forge").exists()


def test_a_peer_that_has_it_not_is_passed_over(lab: Lab) -> None:
    commit = lab.commit("1")
    repository = Repository(lab.client())
    empty = lab.init("peer")
    found = pull.pull(repository, "forge", REF, commit, [f"file://{empty}", f"file://{lab.place / 'none'}"])
    assert found.commit == commit and found.url is None and len(found.failures) == 2
    with pytest.raises(OstreeError, match="has no remote nope"):
        pull.pull(repository, "nope", REF)


def test_looking_at_a_remote_leaves_no_trace(lab: Lab, gpg_home: Path) -> None:
    repository = Repository(lab.client(keys=gpg_home / "repo.gpg"))
    commit = lab.commit("1")
    with pytest.raises(SignatureError):
        pull.remote_commit(repository, "forge", REF)
    signatures.sign(Repository(lab.server), commit, signatures.gpg_key(gpg_home))
    before = sorted(os.walk(repository.path))
    assert pull.remote_commit(repository, "forge", REF) == commit
    found = pull.remote_packages(repository, "forge", REF, commit)
    assert found is not None and sorted(one.name for one in found) == ["base-files", "nginx"]
    assert sorted(os.walk(repository.path)) == before
