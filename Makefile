# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make image   build examples/hello-debian.toml into build/hello-debian/
# make test    everything that proves the collection works
# Both set up what they need on first use and are quick afterwards.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

BLUEPRINT ?= examples/hello-debian.toml
DISTRO ?= debian-13
IMAGE_TYPE ?= qcow2
ARCH ?= $(shell dpkg --print-architecture)
NAME := $(basename $(notdir $(BLUEPRINT)))
OUTPUT ?= build/$(NAME)

VENV := .venv
# What was set up is noted inside the virtual environment: who removes that gets it made anew.
STAMP := $(VENV)/.setup
COLLECTIONS := $(CURDIR)/build/collections
LINK := $(COLLECTIONS)/ansible_collections/debian_forge/osbuild

# Nothing is read from or written to the user's own ~/.ansible.
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export ANSIBLE_HOME := $(CURDIR)/build/ansible
export ANSIBLE_LOCALHOST_WARNING := false
export ANSIBLE_INVENTORY_UNPARSED_WARNING := false
export ANSIBLE_NOCOWS := 1

# The link is made anew each time: in a copied checkout it would still lead to the original.
.PHONY: $(LINK) help image test lint sanity unit conformance integration boot acceptance benchmark setup setup-test clean

help:
	@sed -n '4,7p' Makefile | sed 's/^# \?//'
	@echo
	@echo "make image takes BLUEPRINT= DISTRO= IMAGE_TYPE= ARCH= OUTPUT= VARS="
	@echo "parts of make test: lint sanity unit conformance integration boot; make acceptance and make benchmark take longer"

setup: $(STAMP) $(LINK)

setup-test: $(STAMP)-test $(LINK)

$(LINK):
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR) $@

$(STAMP): bindep.txt requirements.txt tools/setup
	@tools/setup image
	@touch $@

$(STAMP)-test: $(STAMP) bindep.txt test-requirements.txt tools/setup
	@tools/setup test
	@touch $@

# Also where modules lie while they run: "remote" is this host.
image: export ANSIBLE_REMOTE_TMP := $(CURDIR)/build/ansible/remote
image: setup
	@tools/as-root $(VENV)/bin/ansible-playbook -i localhost, -c local debian_forge.osbuild.build_image \
	  -e "blueprint=$(abspath $(BLUEPRINT))" -e "distribution=$(DISTRO)" -e "image_type=$(IMAGE_TYPE)" \
	  -e "architecture=$(ARCH)" -e "output=$(abspath $(OUTPUT))" $(if $(VARS),-e "$(VARS)")

test: setup-test
	@tools/run-tests

lint sanity unit conformance integration boot: setup-test
	@tools/run-tests $@

acceptance: setup-test
	@tools/run-tests acceptance

benchmark: setup-test
	@tools/run-tests benchmark

clean:
	@tools/as-root rm -rf --one-file-system build/test build/ansible build/hello-debian
