# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Named NumPy arrays, as programs and the interpreter take them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ._cim import RunError


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a program. A scale of 0 means not quantized;
    otherwise value = (stored - zero_point) * scale. `variable` lists the
    dimensions of an output whose length a run decides; `shape` has the most it can
    be."""

    name: str
    dtype: str
    shape: tuple
    scale: float = 0.0
    zero_point: int = 0
    variable: tuple = ()

    def __str__(self):
        sizes = (
            f"<={size}" if dim in self.variable else str(size)
            for dim, size in enumerate(self.shape)
        )
        return f"{self.name}: {self.dtype}[{', '.join(sizes)}]"


def contiguous(value):
    """A C-contiguous array of native byte order."""
    array = np.asarray(value)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # ascontiguousarray would make a scalar a vector of one.
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def named_arrays(values, error, what="inputs"):
    """Contiguous arrays by name; the error says what was given instead."""
    if not isinstance(values, Mapping):
        raise error(
            f"{what}: a {type(values).__name__}; a dictionary of arrays by name is"
            " needed; pass {name: array}"
        )
    arrays = {}
    for name, value in values.items():
        try:
            arrays[str(name)] = contiguous(value)
        except (TypeError, ValueError) as problem:
            raise error(f"{what}: '{name}' is not an array: {problem}") from None
    return arrays


def inputs_for(values, infos):
    """Inputs of a program. What has no dtype of its own (numbers, lists) takes
    the program's; arrays must have it."""
    wanted = {info.name: info for info in infos}
    if isinstance(values, Mapping):
        values = {
            name: _with_dtype(value, wanted[name].dtype) if name in wanted else value
            for name, value in values.items()
        }
    return named_arrays(values, RunError)


def _with_dtype(value, dtype):
    if hasattr(value, "dtype") or hasattr(value, "__array__") or dtype == "bfloat16":
        return value
    try:
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        return value


def count_runs(arrays, infos):
    """How often a program runs for these inputs, or None when they do not fit:
    then the runtime says why."""
    runs = {1}
    for info in infos:
        array = arrays.get(info.name)
        if array is None or array.ndim != len(info.shape):
            return None
        if array.shape == info.shape:
            continue
        if array.shape[1:] != info.shape[1:] or not info.shape[0]:
            return None
        times, rest = divmod(array.shape[0], info.shape[0])
        if rest or not times:
            return None
        runs.add(times)
    runs.discard(1)
    return None if len(runs) > 1 else max(runs, default=1)


def slice_runs(arrays, infos, first, last):
    """The part of the inputs that runs first to last - 1 take."""
    part = dict(arrays)
    for info in infos:
        if arrays[info.name].shape != info.shape:
            batch = info.shape[0]
            part[info.name] = arrays[info.name][first * batch : last * batch]
    return part
