# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Files of a system that no package brings: names, network, first boot."""

from __future__ import annotations

from ..blueprint import Customizations
from .access import access_files
from .definition import Definition
from .firstboot import first_boot_files, first_boot_units
from .kernelinstall import kernel_install_files
from .layout import Layout
from .openscap import scap_files
from .packagesets import TIME_DAEMONS, named, own_network_setup
from .systemfile import SystemFile

HOST_KEYS_UNIT = "ssh-host-keys.service"
GROW_UNIT = "grow-root.service"

_NETWORK = """# Every wired network card asks for an address. Files that sort before this one come first.
[Match]
Name=en* eth*

[Network]
DHCP=yes
"""

# Debian's own unit for this waits for ConditionFirstBoot=, which an empty machine-id is not (machine-id(5)).
_HOST_KEYS = """[Unit]
Description=Generate ssh host keys that are missing
Documentation=man:ssh-keygen(1)
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""

# The root is the last partition: it takes what a bigger disk offers; the file system follows by x-systemd.growfs.
# systemd-repart makes a partition that it does not find, so this is for disks that have one of the type: the root is not on
# LVM, encrypted, or of a type of the blueprint's own.
_REPART_ROOT = """[Partition]
Type=root
"""

# The root of a deployment is a read-only mount; /etc is a writable one of the same file system.
_GROW = """[Unit]
Description=Grow the root file system
Documentation=man:systemd-growfs(8)
DefaultDependencies=no
After=systemd-repart.service
Before=local-fs.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/usr/lib/systemd/systemd-growfs /etc

[Install]
WantedBy=local-fs.target
"""

# The console and the disks take longer to appear on emulated and overloaded machines than the default of 90 s, and
# systemd then gives up the login prompt, or the whole boot.
_PATIENCE = """\
[Manager]
DefaultDeviceTimeoutSec=5min
"""


def hosts(hostname: str) -> str:
    """/etc/hosts as Debian's installer writes it for a machine without a fixed address."""
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return (
        "127.0.0.1\tlocalhost\n"
        f"127.0.1.1\t{names}\n"
        "\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
    )


def hostname(definition: Definition) -> str | None:
    """The host name; a system that runs services always has one, unless Windows gives it."""
    wanted = definition.customizations.hostname
    return wanted or ("debian" if definition.image_type.bootable else None)


def has_ssh_server(definition: Definition) -> bool:
    """Whether the image gets an ssh server: any bootable or configured one unless it is excluded."""
    if "openssh-server" in definition.customizations.debian.exclude:
        return False
    wanted = definition.image_type.bootable or definition.customizations.sshd is not None
    return wanted or "openssh-server" in named(definition)


def presets(customizations: Customizations) -> str:
    """systemd.preset(5) for the services that the blueprint names, so that packages' scripts keep to its wishes."""
    services = customizations.services
    lines = [f"enable {unit_name(name)}" for name in services.enabled]
    lines += [f"disable {unit_name(name)}" for name in (*services.disabled, *services.masked)]
    return "".join(f"{line}\n" for line in lines)


def unit_name(name: str) -> str:
    """A unit with its suffix; systemctl takes the same for granted."""
    suffixes = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".automount", ".swap", ".slice", ".scope")
    return name if name.endswith(suffixes) else f"{name}.service"


def _time_servers(definition: Definition) -> SystemFile | None:
    servers = definition.customizations.timezone.ntpservers
    if not servers:
        return None
    if "chrony" in named(definition):
        text = "".join(f"server {server} iburst\n" for server in servers)
        return SystemFile("/etc/chrony/sources.d/image.sources", text)
    if named(definition) & TIME_DAEMONS:
        return None
    return SystemFile("/etc/systemd/timesyncd.conf.d/50-image.conf", f"[Time]\nNTP={' '.join(servers)}\n")


def system_files(definition: Definition, layout: Layout | None = None) -> list[SystemFile]:
    """All files that follow from the definition, beside those the blueprint holds itself.

    *layout*: partitions that are not to be told from the definition alone.
    """
    result: list[SystemFile] = []
    if name := hostname(definition):
        result.append(SystemFile("/etc/hosts", hosts(name)))
    if own_network_setup(definition):
        result.append(SystemFile("/etc/systemd/network/80-dhcp.network", _NETWORK))
    if has_ssh_server(definition):
        result.append(SystemFile(f"/etc/systemd/system/{HOST_KEYS_UNIT}", _HOST_KEYS))
    if definition.image_type.bootable:
        result.append(SystemFile("/etc/systemd/system.conf.d/50-image.conf", _PATIENCE))
    if definition.image_type.disk:
        if layout is None or layout.root.partition.type == definition.architecture.boot_loader.root_type:
            result.append(SystemFile("/etc/repart.d/50-root.conf", _REPART_ROOT))
        if definition.image_type.ostree:
            result.append(SystemFile(f"/etc/systemd/system/{GROW_UNIT}", _GROW))
        elif definition.boot_loader == "grub" and "grub-cloud-amd64" in definition.architecture.boot_loader.packages:
            # Lets the package reinstall boot code and boot loader when grub or shim are upgraded.
            result.append(SystemFile("/etc/grub.d/enable_cloud", ""))
    result += kernel_install_files(definition)
    if names := definition.image_type.datasources:
        # Each source that is looked for in vain delays the boot.
        text = f"datasource_list: [{', '.join(names)}]\n"
        result.append(SystemFile("/etc/cloud/cloud.cfg.d/90-image.cfg", text))
    if text := presets(definition.customizations):
        result.append(SystemFile("/etc/systemd/system-preset/20-image.preset", text))
    if servers := _time_servers(definition):
        result.append(servers)
    return [*result, *access_files(definition), *scap_files(definition), *first_boot_files(definition)]


def enabled_units(definition: Definition) -> list[str]:
    """Units to enable: ours, then the blueprint's."""
    result = []
    if own_network_setup(definition):
        result.append("systemd-networkd.service")
    if has_ssh_server(definition):
        result.append(HOST_KEYS_UNIT)
    result += first_boot_units(definition)
    if definition.image_type.ostree:
        result.append(GROW_UNIT)
    result += [unit_name(name) for name in definition.customizations.services.enabled]
    services = definition.customizations.services
    off = {unit_name(name) for name in (*services.disabled, *services.masked)}
    return [name for name in dict.fromkeys(result) if name not in off]
