# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws the latest run of a trace (docs/report.md) as text, a row per queue:

cim-run model.cimb --trace t.json
python examples/timeline.py t.json
"""

import argparse
import json
import sys


def read_run(path):
    """{track: [(first cycle, cycles), ...]} and the tracks' names, in order."""
    with open(path, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    cores, engines, slices = {}, {}, {}
    for event in events:
        if event["ph"] == "M" and event["name"] == "process_name":
            cores[event["pid"]] = event["args"]["name"]
        elif event["ph"] == "M":
            engines[event["pid"], event["tid"]] = event["args"]["name"]
        elif event["cat"] == "run":
            at = event["args"]["start_cycle"], event["args"]["cycles"]
            slices.setdefault((event["pid"], event["tid"]), []).append(at)
    names = {track: (cores[track[0]], engines[track]) for track in sorted(slices)}
    return slices, names


def shares(slices, width, total):
    """How much of each of `width` equal intervals the slices fill."""
    busy = [0.0] * width
    for start, cycles in slices:
        for i in range(start * width // total, width):
            low, high = i * total / width, (i + 1) * total / width
            if low >= start + cycles:
                break
            busy[i] += min(high, start + cycles) - max(low, start)
    return [min(1.0, cycles * width / total) for cycles in busy]


def draw(path, width):
    slices, names = read_run(path)
    total = max((start + n for list in slices.values() for start, n in list), default=0)
    if not total:
        return f"{path}: no instruction of a run in it"
    several_chips = len({core.split(" core ")[0] for core, _ in names.values()}) > 1
    lines = [f"{total} cycles, left to right; # busy, o half busy, . a little"]
    shown = None
    for track, (core, engine) in names.items():
        if not several_chips:
            core = core.split(" ", 2)[-1]
        row = "".join(
            "#"
            if share > 2 / 3
            else "o"
            if share > 1 / 3
            else "."
            if share > 0
            else " "
            for share in shares(slices[track], width, total)
        )
        lines.append(f"{core if core != shown else '':<{len(core)}} {engine:<7} {row}")
        shown = core
    return "\n".join(line.rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trace", help="written by cim-run --trace")
    parser.add_argument("--width", type=int, default=72, help="characters [72]")
    arguments = parser.parse_args()
    if not 1 <= arguments.width <= 10000:
        parser.error(f"--width: {arguments.width}; 1 to 10000")
    try:
        print(draw(arguments.trace, arguments.width))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        sys.exit(f"error: {arguments.trace}: not a trace of cim-run: {problem}")


if __name__ == "__main__":
    main()
