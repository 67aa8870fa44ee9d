"""LiteRT's CompiledModel on every TFLite file that export writes, held against the interpreter."""

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_deeplab.errors import ArtifactError
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.inputs import AffineQuantization
from tests.runtimes.conftest import NORMALISATION, SIZE_HW, describe
from tests.runtimes.test_strangers import write_tflite

PRECISIONS = ("fp32", "fp16", "int8")
HEADS = ("classes", "logits", "fast")
EVERY_TIME = {("fp32", "classes"), ("int8", "classes"), ("int8", "fast")}


@pytest.fixture(scope="module")
def pictures() -> npt.NDArray[np.uint8]:
    """Three pictures of coloured tiles."""
    tiles = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), np.uint8)
    return tiles.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def export_form(
    tiny_network: Any, pictures: npt.NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Return a function (precision, name of the head) -> TFLite file of the tiny network; each is written once."""
    import torch

    from edge_deeplab.converters.capture import capture
    from edge_deeplab.converters.devices.heads import resolve_head
    from edge_deeplab.converters.to_tflite import write_tflite
    from edge_deeplab.quantization.calibration import calibrate
    from edge_deeplab.quantization.network import Network
    from edge_deeplab.quantization.placement import place_quantizers

    folder = tmp_path_factory.mktemp("forms")
    network = Network(tiny_network)
    normalised = (pictures - np.array(NORMALISATION.mean)) / np.array(NORMALISATION.std)
    images = list(torch.from_numpy(normalised).permute(0, 3, 1, 2).float()[:, None])
    quantization = calibrate(network, place_quantizers(network), images, NORMALISATION, "min-max")

    @cache
    def export(precision: str, name: str) -> Path:
        form = resolve_head(name)
        numbers = quantization if precision == "int8" else None
        graph = capture(tiny_network, NORMALISATION, SIZE_HW, form.head, numbers, form.asked)
        path = folder / f"{name}-{precision}.tflite"
        write_tflite(graph, describe("tflite", precision, form.head), path)
        return path

    return export


@pytest.mark.parametrize(
    ("precision", "head"),
    [
        pytest.param(*form, marks=() if form in EVERY_TIME else pytest.mark.slow)
        for form in product(PRECISIONS, HEADS)
    ],
)
def test_compiled_model_of_every_export_gives_the_interpreters_class_map(
    export_form: Callable[[str, str], Path],
    pictures: npt.NDArray[np.uint8],
    precision: str,
    head: str,
) -> None:
    path = export_form(precision, head)
    compiled = open_artifact(path, threads=1, runtime="compiled-model")
    interpreter = open_artifact(path, threads=1)
    assert compiled.name == f"{interpreter.name} CompiledModel"
    assert compiled.description == interpreter.description
    ids = compiled.predict(pictures)
    assert len(np.unique(ids)) > 1, "a constant map would prove nothing"
    np.testing.assert_array_equal(ids, interpreter.predict(pictures))


def test_compiled_model_of_scores_gives_the_interpreters(
    export_form: Callable[[str, str], Path], pictures: npt.NDArray[np.uint8]
) -> None:
    path = export_form("fp32", "logits")
    compiled = open_artifact(path, threads=1, runtime="compiled-model")
    expected = open_artifact(path, threads=1).logits(pictures)
    np.testing.assert_array_equal(compiled.logits(pictures), expected)


def test_compiled_model_of_a_class_map_has_no_scores_to_show(
    export_form: Callable[[str, str], Path], pictures: npt.NDArray[np.uint8]
) -> None:
    compiled = open_artifact(export_form("fp32", "classes"), runtime="compiled-model")
    with pytest.raises(ArtifactError, match=r"CompiledModel shows no value before them.*logits"):
        compiled.logits(pictures)


def test_compiled_model_of_quantized_scores_gives_the_values_they_stand_for(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "stranger.tflite", "RELU", AffineQuantization(0.5, 0))
    runtime = open_artifact(path, runtime="compiled-model")
    assert runtime.size_hw == (512, 512)
    images = np.random.default_rng(0).integers(0, 256, (1, 512, 512, 3), np.uint8)
    np.testing.assert_array_equal(runtime.logits(images), 0.5 * images.transpose(0, 3, 1, 2))


def test_compiled_model_runs_a_file_without_signature_that_gives_int64(peers: Path) -> None:
    path = peers / "deeplabv3_mnv2_pascal_quant.tflite"
    images = np.random.default_rng(0).integers(0, 256, (1, 513, 513, 3), np.uint8)
    expected = open_artifact(path, threads=1).predict(images)
    compiled = open_artifact(path, threads=1, runtime="compiled-model")
    np.testing.assert_array_equal(compiled.predict(images), expected)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_compiled_model_of_a_signature_that_names_other_tensors_is_one_sentence(
    export_form: Callable[[str, str], Path], tmp_path: Path, side: str
) -> None:
    path = tmp_path / "stale.tflite"
    path.write_bytes(with_stale_signature(export_form("fp32", "classes").read_bytes(), side))
    open_artifact(path)  # the interpreter does not look at signatures
    with pytest.raises(ArtifactError, match=r"signature.*export it again") as raised:
        open_artifact(path, runtime="compiled-model")
    assert "\n" not in str(raised.value)


def with_stale_signature(content: bytes, side: str) -> bytes:
    """Return a model whose signature names a value inside the graph in place of what the graph takes or gives."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (entry,) = getattr(model.signatureDefs[0], side)
    entry.tensorIndex = int(model.subgraphs[0].operators[0].outputs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
