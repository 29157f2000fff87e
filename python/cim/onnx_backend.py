# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The device model behind ONNX's backend interface (onnx.backend.base).

    import cim.onnx_backend as backend
    outputs = backend.prepare(model).run([x, y])

A model is compiled when it first runs, for the shapes of the inputs it gets, and
the program is kept. Inputs on whose values shapes depend (axes, sizes, repeats)
are bound to the values they have (see `bind` of cim.compile): the compiler names
them, all others stay run-time inputs. Other shapes or other bound values make
another program.

By default nothing is quantized: products run in fp32 on the vector unit. Options
of cim.compile (target, quantize, calibration, ...) are passed on by prepare.
"""

import onnx
from onnx import helper, shape_inference
from onnx.backend.base import Backend, BackendRep

import numpy as np

from ._cim import CompileError, RunError
from ._compile import compile as compile_model

# What the device calls "CPU" is the device model, which runs on the host's CPU.
_DEVICES = ("CPU", "CIM")


class CimBackendRep(BackendRep):
    """A model with the programs made of it so far. `programs` maps the shapes and
    bound values they are for to programs."""

    def __init__(self, model, options):
        self.model = model
        self.options = options
        self.programs = {}
        self._bound = {}  # By shapes: names of inputs that are bound.
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [i for i in model.graph.input if i.name not in constants]
        self._outputs = list(model.graph.output)

    def run(self, inputs, **kwargs):
        """Outputs in the model's order for inputs in the model's order, or by
        name. `kwargs` go to Program.run."""
        program, feeds = self.specialize(inputs)
        results = program.run(feeds, **kwargs)
        return tuple(_declared(results[o.name], o) for o in self._outputs)

    def specialize(self, inputs):
        """The program that runs for these inputs, and what Program.run takes of
        them: those that are not bound."""
        arrays = self._arrays(inputs)
        program, bound = self._program(arrays)
        return program, {
            name: _stored(array) for name, array in arrays.items() if name not in bound
        }

    def _arrays(self, inputs):
        if isinstance(inputs, dict):
            return {name: np.asarray(value) for name, value in inputs.items()}
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if len(inputs) != len(self._inputs):
            raise RunError(
                f"{self.model.graph.name}: {len(inputs)} inputs; the model takes"
                f" {len(self._inputs)}; give them in its order"
            )
        return {
            info.name: value if isinstance(value, list) else np.asarray(value)
            for info, value in zip(self._inputs, inputs, strict=True)
        }

    def _program(self, arrays):
        """The program for these inputs, and the names of those bound in it."""
        shapes = {
            info.name: arrays[info.name].shape
            for info in self._inputs
            if info.type.HasField("tensor_type") and hasattr(arrays[info.name], "shape")
        }
        key = tuple(sorted(shapes.items()))
        bound = self._bound.get(key, ())
        while True:
            values = {name: arrays[name] for name in bound}
            full = key, tuple((n, v.tobytes()) for n, v in sorted(values.items()))
            if full in self.programs:
                return self.programs[full], bound
            try:
                program = compile_model(
                    self.model, input_shapes=shapes, bind=values, **self.options
                )
            except CompileError as problem:
                wanted = set(problem.unknown_inputs) - set(bound)
                if not wanted:
                    raise
                bound = tuple(sorted({*bound, *wanted}))
                continue
            self.programs[full] = program
            self._bound[key] = bound
            return program, bound


class CimBackend(Backend):
    """onnx.backend.base.Backend on the device model."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        if not cls.supports_device(device):
            raise CompileError(
                f"device: {device!r}; there is no such device; use {' or '.join(_DEVICES)}"
            )
        super().prepare(model, device, **kwargs)  # Checks the model.
        options = {"threads": 1, **kwargs}
        for tolerance in ("rtol", "atol"):  # The test suite's own.
            options.pop(tolerance, None)
        return CimBackendRep(model, options)

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """Runs one node on arrays in the order of its inputs (omitted ones, whose
        name is empty, have none)."""
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        arrays = [np.asarray(value) for value in inputs]
        infos = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in zip(names, arrays, strict=True)
        ]
        outputs = [name for name in node.output if name]
        empty = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph([node], node.op_type, infos, empty)
        opsets = [helper.make_opsetid(node.domain, opset)]
        model = helper.make_model(graph, opset_imports=opsets)
        types = {i.name: i for i in shape_inference.infer_shapes(model).graph.output}
        for i, info in enumerate(model.graph.output):
            if outputs_info:
                kind = helper.np_dtype_to_tensor_dtype(np.dtype(outputs_info[i][0]))
                made = helper.make_tensor_value_info(info.name, kind, None)
                info.CopyFrom(made)
            else:
                info.CopyFrom(types[info.name])
        return cls.run_model(model, arrays, device, **kwargs)

    @classmethod
    def supports_device(cls, device):
        return device in _DEVICES


def _stored(array):
    """Types NumPy does not know as the device stores them: one byte per element
    of what is narrower, integers extended, the bits of floats."""
    dtype = array.dtype
    if not _is_extension(dtype) or dtype.name == "bfloat16":
        return array
    if dtype.name.startswith("float"):
        return array.view(np.uint8)
    return array.astype(np.uint8 if dtype.name.startswith("u") else np.int8)


def _declared(array, info):
    """An output in the type the model declares."""
    dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    if array.dtype == dtype or not _is_extension(dtype):
        return array
    if array.dtype.itemsize == 1 and dtype.name.startswith("float"):
        return array.view(dtype)
    return array.astype(dtype)  # bfloat16 comes as float32, exactly.


def _is_extension(dtype):
    """True for the types of the package ml_dtypes."""
    return dtype.type.__module__.split(".")[0] == "ml_dtypes"


is_compatible = CimBackend.is_compatible
prepare = CimBackend.prepare
run_model = CimBackend.run_model
run_node = CimBackend.run_node
supports_device = CimBackend.supports_device
