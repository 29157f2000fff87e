# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Thin wrappers; every line below can be typed by hand.
PYTHON ?= python3

.PHONY: setup
setup:
	$(PYTHON) third_party/setup.py
