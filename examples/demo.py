#!/usr/bin/env python3
# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A trained network from ONNX to the device model, and what it costs there.

    PYTHONPATH=build/python python3 examples/demo.py [--model resnet8] [--out DIR]

Quantizes and compiles a Fashion-MNIST network for the M50 target, classifies
1,000 images, compares the device with the reference interpreter bit for bit,
simulates time and energy, and writes program, report, timeline and the IR of
every phase to build/demo.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

try:
    import cim
except ImportError as problem:
    sys.exit(
        f"error: cim: {problem}; build it with `make demo`, or put build/python on"
        " PYTHONPATH"
    )

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "examples" / "fashion_mnist"
EXACT_IMAGES = 16
SANITIZED_IMAGES = 4


def load_array(name, key):
    with np.load(DATA / name) as file:
        return file[key]


def accuracy(logits, labels):
    return 100.0 * float(np.mean(np.argmax(logits, axis=1) == labels))


def float_accuracy(model, images, labels):
    """That of ONNX Runtime in float32, or None when it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    logits = [session.run(None, {name: image[None]})[0] for image in images]
    return accuracy(np.concatenate(logits), labels)


def say(label, text):
    print(f"{label:<22} {text}", flush=True)


def compile_model(model, quantize, calibration):
    start = time.perf_counter()
    program = cim.compile(
        model, target="m50", quantize=quantize, calibration={"x": calibration}
    )
    return program, time.perf_counter() - start


def classify(program, images, labels):
    """Logits and accuracy of all images, and the seconds that took here."""
    start = time.perf_counter()
    logits = program.run({"x": images})["logits"]
    return logits, accuracy(logits, labels), time.perf_counter() - start


def check_exact(program, images, logits):
    """Compares the device with the reference interpreter, and a full run under
    the sanitizer with the functional one; leaves when a bit differs."""
    reference = cim.interpret(program.ir("quantize"), {"x": images[:EXACT_IMAGES]})
    same = np.array_equal(reference["logits"], logits[:EXACT_IMAGES])
    say(
        "reference interpreter",
        f"{EXACT_IMAGES} images: {'bit for bit the same' if same else 'DIFFERENT'}",
    )
    full = program.run({"x": images[:SANITIZED_IMAGES]}, mode="full", sanitize=True)
    clean = np.array_equal(full["logits"], logits[:SANITIZED_IMAGES])
    say(
        "sanitizer",
        f"{SANITIZED_IMAGES} images: "
        + ("no race, no unwritten byte, same bits" if clean else "DIFFERENT"),
    )
    if not (same and clean):
        sys.exit("error: demo: the device model and the reference disagree")


def show_costs(profile):
    cold, clock = profile.cold, profile.report["clock_mhz"]
    say(
        "time, cold",
        f"{cold['cycles']} cycles, {cold['seconds'] * 1e6:.1f} us at {clock:g} MHz"
        " (weights loaded first)",
    )
    say("time, steady", f"{profile.cycles} cycles, {profile.seconds * 1e6:.1f} us")
    error = 100.0 * (profile.predicted_cycles / profile.cycles - 1)
    say(
        "predicted",
        f"{profile.predicted_cycles} cycles ({error:+.1f} %), lower bound"
        f" {profile.bound_cycles}",
    )
    energy = profile.report["energy"]
    parts = ", ".join(
        f"{part} {energy[part + '_j'] * 1e6:.3g}"
        for part in ("mac", "memory", "vector", "idle")
    )
    say("energy", f"{profile.energy_j * 1e6:.3g} uJ ({parts})")
    say(
        "array",
        f"{100 * profile.utilization:.2f} % of its issue slots used,"
        f" {profile.report['macs'] / 1e6:.2f} M MACs",
    )


def show_elastic(model, calibration, images, labels, base, base_accuracy):
    """Five-bit weights: three bit planes fewer to issue."""
    program, _ = compile_model(model, "w5a8", calibration)
    _, hits, _ = classify(program, images, labels)
    profile = program.profile()
    busy = [p.report["engines"]["mac"]["busy_cycles"] for p in (base, profile)]
    planes = [p.report["bit_macs"] / max(1, p.report["macs"]) for p in (base, profile)]
    say(
        "elastic: w5a8",
        f"{hits:.1f} % ({hits - base_accuracy:+.1f}), {profile.cycles} cycles"
        f" ({base.cycles / profile.cycles:.2f}x), array busy {busy[1]} instead of"
        f" {busy[0]} cycles ({busy[0] / max(1, busy[1]):.2f}x),"
        f" {planes[1]:.2f} planes per weight instead of {planes[0]:.2f}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="resnet8", choices=["resnet8", "encoder"])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    args = parser.parse_args()
    model = DATA / f"{args.model}.onnx"
    calibration = load_array("calibration.npz", "x")
    images, labels = (
        load_array("test.npz", "x"),
        load_array("test_labels.npz", "labels"),
    )
    args.out.mkdir(parents=True, exist_ok=True)

    program, seconds = compile_model(model, "int8", calibration)
    program.save(args.out / f"{args.model}.cimb")
    target = f"{args.model} for {program.target.name}"
    say(
        "compiled",
        f"{target}, int8, {len(program.report['layers'])} layers, {seconds:.1f} s",
    )
    for remark in program.report["remarks"]:
        say("remark", remark)
    reference = float_accuracy(model, images, labels)
    if reference is not None:
        say(
            "float accuracy",
            f"{reference:.1f} % of {len(labels)} images (ONNX Runtime)",
        )
    logits, hits, seconds = classify(program, images, labels)
    change = "" if reference is None else f", {hits - reference:+.1f} points"
    say("int8 accuracy", f"{hits:.1f} %{change} (device model, {seconds:.1f} s)")
    check_exact(program, images, logits)

    profile = program.profile({"x": images[:1]})
    show_costs(profile)
    show_elastic(model, calibration, images, labels, profile, hits)
    print(profile.table(20))

    profile.to_json(args.out / "report.json")
    profile.to_perfetto(args.out / "trace.json")
    phases = program.save_ir(args.out)
    say("written", f"{args.out}: {args.model}.cimb, report.json, trace.json,")
    say("", ", ".join(Path(path).name for path in phases))
    say("timeline", f"open {args.out / 'trace.json'} in https://ui.perfetto.dev")


if __name__ == "__main__":
    try:
        main()
    except (cim.Error, OSError) as problem:
        sys.exit(f"error: {problem}")
