# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#   make demo    installs what is missing, builds, runs examples/demo.py
#   make test    installs what is missing, builds, runs every test
#
# Thin wrappers: every line below can be typed by hand. Neither command needs
# the other to have run.

PYTHON ?= python3
JOBS ?= $(shell nproc)
build = cmake --build --preset release --parallel $(JOBS)

.PHONY: demo test setup configure format check-format sanitize clean

demo: configure
	$(build) --target cim-tools
	PYTHONPATH=build/python .venv/bin/python examples/demo.py

# Every suite runs, even after a failure; each closes with its own summary.
test: configure
	$(build)
	@status=0; \
	.venv/bin/python cmake/format.py --check || status=1; \
	ctest --preset release --parallel $(JOBS) || status=1; \
	cmake --build --preset release --target check-lit || status=1; \
	cmake --build --preset release --target check-python || status=1; \
	exit $$status

# Installs the pinned packages of third_party/manifest.json; a matter of a
# second when nothing has changed.
setup:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "error: setup: $(PYTHON): not found; as root run: apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) third_party/setup.py

configure: setup
	@cmake --preset release --log-level=WARNING

format check-format: setup
	.venv/bin/python cmake/format.py $(if $(filter check-format,$@),--check)

# The run side's unit tests under the address and undefined-behaviour sanitizers.
sanitize: setup
	@cmake --preset sanitize --log-level=WARNING
	cmake --build --preset sanitize --parallel $(JOBS)
	ctest --preset sanitize --parallel $(JOBS)

clean:
	rm -rf build build-runtime build-sanitize build-fuzz
