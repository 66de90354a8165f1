# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a function over items in forked processes, one per cpu.

Forks instead of threads because unpacking is bound by this interpreter, instead of multiprocessing because that
costs more to import than a small package takes to unpack, and because each process changes its root directory.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from .errors import StageError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cpus() -> int:
    """How many processes may usefully run at once."""
    return len(os.sched_getaffinity(0))


def run(
    function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int, prepare: Callable[[], None] | None = None
) -> list[Result]:
    """The results of `function` for `items`, in their order.

    Each process calls `prepare` first and then takes item after item, so put the big ones first. A StageError of any
    item is raised here, that of the first such item; any other exception is a defect and raises RuntimeError with its
    traceback.
    """
    jobs = max(1, min(jobs, len(items)))
    source, feed = os.pipe()
    children: dict[int, int] = {}
    sys.stdout.flush()
    sys.stderr.flush()
    for _ignored in range(jobs):
        answer = os.memfd_create("forge")
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(feed)
                found: dict[int, object] = {}
                try:
                    if prepare is not None:
                        prepare()
                    # A pipe hands out whole numbers only: 4 bytes are far below PIPE_BUF.
                    while len(word := os.read(source, 4)) == 4:
                        number = struct.unpack("I", word)[0]
                        try:
                            found[number] = function(items[number])
                        except StageError as error:
                            found[number] = error
                            break
                except BaseException:
                    found[-1] = traceback.format_exc()
                with open(answer, "wb", closefd=False) as out:
                    pickle.dump(found, out, pickle.HIGHEST_PROTOCOL)
                status = 0
            finally:
                # Leave without running what belongs to the parent.
                os._exit(status)
        children[pid] = answer
    os.close(source)
    try:
        for number in range(len(items)):
            os.write(feed, struct.pack("I", number))
    except BrokenPipeError:
        pass  # every process has ended early; their answers say why
    os.close(feed)
    results: dict[int, object] = {}
    died = []
    for pid, answer in children.items():
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with open(answer, "rb") as data:
            data.seek(0)
            if code == 0:
                results.update(pickle.load(data))
            else:
                died.append(code)
    if -1 in results:
        raise RuntimeError(f"a worker failed:\n{results[-1]}")
    for number in sorted(results):
        if isinstance(error := results[number], StageError):
            raise error
    if died:
        raise RuntimeError(f"a worker process ended with status {died[0]} (negative: killed by that signal)")
    return [results[number] for number in range(len(items))]  # type: ignore[misc]
