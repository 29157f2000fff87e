#!/usr/bin/env python3
# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats the tracked C++ and Python files, or with --check names those that
`make format` would change and fails."""

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tracked(*patterns):
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if listing.returncode:
        return None
    names = filter(None, listing.stdout.split("\0"))
    return sorted(name for name in names if (ROOT / name).exists())


def tool(name, hint):
    beside = Path(sys.executable).parent / name
    path = str(beside) if beside.exists() else shutil.which(name)
    if not path:
        sys.exit(f"error: format: {name}: not found; {hint}")
    return path


def unformatted(clang_format, name):
    result = subprocess.run(
        [clang_format, "--dry-run", "-Werror", name],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return name if result.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args()
    cpp = tracked("*.cpp", "*.h")
    if cpp is None:
        print("format: not a git checkout; nothing to look at")
        return 0
    python = tracked("*.py")
    clang_format = tool("clang-format-22", "run third_party/setup.py apt")
    ruff = [tool("ruff", "run third_party/setup.py python"), "format", "-q"]
    bad = []
    if args.check:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda name: unformatted(clang_format, name), cpp)
            bad = [name for name in found if name]
        if python:
            result = subprocess.run(
                [*ruff[:-1], "--check", *python],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            marker = "Would reformat: "
            lines = result.stdout.splitlines()
            bad += [line[len(marker) :] for line in lines if line.startswith(marker)]
            if result.returncode and not bad:
                bad.append("a Python file ruff cannot read")
    else:
        if cpp:
            subprocess.run([clang_format, "-i", *cpp], cwd=ROOT, check=True)
        if python:
            subprocess.run([*ruff, *python], cwd=ROOT, check=True)
    for name in bad:
        print(f"error: {name}: not formatted; run `make format`")
    print(f"format: {len(cpp)} C++ and {len(python)} Python files, {len(bad)} to fix")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
