"""Arm Vela itself, on tiny files."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool


@pytest.fixture
def compiled(monkeypatch, lab_folder):
    """Return a function that holds a file against a device as Vela compiles for it."""
    link_tool("vela", monkeypatch, lab_folder)

    def compiled(path, device):
        (report,) = check_artifact(path, [device], available_observers()).profiles
        return report

    return compiled


@pytest.mark.parametrize("device", ["ethos-u55-128", "ethos-u65-512", "ethos-u85-256"])
def test_vela_places_the_trial_file_whole_as_predicted(compiled, device):
    report = compiled(TRIAL_FILES["tflite"], device)
    seen = report.comparison.observation
    assert (report.comparison.equal, seen.left, seen.partitions) == (True, {}, 1)
    assert seen.cost.cycles > 0
    assert seen.cost.memory_bytes > 0
    assert "MHz" in seen.cost.note


def test_vela_refuses_an_argmax_of_float_as_predicted(compiled, tflite_path):
    report = compiled(tflite_path, "ethos-u55-256")
    assert report.comparison.equal is True


@pytest.fixture
def single_operator(tiny, tmp_path):
    """Return a function that writes a file of one operator on quantized maps."""

    def write(kind, dtype, before, after, version=1, **options):
        builder = tiny.TFLiteBuilder()
        read, given = (
            builder.tensor(name, shape, dtype) for name, shape in (("x", before), ("y", after))
        )
        for tensor in builder.graph.tensors:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5], [0]
        builder.add(kind, [read], [given], version, **options)
        return builder.save(tmp_path / "one.tflite", [read], [given])

    return write


POOL = {"options": "Pool2DOptions", "strideH": 1, "strideW": 1, "padding": 1, "filterWidth": 1}


@pytest.mark.parametrize(
    ("kind", "dtype", "before", "after", "version", "options", "left"),
    [
        ("MAX_POOL_2D", "INT8", (1, 260, 4, 4), (1, 4, 4, 4), 2, {**POOL, "filterHeight": 257}, True),
        ("MAX_POOL_2D", "INT8", (1, 260, 4, 4), (1, 5, 4, 4), 2, {**POOL, "filterHeight": 256}, False),
        ("AVERAGE_POOL_2D", "INT8", (1, 260, 4, 4), (1, 4, 4, 4), 2, {**POOL, "filterHeight": 257}, True),
        ("RSQRT", "UINT8", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, True),
        ("ELU", "INT8", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, False),
        ("ELU", "INT16", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, True),
        ("GELU", "INT16", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, True),
        ("LOG", "UINT8", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, True),
        ("ABS", "INT64", (1, 4, 4, 4), (1, 4, 4, 4), 1, {}, True),
    ],
)  # fmt: skip
def test_vela_leaves_a_single_operator_where_predicted(
    compiled, single_operator, kind, dtype, before, after, version, options, left
):
    report = compiled(
        single_operator(kind, dtype, before, after, version, **options), "ethos-u55-256"
    )
    assert report.comparison.differences == ()
    assert bool(report.comparison.observation.left) == left


def test_vela_leaves_a_tall_pool_for_u85_as_predicted(compiled, single_operator):
    path = single_operator(
        "MAX_POOL_2D", "INT8", (1, 260, 4, 4), (1, 4, 4, 4), 2, filterHeight=257, **POOL
    )
    report = compiled(path, "ethos-u85-512")
    assert report.comparison.differences == ()
    assert report.comparison.observation.left
