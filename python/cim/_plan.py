# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where every node of a model runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlanNode:
    """A node of the model. engine: array, control, vector, dma or none; reason: why
    it is not on the array, or not executed at all; cycles: predicted, of the `layers`
    it leads; conditions: what `strict` would object to."""

    name: str
    op: str
    engine: str
    precision: str
    reason: str
    layers: tuple
    cycles: int
    percent: float
    conditions: tuple


@dataclass(frozen=True)
class Plan:
    """Every node of the model once, in its order; `cycles` is the predicted run,
    `other_cycles` the part of it that belongs to no node. print() shows a table."""

    nodes: tuple
    cycles: int
    other_cycles: int

    @classmethod
    def parse(cls, plan):
        """From the compiler's report."""
        rows = (
            {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
            for row in plan["nodes"]
        )
        nodes = tuple(PlanNode(**row) for row in rows)
        return cls(nodes, plan["cycles"], plan["other_cycles"])

    def __getitem__(self, name):
        """The node of this name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def __str__(self):
        rows = [("node", "operator", "engine", "precision", "cycles", "share", "why")]
        for node in self.nodes:
            share = f"{node.percent:.1f} %"
            what = (node.name, node.op, node.engine, node.precision)
            row = (*what, str(node.cycles), share, node.reason)
            rows.append([text.replace("\n", " ") for text in row])
        rows.append(("(other)", "", "", "", str(self.other_cycles), "", ""))
        rows.append(("(total)", "", "", "", str(self.cycles), "", ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
        return "\n".join(
            "  ".join(
                text.rjust(width) if number in (4, 5) else text.ljust(width)
                for number, (text, width) in enumerate(zip(row, widths, strict=False))
            )
            + f"  {row[-1]}".rstrip()
            for row in rows
        )
