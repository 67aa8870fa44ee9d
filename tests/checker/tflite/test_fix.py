"""Mended copies: versions are the lowest, everything else is as it was, and what cannot be proven is not kept."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edge_deeplab.checker.tflite import fix as tflite_fix
from edge_deeplab.checker.tflite.equal import compare_outputs
from edge_deeplab.checker.tflite.fix import fix_files, fix_versions, fixed_path, write_proven_copy
from edge_deeplab.checker.tflite.opcodes import split_opcodes
from edge_deeplab.checker.tflite.operator_signatures import read_signatures
from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.errors import ArtifactError, ConfigError, OutputError
from edge_deeplab.formats.tflite_metadata import read_metadata
from tests.hostile_files import write_crash_when_opened

PICTURE = (1, 32, 32, 3)


@pytest.fixture
def shared_path(tmp_path, tiny):
    """A picture through two depthwise convolutions that share one opcode entry of version 2; metadata beside them."""
    builder = tiny.TFLiteBuilder()
    image, middle, result = (builder.tensor(name, PICTURE) for name in ("image", "one", "two"))
    for source, target, rate in ((image, middle, 1), (middle, result, 6)):
        weight = builder.tensor(f"w{rate}", (1, 3, 3, 3), data=tiny.weights(1, 3, 3, 3))
        bias = builder.tensor(f"b{rate}", (3,), data=np.zeros(3, np.float32))
        options = {"strideW": 1, "strideH": 1, "depthMultiplier": 1}
        options |= {"dilationHFactor": rate, "dilationWFactor": rate}
        inputs = [source, weight, bias]
        name = "DepthwiseConv2DOptions"
        builder.add("DEPTHWISE_CONV_2D", inputs, [target], version=2, options=name, **options)
    builder.graph.operators[1].opcodeIndex = 0
    del builder.model.operatorCodes[1]
    builder.describe("edge_deeplab", '{"classes": ["road"]}')
    return builder.save(tmp_path / "shared.tflite", [image], [result])


def versions(path):
    return [signature.version for signature in read_signatures(path)]


def test_fix_versions_gives_each_operator_its_lowest_beside_the_original(shared_path):
    before = shared_path.read_bytes()
    fix = fix_versions(shared_path)
    assert fix.path == fixed_path(shared_path) == shared_path.with_name("shared.fixed.tflite")
    assert (fix.operators, fix.inputs) == (1, 4)
    assert versions(fix.path) == [1, 2]
    assert lint_versions(fix.path) == ()
    assert shared_path.read_bytes() == before


def test_fix_versions_keeps_metadata_and_outputs(shared_path):
    fixed = fix_versions(shared_path).path.read_bytes()
    assert read_metadata(fixed, "edge_deeplab") == '{"classes": ["road"]}'
    image = np.random.default_rng(0).random(PICTURE, np.float32)
    np.testing.assert_array_equal(run(fixed, image), run(shared_path.read_bytes(), image))


def run(content, image):
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_fix_versions_without_findings_writes_nothing(tflite_path, tmp_path):
    fix = fix_versions(tflite_path)
    assert fix.to_json() == {"path": None, "operators": 0, "inputs": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.tflite"]


def test_fix_versions_never_overwrites_the_original(shared_path):
    before = shared_path.read_bytes()
    detour = shared_path.parent / "." / "shared.tflite"
    with pytest.raises(ConfigError, match="would overwrite"):
        fix_versions(shared_path, detour)
    assert shared_path.read_bytes() == before


def test_fix_versions_other_format_is_refused(onnx_path):
    with pytest.raises(ConfigError, match=r"a \.tflite file was expected"):
        fix_versions(onnx_path)


def test_fix_versions_file_that_does_not_run_keeps_no_copy(shared_path, tmp_path):
    model = schema.ModelT.InitFromPackedBuf(shared_path.read_bytes(), 0)
    model.operatorCodes[0].version = 99
    rewrite(model, shared_path)
    with pytest.raises(ArtifactError, match=r"no copy was kept.*cannot be run"):
        fix_versions(shared_path)
    assert [file.name for file in tmp_path.iterdir()] == ["shared.tflite"]


def rewrite(model, path):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def test_fix_versions_copy_that_computes_something_else_is_not_kept(
    shared_path, tmp_path, monkeypatch
):
    def ask_once(*_, **__):
        raise ArtifactError("output 0 of the two differs on input 2")

    monkeypatch.setattr(tflite_fix, "ask_once", ask_once)
    with pytest.raises(ArtifactError, match="no copy was kept: output 0 of the two differs"):
        fix_versions(shared_path)
    assert [file.name for file in tmp_path.iterdir()] == ["shared.tflite"]


def test_fix_versions_death_of_the_runtime_is_one_sentence(shared_path, tmp_path):
    crash = write_crash_when_opened(tmp_path / "crash.tflite")
    model = schema.ModelT.InitFromPackedBuf(crash.read_bytes(), 0)
    model.operatorCodes[0].version = 2
    rewrite(model, crash)
    with pytest.raises(ArtifactError, match="no copy was kept: it was ended by SIGSEGV") as raised:
        fix_versions(crash)
    assert "\n" not in str(raised.value)
    assert not fixed_path(crash).exists()


def test_mend_proves_the_copy_on_random_inputs_and_a_scene(shared_path, tmp_path):
    assert write_proven_copy(str(shared_path), str(tmp_path / "copy.tflite")) == {"inputs": 4}


def test_compare_outputs_one_changed_weight_is_told(shared_path, tmp_path):
    model = schema.ModelT.InitFromPackedBuf(shared_path.read_bytes(), 0)
    model.buffers[1].data = model.buffers[1].data.copy()
    model.buffers[1].data[3] ^= 0x10
    other = tmp_path / "other.tflite"
    rewrite(model, other)
    with pytest.raises(ArtifactError, match="output 0 of the two differs on input 0"):
        compare_outputs(shared_path, other)


@pytest.mark.parametrize("dtype", ["INT32", "BOOL", "INT64"])
def test_compare_outputs_draws_inputs_of_other_types(tmp_path, tiny, dtype):
    builder = tiny.TFLiteBuilder()
    ends = [builder.tensor(name, (2, 3), dtype) for name in ("in", "out")]
    shape = builder.tensor("shape", (2,), "INT32", data=np.array([2, 3], np.int32))
    builder.add("RESHAPE", [ends[0], shape], ends[1:], options="ReshapeOptions")
    path = builder.save(tmp_path / "r.tflite", ends[:1], ends[1:])
    assert compare_outputs(path, path) == 3


def test_split_opcodes_puts_buffers_on_boundaries_of_16_bytes(shared_path):
    content = split_opcodes(shared_path.read_bytes(), {(0, 0): 1})
    model = schema.Model.GetRootAs(content, 0)
    stored = [model.Buffers(i) for i in range(model.BuffersLength())]
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in stored if b.DataLength()]
    assert len(starts) == 5
    assert [start % 16 for start in starts] == [0] * 5


def put_weights_behind(path, *, cut=0):
    """Move the first buffer behind the flatbuffer, as converters of large models do."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    content = model.buffers[1].data.tobytes()
    model.buffers[1].data, model.buffers[1].offset, model.buffers[1].size = None, 2, len(content)
    rewrite(model, path)  # the offset changes no sizes
    model.buffers[1].offset = path.stat().st_size
    rewrite(model, path)
    assert path.stat().st_size == model.buffers[1].offset
    path.write_bytes(path.read_bytes() + content[: len(content) - cut])


def test_fix_versions_weights_behind_the_flatbuffer_are_taken_in(shared_path):
    put_weights_behind(shared_path)
    fix = fix_versions(shared_path)
    assert fix.inputs == 4
    model = schema.ModelT.InitFromPackedBuf(fix.path.read_bytes(), 0)
    assert len(model.buffers[1].data) == 27 * 4
    assert model.buffers[1].offset == 0


def test_split_opcodes_weights_that_the_file_does_not_hold_are_refused(shared_path):
    put_weights_behind(shared_path, cut=1)
    with pytest.raises(ArtifactError, match="its buffer 1 ends at byte"):
        split_opcodes(shared_path.read_bytes(), {(0, 0): 1})


def test_split_opcodes_custom_options_behind_the_flatbuffer_are_refused(shared_path):
    model = schema.ModelT.InitFromPackedBuf(shared_path.read_bytes(), 0)
    model.subgraphs[0].operators[0].largeCustomOptionsOffset = 4096
    rewrite(model, shared_path)
    with pytest.raises(ArtifactError, match="options behind the flatbuffer"):
        split_opcodes(shared_path.read_bytes(), {(0, 0): 1})


def test_split_opcodes_a_field_that_would_be_lost_is_named(shared_path, monkeypatch):
    forgetful = schema.SubGraphT.Pack

    def pack(graph, builder):
        graph.name = b"another"
        return forgetful(graph, builder)

    monkeypatch.setattr(schema.SubGraphT, "Pack", pack)
    with pytest.raises(ArtifactError, match=r"model\.subgraphs\[0\]\.name would not be the same"):
        split_opcodes(shared_path.read_bytes(), {(0, 0): 1})


def test_copy_that_cannot_be_written_is_the_error_of_its_file(tmp_path, monkeypatch):
    def fail(path, output):
        raise OutputError(f"{output} cannot be written")

    monkeypatch.setattr("edge_deeplab.checker.tflite.fix.fix_versions", fail)
    path = tmp_path / "a.tflite"
    fixes = fix_files([path], tmp_path / "b.tflite")
    assert fixes[path].error == f"{tmp_path / 'b.tflite'} cannot be written"
