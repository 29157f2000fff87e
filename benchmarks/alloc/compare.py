#!/usr/bin/env python3
# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times cim-alloc on CSV problems, beside a reference if there is one.

  compare.py --binary build/bin/cim-alloc [--reference-binary minimalloc] FILE...

The reference takes MiniMalloc's options (--capacity=, --input=, --output=).
Runs alternate, the median of --repeat times counts (CPU seconds of the process,
which other load disturbs little; both programs have one thread), and both
layouts are checked here, not by the programs. A ratio below 1 is in
cim-alloc's favour. Exit code 1 if a layout of cim-alloc is wrong or missing.
"""

import argparse
import csv
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile


def legal(path, capacity):
    """Whether the layout in a CSV file fits and no two buffers clash."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = [
                tuple(int(row[k]) for k in ("lower", "upper", "size", "offset"))
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, ValueError, TypeError):
        return False
    for i, (lower, upper, size, offset) in enumerate(rows):
        if offset < 0 or offset + size > capacity:
            return False
        for other in rows[:i]:
            if (
                lower < other[1]
                and other[0] < upper
                and offset < other[3] + other[2]
                and other[3] < offset + size
            ):
                return False
    return bool(rows)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command, output, capacity, limit):
    """Seconds, or None if it did not end in time with a legal layout."""
    if os.path.exists(output):
        os.remove(output)
    start = cpu_seconds()
    try:
        subprocess.run(
            command,
            timeout=limit,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    seconds = cpu_seconds() - start
    return seconds if legal(output, capacity) else None


def median(times):
    return None if None in times else statistics.median(times)


def show(seconds):
    return f"{seconds:10.3f}" if seconds is not None else "         -"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--reference-binary")
    parser.add_argument("--capacity", type=int, default=1048576)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, default=120, help="wall-clock seconds a run"
    )
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    ratios, failed = [], 0
    print("problem                 ours, s  reference, s     ratio")
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "out.csv")
        for path in options.files:
            ours, theirs = [], []
            for _ in range(options.repeat):
                arguments = [
                    f"--capacity={options.capacity}",
                    f"--input={path}",
                    f"--output={output}",
                ]
                for binary, times in (
                    (options.binary, ours),
                    (options.reference_binary, theirs),
                ):
                    if binary and None not in times:
                        times.append(
                            run(
                                [binary] + arguments,
                                output,
                                options.capacity,
                                options.limit,
                            )
                        )
            mine = median(ours)
            reference = median(theirs) if theirs else None
            failed += mine is None
            ratio = ""
            if mine is not None and reference is not None:
                ratios.append(mine / reference)
                ratio = f"{ratios[-1]:10.4f}"
            name = os.path.basename(path)
            print(f"{name:20s} {show(mine)}    {show(reference)}{ratio}", flush=True)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean of {len(ratios)} ratios: {mean:.4f}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
