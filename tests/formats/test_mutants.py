"""Files from strangers: whatever is done to a file, reading it gives a graph or one sentence, soon, in little memory.

2,000 mutants of tiny files, a third of each format, are read, linted and judged; a few of them go through the whole
command and through the interpreter. Memory is measured on mutants of 100 kB and more: there it stays below ten times
the file's size. Any file may ask for 16 MiB (`source.ReadingBudget`), because a record costs more than the few bytes
that an honest operator takes. tracemalloc sees what Python holds; what protobuf parses is bounded by its number of
messages (`wire`).
"""

import json
import shutil
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import typer
from ai_edge_litert import schema_py_generated as schema
from onnx import helper
from typer.testing import CliRunner

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.report import ArtifactReport
from edge_deeplab.checker.rules import default_profiles
from edge_deeplab.checker.tflite.signature_defs import lint_signatures
from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.cli.check import check
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.formats.read import read_graph
from tests.fuzz.dice import roll
from tests.fuzz.plain import mutate_bytes
from tests.tiny_files import check_observed

SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"
MUTANTS = {
    ("tflite_path", "."): 667,
    ("onnx_path", "."): 667,
    ("mlpackage_path", SPECIFICATION): 566,
    ("mlpackage_path", "Manifest.json"): 100,
}
MEASURED_MUTANTS, COMMAND_MUTANTS, LARGE_MUTANTS = 3, 6, 30
SECONDS_EACH = 10.0
TIMES_THE_FILE = 10
WEIGHT_SHAPE = (512, 128, 1, 1)
WINDOW = 4096
"""Bytes at either end of a large file that are mutated; between them are weights."""


def survive(path):
    """Read, lint and judge one file; return its graph, or None where it was refused in one sentence."""
    start = time.process_time()
    graph, sentence = read_or_explain(path)
    assert time.process_time() - start < SECONDS_EACH
    assert "\n" not in sentence
    if graph is not None:
        judged = judge(graph, default_profiles(graph.format)[0])
        assert len(judged.verdicts) == len(graph.operators)
        assert json.dumps(ArtifactReport(graph, (judged,)).to_json())
    return graph


def read_or_explain(path):
    try:
        graph = read_graph(path)
        if graph.format == "tflite":
            lint_versions(path)
            lint_signatures(path)
    except ArtifactError as error:
        return None, str(error)
    return graph, ""


def test_mutants_are_two_thousand_a_third_of_each_format():
    by_format = [sum(n for (name, _), n in MUTANTS.items() if name == f) for f, _ in MUTANTS]
    assert sum(MUTANTS.values()) == 2000
    assert all(666 <= count <= 667 for count in by_format)


@pytest.mark.parametrize(("fixture", "file"), list(MUTANTS))
def test_read_graph_mutants_are_read_or_refused_in_one_sentence(request, fixture, file):
    path = request.getfixturevalue(fixture)
    target = path / file
    original, dice = target.read_bytes(), roll(20261121, "check", 0)
    survived = 0
    for _ in range(MUTANTS[fixture, file]):
        target.write_bytes(mutate_bytes(original, dice)[0])
        survived += survive(path) is not None
    assert 0 < survived < MUTANTS[fixture, file], "mutations are too mild or too harsh"


def test_check_artifact_mutants_are_measured_without_harm(tflite_path):
    original, dice = tflite_path.read_bytes(), roll(7, "check", 0)
    measured = 0
    while measured < MEASURED_MUTANTS:
        tflite_path.write_bytes(mutate_bytes(original, dice)[0])
        graph = survive(tflite_path)
        if graph is not None and tflite_path.read_bytes() != original:
            measured += 1
            result = check_observed(tflite_path).seen_by("xnnpack").observation
            seen = {*(result.taken or ()), *(result.left or ())}
            assert result.refusal or len(seen) == len(graph.operators)


@pytest.mark.parametrize(
    ("fixture", "file"),
    [("tflite_path", "."), ("onnx_path", "."), ("mlpackage_path", SPECIFICATION)],
)
def test_check_command_ends_with_code_0_or_1_and_one_sentence(request, fixture, file):
    path = request.getfixturevalue(fixture)
    target = path / file
    original, dice = target.read_bytes(), roll(3, "check", 0)
    app = typer.Typer()
    app.command()(check)
    for _ in range(COMMAND_MUTANTS):
        target.write_bytes(mutate_bytes(original, dice)[0])
        result = CliRunner().invoke(app, [str(path)])
        assert result.exit_code in (0, 1)
        refused = result.stderr.startswith("error: ") or " 0 rejected" not in result.stdout
        assert refused == (result.exit_code == 1)
        assert result.stderr.count("\n") <= 1
        assert "unexpected" not in result.stderr


def write_large_tflite(path, tiny):
    """Write the tiny file with one more weight of 256 kB."""
    builder = tiny.TFLiteBuilder()
    image, result = (builder.tensor(name, (1, 8, 8, 8)) for name in ("image", "result"))
    builder.tensor("weight", WEIGHT_SHAPE, data=tiny.weights(*WEIGHT_SHAPE))
    tiny.add_depthwise(builder, image, result, rate=2)
    return builder.save(path, [image], [result])


def write_large_onnx(path, tiny):
    nodes = [tiny.conv_node("conv", group=1)]
    weight = {"model.aspp.branches.1.0.weight": tiny.weights(*WEIGHT_SHAPE)}
    return tiny.save_onnx(path, nodes, weight, image_shape=(1, 128, 16, 16))


def write_large_package(path, tiny):
    """Write a package of many operators, and large weights beside its program."""
    builder = tiny.ProgramBuilder()
    builder.const("large", "FLOAT16", WEIGHT_SHAPE)
    for index in range(40):
        builder.conv(f"conv_{index}", "image", (1, 8, 16, 16), rate=6)
    return builder.save(path)


@pytest.mark.parametrize(
    ("write", "name", "file"),
    [
        (write_large_tflite, "large.tflite", "."),
        (write_large_onnx, "large.onnx", "."),
        (write_large_package, "large.mlpackage", SPECIFICATION),
    ],
)
def test_read_graph_mutants_of_large_files_stay_within_ten_times_their_size(
    tmp_path, tiny, write, name, file
):
    path = write(tmp_path / name, tiny)
    survive(path)  # what it imports is no memory of the file's
    target = path / file
    original, dice = target.read_bytes(), roll(5, "check", 0)
    assert content_bytes(path) > 100_000
    for _ in range(LARGE_MUTANTS):
        head, rest = original[:WINDOW], original[WINDOW:]
        middle, tail = rest[:-WINDOW], rest[-WINDOW:]
        at_start = dice.random() < 0.5
        mutant = mutate_bytes(head if at_start else tail, dice)[0]
        target.write_bytes(mutant + middle + tail if at_start else head + middle + mutant)
        assert peak_bytes(path) < TIMES_THE_FILE * content_bytes(path)


def peak_bytes(path):
    """Return the most memory that Python held while a file was read and judged."""
    tracemalloc.start()
    try:
        survive(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal(path):
    """Return the sentence that refuses a file, which must come soon."""
    start = time.process_time()
    graph, sentence = read_or_explain(path)
    assert time.process_time() - start < SECONDS_EACH
    assert graph is None
    return sentence


def length(size):
    """Return a number as protobuf writes it."""
    parts = [size >> shift & 0x7F for shift in range(0, 35, 7)]
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


def field(tag, content):
    return bytes([tag]) + length(len(content)) + content


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (b"\x0a\x00" * 50_000, "more memory"),  # nodes
        (b"\x0a\x02\x22\x00" + b"\x6a\x00" * 50_000, "more memory"),  # declared values
        (field(0x0A, b"\x2a\x00" * 150_000) * 3, "more than 300000 messages"),  # nodes' attributes
        (b"\x0a\x00" * 300_001, "more than 300000 messages"),
    ],
    ids=["nodes", "values", "attributes", "messages"],
)
def test_read_onnx_bomb_of_empty_messages_is_refused(tmp_path, graph, told):
    path = tmp_path / "bomb.onnx"
    path.write_bytes(field(0x3A, graph))
    assert told in refusal(path)


def test_read_onnx_bomb_takes_no_memory_before_it_is_refused(tmp_path):
    path = tmp_path / "bomb.onnx"
    path.write_bytes(field(0x3A, b"\x0a\x00" * 60_000))
    survive(path)  # what it imports is no memory of the file's
    assert peak_bytes(path) < TIMES_THE_FILE * content_bytes(path)


def test_read_onnx_long_chain_of_small_operators_is_read(tmp_path, tiny):
    """458 kB of 20,000 operators: honest, though each takes more memory than its 23 bytes."""
    names = ["image", *(f"relu_{index}" for index in range(20_000))]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    value = helper.make_tensor_value_info
    ends = [value("image", 1, (1, 8))], [value(names[-1], 1, (1, 8))]
    model = helper.make_model(helper.make_graph(nodes, "long", *ends))
    path = tmp_path / "long.onnx"
    path.write_bytes(model.SerializeToString())
    assert len(survive(path).operators) == 20_000


def test_read_onnx_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "deep.onnx"
    content = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph, and so on
        content = field(0x0A, field(0x2A, field(0x32, content)))
    path.write_bytes(field(0x3A, content))
    assert "Error parsing" in refusal(path)


def test_read_tflite_bomb_of_operators_that_are_all_one_is_refused(tflite_path):
    content, count = bytearray(tflite_path.read_bytes()), 60_000
    table = schema.Model.GetRootAs(bytes(content), 0).Subgraphs(0)._tab
    slot = table.Pos + table.Offset(10)  # of the vector of operators
    start = len(content)
    shared = start + 4 + 4 * count
    offsets = shared - (start + 4 + 4 * np.arange(count))
    content += np.uint32(count).tobytes() + offsets.astype("<u4").tobytes()
    content += np.array([-4, 4 << 16 | 4], "<i4").tobytes()  # one table without fields
    content[slot : slot + 4] = np.uint32(start - slot).tobytes()
    tflite_path.write_bytes(bytes(content))
    assert "more memory" in refusal(tflite_path)


def test_read_mil_bomb_of_empty_operations_is_refused(mlpackage_path, tiny):
    builder = tiny.ProgramBuilder()
    for _ in range(60_000):
        builder.block.operations.add()
    (mlpackage_path / SPECIFICATION).write_bytes(builder.model.SerializeToString())
    assert "more memory" in refusal(mlpackage_path)


@pytest.mark.parametrize(
    ("offset", "told"), [(2**63, "ends after"), (64, "where the program declares")]
)
def test_read_mil_weight_of_any_declared_size_takes_no_memory(mlpackage_path, tiny, offset, told):
    builder = tiny.ProgramBuilder()
    builder.const("w", "FLOAT16", (4, 4, 1, 1))
    value = builder.block.operations[-1].attributes["val"]
    value.blobFileValue.offset = offset
    for dimension in value.type.tensorType.dimensions:
        dimension.constant.size = 2**62
    (mlpackage_path / SPECIFICATION).write_bytes(builder.model.SerializeToString())
    tracemalloc.start()
    sentence = refusal(mlpackage_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told in sentence
    assert peak < 1 << 20


def test_read_mil_weight_of_very_many_axes_is_refused_before_their_product(mlpackage_path, tiny):
    builder = tiny.ProgramBuilder()
    builder.const("w", "FLOAT16", (4, 4, 1, 1))
    kind = builder.block.operations[-1].attributes["val"].type.tensorType
    for _ in range(100_000):
        kind.dimensions.add().constant.size = 2**62
    (mlpackage_path / SPECIFICATION).write_bytes(builder.model.SerializeToString())
    assert "100004 axes" in refusal(mlpackage_path)


def test_read_mil_deep_nesting_is_refused(mlpackage_path, tiny):
    builder = tiny.ProgramBuilder()
    block = builder.block
    for _ in range(200):
        operation = block.operations.add(type="cond")
        block = operation.blocks.add()
    (mlpackage_path / SPECIFICATION).write_bytes(builder.model.SerializeToString())
    assert "Error parsing" in refusal(mlpackage_path)


def test_read_mil_manifest_larger_than_any_is_refused(mlpackage_path):
    (mlpackage_path / "Manifest.json").write_text("[" + "[]," * 100_000 + "[]]")
    assert "1 to 65536 bytes" in refusal(mlpackage_path)


def test_read_mil_package_without_its_program_is_refused(mlpackage_path):
    shutil.rmtree(mlpackage_path / "Data")
    assert "No such file" in read_or_explain(mlpackage_path)[1]
