# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a run cost."""

import json
import os
from functools import cached_property

from ._cim import RunError


class Profile:
    """Cycles, energy and a timeline of a run. Keys and definitions of `report`:
    docs/report.md. Unless they say otherwise figures are steady: of the latest
    run, weights being where they belong."""

    def __init__(self, session, outputs):
        self._session = session
        self.outputs = outputs

    @cached_property
    def report(self):
        return json.loads(self._session.report_json())

    @property
    def cycles(self):
        return self.report["cycles"]

    @property
    def seconds(self):
        return self.report["seconds"]

    @property
    def energy_j(self):
        return self.report["energy_j"]

    @property
    def utilization(self):
        """Issued bit-MACs relative to what the arrays could issue."""
        return self.report["utilization"]

    @property
    def predicted_cycles(self):
        """What the compiler's cost model said."""
        return self.report["predicted_cycles"]

    @property
    def bound_cycles(self):
        """No schedule can be faster."""
        return self.report["bound_cycles"]

    @property
    def cold(self):
        """Load stage and first run: {cycles, seconds, energy_j}."""
        return self.report["cold"]

    @property
    def layers(self):
        """A dictionary per layer, in program order."""
        return self.report["layers"]

    @property
    def engines(self):
        return self.report["engines"]

    def to_json(self, path):
        """Writes the report."""
        _write(path, self._session.report_json())

    def to_perfetto(self, path):
        """Writes the timeline; open it in ui.perfetto.dev or chrome://tracing."""
        self._session.write_trace(os.fspath(path))

    def table(self, layers=10):
        """The summary and the `layers` layers that take longest, as text."""
        return self._session.report_text(layers)

    def __str__(self):
        return self.table()

    def __repr__(self):
        return (
            f"<cim.Profile {self.report['model']}: {self.cycles} cycles,"
            f" {self.seconds * 1e6:.1f} us, {self.energy_j * 1e6:.1f} uJ>"
        )


def _write(path, text):
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise RunError(
            f"{os.fspath(path)}: cannot be written: {problem.strerror}"
        ) from None
