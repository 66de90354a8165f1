# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-test sanity`, all of its tests.

ansible-test looks at resolved paths, so a link to the checkout does not do: the checkout is bind-mounted, in a private mount
namespace, at a path of the form ansible_collections/NAMESPACE/NAME.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

# ansible-test fetches pip's bootstrap script from the network to fill its own virtual environments. It takes a cached copy
# where there is one; this one uses the pip that Python brings along.
GET_PIP = '''\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
wanted = [a for a in sys.argv[1:] if not a.startswith("--no-")]
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", *wanted])
'''


def prepare_home(home: Path) -> None:
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    import ansible_test  # part of ansible-core

    requirements = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    for version in re.findall(r"pip='([0-9.]+)'", requirements.read_text()) or ["24.2"]:
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)


@pytest.mark.root
def test_ansible_test_sanity() -> None:
    home = REPO / "build" / "test" / "sanity-home"
    prepare_home(home)
    mountpoint = REPO / "build" / "test" / "sanity" / "ansible_collections" / "debian_forge" / "osbuild"
    mountpoint.mkdir(parents=True, exist_ok=True)
    script = 'mount --bind "$1" "$2"; cd "$2"; shift 2; exec "$@"'
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    result = subprocess.run(
        [
            "unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sanity", str(REPO), str(mountpoint),
            str(Path(sys.executable).parent / "ansible-test"), "sanity", "--local", "--python", version, "--color", "no",
        ],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}, "HOME": str(home)},
        capture_output=True, text=True, check=False,
    )
    if result.returncode:
        pytest.fail(f"ansible-test sanity found:\n{result.stdout[-8000:]}\n{result.stderr[-8000:]}", pytrace=False)
