# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Assembles a device program, runs it under the sanitizer, compares outputs.

  run.py PROGRAM.mlir SCRATCH x='expression' ... y=='expression' ...

`name=...` is an input, `name==...` what an output must equal, element for element
and in type. Expressions see numpy's names and the inputs before them.
"""

import subprocess
import sys
from pathlib import Path

import numpy

source, scratch, *definitions = sys.argv[1:]
names = {name: getattr(numpy, name) for name in dir(numpy) if name[0] != "_"}
inputs, expected = {}, {}
for definition in definitions:
    name, text = definition.split("=", 1)
    if text.startswith("="):
        expected[name] = numpy.asarray(eval(text[1:], names, inputs))
    else:
        inputs[name] = numpy.asarray(eval(text, names, inputs))

Path(scratch).mkdir(parents=True, exist_ok=True)
program, given, results = (f"{scratch}/{n}" for n in ("p.cimb", "in.npz", "out.npz"))
subprocess.run(["cim-translate", "--assemble", source, "-o", program], check=True)
numpy.savez(given, **inputs)
for mode in (["--sanitize"], ["--mode", "functional"], ["--threads", "2"]):
    command = ["cim-run", program, "--input", given, "--output", results, *mode]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"{source}: cim-run {' '.join(mode)} failed")
    outputs = numpy.load(results)
    for name, value in expected.items():
        found = outputs[name]
        if found.dtype != value.dtype or not numpy.array_equal(found, value):
            sys.exit(
                f"{source}: {name} is\n{found} ({found.dtype}), not\n{value} ({value.dtype})"
            )
if not expected:
    sys.exit(f"{source}: nothing to compare")
