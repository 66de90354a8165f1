# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A change of an existing system: what is there, what is to be there, checks in between, then dpkg.

Runs inside the entered tree (see `root`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import aptmarks, command, dpkg, dpkgdb, initramfs, nosync
from .deb import Package
from .errors import StageError
from .order import batches
from .packages import check_set
from .relations import PackageSet, compare_versions, sentence
from .stanza import Stanza


def _present(stanza: Stanza) -> bool:
    """Whether the package's files are there (not only its configuration)."""
    return stanza.get("Status").split()[-1:] not in (["config-files"], ["not-installed"], [])


def _key(name: str, architecture: str) -> str:
    return f"{name}:{architecture}"


@dataclass
class Change:
    """What is to be done.

    packages: all of them are unpacked; install: the names asked for (None: all that are new); upgrade, downgrade:
    whether packages that are there may be replaced by newer or older versions; remove, purge: names; conffiles: see
    `dpkg.options`; options: further options of dpkg.
    """

    packages: Sequence[Package]
    env: Mapping[str, str]
    install: Sequence[str] | None = None
    upgrade: bool = True
    downgrade: bool = False
    remove: Sequence[str] = ()
    purge: Sequence[str] = ()
    conffiles: str = "old"
    options: Sequence[str] = ()
    unsafe_io: bool = True
    architecture: str = field(init=False)
    known: dict[str, Stanza] = field(init=False)
    changed: list[Package] = field(init=False)

    def __post_init__(self) -> None:
        self.architecture = self._ask("--print-architecture")[0]
        self.known = dpkgdb.installed()
        self.changed = []

    def _ask(self, question: str) -> list[str]:
        try:
            finished = command.run(["dpkg", question], self.env, quiet=True)
        except FileNotFoundError:
            raise StageError("the tree has no dpkg; org.osbuild.apt changes systems that have it") from None
        if finished.status:
            raise StageError(f"dpkg {question} failed in the tree{finished.quoted()}")
        return finished.tail

    def _native(self, architecture: str) -> str:
        return self.architecture if architecture == "all" else architecture

    def _find(self, name: str) -> list[Stanza]:
        """Known packages of that name ("name" or "name:architecture")."""
        plain, _ignored, architecture = name.partition(":")
        return [
            stanza for stanza in self.known.values()
            if stanza["Package"] == plain and architecture in ("", stanza.get("Architecture"))
        ]

    def check(self) -> None:
        """Refuse what cannot work, before anything is changed. Raises StageError."""
        check_set(self.packages, self.architecture, self._ask("--print-foreign-architectures"))
        given = {deb.name for deb in self.packages} | {_key(deb.name, deb.architecture) for deb in self.packages}
        for name in self.install or ():
            if name not in given and not any(_present(stanza) for stanza in self._find(name)):
                raise StageError(f"option install names {name}, which neither input packages nor the tree has")
        removed = {*self.remove, *self.purge}
        both = sorted(removed & given)
        if both:
            raise StageError(f"{', '.join(both)} is to be removed and is among the packages to install")
        for deb in self.packages:
            self._check_version(deb)
        self._check_dependencies(removed)

    def _check_version(self, deb: Package) -> None:
        there = [
            stanza for stanza in self._find(deb.name)
            if _present(stanza) and self._native(stanza.get("Architecture")) == self._native(deb.architecture)
        ]
        if not there:
            self.changed.append(deb)
            return
        found = there[0]
        order = compare_versions(deb.version, found["Version"])
        if order == 0:
            print(f"{deb.name} {deb.version} is installed already")
            return
        if found.get("Status").split()[:1] == ["hold"]:
            raise StageError(f"package {deb.name} is held at {found['Version']}; {deb.version} cannot replace it")
        if order > 0 and not self.upgrade:
            raise StageError(
                f"package {deb.name} is installed as {found['Version']}; option upgrade is false, "
                f"so {deb.version} cannot replace it"
            )
        if order < 0 and not self.downgrade:
            raise StageError(
                f"package {deb.name} is installed as {found['Version']}, which is newer than {deb.version}; "
                "option allow-downgrade permits that"
            )
        self.changed.append(deb)

    def _check_dependencies(self, removed: set[str]) -> None:
        now = {key: stanza for key, stanza in self.known.items() if _present(stanza)}
        after = {
            key: stanza for key, stanza in now.items()
            if stanza["Package"] not in removed and _key(stanza["Package"], stanza.get("Architecture")) not in removed
        }
        for deb in self.changed:
            for key in [
                key for key, stanza in after.items()
                if stanza["Package"] == deb.name
                and self._native(stanza.get("Architecture")) == self._native(deb.architecture)
            ]:
                del after[key]
            after[_key(deb.name, deb.architecture)] = deb.control
        # What was broken before is not this stage's doing.
        before = set(PackageSet(now.values(), self.architecture).problems())
        problems = [problem for problem in PackageSet(after.values(), self.architecture).problems()
                    if problem not in before]
        if problems:
            raise StageError(sentence(problems))

    def apply(self) -> None:
        """Remove, unpack, configure. Raises StageError with dpkg's reason or a script's output."""
        if self.unsafe_io:
            nosync.suppress()
        base = [*dpkg.options(unsafe_io=self.unsafe_io, conffiles=self.conffiles), *self.options]
        for action, wanted in (("--remove", self.remove), ("--purge", self.purge)):
            names = []
            for name in wanted:
                found = [stanza for stanza in self._find(name) if _present(stanza) or action == "--purge"]
                if not found:
                    print(f"{name} is not installed, so it is not removed")
                names += [name for _ignored in found[:1]]
            if names:
                # The state after the whole change is known to be consistent; on the way to it, it need not be.
                dpkg.run([*base, "--force-depends", action, *names], self.env)
        for unpack, configure in batches(self.changed) if self.changed else []:
            if unpack:
                dpkg.run(
                    [*base, "--auto-deconfigure", "--no-triggers", "--unpack", *dpkg.archives(unpack)],
                    self.env, self.changed,
                )
            if configure:
                names = [package.qualified for package in configure]
                with initramfs.covered():
                    dpkg.run([*base, "--no-triggers", "--configure", *names], self.env, self.changed)
        with initramfs.covered():
            dpkg.run([*base, "--configure", "-a"], self.env, self.changed)
        initramfs.make(self.env)

    def mark(
        self, *, auto: Sequence[str], manual: Sequence[str], hold: Sequence[str], unhold: Sequence[str]
    ) -> None:
        """Record automatic and manual installation and holds, of what is there now. Raises StageError for other names."""
        new = {
            deb.name for deb in self.changed
            if not any(_present(stanza) for stanza in self._find(deb.name))
        }
        self.known = dpkgdb.installed()
        for name in (*auto, *manual, *hold, *unhold):
            if not any(_present(stanza) for stanza in self._find(name)):
                raise StageError(f"package {name} is to be marked or held, but is not installed")
        there = {
            (stanza["Package"], self._native(stanza.get("Architecture")))
            for stanza in self.known.values() if _present(stanza)
        }
        marks = aptmarks.read() & there
        asked = set(self.install or ()) | set(manual)
        for deb in self.packages:
            if deb.name in new and deb.name not in asked and deb.metadata.get("auto") is True:
                marks.add((deb.name, self._native(deb.architecture)))
        marks |= {(name, arch) for name, arch in there if name in auto}
        marks -= {(name, arch) for name, arch in there if name in asked}
        aptmarks.record(marks)
        dpkg.hold(hold, self.env)
        dpkg.hold(unhold, self.env, held=False)
