# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for osbuild: takes its options, plays a manifest's stages, and answers in its formats.

What a stage does is in its options: ``sleep`` (seconds), ``print`` (text), ``fail`` (text; the stage fails),
``write`` ({file: text} in the tree), ``spawn`` (a child that outlives the stage), ``stubborn`` (ignore SIGINT and
SIGTERM), ``die`` (the engine kills itself), ``garbage`` (break the monitor's stream).  Every start is noted in
``<store>/starts``.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time


def digest(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Monitor:
    def __init__(self, descriptor, total):
        self.descriptor, self.total, self.done = descriptor, total, 0
        self.known = set()
        self.inner = None

    def send(self, message=None, origin="osbuild.monitor", pipeline=None, stage=None, **more):
        context = {"origin": origin, "pipeline": {"stage": {}}}
        if pipeline:
            context["pipeline"] = {"name": pipeline["name"], "id": pipeline["id"], "stage": {}}
        if stage:
            context["pipeline"]["stage"] = {"name": stage["type"], "id": stage["id"]}
        key = digest(context)
        if key in self.known:
            context = {"id": key}
        else:
            self.known.add(key)
            context["id"] = key
        record = {"message": message, **more, "context": context, "timestamp": time.time()}
        record["progress"] = {"name": "pipelines/sources", "total": self.total, "done": self.done}
        if self.inner:
            record["progress"]["progress"] = dict(self.inner)
        record = {name: value for name, value in record.items() if value not in (None, "")}
        if self.descriptor is not None:
            os.write(self.descriptor, b"\x1e" + json.dumps(record).encode() + b"\n")

    def raw(self, data):
        if self.descriptor is not None:
            os.write(self.descriptor, data)


def play(stage, tree, monitor, pipeline):
    options = stage.get("options") or {}
    output = options.get("print", "")
    for name in options.get("print_environment", []):
        output += f"{name}={os.environ.get(name)}\n"
    if options.get("stubborn"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "spawn" in options:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        with open(options["spawn"], "w") as stream:
            stream.write(str(child.pid))
    if options.get("garbage"):
        monitor.raw(b'\x1e{"message": "cut o\n\x1enot json\n\x1e[1]\n')
    if output:
        monitor.send(output, f"stages/{stage['type']}", pipeline, stage)
    time.sleep(options.get("sleep", 0))
    if options.get("die"):
        sys.stderr.write("the engine had an accident\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    for name, text in (options.get("write") or {}).items():
        path = os.path.join(tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(text)
    failed = "fail" in options
    if failed:
        output += options["fail"] + "\n"
        monitor.send(options["fail"] + "\n", f"stages/{stage['type']}", pipeline, stage)
    return not failed, output


def main():
    parser = argparse.ArgumentParser()
    for name in ("--libdir", "--store", "--output-directory", "--monitor", "--cache-max-size"):
        parser.add_argument(name)
    parser.add_argument("--monitor-fd", type=int)
    parser.add_argument("--export", action="append", default=[])
    parser.add_argument("--checkpoint", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inspect", action="store_true")
    parser.add_argument("--version", action="version", version="osbuild 191")
    parser.add_argument("manifest")
    args = parser.parse_args()
    with sys.stdin if args.manifest == "-" else open(args.manifest) as stream:
        manifest = json.load(stream)
    errors = []
    for number, pipeline in enumerate(manifest.get("pipelines", [])):
        base = None
        for index, stage in enumerate(pipeline.get("stages", [])):
            if not stage["type"].startswith("org.osbuild."):
                path = ["pipelines", number, "stages", index]
                errors.append({"message": f"could not find schema information for '{stage['type']}'", "path": path})
            base = stage["id"] = digest(stage["type"], base, stage.get("options") or {})
        pipeline["id"] = base
    if errors:
        title = "JSON Schema validation failed"
        print(
            json.dumps(
                {"type": "https://osbuild.org/validation-error", "title": title, "success": False, "errors": errors}
            )
        )
        return 2
    names = [pipeline["name"] for pipeline in manifest["pipelines"]]
    for name in args.export:
        if name not in names:
            print(f"Export {name} not found in {names}")
            print("Failed")
            return 1
    if args.inspect:
        print(json.dumps({"version": "2", "pipelines": manifest["pipelines"]}))
        return 0
    os.makedirs(args.store, exist_ok=True)
    with open(os.path.join(args.store, "starts"), "a") as stream:
        stream.write(f"{os.getpid()}\n")
    return build(args, manifest)


def build(args, manifest):
    monitor = Monitor(args.monitor_fd, len(manifest["pipelines"]) + len(manifest.get("sources") or {}))
    monitor.send(f"starting {args.manifest}", "osbuild.main_cli")
    log, sources = {}, {"success": True}
    for kind, source in (manifest.get("sources") or {}).items():
        monitor.send(f"Starting pipeline source {kind}")
        good = not source.get("fail")
        result = {
            "name": f"source {kind}",
            "source_type": kind,
            "success": good,
            "output": source.get("fail", ""),
            "results": [],
        }
        monitor.send(f"Finished module source {kind}", result=result)
        monitor.done += 1
        if not good:
            details = {"source": {"type": kind, "output": source["fail"]}}
            error = {"type": "org.osbuild.error.source", "details": details}
            print(json.dumps({"type": "error", "success": False, "error": error, "sources": sources, "log": {}}))
            return 1
    work = os.path.join(args.store, "work")
    shutil.rmtree(work, ignore_errors=True)
    for pipeline in manifest["pipelines"]:
        tree = os.path.join(work, pipeline["name"])
        os.makedirs(tree)
        stages = pipeline.get("stages", [])
        monitor.inner = {"name": f"pipeline: {pipeline['name']}", "total": len(stages), "done": 0}
        monitor.send(f"Starting pipeline {pipeline['name']}", pipeline=pipeline)
        log[pipeline["name"]] = []
        for stage in stages:
            monitor.send(f"Starting module {stage['type']}", pipeline=pipeline, stage=stage)
            begun = time.monotonic()
            success, output = play(stage, tree, monitor, pipeline)
            result = {"name": stage["type"], "id": stage["id"], "success": success, "output": output}
            monitor.inner["done"] += 1
            message = f"Finished module {stage['type']}"
            monitor.send(message, pipeline=pipeline, stage=stage, result=result, duration=time.monotonic() - begun)
            entry = {"id": stage["id"], "type": stage["type"], "output": output}
            log[pipeline["name"]].append(entry)
            if not success:
                entry["success"] = False
                failed = {"id": stage["id"], "type": stage["type"], "output": output, "error": None}
                error = {"type": "org.osbuild.error.stage", "details": {"stage": failed}}
                print(json.dumps({"type": "error", "success": False, "error": error, "sources": sources, "log": log}))
                return 1
        monitor.done += 1
        monitor.inner = None
        monitor.send(f"Finished pipeline {pipeline['name']}", pipeline=pipeline)
    for name in args.export:
        shutil.copytree(os.path.join(work, name), os.path.join(args.output_directory, name))
    monitor.send(f"manifest {args.manifest} finished successfully\n", "osbuild.main_cli")
    print(json.dumps({"type": "result", "success": True, "metadata": {}, "sources": sources, "log": log}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Aborted")
        sys.exit(130)
