# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains one of the networks in architectures.py and exports it to ONNX.

    python train.py --arch resnet8 [--out DIR] [--data DIR] [--seed N]

Runs on one CPU core. Equal options and package versions give equal weights.
"""

import argparse
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn

import evaluate
import fashion_mnist
from architectures import ARCHITECTURES
from export import export


def augmented(images, rows, shift, rng):
    """A batch of shifted and mirrored images, float32 [B, 1, 28, 28].

    `images` is uint8, padded by `shift` on every side.
    """
    dy, dx = rng.integers(0, 2 * shift + 1, (2, len(rows), 1))
    flip = rng.integers(0, 2, (len(rows), 1)).astype(bool)
    along = np.arange(28)
    columns = dx + np.where(flip, along[::-1], along)
    lines = dy + along
    batch = images[rows[:, None, None], lines[:, :, None], columns[:, None]]
    return torch.from_numpy(fashion_mnist.to_input(batch))


def make_optimizer(model, arch):
    """Weight decay holds for matrices and filters, not norms and biases."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": arch.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if arch.optimizer == "sgd":
        return torch.optim.SGD(groups, arch.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, arch.learning_rate)


def train(model, arch, epochs, images, labels, seed):
    rng = np.random.default_rng(seed)
    border = (arch.shift, arch.shift)
    images = np.pad(images, ((0, 0), border, border))
    steps = len(images) // arch.batch
    optimizer = make_optimizer(model, arch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        arch.learning_rate,
        total_steps=epochs * steps,
        pct_start=0.25,
        cycle_momentum=False,
    )
    # Label smoothing keeps logits, and with them the activations, small.
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    model.train()
    for epoch in range(epochs):
        start, total = time.time(), 0.0
        order = rng.permutation(len(images))
        for step in range(steps):
            rows = order[step * arch.batch : (step + 1) * arch.batch]
            x = augmented(images, rows, arch.shift, rng)
            x = x.to(memory_format=torch.channels_last)
            loss = loss_of(model(x), torch.from_numpy(labels[rows]))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, "
            f"{time.time() - start:.0f} s",
            flush=True,
        )


def parse_args():
    names = "\n".join(f"  {n}: {a.summary}" for n, a in ARCHITECTURES.items())
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="architectures:\n" + names,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    here = pathlib.Path(__file__).parent
    add = parser.add_argument
    add("--arch", choices=ARCHITECTURES, default="resnet8")
    add("--epochs", type=int, help="default: the architecture's own")
    add("--seed", type=int, default=0)
    add("--data", type=pathlib.Path, default=fashion_mnist.DEFAULT_DATA)
    add("--out", type=pathlib.Path, default=here, help="folder to write")
    add("--name", help="of the file, without .onnx; default: --arch")
    add("--exporter", choices=["torchscript", "dynamo"])
    add("--opset", type=int)
    add("--weights", type=pathlib.Path, help="PyTorch weights, to keep")
    add(
        "--export-only",
        action="store_true",
        help="read --weights instead of training",
    )
    args = parser.parse_args()
    if args.export_only and not args.weights:
        parser.error("--export-only needs --weights")
    return args


def main():
    args = parse_args()
    arch = ARCHITECTURES[args.arch]
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    model = arch.build().to(memory_format=torch.channels_last)
    print(f"{args.arch}: {sum(p.numel() for p in model.parameters())} weights")
    if args.export_only:
        model.load_state_dict(torch.load(args.weights))
    else:
        try:
            images, labels = fashion_mnist.load(args.data, "train")
        except fashion_mnist.DataError as error:
            sys.exit(f"error: {error}")
        epochs = args.epochs or arch.epochs
        train(model, arch, epochs, images, labels, args.seed)
        if args.weights:
            torch.save(model.state_dict(), args.weights)

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.name or args.arch}.onnx"
    exporter = args.exporter or arch.exporter
    kinds = export(
        model,
        path,
        exporter=exporter,
        opset=args.opset or arch.opset,
        # The dynamo exporter has no way to keep them.
        keep_batch_norm=arch.keep_batch_norm and exporter == "torchscript",
        dynamic_batch=arch.dynamic_batch,
    )
    print(", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
    top1 = evaluate.top1(path, *evaluate.shipped_test())
    print(f"{path}: {top1:.2%} of the images in test.npz")


if __name__ == "__main__":
    main()
