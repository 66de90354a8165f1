# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Where boot loaders lie: shim, grub, its modules and fonts, in Debian's layout, of the build root or of the tree."""

from __future__ import annotations

import os

from . import intree, treefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Where an installed system mounts its EFI system partition.
EFI_DIRECTORY = "/boot/efi/EFI"

# Architecture as in the names of EFI programs -> platform of grub (UEFI specification 3.5.1.1).
EFI_PLATFORMS = {"x64": "x86_64-efi", "ia32": "i386-efi", "aa64": "arm64-efi"}


def locate(tree: str, path: str) -> str | None:
    """Place of `path` in the build root, where upstream looks, or else in the tree; None if neither has it."""
    if os.path.exists(path):
        return path
    place = intree.resolve(tree, path)
    return place if os.path.exists(place) else None


def find(tree: str, path: str, package: str) -> str:
    """As `locate`. Raises FileNotFoundError naming the package that ships it."""
    place = locate(tree, path)
    if place is None:
        raise FileNotFoundError(f"neither the build root nor the tree has {path}; Debian's package {package} ships it")
    return place


def modules(tree: str, platform: str) -> str:
    """Directory of grub's modules for a platform."""
    if platform in (".", "..") or not platform or "/" in platform:
        raise ValueError(f"the platform of grub must be a name like i386-pc, found {platform!r}")
    package = {"i386-pc": "grub-pc-bin", "x86_64-efi": "grub-efi-amd64-bin"}.get(platform, "grub-*-bin")
    return find(tree, f"/usr/lib/grub/{platform}", package)


def font(tree: str) -> str:
    """grub's font."""
    return find(tree, "/usr/share/grub/unicode.pf2", "grub-common")


def shim(tree: str, suffix: str) -> dict[str, str]:
    """Debian's signed shim with its helpers (mm: MokManager, fb: fallback): name on a partition -> place."""
    helpers = {
        f"{name}{suffix}.efi": find(tree, f"/usr/lib/shim/{name}{suffix}.efi.signed", f"shim-helpers-{_debian(suffix)}-signed")
        for name in ("mm", "fb")
    }
    return {f"shim{suffix}.efi": find(tree, f"/usr/lib/shim/shim{suffix}.efi.signed", "shim-signed"), **helpers}


def signed_grub(tree: str, suffix: str, kind: str = "grub") -> str:
    """Debian's signed grub; kind: grub (for disks), gcd (for CDs) or grubnet."""
    path = f"/usr/lib/grub/{EFI_PLATFORMS[suffix]}-signed/{kind}{suffix}.efi.signed"
    return find(tree, path, f"grub-efi-{_debian(suffix)}-signed")


def installed_suffixes(tree: str) -> list[str]:
    """Architectures of which there is a signed grub."""
    return [
        suffix for suffix, platform in EFI_PLATFORMS.items()
        if locate(tree, f"/usr/lib/grub/{platform}-signed/grub{suffix}.efi.signed")
    ]


def check_vendor(path: str, vendor: str) -> None:
    """Refuse a vendor whose directory a grub built for UEFI does not look into: that is part of what is signed."""
    with open(path, "rb") as file:
        if f"/EFI/{vendor}\0".encode() not in file.read():
            raise ValueError(f"uefi.vendor: {path} does not look for its configuration in EFI/{vendor}; Debian's does in EFI/debian")


def copy_modules(source: str, tree: str, directory: str, suffixes: tuple[str, ...] = (".mod", ".lst")) -> None:
    """Copy what grub loads at run time (modules and their lists) to a directory of the tree, as grub-install does."""
    names = sorted(name for name in os.listdir(source) if name.endswith(suffixes))
    for name in names:
        # One of the tree's could lead out of it; grub's packages have none.
        if os.path.islink(os.path.join(source, name)):
            raise ValueError(f"{name} among the modules of grub is a link; it must be a file")
    treefile.copy_all(source, names, tree, directory)


def efi_copies(tree: str, vendor: str, source: str = EFI_DIRECTORY) -> list[tuple[str, str]]:
    """What uefi.install copies: (place, path below EFI), from a populated EFI directory or from Debian's packages."""
    if vendor in (".", "..") or "/" in vendor:
        raise ValueError(f"uefi.vendor must be the name of a directory, found {vendor!r}")
    if os.path.isdir(os.path.join(source, vendor)):
        return [
            (os.path.join(folder, name), os.path.relpath(os.path.join(folder, name), source))
            for top in ("BOOT", vendor)
            for folder, _ignored, names in os.walk(os.path.join(source, top))
            for name in sorted(names)
        ]
    if source != EFI_DIRECTORY:
        raise FileNotFoundError(f"uefi.efi_src_dir: the build root has no directory {source}/{vendor}")
    found = []
    for suffix in installed_suffixes(tree):
        grub, upper = signed_grub(tree, suffix), suffix.upper()
        check_vendor(grub, vendor)
        files = shim(tree, suffix)
        # The fallback program beside the shim of the removable path reads the CSV file and starts the vendor's shim.
        found += [(files[f"shim{suffix}.efi"], f"BOOT/BOOT{upper}.EFI"), (files[f"fb{suffix}.efi"], f"BOOT/fb{suffix}.efi")]
        found += [(place, f"{vendor}/{name}") for name, place in files.items() if not name.startswith("fb")]
        found += [(grub, f"{vendor}/grub{suffix}.efi")]
        table = locate(tree, f"/usr/lib/shim/BOOT{upper}.CSV")
        found += [(table, f"{vendor}/BOOT{upper}.CSV")] if table else []
    if not found:
        raise FileNotFoundError(
            f"uefi.install: the build root has no {source}/{vendor}, and neither it nor the tree has Debian's signed boot "
            "loaders; the packages shim-signed and grub-efi-amd64-signed ship them"
        )
    return found


def copy_efi(tree: str, copies: Iterable[tuple[str, str]]) -> None:
    """Copy what `efi_copies` found onto the EFI system partition of the tree."""
    for source, path in copies:
        print(f"{source} -> EFI/{path}")
        target = f"{EFI_DIRECTORY}/{path}"
        treefile.make_directory(tree, os.path.dirname(target))
        treefile.copy(source, tree, target)


def _debian(suffix: str) -> str:
    return {"x64": "amd64", "ia32": "i386", "aa64": "arm64"}[suffix]
