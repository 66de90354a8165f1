# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage for tests: prints all it can see of its sandbox and of its Python, without what differs from run to run."""

# ruff: noqa: SIM115 - each is tried, and the process ends
import fcntl
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import warnings

modules = set(sys.modules)
OWN = ("__name__", "__file__", "__spec__", "__package__", "__doc__", "__cached__")
own = {name: repr(value) for name, value in globals().items() if name in OWN}


def status(pid):
    wanted = (
        "Name",
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "NSpid",
        "NSpgid",
        "NSsid",
        "Threads",
        "SigPnd",
        "SigBlk",
        "SigIgn",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "PPid",
    )
    with open(f"/proc/{pid}/status") as file:
        return {key: value.split() for key, value in (line.split(":", 1) for line in file) if key in wanted}


def flags(name):
    with socket.socket() as sock:
        return struct.unpack_from("h", fcntl.ioctl(sock, 0x8913, struct.pack("16sh22x", name, 0)), 16)[0] & 1


def mounts():
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            kind = fields[fields.index("-") + 1]
            found.append(
                (fields[4], sorted(fields[5].split(",")), kind, re.search(r" (shared|master|propagate)", line) is None)
            )
    return found


def tree():
    found = {}
    for top in ("/", "/etc", "/run", "/dev", "/tmp", "/var", "/run/osbuild"):
        for folder, dirs, files in os.walk(top):
            dirs[:] = [each for each in dirs if folder != "/" and not os.path.ismount(os.path.join(folder, each))]
            for name in [*dirs, *files]:
                info = os.lstat(os.path.join(folder, name))
                found[os.path.join(folder, name)] = (info.st_mode, info.st_uid, info.st_gid, info.st_rdev)
    return found


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        # Not the one that was open to look.
        if os.path.lexists(path):
            found[name] = os.readlink(path).split(":")[0]
    return found


def tries():
    found = {}
    for name, call in {
        "write usr": lambda: open("/usr/x", "w"),
        "write lib": lambda: open("/run/osbuild/lib/x", "w"),
        "write sys": lambda: open("/sys/kernel/mm/transparent_hugepage/enabled", "w"),
        "write etc": lambda: open("/etc/x", "w"),
        "write root": lambda: open("/x", "w"),
        "write var": lambda: open("/var/x", "w"),
        "sysctl": lambda: open("/proc/sys/kernel/hostname", "w").write("x"),
        "module": lambda: open("/proc/sysrq-trigger", "w"),
        "remount": lambda: subprocess.run(["mount", "-o", "remount,rw", "/usr"], check=True, stderr=subprocess.DEVNULL),
        "device": lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3)) or open("/tmp/null"),
        "connect": lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        "setuid": lambda: subprocess.run(
            ["/usr/bin/setpriv", "--reuid=1", "/bin/true"], check=True, stderr=subprocess.DEVNULL
        ),
    }.items():
        try:
            call()
            found[name] = "works"
        except OSError as error:
            found[name] = error.errno
        except subprocess.SubprocessError as error:
            found[name] = type(error).__name__
    return found


namespaces = {name: os.readlink(f"/proc/self/ns/{name}") for name in sorted(os.listdir("/proc/self/ns"))}
CHILD = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
names = ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd", "NoNewPrivs", "SigIgn", "SigBlk")
print(json.dumps([os.listdir("/proc/self/fd")[:-1], dict(os.environ), os.getcwd(), {name: status[name] for name in names}]))
"""
child = json.loads(
    subprocess.run([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, check=True, close_fds=False).stdout
)
mask = os.umask(0)
os.umask(mask)
print(
    json.dumps(
        {
            "python": [
                sys.argv,
                sys.path,
                str(sys.flags),
                sys.executable,
                sys.prefix,
                sys.orig_argv[1:],
                own,
                sys.dont_write_bytecode,
            ],
            "modules": sorted(name for name in modules if name.split(".")[0] not in sys.stdlib_module_names),
            "handlers": {int(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
            "hooks": [
                sys.excepthook is sys.__excepthook__,
                sys.displayhook is sys.__displayhook__,
                sys.gettrace(),
                sys.getrecursionlimit(),
                sys.getswitchinterval(),
            ],
            "threads": [each.name for each in threading.enumerate()],
            "warnings": [str(each) for each in warnings.filters],
            "streams": [
                (each.encoding, each.errors, each.write_through, each.isatty(), each.name)
                for each in (sys.stdin, sys.stdout, sys.stderr)
            ],
            "descriptors": descriptors(),
            "environment": dict(os.environ),
            "cwd": os.getcwd(),
            "umask": mask,
            "limits": resource.getrlimit(7),
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "affinity": sorted(os.sched_getaffinity(0)),
            "status": status("self"),
            "first": {**status(1), "Name": None, "SigIgn": None, "SigBlk": None},
            "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
            "ids": [os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0)],
            "child": child,
            "mounts": mounts(),
            "tree": tree(),
            "tries": tries(),
            "host": os.uname()[1],
            "interfaces": [(name, flags(name.encode())) for _number, name in socket.if_nameindex()],
            "cmdline": open("/proc/cmdline").read(),
            "terminal": os.path.exists("/dev/pts/0"),
        }
    )
)
with open("/run/osbuild/tree/namespaces", "w") as file:
    json.dump(namespaces, file)
