# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators that read or write at computed places: scatters, sampling of images,
pooling of regions."""

import numpy as np
import pytest
from single_nodes import check_node, i64, ints, normal, RNG

REGIONS = RNG.random((5, 4)).astype(np.float32) * 6
REGIONS[:, 2:] += REGIONS[:, :2]
BATCH = ints(0, 2, 5)
UNPOOL = np.stack([RNG.permutation(64)[:16] + 64 * c for c in range(2)])

CASES = [
    (
        "ScatterElements",
        [normal(6, 50), ints(-6, 6, 60, 40), normal(60, 40)],
        1,
        {"axis": 0, "reduction": reduction, "tolerance": 1e-3},
    )
    for reduction in ("add", "mul", "max", "min")
]
CASES += [
    (
        "ScatterND",
        [normal(40, 5, 3), ints(-5, 5, 50, 2), normal(50, 3)],
        1,
        {"reduction": reduction, "tolerance": 1e-3},
    )
    for reduction in ("add", "mul", "max", "min")
]
CASES += [
    (
        "ScatterND",
        [normal(600, 3), RNG.permutation(600)[:50, None], normal(50, 3)],
        1,
        {},
    ),
    (
        "ScatterElements",
        [
            ints(0, 9, 5, 80),
            np.tile(RNG.permutation(80)[:50], (5, 1)),
            ints(0, 9, 5, 50),
        ],
        1,
        {"axis": 1},
    ),
    (
        "MaxUnpool",
        [normal(1, 2, 4, 4), UNPOOL.reshape(1, 2, 4, 4)],
        1,
        {"kernel_shape": [2, 2], "strides": [2, 2]},
    ),
    (
        "TensorScatter",
        [normal(2, 3, 8, 4), normal(2, 3, 2, 4), i64(1, 7)],
        1,
        {"opset": 24, "mode": "circular"},
    ),
    ("TensorScatter", [normal(2, 8, 4), normal(2, 3, 4)], 1, {"opset": 24, "axis": 1}),
]

CASES += [
    (
        "GridSample",
        [normal(2, 3, 5, 6), normal(2, 4, 3, 2)],
        1,
        {
            "opset": 22,
            "mode": mode,
            "padding_mode": padding,
            "align_corners": corners,
            "tolerance": 1e-4,
        },
    )
    for mode in ("nearest", "linear", "cubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (0, 1)
]
CASES += [
    (
        "GridSample",
        [normal(1, 2, 3, 4, 5), normal(1, 2, 3, 2, 3)],
        1,
        {"opset": 22, "mode": mode, "padding_mode": "border", "tolerance": 1e-4},
    )
    for mode in ("nearest", "linear")
]
CASES += [
    (
        "GridSample",
        [normal(1, 1, 3, 3, 3), normal(1, 2, 1, 2, 3)],
        1,
        {"opset": 22, "mode": "cubic", "reference": True, "tolerance": 1e-4},
    )
]
CASES += [
    (
        "RoiAlign",
        [normal(2, 3, 8, 9), REGIONS * scale + shift, BATCH],
        1,
        {"opset": 16, "output_height": 3, "output_width": 2, "tolerance": 1e-4, **more},
    )
    for scale, shift, more in (
        (1, 0, {"sampling_ratio": 2}),
        (1, 0, {"sampling_ratio": 2, "mode": "max"}),
        (1, 0, {"sampling_ratio": 0}),
        (5, -20, {"sampling_ratio": 0}),
        (
            1,
            0,
            {
                "spatial_scale": 0.5,
                "coordinate_transformation_mode": "output_half_pixel",
            },
        ),
    )
]
CASES += [
    (
        "MaxRoiPool",
        [normal(2, 3, 8, 9), np.hstack([BATCH[:, None].astype(np.float32), REGIONS])],
        1,
        {"opset": 16, "pooled_shape": [3, 2], "spatial_scale": 0.7},
    )
]


@pytest.mark.parametrize(
    ("op", "operands", "outputs", "options"),
    [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(CASES)],
)
def test_operator(op, operands, outputs, options):
    check_node(op, operands, outputs, **options)


@pytest.mark.parametrize("op", ["ScatterND", "MaxUnpool"])
def test_small_target(op):
    case = next(case for case in CASES if case[0] == op)
    check_node(*case[:3], **{**case[3], "target": "tiny"})
