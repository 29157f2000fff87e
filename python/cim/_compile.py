# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling models and interpreting their IR."""

import inspect
import operator
import os
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from . import _cim
from ._arrays import named_arrays
from ._cim import CompileError, RunError, Target
from ._program import Program


def compile(
    model,
    target="m50",
    quantize="none",
    calibration=None,
    *,
    bind=None,
    external_data=None,
    **options,
):
    """Compiles a model into a program for `target`.

    model: path of an .onnx file (or of the .mlir text of any phase, which is
        continued), the bytes of one, or an onnx.ModelProto.
    target: a preset's name, the path of a YAML file, or a Target.
    quantize: none, int8, w8a8 ... w4a8, bfp16 or fp16.
    calibration: arrays by input name, samples stacked along the first dimension;
        or the path of an .npz file or a folder of them. Integer formats need it.
    bind: values of inputs by name, or the path of an .npz file of them: these inputs
        become constants, the program has none of these names. Needed for inputs on
        whose values shapes depend (axes, sizes, repeats, ...): without them
        CompileError.unknown_inputs names them.
    external_data: folder of a model's external data, when it comes as bytes.
    {options}
    Raises CompileError with one line that says what is wrong and what to do.
    """
    origin = request(model, target, quantize, calibration, bind, external_data, options)
    made = _cim.compile(*origin)
    facts = {
        "compile": {
            **made["seconds"],
            "total": sum(made["seconds"].values()),
            "peak_rss_bytes": made["peak_rss_bytes"],
        },
        "remarks": made["remarks"],
    }
    return Program(_cim.Program.parse(made["program"]), facts, origin)


def request(model, target, quantize, calibration, bind, external_data, options):
    """Arguments of compile as the extension module takes them: target and a
    dictionary."""
    arguments = {"options": _options({"quantize": quantize, **options})}
    arguments.update(_model(model, external_data))
    for name, value in (("calibration", calibration), ("bind", bind)):
        if isinstance(value, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(value))
            arguments["options"].append((name, path))
        else:
            arguments.update(_arrays(name, value))
    return _target(target), arguments


class _Option:
    """A row of the compiler's table of options, which cimc reads too."""

    def __init__(self, flag, name, kind, initial, form, help):
        self.flag, self.name, self.kind, self.form = flag, name, kind, form
        empty = {"text": initial, "list": (), "pairs": None}
        self.initial = int(initial) if kind == "number" else empty[kind]
        self.help = help

    def documentation(self):
        if self.kind == "pairs":
            return "{" + self.form.replace("=", ": ") + "}. " + self.help
        return self.help[:1].lower() + self.help[1:]

    def entries(self, value):
        """The value as (flag, text) for each entry it has."""
        if self.kind == "text":
            return [(self.flag, _text(self.name, value))]
        if self.kind == "number":
            return [(self.flag, str(_integer(self.name, value, 0)))]
        if self.kind == "list":
            return [(self.flag, name) for name in _names(self.name, value)]
        return [(self.flag, text) for text in self._pairs(value)]

    def _pairs(self, value):
        key, item = self.form.split("=")
        if value is None:
            return []
        if not isinstance(value, Mapping):
            raise CompileError(
                f"{self.name}: a {type(value).__name__}; pass {{{key}: {item}}}"
            )
        return [
            f"{_text(self.name, k)}={self._item(k, v, item)}" for k, v in value.items()
        ]

    def _item(self, key, value, item):
        if isinstance(value, str):
            return value
        try:
            sizes = [operator.index(size) for size in value]
        except TypeError:
            raise CompileError(
                f"{self.name}: {key!r}: {value!r}; a {item} is needed"
            ) from None
        return "x".join(map(str, sizes)) or "scalar"


# Arguments of compile that take more than the table's texts.
_OWN = ("target", "quantize", "calibration", "bind")
_OPTIONS = {row[1]: _Option(*row) for row in _cim.options()}


def _options(values):
    entries = []
    for name, value in values.items():
        if name not in _OPTIONS:
            raise TypeError(f"compile() got an unexpected keyword argument '{name}'")
        entries += _OPTIONS[name].entries(value)
    return entries


def _describe_options():
    """Puts the table's options into the signature and the text of help()."""
    shared = [option for name, option in _OPTIONS.items() if name not in _OWN]
    text = "".join(
        textwrap.fill(
            f"{option.name}: {option.documentation()}.",
            width=80,
            initial_indent="    ",
            subsequent_indent="        ",
        ).lstrip(" ")
        + "\n    "
        for option in shared
    )
    compile.__doc__ = compile.__doc__.replace("{options}", text.rstrip(" "))
    signature = inspect.signature(compile)
    parameters = list(signature.parameters.values())[:-1]
    parameters += [
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=option.initial
        )
        for option in shared
    ]
    compile.__signature__ = signature.replace(parameters=parameters)


_describe_options()


def interpret(text, inputs):
    """Runs the reference interpreter, which defines what a program must compute,
    on the text of a tensor-level phase (`program.ir("quantize")`); outputs by
    name. A first dimension n times the function's means n runs."""
    if not isinstance(text, str):
        raise RunError(
            f"text: a {type(text).__name__}; the text of a phase is needed; pass"
            " program.ir('quantize')"
        )
    return _cim.interpret(text, named_arrays(inputs, RunError))


def phases():
    """The phases of compilation in order, each with what holds after it."""
    return dict(_cim.phases())


def _text(name, value):
    if not isinstance(value, str):
        raise CompileError(f"{name}: {value!r}; a string is needed")
    return value


def _integer(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise CompileError(f"{name}: {value!r}; an integer is needed")
    if not least <= value < 2**31:
        raise CompileError(f"{name}: {value}; at least {least} and below 2^31")
    return int(value)


def _model(model, external_data):
    """The model as `path` or `bytes`."""
    extra = {}
    if external_data is not None:
        extra["external_data"] = os.fspath(external_data)
    if isinstance(model, (str, os.PathLike)):
        # In full: ir() reads it again, wherever the process has gone by then.
        path = os.path.abspath(os.fspath(model))
        if not os.path.exists(path):
            raise CompileError(
                f"{os.fspath(model)}: no such file; give the path of an .onnx model"
            )
        return {**extra, "path": path}
    if hasattr(model, "SerializeToString"):
        try:
            data = model.SerializeToString()
        except Exception as problem:  # noqa: BLE001 (protobuf has several)
            raise CompileError(
                f"model: it cannot be serialized ({problem}); models of 2 GiB and"
                " more need external data; save it with external data and give the"
                " path"
            ) from None
        name = getattr(getattr(model, "graph", None), "name", "")
        return {**extra, "bytes": data, "model_name": str(name) or "model"}
    if isinstance(model, (bytes, bytearray, memoryview)):
        return {**extra, "bytes": bytes(model), "model_name": "model"}
    raise CompileError(
        f"model: a {type(model).__name__}; a path, bytes or an onnx.ModelProto is needed"
    )


def _target(target):
    if isinstance(target, Target):
        return target
    if not isinstance(target, (str, os.PathLike)):
        raise CompileError(
            f"target: a {type(target).__name__}; a preset's name, a YAML file or a"
            " cim.Target is needed"
        )
    try:
        return Target.load(target)
    except _cim.LoadError as problem:
        raise CompileError(str(problem)) from None


def _arrays(name, value):
    """Arrays by input name, as an argument."""
    if value is None:
        return {}
    if isinstance(value, np.lib.npyio.NpzFile):
        value = dict(value)
    return {name: named_arrays(value, CompileError, name)}


def _names(name, value):
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) and not isinstance(value, (set, frozenset)):
        raise CompileError(f"{name}: a {type(value).__name__}; pass a list of names")
    return [_text(name, item) for item in value]
