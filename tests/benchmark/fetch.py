# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads: as many files as a small cloud image has packages, from a server near and far, and all of them present."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark.harness import PYTHON, Bench, Command, Row, against_upstream, engine, ours, upstream

FILES = 223
BYTES = 98 << 20

# Without Nagle's algorithm: it would add 40 ms to each file.
_SERVER = """
import functools, http.server, sys, time
delay = float(sys.argv[2])
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    def do_GET(self):
        time.sleep(delay)
        super().do_GET()
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"""


def make_files(path: Path) -> dict[str, str]:
    """Names by checksum."""
    chance = random.Random(2)
    path.mkdir()
    weights = [chance.paretovariate(1.0) for _ignored in range(FILES)]
    unit = BYTES / sum(weights)
    found = {}
    for number, weight in enumerate(weights):
        data = os.urandom(max(1000, int(weight * unit)))
        (path / f"{number}.deb").write_bytes(data)
        found[f"sha256:{hashlib.sha256(data).hexdigest()}"] = f"{number}.deb"
    return found


def serve(bench: Bench, folder: Path, delay: float) -> int:
    """Port of a server that waits `delay` seconds before each answer."""
    script = bench.scratch / "server.py"
    script.write_text(_SERVER)
    server = subprocess.Popen([PYTHON, str(script), str(folder), str(delay)], stdout=subprocess.PIPE, text=True)
    bench.stack.callback(server.wait)
    bench.stack.callback(server.kill)
    assert server.stdout is not None
    return int(server.stdout.readline())


def rows(bench: Bench) -> Iterator[Row]:
    peer = upstream()
    names = make_files(bench.scratch / "files")
    pipeline = {"name": "tree", "runner": "org.osbuild.debian12", "stages": [{"type": "org.osbuild.noop"}]}
    for delay in (0, 25):
        port = serve(bench, bench.scratch / "files", delay / 1000)
        items = {checksum: f"http://127.0.0.1:{port}/{name}" for checksum, name in names.items()}
        document = bench.scratch / f"{delay}.json"
        document.write_text(
            json.dumps({"version": "2", "pipelines": [pipeline], "sources": {"org.osbuild.curl": {"items": items}}})
        )
        theirs = _run(bench, document, peer, empty=True) if peer else None
        yield against_upstream(
            f"fetch {FILES} files, {delay} ms away", _run(bench, document, None, empty=True), theirs, f"fetch {delay} ms", 0.45
        )
    theirs = _run(bench, document, peer, empty=False) if peer else None
    yield against_upstream(
        f"nothing to do, {FILES} files present", _run(bench, document, None, empty=False), theirs, "all cached", 0.35
    )


def _run(bench: Bench, document: Path, peer: Path | None, *, empty: bool) -> Command:
    """Download into an empty store and build a stage; or find all in the store, the tree too."""
    store = bench.scratch / ("theirs" if peer else "ours")
    target = ["--output-directory", str(bench.scratch / "out")]
    target += ["--export", "tree"] if empty else ["--checkpoint", "tree", "--cache-max-size", "1GiB"]
    argv = engine(document, store, *target, **({"libdir": peer} if peer else {}))
    environment = {"PYTHONPATH": str(peer)} if peer else ours()

    def remove() -> None:
        shutil.rmtree(store, ignore_errors=True)

    return Command(argv, environment, remove if empty else None)
