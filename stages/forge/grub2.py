# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What the stages for Fedora's layout of grub (/boot/grub2, Boot Loader Specification entries) have in common."""

from __future__ import annotations

import os

from . import intree, treefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

# Bytes; grub writes into the block in place and never makes it longer.
_ENVIRONMENT_SIZE = 1024

# The same in every grub.cfg: which entry is booted, by the variables that grub-reboot and grub-set-default write.
_SELECTION = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
"""


def selection(comment: str) -> str:
    """The part of grub.cfg that loads the environment block and chooses the default entry from it."""
    return f"# load the grubenv file\nload_env\n\n{comment}\n{_SELECTION}"


def one_line(field: str, value: str) -> str:
    """Return `value`, which becomes (part of) a line of a file. Raises ValueError naming `field` if it is more."""
    if "\n" in value or "\r" in value:
        raise ValueError(f"{field} must be one line, found {value!r}")
    return value


def quoted(value: str) -> str:
    """`value` as one word of grub's script, whatever characters it has."""
    return "'" + value.replace("'", "'\\''") + "'"


def check_lines(node: Any, field: str = "") -> None:
    """Raise ValueError for any string in options that is more than one line."""
    if isinstance(node, str):
        one_line(field, node)
    elif isinstance(node, dict):
        for key, value in node.items():
            check_lines(value, f"{field}.{key}".lstrip("."))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            check_lines(value, f"{field}[{number}]")


def kernel_root(filesystem: Mapping[str, str]) -> str:
    """The kernel's argument root= for a file system given by uuid, label or device."""
    if "uuid" in filesystem:
        return f"root=UUID={filesystem['uuid']}"
    if "label" in filesystem:
        return f"root=LABEL={filesystem['label']}"
    return f"root={filesystem['device']}"


def search(filesystem: Mapping[str, str], field: str) -> str:
    """grub's arguments to search for a file system. Raises ValueError naming `field` where grub cannot know it."""
    if "uuid" in filesystem:
        return f"--fs-uuid {filesystem['uuid']}"
    if "label" in filesystem:
        label = filesystem["label"]
        plain = label.replace("-", "").replace("_", "").replace(".", "").isalnum()
        return f"--label {label if plain else quoted(label)}"
    raise ValueError(f"{field}: grub cannot find a file system by its kernel device {filesystem['device']}; give uuid or label")


def terminals(config: Mapping[str, Any], compat_version: int = 1) -> str:
    """Lines for the serial line and the terminals.

    Version 1 leaves the name of what is not configured in the text, where grub expands it to nothing.
    """
    lines = {
        "serial": config.get("serial"),
        "terminal_input": " ".join(["terminal_input", *config.get("terminal_input", [])]) if "terminal_input" in config else None,
        "terminal_output": " ".join(["terminal_output", *config.get("terminal_output", [])]) if "terminal_output" in config else None,
    }
    missing = "${%s}" if compat_version == 1 else ""
    return "".join(f"\n{line}" if line else (missing % name if missing else "") for name, line in lines.items())


def environment(variables: Iterable[tuple[str, str]]) -> str:
    """Text of an environment block (grub-editenv(1)). Raises ValueError when it would not fit."""
    text = "# GRUB Environment Block\n" + "".join(f"{name}={value}\n" for name, value in variables)
    size = len(text.encode())
    if size > _ENVIRONMENT_SIZE:
        raise ValueError(f"kernel_opts and saved_entry: grub's environment block has {_ENVIRONMENT_SIZE} bytes, {size} are needed")
    return text + "#" * (_ENVIRONMENT_SIZE - size)


def default_lines(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings of /etc/default/grub that are written the same way wherever they stand in the file, by option."""
    lines = {}
    for option in ("disable_recovery", "disable_submenu"):
        if option in config:
            lines[option] = f"GRUB_{option.upper()}={str(config[option]).lower()}"
    for option, name in (("distributor", "DISTRIBUTOR"), ("serial", "SERIAL_COMMAND")):
        if option in config:
            lines[option] = f"GRUB_{name}={double_quoted(config[option])}"
    for option in ("terminal", "terminal_input", "terminal_output"):
        if option in config:
            lines[option] = f"GRUB_{option.upper()}={double_quoted(' '.join(config[option]))}"
    for option in ("timeout_style", "default"):
        if option in config:
            lines[option] = f"GRUB_{option.upper()}={config[option]}"
    return lines


def double_quoted(value: str) -> str:
    """`value` in double quotes for /etc/default/grub; what the shell expands there is kept."""
    return '"' + value.replace('"', '\\"') + '"'


def write_defaults(tree: str, lines: Iterable[str]) -> None:
    """Write /etc/default/grub."""
    treefile.make_directory(tree, "/etc/default")
    treefile.write(tree, "/etc/default/grub", "\n".join(lines) + "\n")


def vendor_directory(tree: str, vendor: str) -> str:
    """Path of the vendor's directory on the mounted EFI system partition, which must exist in the tree."""
    if vendor in (".", "..") or "/" in vendor:
        raise ValueError(f"uefi.vendor must be the name of a directory, found {vendor!r}")
    path = f"/boot/efi/EFI/{vendor}"
    if not os.path.isdir(intree.resolve(tree, path)):
        raise FileNotFoundError(f"the tree has no directory {path}; uefi.install makes it, or a package or an earlier stage")
    return path
