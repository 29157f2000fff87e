# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Task accuracy of the shipped networks on 1,000 images."""

import numpy as np
import pytest
from conftest import DATA

# Top-1 in float32 (examples/fashion_mnist/README.md), checked below.
FLOAT = {"resnet8": 93.3, "encoder": 89.8}
NETWORKS = sorted(FLOAT)


def top1(logits, labels):
    return 100.0 * np.mean(np.argmax(logits, axis=1) == labels)


@pytest.mark.parametrize("network", NETWORKS)
def test_float_reference(images, labels, network):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        DATA / f"{network}.onnx", providers=["CPUExecutionProvider"]
    )
    logits = [session.run(None, {"x": image[None]})[0][0] for image in images]
    assert top1(np.array(logits), labels) == pytest.approx(FLOAT[network], abs=0.05)


@pytest.mark.parametrize("quantize, loss", [("w8a8", 0.5), ("w6a8", 1.0)])
@pytest.mark.parametrize("network", NETWORKS)
def test_integer_formats(shipped, images, labels, network, quantize, loss):
    program = shipped(network, "int8" if quantize == "w8a8" else quantize)
    logits = program.run({"x": images})["logits"]
    assert top1(logits, labels) >= FLOAT[network] - loss


@pytest.mark.parametrize("network", NETWORKS)
def test_block_floating_point(shipped, images, labels, network):
    logits = shipped(network, "bfp16").run({"x": images})["logits"]
    assert top1(logits, labels) >= FLOAT[network] - 0.1
