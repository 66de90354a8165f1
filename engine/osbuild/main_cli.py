# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line (contract, section 7)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .cli_options import default_rundir, parse_arguments
from .util import term

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from .meta import FormatInfo, Index
    from .monitor import BaseMonitor
    from .objectstore import ObjectStore
    from .pipeline import Manifest
    from .schema import ValidationResult

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INVALID = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

# Characters of an error of validation that are shown as text; the JSON document has all.
MAX_MESSAGE = 1000
# Environment variable; "disk": disks of which nothing is kept are not made in memory either.
SCRATCH = "OSBUILD_SCRATCH"


class _Failure(Exception):
    """The run cannot go on: one sentence, and the kind of error for the result document."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def as_dict(self) -> dict[str, Any]:
        error = {"type": f"org.osbuild.error.{self.kind}", "details": {"message": str(self)}}
        return {"type": "error", "success": False, "error": error}


class _Terminated(BaseException):
    """SIGTERM came."""


def read_manifest(path: str) -> dict[str, Any]:
    """The JSON object in the file, or from stdin if `path` is `-`."""
    try:
        if path == "-":
            manifest = json.load(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
    except OSError as exc:
        raise _Failure("manifest", f"cannot read the manifest: {exc}") from exc
    except RecursionError as exc:
        raise _Failure("manifest", f"manifest {path} is nested too deeply") from exc
    except ValueError as exc:
        raise _Failure("manifest", f"manifest {path} is not JSON: {exc}") from exc
    if not isinstance(manifest, dict):
        raise _Failure("manifest", f"manifest {path} is not a JSON object but {type(manifest).__name__}")
    return manifest


def load_manifest(index: Index, info: FormatInfo, description: dict[str, Any]) -> Manifest:
    try:
        manifest: Manifest = info.module.load(description, index)
    except KeyError as exc:
        raise _Failure("manifest", str(exc.args[0]) if exc.args else "missing key") from exc
    except (ValueError, TypeError) as exc:
        raise _Failure("manifest", str(exc)) from exc
    return manifest


def print_json(document: dict[str, Any]) -> None:
    """One line on stdout, in one write: a reader never sees half of it."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def show_failed() -> None:
    print(f"{term.fmt.reset}{term.fmt.bold}{term.fmt.red}Failed{term.fmt.reset}")


def show_validation(result: ValidationResult, name: str) -> None:
    """The errors as text, grouped by place."""
    print(f"{term.fmt.bold}{name}{term.fmt.reset} {term.fmt.red}has errors{term.fmt.reset}:")
    place = None
    for error in result:
        if error.id != place:
            place = error.id
            print(f"\n{term.fmt.bold}{place}{term.fmt.reset}:")
        # A message may quote the whole part that is wrong.
        message = error.message if len(error.message) <= MAX_MESSAGE else error.message[:MAX_MESSAGE] + " […]"
        for line in message.splitlines() or [""]:
            print(f"  {line}")
    print()


def export(name: str, output_directory: str, store: ObjectStore, manifest: Manifest, *, consume: bool) -> None:
    """Write the tree of that pipeline to the directory `name` below the output directory, over what is there.

    A new directory appears only when it is complete. With `consume` the tree may be moved out of the store.
    """
    tree = store.get(manifest[name].id)
    if tree is None:
        raise _Failure("export", f"pipeline '{name}' has no tree to export")
    target = os.path.join(output_directory, name)
    skip_owner = os.environ.get("OSBUILD_EXPORT_FORCE_NO_PRESERVE_OWNER") == "1"
    try:
        if os.path.lexists(target):
            tree.export(target, skip_preserve_owner=skip_owner, consume=consume)
            return
        parent, base = os.path.split(target)
        os.makedirs(parent, exist_ok=True)
        unfinished = os.path.join(parent, f".{base}.{os.urandom(6).hex()}")
        try:
            tree.export(unfinished, skip_preserve_owner=skip_owner, consume=consume)
            os.rename(unfinished, target)
        finally:
            if os.path.lexists(unfinished):
                from .util import rmrf

                rmrf.rmtree(unfinished)
    except (OSError, RuntimeError) as exc:
        raise _Failure("export", f"cannot export pipeline '{name}': {exc}") from exc


def export_all(names: list[str], output_directory: str, store: ObjectStore, manifest: Manifest) -> None:
    """Export in the order given. Only the last export of a tree may move it."""
    ids = [manifest[name].id for name in names]
    for i, name in enumerate(names):
        export(name, output_directory, store, manifest, consume=ids[i] not in ids[i + 1 :])


def check_targets(args: argparse.Namespace, manifest: Manifest) -> bool:
    """Are the exports and checkpoints in the manifest? Says which are not: as plain text, also with --json."""
    fmt = term.fmt
    unknown = [name for name in args.export or [] if name not in manifest]
    for name in unknown:
        names = [pipeline.name for pipeline in manifest]
        print(f"Export {fmt.bold}{name}{fmt.reset} not found in {names}")
    if unknown:
        show_failed()
        return False
    if args.checkpoint and not manifest.mark_checkpoints(args.checkpoint):
        print(f"None of the checkpoints {args.checkpoint} is a pipeline or stage of the manifest")
        show_failed()
        return False
    return True


def show_summary(manifest: Manifest, store: ObjectStore) -> None:
    """The ids of all pipelines, and what became of the checkpoints."""
    fmt = term.fmt
    print(f"{fmt.bold}Pipelines{fmt.reset}")
    for pipeline in manifest:
        print(f"  {pipeline.name + ':':<10}\t{pipeline.id}")
    print(f"{fmt.bold}Checkpoints{fmt.reset}")
    forgotten = False
    for pipeline in manifest:
        for stage in pipeline.stages:
            if stage.checkpoint:
                cached = store.contains(stage.id, only_cached=True)
                print(f"  {stage.id}: {'cached' if cached else 'not cached'}")
                forgotten = forgotten or not cached
    if forgotten and not store.maximum_size:
        print("  nothing is kept in a store without a size limit: set one with --cache-max-size")


def stdout_fd() -> int:
    """The descriptor behind standard output, which a program that calls this one may have replaced."""
    try:
        return sys.stdout.fileno()
    except (OSError, AttributeError):
        return 1


def make_monitor(args: argparse.Namespace, total_steps: int) -> BaseMonitor:
    from . import monitor

    name = args.monitor or ("NullMonitor" if args.quiet or args.json else "LogMonitor")
    fd = args.monitor_fd if args.monitor_fd is not None else stdout_fd()
    sys.stdout.flush()  # the monitor writes to the descriptor itself
    return monitor.make(name, fd, total_steps)


def build(args: argparse.Namespace, index: Index, info: FormatInfo, manifest: Manifest) -> int:
    """Download, build, export, and report."""
    from . import code, schedule
    from .devfs import remove_dead
    from .objectstore import ObjectStore
    from .util import linux
    from .util.memory import Budget

    own_mounts = False
    if args.own_process:
        # Mounts made from here on cannot outlive the engine, however it ends.
        own_mounts = linux.unshare_mounts()
    remove_dead(args.rundir)

    exports: list[str] = args.export or []
    with ObjectStore(args.cache) as store:
        if args.cache_max_size is not None:
            store.maximum_size = args.cache_max_size
        manifest.fix()
        manifest.mark_passing(exports)
        if own_mounts and os.environ.get(SCRATCH) != "disk":
            store.memory = Budget()
        store.code = code.digests(manifest)
        pipelines = manifest.depsolve(store, exports)
        monitor = make_monitor(args, len(manifest.sources) + len(pipelines))
        monitor.log(f"starting {args.manifest_path}", origin="osbuild.main_cli")
        result = manifest.build(
            store,
            pipelines,
            monitor,
            args.libdir,
            args.debug_break,
            args.stage_timeout,
            rundir=args.rundir,
            jobs=args.jobs or schedule.default_jobs(),
        )
        # Before the export: it may move a tree out of the store.
        document: dict[str, Any] = info.module.output(manifest, result, store)
        success = result.success
        try:
            if success:
                export_all(list(dict.fromkeys(exports)), args.output_directory, store, manifest)
        except _Failure as failure:
            success = False
            document.pop("metadata", None)
            document.update(failure.as_dict())
            if not args.quiet:
                print(f"osbuild: {failure}", file=sys.stderr)
        outcome = "finished successfully" if success else "failed"
        monitor.log(f"manifest {args.manifest_path} {outcome}\n", origin="osbuild.main_cli")

        if args.json:
            print_json(document)
        elif not args.quiet:
            if success:
                show_summary(manifest, store)
            else:
                show_failed()
        sys.stdout.flush()
        return EXIT_OK if success else EXIT_FAILED


def run(args: argparse.Namespace) -> int:
    """Everything after the arguments, in the order of the contract. Raises `_Failure`."""
    from .meta import Index

    description = read_manifest(args.manifest_path)
    index = Index(args.libdir)
    info = index.detect_format_info(description)
    if info is None:
        print("Unsupported manifest format")
        return EXIT_INVALID
    result = info.module.validate(description, index)
    if not result:
        if args.json or args.inspect:
            print_json(result.as_dict())
        else:
            show_validation(result, args.manifest_path)
        return EXIT_INVALID

    manifest = load_manifest(index, info, description)
    if not args.quiet:
        for warning in manifest.warnings:
            print(f"WARNING: {warning}", file=sys.stderr)
    if not check_targets(args, manifest):
        return EXIT_FAILED
    if args.inspect:
        print_json(info.module.describe(manifest, with_id=True))
        return EXIT_OK
    if args.export and not args.output_directory:
        print("Need --output-directory for --export")
        return EXIT_FAILED
    check_possible(args, manifest)
    return build(args, index, info, manifest)


def check_possible(args: argparse.Namespace, manifest: Manifest) -> None:
    """Raise `_Failure` for what is certain to fail, before anything is downloaded or built."""
    if args.in_vm:
        raise _Failure(
            "unsupported",
            f"--in-vm {args.in_vm[0]} is not supported: this engine brings no virtual machine to run stages in",
        )
    for name in args.export or []:
        if manifest[name].id is None:
            raise _Failure("export", f"pipeline '{name}' has no stages, so there is nothing to export")
        path = os.path.normpath(name)
        if os.path.isabs(path) or path in (".", "..") or path.startswith("../"):
            raise _Failure(
                "export", f"pipeline '{name}' cannot be exported: its name leads out of the output directory"
            )
    if args.monitor is not None:
        try:
            make_monitor(args, 0)
        except ValueError as exc:
            raise _Failure("arguments", str(exc)) from exc
    if args.monitor_fd is not None:
        try:
            os.fstat(args.monitor_fd)
        except OSError as exc:
            raise _Failure("arguments", f"--monitor-fd {args.monitor_fd}: {exc}") from exc


def report_failure(args: argparse.Namespace, failure: _Failure) -> int:
    if args.json or args.inspect:
        print_json(failure.as_dict())
    if not args.quiet:
        # One line, and none of the terminal's control sequences: it may quote what stands in the manifest.
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(failure))
        print(f"osbuild: {text}", file=sys.stderr)
    return EXIT_FAILED


@contextlib.contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does, so that mounts, loop devices and temporary trees are released."""

    def handler(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)  # a second one must not interrupt the cleaning up
        raise _Terminated

    try:
        previous = signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


# Not "-m osbuild": in the user's current directory there might be something of that name.
_ANEW = """import sys
sys.path[0] = sys.argv.pop(1)
from osbuild.main_cli import osbuild_cli
sys.exit(osbuild_cli(own_process=True))
"""


def become_root(rundir: str) -> None:
    """Start this program anew in a user namespace in which it is root; returns if that is not possible (contract, 7).

    `rundir` is what it is without an option to choose it: the user's, who is still the user there.
    """
    from .util.linux import IdMaps

    try:
        IdMaps.for_user().enter()
    except (OSError, LookupError):
        return
    package_parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = [sys.executable, "-c", _ANEW, package_parent, "--rundir", rundir, *sys.argv[1:]]
    sys.stdout.flush()
    os.execv(sys.executable, program)


def osbuild_cli(no_reexec: bool = False, *, own_process: bool = False) -> int:
    """Run the command line in `sys.argv` and return the exit code.

    An ordinary user's engine starts itself anew in a user namespace, unless `no_reexec`. `own_process` says that this process
    does nothing else, so that it may leave the caller's mount namespace.
    """
    args = parse_arguments(sys.argv[1:])
    if os.geteuid() != 0 and not no_reexec and not args.inspect:
        become_root(default_rundir())
    args.own_process = own_process
    for stream in (sys.stdout, sys.stderr):
        # What a manifest or a path says may not be expressible in the terminal's encoding.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with sigterm_unwinds():
            return run(args)
    except _Failure as failure:
        return report_failure(args, failure)
    except BrokenPipeError:
        # Whoever read the output has left. What is still buffered must not fail at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout_fd())
        return EXIT_FAILED
    except OSError as exc:
        # The kernel does not always say what had no space or no permission; it is the store then.
        place = "" if exc.filename else f" (store {args.cache}, run directory {args.rundir})"
        return report_failure(args, _Failure("engine", f"{exc}{place}"))
    except RecursionError:
        return report_failure(args, _Failure("manifest", f"manifest {args.manifest_path} is nested too deeply"))
    except RuntimeError as exc:
        return report_failure(args, _Failure("engine", str(exc)))
    except SyntaxError as exc:
        from .meta import reason

        return report_failure(args, _Failure("module", reason(exc)))
    except (
        Exception
    ) as exc:  # a defect of the engine: for its authors the traceback, for programs a document all the same
        import traceback

        traceback.print_exc()
        return report_failure(args, _Failure("engine", f"{type(exc).__name__}: {exc}"))
    except KeyboardInterrupt:
        print(f"\n{term.fmt.reset}{term.fmt.bold}{term.fmt.red}Aborted{term.fmt.reset}")
        return EXIT_INTERRUPTED
    except _Terminated:
        print("Terminated", file=sys.stderr)
        return EXIT_TERMINATED
