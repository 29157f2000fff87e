# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which layer makes a result wrong (docs/triage.md).

Against "float", every layer of the quantized module is compared with the float
module, both in the reference interpreter: as it ran (accumulated error), and fed
with the float module's values (isolated error: what the layer itself adds). Against
"quantized", every region on the device is compared with the interpreter, bit for
bit.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import _cim
from ._arrays import named_arrays
from ._cim import CompileError, RunError
from ._compile import interpret, request
from ._program import Program

# Calibration samples that are compared when no inputs are given.
_SAMPLES = 4
# Options that matter after the phase "split".
_BACK_END = ("target", "opt", "search-budget", "seed", "disable", "threads")


class _Value(NamedTuple):
    """A value of a module (ValueFacts of the extension module)."""

    id: int
    nodes: list
    op: str
    format: str
    type: str
    shape: tuple
    is_float: bool
    scale: float
    zero: int
    low: int
    high: int


@dataclass(frozen=True)
class Error:
    """How far an array is from its reference. relative: the L2 norm of the
    difference over that of the reference; sqnr: the same in dB; max_abs: largest
    difference; cosine: of the angle between them."""

    relative: float
    max_abs: float
    cosine: float

    @property
    def sqnr(self):
        if self.relative == 0:
            return np.inf
        return -20 * np.log10(self.relative)


@dataclass(frozen=True)
class LayerError:
    """A layer, named after the last ONNX node in it. `different` counts the
    elements (of `elements`) that are not the reference's bit for bit; `isolated` is
    None where only bits are compared."""

    name: str
    nodes: tuple
    op: str
    format: str
    accumulated: Error
    isolated: Error | None
    different: int
    elements: int


@dataclass(frozen=True)
class Comparison:
    """What cim.compare found. str() is a table."""

    against: str
    threshold: float
    layers: list = field(repr=False)

    @property
    def first(self):
        """The first layer whose accumulated error is above the threshold (against
        "quantized": that differs at all), or None."""
        return next(filter(self._diverges, self.layers), None)

    @property
    def worst(self):
        """The layer that adds most error by itself (against "quantized": None)."""
        layers = [layer for layer in self.layers if layer.isolated]
        return max(layers, key=lambda layer: layer.isolated.relative, default=None)

    def _diverges(self, layer):
        if self.against == "quantized":
            return layer.different > 0
        return layer.accumulated.relative > self.threshold

    def summary(self):
        """One or two lines: which layer to look at."""
        first, worst = self.first, self.worst
        if self.against == "quantized":
            if first is None:
                return f"all {len(self.layers)} layers agree bit for bit"
            return (
                f"first that differs: {first.name} ({first.different} of"
                f" {first.elements} elements)"
            )
        limit = f"{100 * self.threshold:g} %"
        if first is None:
            line = f"no layer is off by more than {limit}"
        else:
            line = (
                f"first above {limit}: {first.name}"
                f" ({100 * first.accumulated.relative:.3g} %)"
            )
        if worst is not None and worst.isolated.relative > 0:
            line += (
                f"\nmost error of its own: {worst.name} ({worst.format},"
                f" {100 * worst.isolated.relative:.3g} %)"
            )
        return line

    def to_dict(self):
        """Plain values, for JSON."""

        def numbers(error):
            return error and {
                "relative": _finite(error.relative),
                "sqnr_db": _finite(error.sqnr),
                "max_abs": _finite(error.max_abs),
                "cosine": _finite(error.cosine),
            }

        return {
            "against": self.against,
            "threshold": self.threshold,
            "first": self.first and self.first.name,
            "worst": self.worst and self.worst.name,
            "layers": [
                {
                    "name": layer.name,
                    "nodes": list(layer.nodes),
                    "op": layer.op,
                    "format": layer.format,
                    "accumulated": numbers(layer.accumulated),
                    "isolated": numbers(layer.isolated),
                    "different": layer.different,
                    "elements": layer.elements,
                }
                for layer in self.layers
            ],
        }

    def __str__(self):
        head = ["layer", "op", "format"]
        if self.against == "float":
            head += ["error %", "SQNR dB", "max abs", "cosine", "own error %"]
        else:
            head += ["different", "elements", "max abs"]
        rows = [head, *(self._cells(layer) for layer in self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            left = [c.ljust(w) for c, w in zip(row[:3], widths[:3], strict=True)]
            right = [c.rjust(w) for c, w in zip(row[3:], widths[3:], strict=True)]
            lines.append("  ".join(left + right))
        first = self.first
        if first is not None:
            lines[1 + self.layers.index(first)] += "  <--"
        return "\n".join([*lines, self.summary()])

    def _cells(self, layer):
        total, own = layer.accumulated, layer.isolated
        cells = [layer.name, layer.op, layer.format]
        if self.against == "quantized":
            return cells + [
                str(layer.different),
                str(layer.elements),
                f"{total.max_abs:.4g}",
            ]
        return cells + [
            f"{100 * total.relative:.3f}",
            f"{total.sqnr:.1f}",
            f"{total.max_abs:.4g}",
            f"{total.cosine:.6f}",
            f"{100 * own.relative:.3f}",
        ]


def compare(
    model,
    inputs=None,
    against="float",
    *,
    threshold=0.1,
    sanitize=False,
    target="m50",
    quantize="none",
    calibration=None,
    bind=None,
    external_data=None,
    **options,
):
    """Compares every layer with a reference and names the first that diverges.

    model, target, quantize, calibration, bind, external_data, options: as of
        cim.compile.
    inputs: arrays by name, as Program.run takes them; default: the first
        calibration samples, else seeded random numbers.
    against: "float", the model before quantization: how much accuracy each layer
        costs; or "quantized", the reference interpreter: whether the device
        computes the bits it must.
    threshold: relative error (L2) above which a layer diverges from float.
    sanitize: run the device under its sanitizer (against "quantized").

    Returns a Comparison.
    """
    if against not in ("float", "quantized"):
        raise CompileError(
            f"against: {against!r}; there is no such reference; use float or quantized"
        )
    made = request(model, target, quantize, calibration, bind, external_data, options)
    phase = "quantize" if against == "float" else "split"
    texts = _cim.compile(made[0], {**made[1], "phase": phase, "all_texts": True})
    texts = texts["texts"]
    arrays = _inputs(texts[phase], inputs, calibration, bind)
    if against == "float":
        layers = _float_layers(texts, arrays)
    else:
        layers = _device_layers(texts, made, arrays, sanitize)
    return Comparison(against, float(threshold), layers)


# ---------------------------------------------------------------------------
# Against float.


def _float_layers(texts, inputs):
    if "normalize" not in texts:
        raise CompileError(
            "model: is past the phase normalize, there is no float module to compare"
            " with; give the .onnx model"
        )
    rows = _match(texts)
    reference = _run_exposed(texts["normalize"], [r.reference for r in rows], inputs)
    text = texts["quantize"]
    actual = _run_exposed(text, [row.value for row in rows], inputs)
    cuts = {}
    for row in rows:
        wanted = reference[row.reference.id]
        for value in row.versions:
            # A scalar of several runs has become a vector: it has no place as input.
            if value.op != "input" and wanted.ndim == len(value.shape):
                cuts[value.id] = _stored(wanted, value)
    feeds = {**inputs, **{f"#{id}": array for id, array in cuts.items()}}
    alone = _run_exposed(text, [row.value for row in rows], feeds, list(cuts))
    layers = []
    for row in rows:
        wanted = reference[row.reference.id]
        got = _real(actual[row.value.id], row.value)
        own = _real(alone[row.value.id], row.value)
        layers.append(
            LayerError(
                row.name,
                row.nodes,
                row.op,
                row.format,
                error_of(got, wanted),
                error_of(own, wanted),
                count_different(got, wanted),
                wanted.size,
            )
        )
    return layers


@dataclass(frozen=True)
class _Row:
    """A layer of the quantized module and the float value it stands for. versions:
    all values that stand for it, the last first."""

    name: str
    nodes: tuple
    op: str
    format: str
    value: _Value
    versions: tuple
    reference: _Value


def _match(texts):
    """Layers of the quantized module in order. Both modules name the ONNX nodes a
    value comes from; the last of them, in the order of the model, is the one whose
    result the value is."""
    last_node = _last_node(texts)

    def by_node(values):
        groups = {}
        for value in values:
            if value.nodes and (value.is_float or value.scale):
                groups.setdefault(last_node(value), []).append(value)
        return groups

    floats = by_node(_values(texts["normalize"]))
    rows = []
    for name, group in by_node(_values(texts["quantize"])).items():
        computed = [v for v in group if v.op != "move"]
        candidates = floats.get(name, [])
        # What only moves is the reference of what is quantized after moving.
        candidates = [v for v in candidates if v.op != "move"] or candidates
        for at in range(len(computed) - 1, -1, -1):
            value = computed[at]
            same = [v for v in candidates if v.shape == value.shape and v.is_float]
            if same and not (value.op == "input" and not value.scale):
                rows.append(_row(name, computed[: at + 1], group, same[-1]))
                break
    return sorted(rows, key=lambda row: row.value.id)


def _last_node(texts):
    """A function: of a value's nodes the last in the order of the model."""
    position = {}
    for value in _values(next(iter(texts.values()))):
        for node in value.nodes:
            position.setdefault(node, len(position))
    return lambda value: max(value.nodes, key=lambda node: position.get(node, -1))


def _row(name, computed, group, reference):
    value = computed[-1]
    versions = [value]
    if value.op == "quantize" and len(computed) > 1:
        before = computed[-2]
        if before.shape == value.shape and before.is_float:
            versions.append(before)
    macs = [v for v in group if v.format]
    op = macs[-1].op if macs else versions[-1].op
    stored = "i8" if value.scale else value.type
    nodes = dict.fromkeys(node for v in group for node in v.nodes)
    return _Row(
        name,
        tuple(nodes),
        op,
        macs[-1].format if macs else stored,
        value,
        tuple(versions),
        reference,
    )


def _run_exposed(text, values, inputs, cuts=()):
    """Values by id of a run of the interpreter."""
    exposed = _cim.expose(text, [value.id for value in values], list(cuts))
    results = interpret(exposed, inputs)
    return {value.id: results[f"#{value.id}"] for value in values}


def _stored(array, value):
    """A float array in the type of a value (numerics Q1, F3)."""
    if not value.scale:
        kinds = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
        if value.type not in kinds:  # bf16 comes and goes as f32.
            return array
        return array.astype(kinds[value.type])
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(array.astype(np.float32) / np.float32(value.scale))
    scaled = np.nan_to_num(scaled, nan=0.0).astype(np.float64) + value.zero
    kind = np.int8 if value.low < 0 else np.uint8
    return np.clip(scaled, value.low, value.high).astype(kind)


def _real(array, value):
    """What a stored array means."""
    if not value.scale:
        return array
    shifted = (array.astype(np.int32) - value.zero).astype(np.float32)
    return shifted * np.float32(value.scale)


# ---------------------------------------------------------------------------
# Against the quantized module.


def _device_layers(texts, origin, inputs, sanitize):
    """Regions on the device, their results made results of the program; then the
    outputs of the program as it is compiled without that."""
    if "split" not in texts:
        raise CompileError("model: is past the phase split; give the .onnx model")
    text, last_node = texts["split"], _last_node(texts)
    values = [v for v in _values(text) if v.op not in ("move", "input")]
    exposed = _cim.expose(text, [value.id for value in values], [])
    wanted = interpret(exposed, inputs)
    got = _on_device(exposed, origin, inputs, sanitize)
    layers = []
    for value in values:
        name = f"#{value.id}"
        stored = value.format or ("i8" if value.scale else value.type)
        title = last_node(value) if value.nodes else name
        layers.append(_bits(title, value, stored, got[name], wanted[name]))
    plain = _on_device(text, origin, inputs, sanitize)
    for name, array in plain.items():
        value = _Value(-1, [], "output", "", "", (), False, 0, 0, 0, 0)
        layers.append(_bits(name, value, str(array.dtype), array, wanted[name]))
    return layers


def _bits(name, value, stored, got, wanted):
    return LayerError(
        name,
        tuple(value.nodes),
        value.op,
        stored,
        error_of(_real(got, value), _real(wanted, value)),
        None,
        count_different(got, wanted),
        wanted.size,
    )


def _on_device(text, origin, inputs, sanitize):
    """Outputs of the program made of a module at the phase split."""
    target, arguments = origin
    options = [entry for entry in arguments["options"] if entry[0] in _BACK_END]
    with tempfile.TemporaryDirectory(prefix="cim-") as folder:
        path = os.path.join(folder, "split.mlir")
        Path(path).write_text(text, encoding="utf-8")
        made = _cim.compile(target, {"options": options, "path": path})
    program = Program(_cim.Program.parse(made["program"]))
    return program.run(inputs, sanitize=sanitize)


# ---------------------------------------------------------------------------


def _values(text):
    return [_Value(*facts) for facts in _cim.values(text)]


def _inputs(text, inputs, calibration, bind):
    if inputs is not None:
        if isinstance(inputs, (str, os.PathLike)):
            inputs = load_arrays(inputs)
        return named_arrays(inputs, RunError)
    arguments = [v for v in _values(text) if v.op == "input"]
    if calibration is not None:
        if isinstance(calibration, (str, os.PathLike)):
            calibration = load_arrays(calibration)
        arrays = named_arrays(calibration, CompileError, "calibration")
        return {
            value.nodes[0]: arrays[value.nodes[0]][: _SAMPLES * value.shape[0]]
            for value in arguments
        }
    random = np.random.default_rng(0)
    return {value.nodes[0]: _random(random, value) for value in arguments}


_KINDS = {"f16": "f2", "f32": "f4", "f64": "f8", "i1": "?"}
_KINDS |= {"i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8"}


def _random(random, value):
    if value.type not in _KINDS:
        raise RunError(f"inputs: none for type {value.type}; give inputs")
    if value.is_float:
        array = random.integers(-128, 128, value.shape) / 128
    else:
        array = random.integers(0, 2, value.shape)
    return np.asarray(array, dtype=_KINDS[value.type])


def load_arrays(path):
    """Arrays of an .npz file, or of the first of a folder."""
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        if not files:
            raise CompileError(
                f"{path}: no .npz file in this folder; put arrays there by input name"
            )
        path = files[0]
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise RunError(f"{path}: not an .npz file of arrays ({problem})") from None


def error_of(got, wanted):
    """The Error of one array against another."""
    got, wanted = (np.asarray(a, dtype=np.float64).ravel() for a in (got, wanted))
    if got.shape != wanted.shape:
        return Error(np.inf, np.inf, 0.0)
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(same, 0.0, got - wanted)
        finite = np.isfinite(wanted) & np.isfinite(got)
        norm = np.linalg.norm(wanted[finite])
        size = np.linalg.norm(difference)
        both = norm * np.linalg.norm(got[finite])
        cosine = float(got[finite] @ wanted[finite] / both) if both else 1.0
    largest = np.abs(difference).max(initial=0.0)
    if np.isnan(size):
        size = largest = np.inf
    if size == 0:
        return Error(0.0, 0.0, 1.0)
    return Error(float(size / norm) if norm else np.inf, float(largest), cosine)


def count_different(got, wanted):
    """Elements that are not the same bits; all NaN are the same (numerics F7)."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return wanted.size
    bits = np.dtype(f"u{got.dtype.itemsize}")
    differ = np.ascontiguousarray(got).view(bits) != np.ascontiguousarray(wanted).view(
        bits
    )
    if got.dtype.kind == "f":
        differ &= ~(np.isnan(got) & np.isnan(wanted))
    return int(np.count_nonzero(differ))


def _finite(number):
    return float(number) if np.isfinite(number) else None
