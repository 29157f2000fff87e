# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""python -m cim compare ... and python -m cim reduce ... (docs/triage.md)."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from . import _cim
from ._compare import compare, load_arrays
from ._compile import _OPTIONS


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m cim", description="Finds what is wrong with a model."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_compare(commands)
    _add_reduce(commands)
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


def _add_reduce(commands):
    parser = commands.add_parser(
        "reduce",
        help="a small model that fails like a large one",
        description="Shrinks a model as long as it fails. Integer formats are"
        " calibrated on the inputs. By default the failure is the message that"
        " compiling the model gives.",
    )
    parser.add_argument("model", help="an .onnx model")
    parser.add_argument("--input", metavar="FILE.npz", help="inputs by name")
    parser.add_argument(
        "-o", "--output", metavar="FILE.onnx", default="reduced.onnx", help="the result"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--test",
        metavar="COMMAND",
        help="it ends with status 0; {} is the model's path, {inputs} the inputs'",
    )
    which.add_argument(
        "--message", metavar="REGEX", help="compiling fails with such a message"
    )
    which.add_argument(
        "--differs", action="store_true", help="the device differs from the interpreter"
    )
    which.add_argument(
        "--inaccurate",
        metavar="TOLERANCE",
        type=float,
        help="the device differs from ONNX Runtime by more (relative, L2)",
    )
    which.add_argument(
        "--crash", action="store_true", help="the process dies or takes too long"
    )
    parser.add_argument(
        "--timeout", type=float, default=60, help="seconds for --test and --crash"
    )
    parser.add_argument("--quiet", action="store_true", help="the result only")
    _add_compile_options(parser)
    parser.set_defaults(run=_reduce)


def _reduce(options):
    from . import _reduce as reducer

    made = compile_options(options)
    inputs = options.input or made.pop("calibration", None)
    made.pop("calibration", None)
    arrays = load_arrays(inputs) if inputs else None
    fails = _failure(options, arrays, made)

    def log(line):
        if not options.quiet:
            print(line, flush=True)

    found = reducer.reduce(options.model, fails, arrays, log=log)
    model, data = found.save(options.output)
    before, after = found.nodes
    print(f"{after} of {before} nodes after {found.tests} tests: {model}, {data}")
    print("again: " + _repeat(options, model, data))
    return 0


def _failure(options, inputs, made):
    from . import failures

    if options.test:
        return failures.command(options.test, options.timeout)
    if options.message:
        return failures.compile_error(options.message, **made)
    if options.differs:
        return failures.differs(**made)
    if options.inaccurate is not None:
        return failures.inaccurate(options.inaccurate, **made)
    if options.crash:
        return failures.crash(options.timeout, **made)
    return failures.same_error(options.model, inputs, **made)


def _repeat(options, model, data):
    """The command that shows the failure on the result."""
    if options.test:
        paths = {"{}": model, "{inputs}": data}
        line = options.test
        for mark, path in paths.items():
            line = line.replace(mark, shlex.quote(str(path)))
        return line
    against = "float" if options.inaccurate is not None else "quantized"
    line = ["python", "-m", "cim", "compare", str(model), "--input", str(data)]
    line += ["--against", against]
    for option in _OPTIONS.values():
        value = getattr(options, f"option_{option.name}")
        if value is not None and option.name != "calibration":
            for item in value if isinstance(value, list) else [value]:
                line += [f"--{option.flag}", str(item)]
    if options.option_quantize not in (None, "none", "bfp16", "fp16"):
        line += ["--calibration", str(data)]
    return shlex.join(line)


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
