# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the package promises: compile, run, profile, look inside."""

import json
import subprocess
import threading

import cim
import numpy as np
import onnx
import pytest
from conftest import DATA, small_model


def test_models_come_as_path_bytes_or_proto(tmp_path, model, samples):
    path = tmp_path / "small.onnx"
    onnx.save(model, path)
    x = {"x": samples[:3]}
    outputs = [
        cim.compile(source).run(x)["y"]
        for source in (path, str(path), path.read_bytes(), model)
    ]
    for output in outputs[1:]:
        np.testing.assert_array_equal(outputs[0], output)
    assert outputs[0].shape == (3, 5)
    assert outputs[0].dtype == np.float32


def test_float_program_agrees_with_onnx_runtime(model, samples):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = [session.run(None, {"x": sample[None]})[0][0] for sample in samples]
    got = cim.compile(model).run({"x": samples})["y"]
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_program_describes_itself(program):
    assert program.model == "small"
    assert program.target.name == "m50"
    assert [str(info) for info in program.inputs] == ["x: float32[1, 3, 8, 8]"]
    assert [str(info) for info in program.outputs] == ["y: float32[1, 5]"]
    assert "small" in repr(program)


def test_save_and_load(tmp_path, program, samples):
    path = tmp_path / "small.cimb"
    program.save(path)
    assert path.read_bytes() == program.to_bytes()
    loaded = cim.load(path)
    x = {"x": samples[:2]}
    np.testing.assert_array_equal(loaded.run(x)["y"], program.run(x)["y"])
    assert loaded.report["predicted_cycles"] == program.report["predicted_cycles"]
    assert "cimisa.program" in loaded.ir("isa")
    with pytest.raises(cim.CompileError, match="not kept in program files"):
        loaded.ir("quantize")


def test_batches_equal_single_runs(program, samples):
    many = program.run({"x": samples})["y"]
    single = [program.run({"x": sample[None]})["y"] for sample in samples]
    np.testing.assert_array_equal(many, np.concatenate(single))


def test_many_runs_are_joined(program, samples):
    x = np.concatenate([samples] * 3)  # More than are run in one part.
    wanted = np.concatenate([program.run({"x": samples})["y"]] * 3)
    np.testing.assert_array_equal(program.run({"x": x})["y"], wanted)


def test_batched_programs_take_multiples(model, samples):
    program = cim.compile(small_model(batch=4))
    single = cim.compile(model)
    wanted = single.run({"x": samples[:8]})["y"]
    np.testing.assert_array_equal(program.run({"x": samples[:8]})["y"], wanted)
    with pytest.raises(cim.RunError, match="multiple of its first dimension"):
        program.run({"x": samples[:6]})


def test_lists_and_other_layouts_are_taken(program, samples):
    wanted = program.run({"x": samples[:1]})["y"]
    forms = (
        samples[:1].tolist(),
        np.asfortranarray(samples[:1]),
        samples[:1].astype(">f4"),
        samples[::-1][-1:],
    )
    for x in forms:
        np.testing.assert_array_equal(program.run({"x": x})["y"], wanted)


def test_modes_and_sanitizer_give_the_same(program, samples):
    x = {"x": samples[:2]}
    wanted = program.run(x)["y"]
    for mode in ("functional", "full"):
        for sanitize in (False, True):
            got = program.run(x, mode=mode, sanitize=sanitize)["y"]
            np.testing.assert_array_equal(got, wanted)


def test_outputs_belong_to_the_caller(program, samples):
    x = {"x": samples[:1]}
    first = program.run(x)["y"]
    kept = first.copy()
    program.run({"x": samples[1:2]})
    np.testing.assert_array_equal(first, kept)
    first += 1.0
    np.testing.assert_array_equal(program.run(x)["y"], kept)


def test_threads_share_a_program(program, samples):
    wanted = program.run({"x": samples})["y"]
    results = [None] * 4

    def work(i):
        results[i] = program.run({"x": samples})["y"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, wanted)


def test_running_lets_other_threads_work(shipped, images):
    """The interpreter lock is released: another thread counts on meanwhile."""
    program = shipped("resnet8", "int8")
    program.run({"x": images[:1]})
    done = threading.Event()
    counts = []

    def count():
        ticks = 0
        while not done.wait(0.001):
            ticks += 1
        counts.append(ticks)

    thread = threading.Thread(target=count)
    thread.start()
    program.run({"x": images[:32]})  # One part: the lock is held all of it, or not.
    done.set()
    thread.join()
    assert counts[0] >= 3


def test_profile(tmp_path, program, samples):
    result = program.profile({"x": samples[:2]})
    np.testing.assert_array_equal(
        result.outputs["y"], program.run({"x": samples[:2]})["y"]
    )
    report = result.report
    assert result.cycles == report["cycles"] > 0
    assert result.seconds == pytest.approx(result.cycles / (1250 * 1e6))
    assert result.energy_j == report["energy_j"] > 0
    assert result.cold["cycles"] > result.cycles
    assert 0 < result.utilization <= 1
    assert result.cycles >= result.bound_cycles > 0
    assert report["runs"] == 2
    assert [layer["name"] for layer in result.layers]
    assert sum(layer["macs"] for layer in result.layers) == (
        64 * 16 * 27 + 64 * 16 * 144 + 5 * 16
    )
    assert str(result.cycles) in str(result)
    result.to_json(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == report
    result.to_perfetto(tmp_path / "t.json")
    trace = json.loads((tmp_path / "t.json").read_text())
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert {"mac", "vec"} <= {event["name"] for event in slices}
    assert {"load", "run"} == {event["cat"] for event in slices}


def test_time_does_not_depend_on_data(program, samples):
    timed = program.profile()
    assert timed.outputs == {}
    full = program.profile({"x": samples[:1]})
    assert (timed.cycles, timed.energy_j) == (full.cycles, full.energy_j)


def test_compile_report(program):
    report = program.report
    assert report["target"] == "m50"
    assert report["macs"] == 64 * 16 * 27 + 64 * 16 * 144 + 5 * 16
    assert report["bound_cycles"] <= report["predicted_cycles"]
    assert report["compile"]["peak_rss_bytes"] > 0
    assert {"import", "quantize", "program"} <= set(report["compile"])
    formats = {layer["format"] for layer in report["layers"]}
    assert "w8a8" in formats


def test_source_map_leads_from_nodes_to_instructions(program):
    places = program.source_map
    assert {"first", "second", "head"} <= set(places)
    engines = {place.engine for place in places["second"]}
    assert "mac" in engines
    layers = {layer["name"] for layer in program.report["layers"]}
    for ranges in places.values():
        for place in ranges:
            assert place.stage in ("load", "run")
            assert 0 <= place.first <= place.last
            assert place.layer in layers | {""}


def test_every_phase_has_text(tmp_path, program):
    names = list(cim.phases())
    assert names[0] == "import" and names[-1] == "program"
    for phase in names[:-1]:
        text = program.ir(phase, elide_constants=True)
        assert text.lstrip().startswith(("module", "#", "!", "cimisa"))
        if phase != "isa":
            assert f'cim.phase = "{phase}"' in text
    paths = program.save_ir(tmp_path / "ir")
    assert [path.split("-")[-1] for path in paths] == [f"{n}.mlir" for n in names[:-1]]


def test_ir_can_be_interpreted_and_compiled_again(tmp_path, program, samples):
    text = program.ir("quantize")
    x = {"x": samples[:5]}
    wanted = program.run(x)["y"]
    np.testing.assert_array_equal(cim.interpret(text, x)["y"], wanted)
    path = tmp_path / "small.mlir"
    path.write_text(text)
    again = cim.compile(path)
    np.testing.assert_array_equal(again.run(x)["y"], wanted)


def test_ir_notices_a_changed_file(tmp_path, model):
    path = tmp_path / "small.onnx"
    onnx.save(model, path)
    program = cim.compile(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(cim.CompileError, match="changed since"):
        program.ir("import")


def test_targets(tmp_path):
    assert "m50" in cim.targets()
    for name in cim.targets():
        assert cim.Target.load(name).name == name
    m50 = cim.Target.load("m50")
    assert m50.clock_mhz == m50.fields["clock_mhz"] == 1250
    assert m50.provenance["link_bytes_per_cycle"] == "published"
    assert set(m50.documentation) == set(m50.fields)
    mine = m50.replace(name="mine", cores_per_chip=1)
    assert mine != m50 and mine.cores_per_chip == 1
    path = tmp_path / "mine.yaml"
    path.write_text(mine.to_yaml())
    assert cim.Target.load(path) == mine
    assert cim.Target.from_yaml(mine.to_yaml()) == mine


@pytest.mark.parametrize("target", ["tiny", "m50-elastic", "m50-exact-clock"])
def test_results_do_not_depend_on_the_target(target, model, program, samples):
    other = cim.compile(
        model, target=target, quantize="int8", calibration={"x": samples}
    )
    assert other.target.name == target
    x = {"x": samples[:2]}
    np.testing.assert_array_equal(other.run(x)["y"], program.run(x)["y"])


def test_own_target(tmp_path, model, samples):
    small = cim.Target.load("m50").replace(
        name="half", cores_per_chip=1, macros_down=1, macros_across=1, l2_bytes=2**20
    )
    path = tmp_path / "half.yaml"
    path.write_text(small.to_yaml())
    x = {"x": samples[:2]}
    wanted = cim.compile(model).run(x)["y"]
    for target in (small, path, str(path)):
        program = cim.compile(model, target=target)
        assert program.target == small
        np.testing.assert_array_equal(program.run(x)["y"], wanted)


def test_layer_formats(model, samples):
    program = cim.compile(
        model,
        quantize="int8",
        calibration={"x": samples},
        layers={"^second$": "w5a8", "head": "none"},
    )
    formats = {}
    for layer in program.report["layers"]:
        for node in ", ".join(layer["nodes"]).split(", "):
            formats.setdefault(node, set()).add(layer["format"])
    assert "w8a8" in formats["first"]
    assert "w5a8" in formats["second"]
    assert not formats["head"] & {"w8a8", "w5a8"}


def test_calibration_files_and_arrays_are_alike(tmp_path, model, program, samples):
    np.savez(tmp_path / "a.npz", x=samples[:10])
    np.savez_compressed(tmp_path / "b.npz", x=samples[10:])
    folder = cim.compile(model, quantize="int8", calibration=tmp_path)
    assert folder.to_bytes() == program.to_bytes()


def test_input_shapes():
    model = small_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    program = cim.compile(model, input_shapes={"x": [1, 3, 12, 10]})
    assert program.inputs[0].shape == (1, 3, 12, 10)


def test_the_command_line_makes_the_same_program(tmp_path, tools, shipped):
    path = tmp_path / "resnet8.cimb"
    subprocess.run(
        [
            tools / "cimc",
            DATA / "resnet8.onnx",
            "--quantize=int8",
            f"--calibration={DATA / 'calibration.npz'}",
            "-o",
            path,
        ],
        check=True,
        capture_output=True,
    )
    assert path.read_bytes() == shipped("resnet8", "int8").to_bytes()
