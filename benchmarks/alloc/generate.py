#!/usr/bin/env python3
# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes tight static-allocation problems whose packing is known to exist.

A rectangle (time x addresses) is cut into buffers, so the uncut rectangle is
itself a solution of height `capacity` and the live sum equals the capacity
wherever nothing was removed afterwards. Cuts are guillotine cuts and, with
--pinwheel, five-piece pinwheels that no sequence of straight cuts can make.
Removing or trimming some buffers afterwards (--drop, --trim) leaves slack in
some sections, as real programs have.

With --vary FILE the start is a solved problem instead (the --output of
cim-alloc): its buffers grow into free neighbouring space (--grow), and some are
cut in two (--split), so that a problem of the same character, but fuller,
results. --drop and --trim work as before.

Columns: id,lower,upper,size (half-open live ranges). The same arguments give
the same bytes.
"""

import argparse
import csv
import random
import sys


def cut(rng, rectangles, options):
    """Splits one rectangle, chosen by area; returns False if none can be."""
    weights = [(u - l) * (t - b) for l, u, b, t in rectangles]
    for _ in range(100):
        index = rng.choices(range(len(rectangles)), weights)[0]
        lower, upper, bottom, top = rectangles[index]
        width, height = upper - lower, top - bottom
        if rng.random() < options.pinwheel and width >= 3 and height >= 3:
            x1, x2 = sorted(rng.sample(range(lower + 1, upper), 2))
            y1, y2 = sorted(rng.sample(range(bottom + 1, top), 2))
            pieces = [
                (lower, x2, bottom, y1),
                (x2, upper, bottom, y2),
                (x1, upper, y2, top),
                (lower, x1, y1, top),
                (x1, x2, y1, y2),
            ]
        elif rng.random() < options.horizontal and height >= 2:
            y = bottom + fraction(rng, height)
            pieces = [(lower, upper, bottom, y), (lower, upper, y, top)]
        elif width >= 2:
            x = lower + fraction(rng, width)
            pieces = [(lower, x, bottom, top), (x, upper, bottom, top)]
        else:
            continue
        rectangles[index : index + 1] = pieces
        return True
    return False


def fraction(rng, length):
    """A cut position in 1 .. length - 1, now and then close to an end."""
    return min(length - 1, max(1, round(rng.betavariate(0.9, 0.9) * length)))


def load(path, unit):
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [
        (
            int(row["lower"]),
            int(row["upper"]),
            int(row["offset"]) // unit,
            -(-(int(row["offset"]) + int(row["size"])) // unit),
        )
        for row in rows
    ]


def vary(rng, rectangles, options):
    """Lets rectangles of a layout grow into free space, and cuts some."""
    ceiling = options.capacity // options.unit
    times = sorted({t for r in rectangles for t in r[:2]})
    order = list(range(len(rectangles)))
    rng.shuffle(order)
    for index in order:
        if rng.random() >= options.grow:
            continue
        lower, upper, bottom, top = rectangles[index]
        others = rectangles[:index] + rectangles[index + 1 :]

        def free(l, u, b, t):
            return not any(
                o[0] < u and l < o[1] and o[2] < t and b < o[3] for o in others
            )

        limit = min(
            [ceiling]
            + [o[2] for o in others if o[0] < upper and lower < o[1] and o[2] >= top]
        )
        if rng.random() < 0.5:
            top = limit
        later = [t for t in times if t > upper]
        while later and rng.random() < 0.7 and free(upper, later[0], bottom, top):
            upper = later.pop(0)
        earlier = [t for t in times if t < lower]
        while earlier and rng.random() < 0.7 and free(earlier[-1], lower, bottom, top):
            lower = earlier.pop()
        rectangles[index] = (lower, upper, bottom, top)
    for lower, upper, bottom, top in list(rectangles):
        if rng.random() >= options.split:
            continue
        inside = [t for t in times if lower < t < upper]
        rectangles.remove((lower, upper, bottom, top))
        if rng.random() < 0.5 and inside:
            x = rng.choice(inside)
            rectangles += [(lower, x, bottom, top), (x, upper, bottom, top)]
        elif top - bottom >= 2:
            y = rng.randint(bottom + 1, top - 1)
            rectangles += [(lower, upper, bottom, y), (lower, upper, y, top)]
        else:
            rectangles.append((lower, upper, bottom, top))


def generate(options):
    rng = random.Random(options.seed)
    unit = options.unit
    if options.vary:
        rectangles = load(options.vary, unit)
        vary(rng, rectangles, options)
    else:
        rectangles = [(0, options.steps, 0, options.capacity // unit)]
        while len(rectangles) < options.buffers:
            if not cut(rng, rectangles, options):
                break
    buffers = []
    for lower, upper, bottom, top in rectangles:
        if rng.random() < options.drop:
            continue
        if rng.random() < options.trim and upper - lower >= 2:
            upper -= rng.randint(1, (upper - lower) // 2)
        buffers.append((lower, upper, (top - bottom) * unit))
    rng.shuffle(buffers)
    return buffers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--buffers", type=int, default=250)
    parser.add_argument("--steps", type=int, default=1000, help="time steps")
    parser.add_argument("--capacity", type=int, default=1048576)
    parser.add_argument("--unit", type=int, default=1024, help="size granule")
    parser.add_argument("--horizontal", type=float, default=0.5)
    parser.add_argument("--pinwheel", type=float, default=0.0)
    parser.add_argument("--vary", metavar="FILE", help="start from this layout")
    parser.add_argument("--grow", type=float, default=0.5)
    parser.add_argument("--split", type=float, default=0.1)
    parser.add_argument("--drop", type=float, default=0.0)
    parser.add_argument("--trim", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default="-")
    options = parser.parse_args()
    lines = ["id,lower,upper,size"]
    for index, buffer in enumerate(generate(options)):
        lines.append(",".join(map(str, (index, *buffer))))
    text = "\n".join(lines) + "\n"
    if options.output == "-":
        sys.stdout.write(text)
    else:
        with open(options.output, "w", encoding="ascii") as stream:
            stream.write(text)


if __name__ == "__main__":
    main()
