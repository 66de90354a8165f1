# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""grub's menu of an installation medium: install, test the medium, troubleshooting, and entries of one's own."""

from __future__ import annotations

from . import grub2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_HEAD = """
function load_video {
  insmod all_video
}

load_video
set gfxpayload=keep
insmod gzio
insmod part_gpt
insmod ext2
insmod chain

"""


def _entry(title: str, linux: str, initrd: str, indent: str = "", os_class: str = "fedora") -> str:
    return (
        f"{indent}menuentry {grub2.quoted(title)} --class {os_class} --class gnu-linux --class gnu --class os {{\n"
        f"{indent}\tlinux {linux}\n"
        f"{indent}\tinitrd {initrd}\n"
        f"{indent}}}\n"
    )


def configuration(options: Mapping[str, Any], os_class: str = "fedora") -> str:
    """Text of grub.cfg for the options of org.osbuild.grub2.iso and org.osbuild.grub2.iso.legacy. ValueError."""
    grub2.check_lines(options)
    product, kernel, config = options["product"], options["kernel"], options.get("config", {})
    name = f"{product['name']} {product['version']}"
    linux = f"{kernel['dir'].rstrip('/')}/vmlinuz"
    initrd = f"{kernel['dir'].rstrip('/')}/initrd.img"
    arguments = kernel.get("opts", [])

    def entry(title: str, *extra: str, indent: str = "") -> str:
        return _entry(title, " ".join([linux, *arguments, *extra, "quiet"]), initrd, indent, os_class)

    menu = [entry(f"Install {name}")] if options.get("install", True) else []
    if options.get("test", True):
        menu.append(entry(f"Test this media & install {name}", "rd.live.check"))
    if options.get("fips", False):
        menu.append(entry(f"Install {name} in FIPS mode", "fips=1"))
    menu += [_entry(item["name"], item["linux"], item["initrd"], os_class=os_class) for item in options.get("custom", [])]
    trouble = ""
    if options.get("troubleshooting", True):
        trouble = (
            "submenu 'Troubleshooting -->' {\n"
            + entry(f"Install {name} in basic graphics mode", "nomodeset", indent="\t")
            + entry(f"Rescue a {product['name']} system", "inst.rescue", indent="\t")
            + f"\tmenuentry 'Boot first drive' --class {os_class} --class gnu-linux --class gnu --class os {{\n"
            "\t\tchainloader (hd0)+1\n"
            "\t}\n"
            "}\n"
        )
    if not menu and not trouble:
        raise ValueError("install, test, fips, custom and troubleshooting are all off: the menu would have no entry")
    count = len(menu) + bool(trouble)
    if config.get("default", 0) not in range(count):
        raise ValueError(f"config.default: the menu has the entries 0 to {count - 1}, found {config['default']}")
    default = f'set default="{config["default"]}"\n' if "default" in config else ""
    return (
        f"{default}{_HEAD}"
        f"set timeout={config.get('timeout', 60)}\n"
        "### END /etc/grub.d/00_header ###\n\n"
        f"search --no-floppy --set=root -l {grub2.quoted(options['isolabel'])}\n\n\n\n"
        + "\n".join(menu)
        + ("\n\n" + trouble if trouble else "")
    )
