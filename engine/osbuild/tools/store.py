# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""`forge-store`: look into a store and keep it small."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from ..devfs import remove_dead
from ..util import rmrf
from ..util.fscache import FsCache
from ..util.fsfiles import UNLIMITED
from ..util.fsstale import remove_dead_sessions
from ..util.parsing import parse_size
from . import inventory

EXIT_OK = 0
EXIT_PROBLEMS = 1
EXIT_USAGE = 2

_AGE_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

KEEPS_NOTHING = (
    "The maximum size is 0, so this store keeps nothing: --checkpoint has no effect until there is a limit "
    "(`forge-store limit SIZE`, or --cache-max-size SIZE when building)."
)

EPILOG = """\
commands:
  list                      objects (oldest use first) and what sources downloaded
  size                      what the store takes, and its limit
  verify                    check sources by their checksums, and the structure of objects; exit code 1 if something is wrong
  prune --max-size SIZE     remove the objects not used for longest until the others take at most SIZE
  prune --older-than AGE    remove the objects not used for AGE; with --sources downloads as well, if nobody uses the store
  gc                        remove what runs that have died left behind, and count the size anew
  limit [SIZE]              show or set the size above which objects are removed; 0 keeps nothing

SIZE is a number of bytes, or one with kB, KiB, MB, MiB, GB, GiB, TB or TiB, for `limit` also `unlimited`.
AGE is a number of seconds, or one with m, h, d or w. What is in use is never removed.
"""


class StoreError(Exception):
    """One sentence for the user."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        if not os.path.exists(os.path.join(args.store, "cache.lock")):
            raise StoreError(f"there is no store at '{args.store}'")
        code: int = args.function(args)
        sys.stdout.flush()
        return code
    except StoreError as error:
        message = str(error)
    except BrokenPipeError:
        # Whoever read the output has left; what is still buffered must not fail at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PROBLEMS
    except OSError as error:
        message = str(error)
    if args.json:
        print(json.dumps({"error": message}))
    print(f"forge-store: {message}", file=sys.stderr)
    return EXIT_PROBLEMS


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    parser = argparse.ArgumentParser(
        prog="forge-store",
        description="Look into a store of osbuild and keep it small.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Before and after the command; suppressed there, or its default would overwrite what came before.
    for each, store, as_json in ((parser, ".osbuild", False), (common, argparse.SUPPRESS, argparse.SUPPRESS)):
        each.add_argument(
            "--store", "--cache", metavar="DIRECTORY", default=store, help="the store (default: .osbuild)"
        )
        each.add_argument("--json", action="store_true", default=as_json, help="print JSON")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(function=function)
        return sub

    sub = command("list", list_store, "list objects, and what sources downloaded")
    sub.add_argument("--all", action="store_true", help="list each downloaded item, too")
    command("size", show_size, "show what the store takes, and its limit")
    command("verify", verify, "check sources by their checksums, and the structure of objects")
    sub = command("prune", prune, "remove objects that were not used for long")
    sub.add_argument("--max-size", metavar="SIZE", type=_size, help="until the objects take at most that much")
    sub.add_argument(
        "--older-than", metavar="AGE", type=parse_age, help="those not used for AGE, such as 12h, 30d or 4w"
    )
    sub.add_argument(
        "--sources", action="store_true", help="with --older-than: downloads as well; nobody may use the store"
    )
    sub.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    sub = command("gc", collect_garbage, "remove what runs that have died left behind")
    sub.add_argument("--rundir", metavar="DIRECTORY", help="also clear this run directory, /run/osbuild in most cases")
    sub = command("limit", limit, "show or set the size above which objects are removed")
    sub.add_argument(
        "size", metavar="SIZE", nargs="?", type=parse_size, help="the limit, or 'unlimited'; 0 keeps nothing"
    )
    return parser


def _size(text: str) -> int:
    size = parse_size(text)
    if not isinstance(size, int) or size < 0:
        raise ValueError(text)
    return size


def parse_age(text: str) -> int:
    """Seconds of an age such as `90`, `12h` or `30d`. ValueError."""
    match = re.fullmatch(r"(\d+)([smhdw]?)", text, re.ASCII)
    if match is None:
        raise ValueError(f"'{text}' is no age")
    return int(match[1]) * _AGE_UNITS[match[2]]


def _open(args: argparse.Namespace, *, read_only: bool = True) -> FsCache:
    cache = FsCache("osbuild", args.store, read_only=read_only)
    info = cache.files.read_info()
    if not info.known:
        raise StoreError(f"the store at '{args.store}' has the format {info.version}, which is unknown")
    return cache


# Commands


def list_store(args: argparse.Namespace) -> int:
    with _open(args) as cache:
        found, items = inventory.objects(cache), inventory.source_items(cache)
        if args.json:
            _print_json({"objects": [each.as_dict() for each in found], "sources": [each.as_dict() for each in items]})
            return EXIT_OK
        print(f"{'OBJECT':<64}  {'SIZE':>10}  {'LAST USED':<16}  {'CREATED':<16}  STAGES WITH METADATA")
        for each in found:
            stages = " ".join(stage[:12] for stage in each.stages) or "-"
            print(f"{each.id:<64}  {_human(each.size):>10}  {_date(each.last_used)}  {_date(each.created)}  {stages}")
        if not found:
            print("no objects")
        print()
        for content in sorted({item.content for item in items}):
            mine = [item for item in items if item.content == content]
            print(f"{content}: {len(mine)} items, {_human(sum(item.size for item in mine))}")
            for item in mine if args.all else []:
                print(f"  {item.name}  {_human(item.size)}  {_date(item.last_used)}")
        if not items:
            print("no sources")
        _warn_of_zero(cache)
    return EXIT_OK


def show_size(args: argparse.Namespace) -> int:
    with _open(args) as cache:
        items = inventory.source_items(cache)
        size, sources = cache.size, sum(item.size for item in items)
        maximum = cache.info.maximum_size
        if args.json:
            value: int | str = "unlimited" if maximum == UNLIMITED else maximum
            _print_json({"objects": size, "sources": sources, "maximum-size": value, "count": len(cache.names)})
            return EXIT_OK
        print(f"objects  {_human(size)} in {len(cache.names)}, limit {_human_limit(maximum)}")
        print(f"sources  {_human(sources)} in {len(items)}, no limit")
        _warn_of_zero(cache)
    return EXIT_OK


def verify(args: argparse.Namespace) -> int:
    with _open(args) as cache:
        found = list(inventory.problems(cache))
        rest = inventory.leftovers(cache)
        names = {"objects": len(cache.names), "sources": len(inventory.source_items(cache))}
        # Of others that work in the store just now it cannot be told what they will still clear away.
        dead = [] if cache.shared else rest
    if args.json:
        document = [{"place": place, "message": message} for place, message in found]
        _print_json({"success": not found, "checked": names, "problems": document, "leftovers": dead})
        return EXIT_PROBLEMS if found else EXIT_OK
    for place, message in found:
        print(f"{place}: {message}")
    if dead:
        print(f"{len(dead)} leftovers of runs that have died: `forge-store gc` removes them")
    print(f"{names['objects']} objects and {names['sources']} downloads checked, {len(found) or 'no'} problems found")
    return EXIT_PROBLEMS if found else EXIT_OK


def prune(args: argparse.Namespace) -> int:
    if args.max_size is None and args.older_than is None:
        raise StoreError("prune needs --max-size SIZE or --older-than AGE")
    if args.sources and args.older_than is None:
        raise StoreError("prune --sources needs --older-than AGE")
    now = time.time()
    removed: list[dict[str, Any]] = []
    in_use: list[str] = []
    with _open(args, read_only=args.dry_run) as cache:
        found = inventory.objects(cache)
        total = sum(each.size for each in found)
        for each in found:
            old = args.older_than is not None and now - each.last_used >= args.older_than
            if not old and (args.max_size is None or total <= args.max_size):
                continue
            if not args.dry_run and not cache.remove(each.id, unused_since=each.atime_ns):
                in_use.append(each.id)
                continue
            total -= each.size
            removed.append({"object": each.id, "size": each.size})
        if args.sources:
            removed += _prune_sources(cache, now - args.older_than, dry_run=args.dry_run)
    if args.json:
        _print_json({"removed": removed, "in-use": in_use, "dry-run": args.dry_run})
        return EXIT_OK
    verb = "would remove" if args.dry_run else "removed"
    for entry in removed:
        print(f"{verb} {entry.get('object') or entry['source']}, {_human(entry['size'])}")
    for name in in_use:
        print(f"kept {name}, it is in use")
    print(f"{verb} {len(removed) or 'nothing'}, {_human(sum(entry['size'] for entry in removed))}")
    return EXIT_OK


def _prune_sources(cache: FsCache, before: float, *, dry_run: bool) -> list[dict[str, Any]]:
    """Items have no locks of their own, so that nobody else may be in the store."""
    old = [item for item in inventory.source_items(cache) if item.last_used <= before]
    if not dry_run:
        if not cache.lock_out_others():
            raise StoreError("the store is in use, and downloads can only be removed while it is not")
        for item in old:
            if os.path.isdir(item.path) and not os.path.islink(item.path):
                rmrf.rmtree(item.path)
            else:
                os.unlink(item.path)
    return [{"source": f"{item.content}/{item.name}", "size": item.size} for item in old]


def collect_garbage(args: argparse.Namespace) -> int:
    with _open(args) as before:
        old_size, found = before.size, inventory.leftovers(before)
    with _open(args, read_only=False) as cache:
        # Opening has moved aside what nobody holds.
        cache.remove_leftovers()
        remove_dead_sessions(os.path.join(cache.path, "tmp"))
        if args.rundir:
            remove_dead(args.rundir)
        rest = inventory.leftovers(cache)
        size, shared = cache.size, cache.shared
    removed = [path for path in found if path not in rest]
    if args.json:
        _print_json({"removed": removed, "kept": rest, "size": size, "size-before": old_size, "in-use": shared})
        return EXIT_OK
    for path in removed:
        print(f"removed {path}")
    for path in rest:
        print(f"kept {path}, it is in use")
    if size != old_size:
        print(f"counted the objects anew: {size} bytes, not {old_size}")
    print(
        f"{len(removed) or 'nothing'} removed"
        + (", but others use the store: run again when they have ended" if shared else "")
    )
    return EXIT_OK


def limit(args: argparse.Namespace) -> int:
    with _open(args, read_only=args.size is None) as cache:
        if args.size is not None:
            cache.set_maximum_size(args.size)
        maximum = cache.info.maximum_size
        if args.json:
            _print_json({"maximum-size": "unlimited" if maximum == UNLIMITED else maximum})
            return EXIT_OK
        print(f"limit {_human_limit(maximum)}")
        if maximum >= 0 and 0 < maximum < cache.size:
            print(
                f"The objects take {_human(cache.size)}: `forge-store prune --max-size {maximum}` removes the oldest now."
            )
        _warn_of_zero(cache)
    return EXIT_OK


# Text


def _warn_of_zero(cache: FsCache) -> None:
    if cache.info.maximum_size == 0:
        print(KEEPS_NOTHING)


def _human_limit(size: int) -> str:
    return "unlimited" if size == UNLIMITED else _human(size)


def _human(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _date(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds is not None else "-" * 16


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document))
