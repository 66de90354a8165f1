# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The options of the command line (contract, section 7)."""

from __future__ import annotations

import argparse
import functools
import os

from . import __version__
from .util import parsing


def default_rundir() -> str:
    """Where sockets and device nodes of running stages are: for root below /run, else below the user's own directory."""
    if os.getuid() == 0:
        return "/run/osbuild"
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "osbuild")


def _jobs(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text}")
    return number


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="osbuild",
        description="Build operating system images and trees from a manifest.",
        # Each option is tried on a formatter when it is added; this one does not ask for the terminal's width.
        formatter_class=functools.partial(argparse.HelpFormatter, width=80),
    )
    parser.add_argument("manifest_path", metavar="MANIFEST", help="the manifest, a JSON file; '-' reads standard input")
    parser.add_argument(
        "--cache",
        "--store",
        metavar="DIRECTORY",
        type=os.path.abspath,
        default=".osbuild",
        help="where trees and downloads are kept (default: .osbuild)",
    )
    parser.add_argument(
        "-l",
        "--libdir",
        metavar="DIRECTORY",
        type=os.path.abspath,
        default="/usr/lib/osbuild",
        help="where stages and other modules lie (default: /usr/lib/osbuild)",
    )
    parser.add_argument(
        "--cache-max-size",
        metavar="SIZE",
        type=parsing.parse_size,
        default=None,
        help="set the size limit of the store: bytes, a number with kB, KiB, MB, MiB, GB, GiB, TB or TiB, or 'unlimited'",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="PATTERN",
        action="append",
        help="keep the trees of what matches: pipeline names, stage types or ids (may be repeated)",
    )
    parser.add_argument(
        "--export",
        metavar="NAME",
        action="append",
        help="build the pipeline of that name or id and write its tree out (may be repeated)",
    )
    parser.add_argument(
        "--output-directory",
        metavar="DIRECTORY",
        type=os.path.abspath,
        help="where --export writes to: one directory for each name",
    )
    parser.add_argument("--in-vm", metavar="NAME", action="append", help="not supported by this engine, and refused")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--inspect", action="store_true", help="print the manifest as JSON, with all ids, and stop")
    parser.add_argument("--monitor", metavar="NAME", help="NullMonitor, LogMonitor or JSONSeqMonitor")
    parser.add_argument(
        "--monitor-fd", metavar="FD", type=int, default=None, help="the file descriptor for --monitor (default: stdout)"
    )
    parser.add_argument(
        "--stage-timeout", metavar="SECONDS", type=int, default=None, help="the longest time that one stage may run"
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_jobs,
        default=None,
        help="how many pipelines may be built at the same time (default: as many as there are processors, and memory for)",
    )
    parser.add_argument(
        "--break",
        dest="debug_break",
        metavar="STAGE",
        nargs="?",
        const="*",
        default="",
        help="open a shell before the stage of that type or id, or before each",
    )
    parser.add_argument(
        "--rundir",
        metavar="DIRECTORY",
        type=os.path.abspath,
        default=default_rundir(),
        help="for sockets and device nodes while stages run (default: /run/osbuild)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result of --json")
    parser.add_argument("--version", action="version", version=f"osbuild {__version__}")
    parser.formatter_class = argparse.HelpFormatter
    args = parser.parse_args(argv)
    args.cache = os.path.abspath(args.cache)
    return args
