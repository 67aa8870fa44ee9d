import importlib.util
import json
import subprocess
import sys

import pytest

from edge_deeplab.errors import ArtifactError, MissingDependencyError
from edge_deeplab.formats.coreml import read_coreml

CHANNELS = 8


def test_read_mil_tiny_package_lists_operators_without_constants(mlpackage_path):
    graph = read_coreml(mlpackage_path)
    assert graph.format == "coreml"
    assert graph.versions == {"specification": 7, "opset": 6}
    assert [o.type for o in graph.operators] == ["conv", "upsample_bilinear", "reduce_argmax"]
    assert {o.version for o in graph.operators} == {6}


def test_read_mil_dilated_depthwise_tells_geometry_and_module(mlpackage_path):
    operator = read_coreml(mlpackage_path).operators[0]
    convolution = operator.dilated_depthwise
    assert convolution.rate_hw == (6, 6)
    assert convolution.kernel_hw == (3, 3)
    assert convolution.padding == (6, 7, 6, 7)
    assert (convolution.channels, convolution.groups, convolution.multiplier) == (8, 8, 1)
    assert operator.module == "aspp.branches.1.0"


def test_read_mil_image_and_weight_come_first_among_inputs(mlpackage_path):
    image, weight = read_coreml(mlpackage_path).operators[0].inputs
    assert image.name == "image"
    assert weight.dtype == "float16"
    assert weight.shape == (CHANNELS, 1, 3, 3)
    assert weight.constant


def test_read_mil_settings_are_attributes(mlpackage_path):
    convolution, _, argmax = read_coreml(mlpackage_path).operators
    assert convolution.attributes["pad_type"] == "custom"
    assert convolution.attributes["dilations"] == (6, 6)
    assert argmax.attributes["axis"] == 1


def test_read_mil_weight_small_enough_to_stand_in_the_program_is_still_a_weight(tmp_path, tiny):
    builder = tiny.ProgramBuilder()
    weight = builder.const("w", "INT32", (2, 2, 1, 1), [1, 2, 3, 4])
    builder.add("conv", "out", "FLOAT16", (1, 2, 8, 8), x="image", weight=weight)
    operator = read_coreml(builder.save(tmp_path / "s.mlpackage")).operators[0]
    assert operator.convolution.channels == 2
    assert "weight" not in operator.attributes


def test_read_mil_every_part_of_a_concatenation_is_an_input(tmp_path, tiny):
    builder = tiny.ProgramBuilder()
    builder.add("concat", "joined", "FLOAT16", (1, 16, 8, 8), values="one")
    builder.block.operations[-1].inputs["values"].arguments.add().name = "two"
    operator = read_coreml(builder.save(tmp_path / "c.mlpackage")).operators[0]
    assert [spec.name for spec in operator.inputs] == ["one", "two"]


def test_read_mil_quantized_weight_counts_as_constant(tmp_path, tiny):
    builder = tiny.ProgramBuilder()
    stored = builder.const("stored", "INT8", (CHANNELS, CHANNELS, 1, 1))
    shape = (CHANNELS, CHANNELS, 1, 1)
    weight = builder.add(
        "constexpr_affine_dequantize", "w", "FLOAT16", shape, quantized_data=stored
    )
    builder.add("conv", "out", "FLOAT16", (1, CHANNELS, 8, 8), x="image", weight=weight)
    operator = read_coreml(builder.save(tmp_path / "q.mlpackage")).operators[-1]
    assert operator.inputs[1].constant
    assert operator.convolution.channels == CHANNELS


def test_read_mil_foreign_package_tells_no_module(tmp_path, tiny):
    builder = tiny.ProgramBuilder(described=False)
    builder.conv("some__name", "image", (1, CHANNELS, 8, 8), rate=2)
    assert read_coreml(builder.save(tmp_path / "f.mlpackage")).operators[0].module is None


def test_read_mil_nested_block_is_listed(tmp_path, tiny):
    builder = tiny.ProgramBuilder()
    builder.add("cond", "picked", "FLOAT16", (1, 2), pred="flag")
    inner = builder.block.operations[-1].blocks.add().operations.add(type="relu")
    inner.outputs.add(name="inner")
    graph = read_coreml(builder.save(tmp_path / "n.mlpackage"))
    assert [operator.type for operator in graph.operators] == ["cond", "relu"]


def test_read_mil_older_neural_network_says_what_it_holds(mlpackage_path, tiny):
    builder = tiny.ProgramBuilder()
    builder.model.neuralNetwork.SetInParent()
    model = mlpackage_path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.write_bytes(builder.model.SerializeToString())
    with pytest.raises(ArtifactError, match="it holds neuralNetwork"):
        read_coreml(mlpackage_path)


def test_read_mil_manifest_that_leads_out_of_the_package_is_refused(mlpackage_path, tmp_path):
    (tmp_path / "secret").write_text("private")
    manifest = mlpackage_path / "Manifest.json"
    document = json.loads(manifest.read_text())
    document["itemInfoEntries"]["root"]["path"] = "../../secret"
    manifest.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="outside the package"):
        read_coreml(mlpackage_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rootModelIdentifier": "x"}', "[" * 100_000])
def test_read_mil_broken_manifest_is_one_sentence(mlpackage_path, text):
    (mlpackage_path / "Manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"Manifest\.json cannot be read"):
        read_coreml(mlpackage_path)


def test_read_mil_without_coremltools_names_the_extra(mlpackage_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[coreml\]"):
        read_coreml(mlpackage_path)


def test_read_mil_loads_neither_coremltools_nor_torch(mlpackage_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from edge_deeplab.formats.coreml import read_coreml\n"
        f"read_coreml(Path({str(mlpackage_path)!r}))\n"
        "print(sorted({'torch', 'coremltools'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.stdout.strip() == "[]", finished.stderr
