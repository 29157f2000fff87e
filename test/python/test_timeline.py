# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""examples/timeline.py draws what a trace says."""

import json
import subprocess
import sys

from conftest import ROOT

SCRIPT = ROOT / "examples" / "timeline.py"


def timeline(*arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def trace(slices):
    """Slices of one queue each: (pid, tid, stage, start, cycles)."""
    events = []
    for pid, tid, stage, start, cycles in slices:
        for name, text in (
            ("process_name", f"chip 0 core {pid - 1}"),
            ("thread_name", {1: "write", 257: "mac"}[tid]),
        ):
            meta = {"ph": "M", "name": name, "pid": pid, "args": {"name": text}}
            events.append({**meta, "tid": tid} if name == "thread_name" else meta)
        at = {"start_cycle": start, "cycles": cycles}
        events.append(
            {"ph": "X", "cat": stage, "pid": pid, "tid": tid, "args": at},
        )
    return json.dumps({"traceEvents": events})


def test_rows_are_shares_of_time(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(
        trace(
            [
                (1, 257, "load", 0, 100),  # not of the run
                (1, 257, "run", 0, 20),
                (1, 1, "run", 25, 5),
                (1, 1, "run", 33, 1),
                (2, 257, "run", 38, 2),
            ]
        )
    )
    result = timeline(path, "--width", 4)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "40 cycles, left to right; # busy, o half busy, . a little",
        "core 0 write     o.",
        "       mac     ##",
        "core 1 mac        .",
    ]


def test_the_trace_of_a_program(tmp_path, program):
    path = tmp_path / "t.json"
    program.profile().to_perfetto(path)
    result = timeline(path)
    assert result.returncode == 0, result.stderr
    first, *rows = result.stdout.splitlines()
    assert first.startswith(f"{program.profile().cycles} cycles")
    assert any("mac" in row and set(row) & set("#o.") for row in rows)


def test_what_is_no_trace(tmp_path):
    path = tmp_path / "t.json"
    for text in ("", "[]", '{"traceEvents": [7]}'):
        path.write_text(text)
        result = timeline(path)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert timeline(tmp_path / "none.json").returncode == 1
