# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""python -m cim compare ... (docs/triage.md)."""

import argparse
import json
import sys
from pathlib import Path

from . import _cim
from ._compare import compare
from ._compile import _OPTIONS


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m cim", description="Finds what is wrong with a model."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_compare(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (_cim.Error, ImportError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def _add_compare(commands):
    parser = commands.add_parser(
        "compare",
        help="error of every layer against a reference",
        description="Compares every layer with a reference; names the first that"
        " diverges. Exit status: 0 none does, 2 one does, 1 an error.",
    )
    parser.add_argument("model", help="an .onnx model")
    parser.add_argument("--input", metavar="FILE.npz", help="inputs by name")
    parser.add_argument(
        "--against",
        choices=("float", "quantized"),
        default="float",
        help="the model before quantization, or the reference interpreter (bits)",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.1, help="relative error that diverges"
    )
    parser.add_argument("--sanitize", action="store_true", help="sanitize the device")
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON")
    _add_compile_options(parser)
    parser.set_defaults(run=_compare)


def _compare(options):
    result = compare(
        options.model,
        options.input,
        options.against,
        threshold=options.threshold,
        sanitize=options.sanitize,
        **compile_options(options),
    )
    print(result)
    if options.json:
        text = json.dumps(result.to_dict(), indent=1) + "\n"
        Path(options.json).write_text(text, encoding="utf-8")
    return 2 if result.first else 0


def _add_compile_options(parser):
    """The compiler's own options, spelled as cimc spells them."""
    group = parser.add_argument_group("options of the compiler")
    for option in _OPTIONS.values():
        repeated = option.kind in ("list", "pairs")
        group.add_argument(
            f"--{option.flag}",
            dest=f"option_{option.name}",
            metavar=f"<{option.form}>",
            action="append" if repeated else "store",
            type=int if option.kind == "number" else str,
            help=option.help.replace("%", "%%"),
        )


def compile_options(options):
    """Keyword arguments of cim.compile."""
    found = {}
    for option in _OPTIONS.values():
        value = getattr(options, f"option_{option.name}")
        if value is None:
            continue
        if option.kind == "pairs":
            value = dict(_pair(option, text) for text in value)
        elif option.kind == "list":
            value = [name for text in value for name in text.split(",")]
        found[option.name] = value
    return found


def _pair(option, text):
    # As cimc: the last = separates (node names may have one).
    key, equals, item = text.rpartition("=")
    if not equals:
        raise _cim.CompileError(f"--{option.flag}: {text!r}; give {option.form}")
    return key, item


if __name__ == "__main__":
    sys.exit(main())
