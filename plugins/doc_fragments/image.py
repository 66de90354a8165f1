# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image to build, and from which packages."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  blueprint:
    description:
      - The image's definition, an osbuild-composer blueprint.
      - Either a dictionary, or the text of a blueprint in TOML or JSON, or the path of such a file on the target.
        A string that has several lines, or that begins like a blueprint, is taken as text.
      - To use a file of the controller, give its text with P(ansible.builtin.file#lookup).
    type: raw
  distribution:
    description:
      - What to build, V(debian-12), V(debian-13), V(debian-testing) or V(debian-sid); code names are known too.
      - By default what the blueprint says as C(distro).
    type: str
  architecture:
    description:
      - Architecture of the image, like V(amd64) or V(arm64).
      - By default what the blueprint says as C(arch), else that of the target.
    type: str
  image_type:
    description:
      - What comes out, such as V(raw) or V(qcow2) (disks), V(tar) (the files as an archive), V(oci) (a container) or V(iso)
        (a live medium).
      - The collection's C(docs/images.md) lists all of them with their other names.
      - Needed with O(blueprint).
    type: str
  sources:
    description:
      - Where packages come from. By default the target's own package sources, with the suites that O(distribution) has.
      - The blueprint may name further ones.
    type: list
    elements: dict
    suboptions:
      name:
        description: A name, used for the file in the image.
        type: str
      uris:
        description: Base URIs of the repository, all of the same content. What one does not give is fetched from another.
        type: list
        elements: str
        required: true
      suites:
        description: Suites, like V(trixie) and V(trixie-updates).
        type: list
        elements: str
        required: true
      components:
        description: Components, like V(main).
        type: list
        elements: str
      signed_by:
        description:
          - The absolute path of a keyring on the target, or an armoured public key.
          - By default the Debian archive's keys.
        type: str
      architectures:
        description: Only these architectures; by default all that are needed.
        type: list
        elements: str
      trusted:
        description: Use the source although nobody signed it. Only for repositories that are built on the spot.
        type: bool
        default: false
      check_valid_until:
        description: Refuse a Release file that has expired. Only snapshots of an archive need V(false).
        type: bool
        default: true
  lock_file:
    description:
      - Path of the lock file on the target. It pins each package to a version and a checksum.
      - A lock file that answers what is asked is used as it stands, and no package index is fetched. Otherwise, or with
        O(update_lock=true), packages are resolved anew and the file is written.
      - M(debian_forge.osbuild.build) takes C(lock.json) in its output directory when nothing is given,
        M(debian_forge.osbuild.manifest) does without.
    type: path
  update_lock:
    description: Resolve the packages anew although the lock file answers what is asked.
    type: bool
    default: false
"""
