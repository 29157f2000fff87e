# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Top-1 accuracy of ONNX files in ONNX Runtime (float).

    python evaluate.py MODEL.onnx... [--data DIR]

Reports the 1,000 images of `test.npz` (the first of the test split) and, where
the data set is installed, all 10,000.
"""

import argparse
import pathlib
import sys

import numpy as np
import onnxruntime

import fashion_mnist

HERE = pathlib.Path(__file__).parent


def shipped_test():
    """Returns the example's (x float32 [1000, 1, 28, 28], labels int64)."""
    with np.load(HERE / "test.npz") as x, np.load(HERE / "test_labels.npz") as labels:
        return x["x"], labels["labels"]


def top1(path, x, labels):
    """The share of rows of `x` whose largest logit is at their label."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    right = 0
    for image, label in zip(x, labels):
        (logits,) = session.run(None, {name: image[None]})
        right += int(logits.argmax()) == int(label)
    return right / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path, nargs="+")
    parser.add_argument("--data", type=pathlib.Path, default=fashion_mnist.DEFAULT_DATA)
    args = parser.parse_args()
    sets = {"test.npz": shipped_test()}
    try:
        images, labels = fashion_mnist.load(args.data, "test")
        sets["whole test split"] = fashion_mnist.to_input(images), labels
    except fashion_mnist.DataError as error:
        print(f"note: only test.npz is measured: {error}", file=sys.stderr)
    for path in args.models:
        for name, (x, y) in sets.items():
            print(f"{path}: {top1(path, x, y):.2%} of {len(x)} ({name})")


if __name__ == "__main__":
    main()
