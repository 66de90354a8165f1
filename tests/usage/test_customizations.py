# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine whose blueprint asks for nearly everything at once does, when it runs, what each key promises."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot import machine

from . import test_boots
from .conftest import DISTROS, Built
from .test_boots import TIMEOUT, booted, output

pytestmark = test_boots.pytestmark

# The password is that of examples/hello-debian.toml.
BLUEPRINT = """
name = "rich"
version = "1.2.3"
description = "A machine that was asked for a lot"

packages = [{{ name = "hello" }}, {{ name = "tree", version = "*" }}]
modules = [{{ name = "less" }}]

[customizations]
hostname = "boots"

[customizations.kernel]
name = "cloud-amd64"
append = "forge.word=1"

[customizations.timezone]
timezone = "America/New_York"
ntpservers = ["ntp1.example.com", "ntp2.example.com"]

[customizations.locale]
languages = ["de_DE.UTF-8", "fr_FR.UTF-8"]
keyboard = "de"

[customizations.services]
enabled = ["ssh"]
disabled = ["apt-daily.timer"]
masked = ["apt-daily-upgrade.timer"]

[[customizations.user]]
name = "forge"
password = "$6$hellodebian$Mo8TybQ8wWZG4iuqa9/WD8o3dCw3wIjY/I4LCW3qJptHvNWgNoPOOMhuafgmdw7AGlTNjB3H5PiyrO/CrYn78/"
groups = ["wheel", "makers"]
shell = "/bin/bash"

[[customizations.user]]
name = "worker"
description = "Some Worker"
uid = 4242
gid = 4343
home = "/srv/worker"
shell = "/bin/sh"
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIk9vTqqYvqYyVtQ1u7mD0o1n3Jq1Vq3q3bQ0i5nQ2Fz worker@example.com"
expiredate = 30000
force_password_reset = true

[[customizations.user]]
name = "robot"

[[customizations.group]]
name = "makers"
gid = 4343

[customizations.firewall]
ports = ["8080:tcp", "6000-6010:udp"]
[customizations.firewall.services]
enabled = ["https"]

[customizations.sshd]
password_authentication = false
client_alive_interval = 77
permit_root_login = "prohibit-password"

[customizations.installer]
sudo-nopasswd = ["robot"]

[customizations.cacerts]
pem_certs = ['''{certificate}''']

[[customizations.directories]]
path = "/srv/share/deep"
user = "worker"
group = "makers"
mode = "0770"
ensure_parents = true

[[customizations.files]]
path = "/etc/forge-file"
data = "said\\n"
mode = "0600"

[[customizations.files]]
path = "/opt/from-uri"
uri = "file://{data}"
sha256 = "{data_sum}"

[[customizations.repositories]]
id = "own"
name = "Own packages"
baseurls = ["https://packages.example.com/debian"]
gpgkeys = ["/usr/share/keyrings/debian-archive-keyring.gpg"]
suites = ["stable"]
priority = 300

[[customizations.firstboot.scripts]]
type = "custom"
name = "greet"
contents = "#!/bin/sh\\necho greeted >>/var/lib/greeted\\n"

[customizations.debian]
install_recommends = false
unattended_upgrades = true
scripts = ["echo scripted >/etc/forge-script", "dpkg-query -W hello >/etc/forge-packages"]

[[customizations.debian.debconf]]
owner = "popularity-contest"
question = "popularity-contest/participate"
type = "boolean"
value = false

[[customizations.debian.pins]]
package = "hello"
pin = "release a=forge"
priority = 77

[[customizations.debian.overlays]]
url = "file://{overlay}"
sha256 = "{overlay_sum}"
destination = "/usr/local/lib/overlay"

[customizations.debian.network]
backend = "networkd"
[[customizations.debian.network.interfaces]]
name = "lan"
dhcp4 = true
match = {{ name = "e*" }}
[[customizations.debian.network.interfaces]]
name = "br7"
addresses = ["192.0.2.10/24"]
optional = true
bridge = {{ stp = false }}

[customizations.debian.cleanup]
docs = true
man = true

[customizations.disk]
type = "gpt"
minsize = "4 GiB"
[[customizations.disk.partitions]]
mountpoint = "/"
minsize = "2 GiB"
label = "system"
[[customizations.disk.partitions]]
mountpoint = "/srv/data"
minsize = "300 MiB"
fs_type = "ext4"
part_label = "payload"
[[customizations.disk.partitions]]
fs_type = "swap"
minsize = "64 MiB"
"""


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("rich")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
         "-subj", "/CN=Forge Test Authority", "-keyout", place / "ca.key", "-out", place / "ca.pem"],
        check=True, capture_output=True,
    )
    data = place / "data"
    data.write_text("from a file\n")
    (place / "laid").write_text("laid over\n")
    overlay = place / "overlay.tar.gz"
    with tarfile.open(overlay, "w:gz") as archive:
        archive.add(place / "laid", "sub/laid")
    return BLUEPRINT.format(
        certificate=(place / "ca.pem").read_text(), data=data, data_sum=checksum(data), overlay=overlay, overlay_sum=checksum(overlay)
    )


@pytest.fixture(scope="module", params=DISTROS)
def running(
    request: pytest.FixtureRequest, built: Built, blueprint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[machine.Console]:
    distro = str(request.param)
    image = built("qcow2", distro, blueprint, "rich") / "disk.qcow2"
    with booted(image, "uefi", tmp_path_factory.mktemp(distro), f"{distro}-rich") as console:
        console.run("systemctl is-system-running --wait", TIMEOUT)
        yield console


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("systemctl --failed --no-legend --plain; dpkg --audit", ""),
        ("uname -r | grep -c cloud", "1"),
        ("grep -o 'forge.word=1' /proc/cmdline", "forge.word=1"),
        ("readlink -f /etc/localtime", "/usr/share/zoneinfo/America/New_York"),
        ("timedatectl show-timesync -p SystemNTPServers --value", "ntp1.example.com ntp2.example.com"),
        ("locale -a | grep -cE '(de_DE|fr_FR).utf8'", "2"),
        (". /etc/default/locale; echo $LANG", "de_DE.UTF-8"),
        (". /etc/default/keyboard; echo $XKBLAYOUT", "de"),
        ("systemctl is-enabled ssh apt-daily.timer apt-daily-upgrade.timer || true", "enabled\ndisabled\nmasked"),
        ("id -nG forge", "forge sudo makers"),
        ("getent passwd worker", "worker:x:4242:4343:Some Worker:/srv/worker:/bin/sh"),
        ("getent shadow worker | cut -d: -f3,8", "0:30000"),
        ("stat -c '%U:%G %a' /srv/worker/.ssh/authorized_keys", "worker:makers 600"),
        ("runuser -u robot -- sudo -n id -u", "0"),
        ("nft list ruleset | grep -oE 'dport.* accept' | tr -d '{}' | tr -s ' ' | sort", None),
        ("sshd -T | grep -E '^(passwordauthentication|clientaliveinterval|permitrootlogin)' | sort",
         "clientaliveinterval 77\npasswordauthentication no\npermitrootlogin without-password"),
        ("openssl crl2pkcs7 -nocrl -certfile /etc/ssl/certs/ca-certificates.crt | openssl pkcs7 -print_certs -noout"
         " | grep -c 'Forge Test Authority' | grep -vx 0 >/dev/null && echo trusted", "trusted"),
        ("stat -c '%U:%G %a' /srv/share/deep", "worker:makers 770"),
        ("stat -c %a /etc/forge-file; cat /etc/forge-file", "600\nsaid"),
        ("cat /opt/from-uri", "from a file"),
        ("grep -h ^URIs /etc/apt/sources.list.d/own.sources", "URIs: https://packages.example.com/debian"),
        ("cat /var/lib/greeted", "greeted"),
        ("cat /etc/forge-script", "scripted"),
        ("cut -f1 /etc/forge-packages", "hello"),
        ("apt-cache policy hello >/dev/null && grep -rh -A2 '^Package: hello' /etc/apt/preferences.d | tail -1", "Pin-Priority: 77"),
        ("debconf-show popularity-contest | grep -c 'participate: false'", "1"),
        ("cat /usr/local/lib/overlay/sub/laid; stat -c %U /usr/local/lib/overlay/sub/laid", "laid over\nroot"),
        ("dpkg-query -W -f '${db:Status-Status}' unattended-upgrades", "installed"),
        ("apt-config shell ON APT::Periodic::Unattended-Upgrade; echo $ON", "ON='1'"),
        ("ls /sys/class/net | grep -cE '^(br7)$'", "1"),
        ("ls /usr/share/man/man1 2>/dev/null | wc -l; ls /usr/share/doc/hello", "0\ncopyright"),
        ("findmnt -n -o SOURCE,FSTYPE /srv/data | grep -c ext4", "1"),
        ("lsblk -n -o PARTLABEL | grep -x payload", "payload"),
        ("blkid -t LABEL=system -o value -s TYPE", "ext4"),
        ("swapon --noheadings --show=TYPE", "partition"),
        ("hello", None),
        ("tree --version | head -c 4; less --version | head -c 4", "treeless"),
    ],
)
def test_the_machine_is_as_it_was_asked_for(running: machine.Console, question: str, answer: str | None) -> None:
    said = output(running, question)
    if answer is not None:
        assert said.strip() == answer


def test_the_firewall_lets_in_what_was_asked_for_and_nothing_else(running: machine.Console) -> None:
    rules = output(running, "nft list ruleset")
    for word in ("8080", "6000-6010", "443"):
        assert word in rules, rules
    assert "policy drop" in rules
    assert "ssh" not in rules and " 22" not in rules, "ssh is open only if it is asked for"
