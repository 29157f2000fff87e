# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiler and bit-exact, cycle-level device model for compute-in-memory NPUs.

program = cim.compile("model.onnx", target="m50", quantize="int8",
                      calibration={"x": images})
outputs = program.run({"x": x})
print(program.profile({"x": x}))
"""

from ._arrays import TensorInfo
from ._cim import (
    CompileError,
    Error,
    LoadError,
    RunError,
    Target,
    __version__,
    targets,
)
from ._compare import Comparison, LayerError, compare
from ._compile import compile, interpret, phases
from ._plan import Plan, PlanNode
from ._profile import Profile
from ._program import Program, SourceRange, load


def __getattr__(name):
    # These need the package onnx; the rest does not.
    if name in ("Reduction", "reduce"):
        from . import _reduce

        return getattr(_reduce, name)
    if name == "failures":
        import importlib

        return importlib.import_module(".failures", __name__)
    raise AttributeError(f"module 'cim' has no attribute {name!r}")


__all__ = [
    "Comparison",
    "CompileError",
    "Error",
    "LayerError",
    "LoadError",
    "Plan",
    "PlanNode",
    "Profile",
    "Program",
    "RunError",
    "SourceRange",
    "Target",
    "TensorInfo",
    "__version__",
    "compare",
    "compile",
    "interpret",
    "load",
    "phases",
    "targets",
]
