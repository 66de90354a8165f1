# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""`forge-modules`: which modules there are, and what options they take."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..meta import Index, ModuleInfo, reason
from .schematext import describe_schema

EXIT_OK = 0
EXIT_FAILED = 1

EPILOG = """\
examples:
  forge-modules                      all modules with their summaries
  forge-modules stage                those of one class
  forge-modules stage org.osbuild.mkdir      one module with its capabilities and options
  forge-modules org.osbuild.mkdir    the same; modules of that name of all classes
  forge-modules --json stage         as JSON, with complete schemas

CLASS is one of: assembler, device, input, mount, source, stage.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has left; what is still buffered must not fail at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except SyntaxError as error:
        return _fail(args, reason(error))
    except (OSError, ValueError) as error:
        return _fail(args, str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forge-modules",
        description="List the modules of a library directory: stages, sources, inputs, devices, mounts and assemblers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-l",
        "--libdir",
        metavar="DIRECTORY",
        default=default_libdir(),
        help="where they lie (default: beside this program)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with the complete schema of each module")
    parser.add_argument("klass", metavar="CLASS", nargs="?", help="only modules of that class")
    parser.add_argument("name", metavar="NAME", nargs="?", help="only that module, with all that is known of it")
    return parser


def default_libdir() -> str:
    """The library directory that this package belongs to."""
    return str(Path(__file__).resolve().parents[2])


def _run(args: argparse.Namespace) -> int:
    classes, name = list(ModuleInfo.MODULES), args.name
    if args.klass is not None:
        wanted = _class_of(args.klass)
        if wanted is not None:
            classes = [wanted]
        elif name is None:
            name = args.klass
        else:
            return _fail(args, f"'{args.klass}' is no class of modules; there are {', '.join(map(str.lower, classes))}")
    if not os.path.isdir(args.libdir):
        return _fail(args, f"there is no library directory '{args.libdir}'")
    found = list(modules(Index(args.libdir), classes, name))
    if name is not None and not found:
        return _fail(args, f"there is no {args.klass if name is args.name else 'module'} '{name}' in {args.libdir}")
    if args.json:
        print(json.dumps({"libdir": os.path.abspath(args.libdir), "modules": [as_dict(info) for info in found]}))
    elif name is not None:
        print("\n".join(as_text(info) for info in found))
    else:
        width = max((len(info.name) for info in found), default=0)
        for info in found:
            print(f"{info.type.lower():<9}  {info.name:<{width}}  {info.desc}")
    return EXIT_OK


def _class_of(text: str) -> str | None:
    """`Stage` for that, `stage` and `stages`; None if it is no class."""
    for klass, folder in ModuleInfo.MODULES.items():
        if text.lower() in (klass.lower(), folder):
            return klass
    return None


def modules(index: Index, classes: list[str], name: str | None = None) -> Iterator[ModuleInfo]:
    """The modules of these classes, all or those of that name. SyntaxError for a description that cannot be read."""
    for klass in classes:
        for each in index.list_modules_for_class(klass) if name is None else [name]:
            info = index.get_module_info(klass, each)
            if info is not None:
                yield info


def as_dict(info: ModuleInfo) -> dict[str, Any]:
    """All that is known of a module; `schema` is that of its whole part of a manifest of version 2."""
    return {
        "class": info.type,
        "name": info.name,
        "path": info.path,
        "summary": info.desc,
        "description": info.info,
        "capabilities": sorted(info.caps),
        "schema": info.get_schema("2"),
    }


def as_text(info: ModuleInfo) -> str:
    """The same for people."""
    lines = [f"{info.type.lower()} {info.name}", f"  {info.desc}", ""]
    for paragraph in info.info.splitlines():
        lines += textwrap.wrap(paragraph, 100, initial_indent="  ", subsequent_indent="  ") or [""]
    lines.append("")
    if info.caps:
        lines += [f"  capabilities: {', '.join(sorted(info.caps))}", ""]
    lines += [f"  {line}" for line in describe_schema(info.get_schema("2"))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _fail(args: argparse.Namespace, message: str) -> int:
    if args.json:
        print(json.dumps({"error": message}))
    print(f"forge-modules: {message}", file=sys.stderr)
    return EXIT_FAILED
