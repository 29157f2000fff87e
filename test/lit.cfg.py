# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Text tests: RUN lines over the tools, checked by FileCheck.

Run by `cmake --build build --target check-lit`, or one by one:
  .venv/bin/lit -v build/test/Dialect/CIM
Parameters:
  --param verify-roundtrip=1   cim-opt also prints, parses and compares its IR
"""

# `config` and `lit_config` are lit's.
# ruff: noqa: F821

import os

import lit.formats

config.name = "cim"
config.test_format = lit.formats.ShTest(execute_external=False)
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.cim_test_dir
config.suffixes = [".mlir", ".test", ".onnxtxt"]
# Inputs are read by tests; the others have runners of their own.
config.excludes = ["Inputs", "unit", "python", "fuzz"]

# Nothing of the caller's environment may change a result.
keep = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "ASAN_OPTIONS")
config.environment = {name: os.environ[name] for name in keep if name in os.environ}
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["PYTHONPATH"] = config.cim_python_dir
config.environment["PATH"] = os.pathsep.join(
    [config.cim_tools_dir, config.llvm_tools_dir, config.environment.get("PATH", "")]
)


def substitute(name, path, arguments=""):
    """`name`, as a word of a RUN line, becomes its full path."""
    word = r"(?<![-\w/.%])" + name.replace("-", r"\-") + r"(?![-\w/.])"
    config.substitutions.append((word, (path + " " + arguments).strip()))


roundtrip = lit_config.params.get("verify-roundtrip", "0") not in ("", "0")
for tool in config.cim_tools:
    path = os.path.join(config.cim_tools_dir, tool)
    if not os.path.exists(path):
        lit_config.warning(f"{tool}: not built; its tests fail")
    arguments = "--verify-roundtrip" if roundtrip and tool == "cim-opt" else ""
    substitute(tool, path, arguments)

for tool in ("FileCheck", "not", "split-file", "count"):
    path = os.path.join(config.llvm_tools_dir, tool)
    if not os.path.exists(path):
        lit_config.fatal(f"{path}: not found; install llvm-22-tools")
    substitute(tool, path)

config.substitutions.append(("%python", config.python))
config.substitutions.append(("%source", config.cim_source_dir))

# For REQUIRES and UNSUPPORTED lines.
if config.cim_python:
    config.available_features.add("python")
for sanitizer in filter(None, config.cim_sanitize.split(",")):
    config.available_features.add(sanitizer)
if roundtrip:
    config.available_features.add("verify-roundtrip")
