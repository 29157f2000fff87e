# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads the Fashion-MNIST files and writes the example's .npz files.

Run as a script it writes `calibration.npz`, `test.npz` and `test_labels.npz`:

    python fashion_mnist.py [--data DIR] [--out DIR]
"""

import argparse
import gzip
import pathlib
import sys
import zlib

import numpy as np

# Where Debian's package `dataset-fashion-mnist` puts the files.
DEFAULT_DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
CLASSES = 10
CALIBRATION_IMAGES = 512
TEST_IMAGES = 1000
_PREFIX = {"train": "train", "test": "t10k"}


class DataError(Exception):
    """The data files are missing or are not what they should be."""


def _read_idx(path, dims):
    """Returns the uint8 array of `dims` dimensions in an IDX file (.gz).

    The header is two zero bytes, the type (8: uint8), the number of dimensions
    and each dimension as a big-endian 32-bit integer.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); install the Debian package "
            "dataset-fashion-mnist or name its folder with --data"
        ) from error
    header = 4 + 4 * dims
    if len(raw) < header or raw[:4] != bytes([0, 0, 8, dims]):
        raise DataError(f"{path}: not an IDX file of {dims}-d uint8")
    shape = [int(d) for d in np.frombuffer(raw, ">u4", dims, 4)]
    if len(raw) - header != int(np.prod(shape)):
        raise DataError(
            f"{path}: {len(raw) - header} bytes of data; the header says "
            f"{'x'.join(map(str, shape))}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def load(data, split):
    """Returns (images uint8 [N, 28, 28], labels int64 [N]) of a split.

    `split` is "train" (60,000 images) or "test" (10,000), in file order.
    """
    prefix = _PREFIX[split]
    data = pathlib.Path(data)
    images = _read_idx(data / f"{prefix}-images-idx3-ubyte.gz", 3)
    labels = _read_idx(data / f"{prefix}-labels-idx1-ubyte.gz", 1)
    if len(images) != len(labels) or images.shape[1:] != (28, 28):
        raise DataError(
            f"{data}: {split} images {images.shape} do not go with {len(labels)} labels"
        )
    return images, labels.astype(np.int64)


def to_input(images):
    """uint8 [N, 28, 28] -> model input, float32 [N, 1, 28, 28] in [0, 1]."""
    return (images[:, None].astype(np.float32)) / np.float32(255)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=DEFAULT_DATA)
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path(__file__).parent
    )
    args = parser.parse_args()
    try:
        train_images, _ = load(args.data, "train")
        test_images, test_labels = load(args.data, "test")
    except DataError as error:
        sys.exit(f"error: {error}")
    # Calibration images come from the training split only, so that no choice
    # made while compiling has seen a test image.
    chosen = np.random.default_rng(0).choice(
        len(train_images), CALIBRATION_IMAGES, replace=False
    )
    args.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.out / "calibration.npz", x=to_input(train_images[np.sort(chosen)])
    )
    np.savez_compressed(args.out / "test.npz", x=to_input(test_images[:TEST_IMAGES]))
    np.savez_compressed(args.out / "test_labels.npz", labels=test_labels[:TEST_IMAGES])


if __name__ == "__main__":
    main()
