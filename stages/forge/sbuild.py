# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Building with sbuild of the build root, which unpacks a system for it and enters that. Source: sbuild(1), subuid(5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from . import command, intree
from .errors import StageError
from .pkgbuild import Build
from .stanza import parse_stanza

#: Ids that root in the sandbox hands to the build; the engine takes them along when it ends.
_RANGE = "root:100000:65536\n"
_CONFIGURATION = """\
$chroot_mode = 'unshare';
$unshare_tmpdir_template = '{tmp}/sbuild.XXXXXXXXXX';
$build_dep_resolver = 'null';
$apt_update = 0; $apt_distupgrade = 0; $apt_upgrade = 0; $apt_clean = 0;
$run_lintian = 0; $run_piuparts = 0; $run_autopkgtest = 0;
$build_dir = '{out}'; $log_dir = '{out}';
$environment_filter = ['^PATH$', '^DEB(IAN|SIGN)?_[A-Z_]+$'{names}];
1;
"""
#: Architecture-dependent, architecture-independent, source.
_KINDS = {
    "binary": ("--arch-any", "--arch-all", "--no-source"), "any": ("--arch-any", "--no-arch-all", "--no-source"),
    "all": ("--no-arch-any", "--arch-all", "--no-source"), "full": ("--arch-any", "--arch-all", "--source"),
    "source": ("--no-arch-any", "--no-arch-all", "--source"),
}


def description(folder: str, build: Build) -> str:
    """Name of the .dsc beside the unpacked source, which must be of the same version. StageError otherwise."""
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".dsc"):
            with open(intree.resolve(folder, name), encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
            if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
                text = text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
            stanza = parse_stanza(text, name)
            if (stanza.get("Source"), stanza.get("Version")) == (build.name, build.version):
                found.append(name)
    if len(found) != 1:
        raise StageError(f"mode sbuild builds a .dsc: the input source must have one of {build.name} {build.version} beside the "
                         "source directory, without local changes; mode dpkg-buildpackage builds the directory")
    return found[0]


def pack(chroot: str, scratch: str, env: Mapping[str, str]) -> str:
    """The system for the build as a tarball: without device nodes, and with /run/lock, where sbuild locks."""
    path = os.path.join(scratch, "chroot.tar")
    os.makedirs(intree.resolve(chroot, "/run/lock"), mode=0o1777, exist_ok=True)
    finished = command.run(
        ["tar", "--create", "--file", path, "--numeric-owner", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*",
         "--directory", chroot, "."], env,
    )
    if finished.status:
        raise StageError(f"the input chroot cannot be packed for sbuild{finished.quoted()}")
    return path


def run(
    build: Build, source: str, tarball: str, kind: str, scratch: str, env: Mapping[str, str], arguments: Sequence[str],
    profiles: Sequence[str],
) -> str:
    """Build the .dsc in `source`; returns the directory of the results. StageError with the end of sbuild's output."""
    name = description(source, build)
    work, out, tmp = (os.path.join(scratch, part) for part in ("work", "out", "tmp"))
    # sbuild takes files away from where it works.
    shutil.copytree(source, work, symlinks=True)
    for folder in (out, tmp):
        os.mkdir(folder, 0o755)
    os.chmod(tmp, 0o1777)
    for database in ("/etc/subuid", "/etc/subgid"):
        with open(database, "w", encoding="utf-8") as file:
            file.write(_RANGE)
    configuration = os.path.join(scratch, "sbuildrc")
    with open(configuration, "w", encoding="utf-8") as file:
        file.write(_CONFIGURATION.format(tmp=tmp, out=out, names="".join(f", '^{key}$'" for key in sorted(env))))
    argv = [
        "sbuild", f"--chroot={tarball}", "--chroot-mode=unshare", f"--dist={_distribution(work, build)}", *_KINDS[kind],
        "--no-clean-source", "--nolog", *([f"--profiles={','.join(profiles)}"] if profiles else []),
        *(f"--debbuildopt={option}" for option in arguments), os.path.join(work, name),
    ]
    try:
        finished = command.run(argv, {**env, "SBUILD_CONFIG": configuration, "HOME": scratch}, directory=out)
    except FileNotFoundError:
        raise StageError("the build root has no sbuild; mode dpkg-buildpackage does without") from None
    if finished.status:
        raise StageError(f"{build.name} {build.version} cannot be built: sbuild failed with exit status "
                         f"{finished.status}{finished.quoted()}")
    return out


def _distribution(folder: str, build: Build) -> str:
    with open(intree.resolve(folder, f"{build.directory}/debian/changelog"), encoding="utf-8", errors="replace") as file:
        head = file.readline()
    return head.partition(")")[2].partition(";")[0].strip() or "UNRELEASED"
