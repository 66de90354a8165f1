#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys

import osbuild.api
from osbuild.util import parsing

from stages.forge import grub2, intree


def main(args, options):
    config = options["config"]
    grub2.check_lines(config, "config")
    root, path = parsing.parse_location_into_parts(options["path"], args)
    if path.endswith("/"):
        raise ValueError(f"path must name a file, found {options['path']}")
    lines = [config["serial"]] if "serial" in config else []
    lines += [" ".join([name, *config[name]]) for name in ("terminal_input", "terminal_output") if name in config]
    target = intree.resolve(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf8") as file:
        file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    arguments = osbuild.api.arguments()
    sys.exit(main(arguments, arguments["options"]))
