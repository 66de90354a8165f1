# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A container that serves a commit by nginx, and can be unpacked: the repository is at /ostree/repo, its URL is /repo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..manifest import Manifest, Stage, files_input, tree_input
from ..packages import Package
from .bootstrap import debootstrap
from .definition import Definition
from .ostree import COMMIT, REPOSITORY, commit_ref

_PORT = 8080
_CONFIG = "/etc/nginx/ostree.conf"
# Runs as root and as any other user, and in a container whose root is read-only but for /tmp.
_NGINX = f"""daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;
    server {{
        listen {_PORT};
        location /repo/ {{
            alias /ostree/repo/;
        }}
    }}
}}
"""


def server_stages(definition: Definition, manifest: Manifest, packages: Sequence[Package]) -> tuple[Stage, ...]:
    """The tree of the container."""
    config = manifest.add_inline(_NGINX.encode())
    files = {
        "directories": [{"path": "/ostree", "mode": "0755"}],
        "files": [{"path": _CONFIG, "mode": "0644", "source": config}],
    }
    return (
        debootstrap(definition, packages, "minbase"),
        Stage("org.osbuild.debian.files", files, inputs={"files": files_input({config: {}})}),
        Stage(
            "org.osbuild.copy",
            {"paths": [{"from": f"input://commit{REPOSITORY}", "to": "tree:///ostree/repo"}]},
            inputs={"commit": tree_input(COMMIT)},
        ),
    )


def container_config(definition: Definition) -> dict[str, Any]:
    """Options of the archive: how the container runs."""
    options: dict[str, Any] = {
        "architecture": definition.architecture.oci,
        "config": {
            "Cmd": ["nginx", "-c", _CONFIG],
            "ExposedPorts": [str(_PORT)],
            "Labels": {
                "org.opencontainers.image.title": definition.blueprint.name,
                "org.opencontainers.image.version": definition.blueprint.version,
                "ostree.ref": commit_ref(definition),
            },
        },
    }
    if definition.architecture.oci_variant:
        options["variant"] = definition.architecture.oci_variant
    return options
