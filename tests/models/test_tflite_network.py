"""A TFLite file as a network: the same numbers as its runtime's, at any size, and refusals that name the operator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch.nn import functional

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, EdgeDeepLabError, UnsupportedOperatorError
from edge_deeplab.models.operator_graph import OperatorGraph
from edge_deeplab.models.padded_convolution import PaddedConv2d, same_edges
from edge_deeplab.models.picture import normalise
from edge_deeplab.models.tflite.network import TFLiteNetwork, read_network
from edge_deeplab.runtimes.open import open_artifact
from tests.models.tflite_files import PIXEL, POSITIVE, Writer, write_segmenter
from tests.tiny_files import TFLiteBuilder, weights

UNIT = Normalisation((128.0,) * 3, (128.0,) * 3)


def built(network: TFLiteNetwork) -> OperatorGraph:
    graph = OperatorGraph(network.operators)
    graph.load_state_dict(network.tensors)
    return graph.eval()


def picture(size_hw: tuple[int, int]) -> np.ndarray:
    tiles = np.random.default_rng(3).integers(0, 256, (1, 5, 7, 3), np.uint8)
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(size_hw, (5, 7), strict=True)
    )
    return np.ascontiguousarray(tiles[0][rows][:, columns])


def logits(graph: OperatorGraph, image: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return graph(normalise(image, UNIT)).numpy()


@pytest.mark.parametrize("tile", [True, False])
def test_float_network_gives_what_litert_gives(tile: bool, tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "a.tflite", quantized=False, tile=tile)
    network = read_network(path, UNIT)
    image = picture(network.size_hw)
    with open_artifact(path, normalisation=UNIT, threads=1) as runtime:
        expected = runtime.logits(image[None])
    assert network.ranges == {}
    np.testing.assert_allclose(logits(built(network), image), expected, atol=1e-4)


def test_uint8_network_gives_what_litert_gives_up_to_rounding(tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "a.tflite")
    network = read_network(path)
    image = picture(network.size_hw)
    with open_artifact(path, runtime="interpreter-builtin", threads=1) as runtime:
        expected = runtime.logits(image[None])
    found = logits(built(network), image)
    assert network.normalisation == UNIT
    assert expected.std() > 0.3
    assert np.abs(found - expected).max() < 0.25
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.97


def test_both_files_of_one_network_have_one_graph(tmp_path: Path) -> None:
    """A ReLU that the integers make needless is there all the same."""
    stored = read_network(write_segmenter(tmp_path / "a.tflite"))
    floats = read_network(write_segmenter(tmp_path / "b.tflite", quantized=False), UNIT)
    assert [(o.kind, o.settings) for o in stored.operators[:2]] == [
        (o.kind, o.settings) for o in floats.operators[:2]
    ]
    assert stored.operators[1].kind == "relu"
    for name, tensor in floats.tensors.items():
        torch.testing.assert_close(stored.tensors[name], tensor, atol=2e-3, rtol=0)


def test_ranges_are_those_of_the_integers(tmp_path: Path) -> None:
    network = read_network(write_segmenter(tmp_path / "a.tflite"))
    scale, _ = POSITIVE
    assert network.ranges["backbone.relu_0"] == pytest.approx((0, 255 * scale))
    assert network.ranges["classifier"] == pytest.approx((-128 * 0.05, 127 * 0.05))
    assert "backbone.conv_0" not in network.ranges, "its ReLU has it"


def test_sizes_follow_the_picture(tmp_path: Path) -> None:
    """At another size the network is that of a file which was written for it."""
    network = read_network(write_segmenter(tmp_path / "a.tflite", (17, 25), quantized=False), UNIT)
    other = write_segmenter(tmp_path / "b.tflite", (21, 33), quantized=False)
    image = picture((21, 33))
    with open_artifact(other, normalisation=UNIT, threads=1) as runtime:
        expected = runtime.logits(image[None])
    np.testing.assert_allclose(logits(built(network), image), expected, atol=1e-4)
    assert built(network)(torch.zeros(2, 3, 32, 48)).shape == (2, 3, 32, 48)


@pytest.mark.parametrize("size_hw", [(8, 12), (9, 11)])
@pytest.mark.parametrize(("kernel", "stride", "rate"), [(3, 2, 1), (5, 2, 1), (2, 2, 1), (3, 1, 2)])
def test_same_padding_is_tensorflows(
    size_hw: tuple[int, int], kernel: int, stride: int, rate: int, tmp_path: Path
) -> None:
    builder = TFLiteBuilder()
    out_hw = tuple(-(-side // stride) for side in size_hw)
    image = builder.tensor("image", (1, *size_hw, 3))
    result = builder.tensor("result", (1, *out_hw, 4))
    weight = weights(4, kernel, kernel, 3)
    stored = builder.tensor("w", weight.shape, data=weight)
    bias = builder.tensor("b", (4,), data=np.zeros(4, np.float32))
    options = {
        "strideW": stride,
        "strideH": stride,
        "dilationWFactor": rate,
        "dilationHFactor": rate,
    }
    builder.add("CONV_2D", [image, stored, bias], [result], options="Conv2DOptions", **options)
    path = builder.save(tmp_path / "a.tflite", [image], [result])
    network, shown = built(read_network(path, UNIT)), picture(size_hw)
    with open_artifact(path, normalisation=UNIT, threads=1) as runtime:
        expected = runtime._engine.run(runtime.encode(shown))  # scores before they are enlarged
    with torch.no_grad():
        found = network.classifier(normalise(shown, UNIT))
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=1e-4)


def test_same_edges_are_one_more_behind_where_they_are_odd() -> None:
    assert same_edges(8, 3, 2, 1) == (0, 1)
    assert same_edges(9, 3, 2, 1) == (1, 1)
    assert same_edges(9, 1, 2, 1) == (0, 0)


def test_padded_convolution_is_a_convolution_of_a_padded_picture() -> None:
    settings = {
        "channels": 2,
        "kernel_hw": (3, 3),
        "stride_hw": (1, 1),
        "rate_hw": (1, 1),
        "groups": 1,
        "edges": (2, 0, 1, 3),
    }
    layer, image = PaddedConv2d(3, settings), torch.randn(1, 3, 6, 6)
    padded = functional.pad(image, (0, 3, 2, 1))
    torch.testing.assert_close(layer(image), functional.conv2d(padded, layer.weight, layer.bias))


@pytest.mark.parametrize("operator", ["SOFTMAX", "LOGISTIC", "HARD_SWISH"])
def test_operator_without_a_place_is_named(operator: str, tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "a.tflite", last=operator)
    with pytest.raises(UnsupportedOperatorError, match=f"does not support {operator}"):
        read_network(path)


def test_float_input_that_nothing_normalises_asks_for_the_normalisation(tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "a.tflite", quantized=False)
    with pytest.raises(
        ArtifactError, match="input is float32, and what pixels are normalised with"
    ):
        read_network(path)


def test_resize_that_samples_neither_way_is_refused(tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image = to.value("image", (1, 8, 8, 3))
    scores, large = to.value("scores", (1, 4, 4, 3)), to.value("large", (1, 8, 8, 3))
    to.convolution("a", image, scores, (3, 1, 1, 3), strideW=2, strideH=2)
    to.resize(scores, large, (8, 8))
    path = to.builder.save(tmp_path / "a.tflite", [image], [large])
    with pytest.raises(ArtifactError, match=r"RESIZE_BILINEAR .* neither half-pixel centres"):
        read_network(path)


def test_resize_to_a_size_of_no_value_is_refused(tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image = to.value("image", (1, 8, 8, 3))
    scores, large = to.value("scores", (1, 4, 4, 3)), to.value("large", (1, 6, 6, 3))
    to.convolution("a", image, scores, (3, 1, 1, 3), strideW=2, strideH=2)
    to.resize(scores, large, (6, 6), alignCorners=True)
    path = to.builder.save(tmp_path / "a.tflite", [image], [large])
    with pytest.raises(ArtifactError, match="resizes to 6x6, which no earlier value has"):
        read_network(path)


def test_file_whose_sizes_are_not_those_it_declares_is_refused(tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image, scores = to.value("image", (1, 8, 8, 3)), to.value("scores", (1, 5, 5, 3))
    to.convolution("a", image, scores, (3, 1, 1, 3), strideW=2, strideH=2)
    path = to.builder.save(tmp_path / "a.tflite", [image], [scores])
    with pytest.raises(ArtifactError, match="gives 4x4 and the file says 5x5"):
        read_network(path)


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("kind", ["CAST", "DEQUANTIZE", "QUANTIZE"])
def test_constant_that_operators_pass_in_a_circle_is_refused(
    kind: str, length: int, tmp_path: Path
) -> None:
    to = Writer(quantized=True)
    image, scores = to.value("image", (1, 8, 8, 3)), to.value("scores", (1, 8, 8, 3))
    zeros = np.zeros((1, 1, 1, 4), np.float32)
    circle = [to.builder.tensor(f"circle {i}", zeros.shape, data=zeros) for i in range(length)]
    for source, result in zip(circle, [*circle[1:], circle[0]], strict=True):
        to.builder.add(kind, [source], [result])
    to.builder.add(kind, [circle[0]], [to.builder.tensor("read", zeros.shape)])
    to.convolution("a", image, scores, (3, 1, 1, 3))
    path = to.builder.save(tmp_path / "a.tflite", [image], [scores])
    with pytest.raises(ArtifactError, match="some of its operators need each other's results"):
        read_network(path)


def test_scores_are_the_declared_output_whatever_is_computed_after_it(tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image = to.value("image", (1, 8, 8, 3), PIXEL)
    scores, other = to.value("scores", (1, 8, 8, 3)), to.value("other", (1, 8, 8, 5))
    ids = to.builder.tensor("ids", (1, 8, 8), "INT64")
    to.convolution("a", image, scores, (3, 1, 1, 3))
    to.convolution("b", image, other, (5, 1, 1, 3))
    argmax = {"options": "ArgMaxOptions", "outputType": schema.TensorType.INT64}
    to.builder.add("ARG_MAX", [other, to.setting("axis", 3)], [ids], **argmax)
    network = read_network(to.builder.save(tmp_path / "a.tflite", [image], [scores]))
    assert network.tensors["classifier.weight"].shape == (3, 3, 1, 1)
    classes = read_network(to.builder.save(tmp_path / "b.tflite", [image], [ids]))
    assert classes.tensors["classifier.weight"].shape == (5, 3, 1, 1)


@pytest.mark.parametrize("count", [0, 2])
def test_file_of_other_than_one_output_is_refused(count: int, tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image, scores = to.value("image", (1, 8, 8, 3), PIXEL), to.value("scores", (1, 8, 8, 3))
    to.convolution("a", image, scores, (3, 1, 1, 3))
    path = to.builder.save(tmp_path / "a.tflite", [image], [scores] * count)
    with pytest.raises(ArtifactError, match=f"it gives {count} outputs and not the scores alone"):
        read_network(path)


def test_file_that_gives_its_picture_back_is_refused(tmp_path: Path) -> None:
    to = Writer(quantized=True)
    image, scores = to.value("image", (1, 8, 8, 3), PIXEL), to.value("scores", (1, 8, 8, 3))
    to.convolution("a", image, scores, (3, 1, 1, 3))
    path = to.builder.save(tmp_path / "a.tflite", [image], [image])
    with pytest.raises(ArtifactError, match="it computes nothing"):
        read_network(path)


@pytest.mark.parametrize(
    ("name", "classes", "operators"),
    [
        ("deeplabv3_mnv2_pascal_quant", 21, 106),
        ("deeplab_mobilenet_edgetpu_slim_cityscapes_quant", 19, 120),
    ],
)
def test_peer_is_read_whole(name: str, classes: int, operators: int, peers: Path) -> None:
    network = read_network(peers / f"{name}.tflite")
    assert len(network.tensors["classifier.weight"]) == classes
    assert (network.size_hw, len(network.operators)) == ((513, 513), operators)
    assert network.normalisation == UNIT
    assert network.operators[-1].inputs == ("classifier", "image")
    with torch.no_grad():
        assert built(network)(torch.zeros(1, 3, 65, 97)).shape == (1, classes, 65, 97)


def test_damaged_file_is_one_sentence_or_a_network(tmp_path: Path) -> None:
    valid, path = write_segmenter(tmp_path / "a.tflite").read_bytes(), tmp_path / "b.tflite"
    said = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        content = bytearray(valid)
        for place in rng.integers(8, len(valid), rng.integers(1, 6)):
            content[place] = rng.choice([0, 1, 127, 255, rng.integers(256)])
        path.write_bytes(bytes(content))
        try:
            read_network(path)
        except EdgeDeepLabError as error:
            said.append(str(error))
    assert 10 < len(said) < 150
    assert not [sentence for sentence in said if "\n" in sentence]
