# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Start deb-systemd-helper from a Perl that has its modules loaded: scripts of packages call it five times for each unit.

The program is covered (a bind mount, as in `initramfs`) by a script that passes its process number to a Perl process of the
tree. That one forks, takes arguments, environment, directory and outputs of the caller from /proc, and runs the very same
program; its exit status goes back to the script.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from . import mounts
from .root import SCRATCH

_PROGRAM = "/usr/bin/deb-systemd-helper"
_REAL = f"{SCRATCH}/deb-systemd-helper"
_COVER = f"{SCRATCH}/deb-systemd-helper.warm"
_ASK, _ANSWER = f"{SCRATCH}/warm.ask", f"{SCRATCH}/warm.answer"
_LOCK = f"{SCRATCH}/warm.lock"
_SERVER = f"{SCRATCH}/warm.pl"
_MODULES = ("IO::Handle", "File::Path", "File::Basename", "File::Temp", "Getopt::Long")

# Where nobody would answer, and while another call is served, the program is started as ever.
_SCRIPT = """#!/bin/sh
set -C
if kill -0 {pid} 2>/dev/null && {{ true >{lock}; }} 2>/dev/null; then
    echo $$ 1<>{ask}
    read -r status <{answer}
    exit "$status"
fi
exec {real} "$@"
"""

_PERL = f"""
use strict;
use warnings;
{"".join(f"use {module} ();" for module in _MODULES)}
eval {{ require Data::Dumper; }};
open(my $ask, '+<', '{_ASK}') or die;
open(my $answer, '+<', '{_ANSWER}') or die;
$answer->autoflush(1);
$| = 1;
print "ready\\n";
open(STDOUT, '>', '/dev/null');
sub forge_list {{ local $/; open(my $file, '<', $_[0]) or die; my $text = <$file>; return split(/\\0/, $text, -1); }}
sub forge_unread {{ my $bits = ''; vec($bits, fileno($answer), 1) = 1; return select($bits, undef, undef, 0); }}
while (my $pid = <$ask>) {{
    chomp($pid);
    # The caller before this one may not have read its answer yet.
    select(undef, undef, undef, 0.001) while forge_unread();
    my $child = fork();
    if (defined($child) && $child == 0) {{
        close($ask);
        close($answer);
        # The shell's name, the script's, then the arguments.
        my (undef, undef, @given) = forge_list("/proc/$pid/cmdline");
        pop(@given);
        %ENV = map +(/^([^=]+)=(.*)$/s ? ($1 => $2) : ()), forge_list("/proc/$pid/environ");
        my ($mask) = join('', forge_list("/proc/$pid/status")) =~ /^Umask:\\s*(\\d+)/m;
        umask(oct($mask));
        chdir("/proc/$pid/cwd") or die;
        open(STDIN, '<', "/proc/$pid/fd/0") or open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', "/proc/$pid/fd/1") or open(STDOUT, '>', '/dev/null');
        open(STDERR, '>>', "/proc/$pid/fd/2") or open(STDERR, '>', '/dev/null');
        $| = 0;
        @ARGV = @given;
        $0 = '{_PROGRAM}';
        srand();
        do '{_REAL}';
        print STDERR $@ if $@;
        exit(255);
    }}
    waitpid($child, 0) if defined($child);
    my $status = !defined($child) ? 255 : $? & 127 ? 128 + ($? & 127) : $? >> 8;
    unlink('{_LOCK}');
    print $answer "$status\\n";
}}
"""


@contextmanager
def started(env: Mapping[str, str]) -> Iterator[None]:
    """Answer calls over the body. Nothing at all in a tree without the program."""
    if not os.path.isfile(_PROGRAM) or os.path.islink(_PROGRAM) or not os.access("/usr/bin/perl", os.X_OK):
        yield
        return
    for path in (_ASK, _ANSWER):
        os.mkfifo(path, 0o600)
    with open(_SERVER, "w", encoding="utf-8") as file:
        file.write(_PERL)
    with open(_REAL, "w", encoding="utf-8"):
        pass
    server = subprocess.Popen(
        ["perl", _SERVER], executable="/usr/bin/perl", env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        ready = server.stdout.readline() == b"ready\n"
        if not ready:
            yield
            return
        with open(_COVER, "w", encoding="utf-8") as file:
            file.write(_SCRIPT.format(pid=server.pid, lock=_LOCK, ask=_ASK, answer=_ANSWER, real=_REAL))
        os.chmod(_COVER, 0o755)
        mounts.mount(_PROGRAM, _REAL, None, mounts.BIND)
        mounts.mount(_COVER, _PROGRAM, None, mounts.BIND)
        try:
            yield
        finally:
            mounts.umount(_PROGRAM)
            mounts.umount(_REAL)
    finally:
        server.kill()
        server.wait()
