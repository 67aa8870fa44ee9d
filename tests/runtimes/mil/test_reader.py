"""Saved packages read back: what coremltools writes, the evaluator runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_deeplab.converters.noise import quietly
from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, UnsupportedOperatorError
from edge_deeplab.runtimes.mil.engine import MILEngine
from edge_deeplab.runtimes.mil.program import operators_of
from edge_deeplab.runtimes.mil.reader import read_package
from tests.opening import open_here
from tests.runtimes.conftest import NORMALISATION, SIZE_HW, Sample


@pytest.fixture(scope="module")
def coremltools() -> Any:
    with quietly():
        return pytest.importorskip("coremltools", reason="coremltools writes the packages")


def save(coremltools: Any, build: Callable[[Any, Any], Any], path: Path, **options: Any) -> Path:
    """Save a program of one (1, 3, 4, 6) input as a package."""
    from coremltools.converters.mil.mil import Builder

    with quietly():
        target = coremltools.target.iOS17
        shape = Builder.TensorSpec(shape=(1, 3, 4, 6))
        program = Builder.program(input_specs=[shape], opset_version=target)(
            lambda x: build(Builder, x)
        )
        model = coremltools.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=target,
            skip_model_load=True,
            **{"compute_precision": coremltools.precision.FLOAT32, **options},
        )
        model.save(str(path))
    return path


def test_read_package_gives_steps_types_and_metadata(export_tiny: Callable[..., Path]) -> None:
    package = read_package(export_tiny("coreml", "fp16"))
    assert package.colour_order == "RGB"
    assert METADATA_KEY in package.metadata
    assert [(v.name, v.shape) for v in package.program.inputs] == [("image", (1, 3, *SIZE_HW))]
    assert package.program.outputs == ("classes",)
    assert {"conv", "relu", "upsample_bilinear", "reduce_argmax"} <= set(
        operators_of(package.program.operations)
    )
    dtypes = {s.operator: s.outputs[0].dtype for s in package.program.operations}
    assert dtypes["conv"] == "fp16"
    assert dtypes["reduce_argmax"] == "int32"


def test_run_until_gives_any_value_by_name(
    export_tiny: Callable[..., Path], sample: Sample, tiny_network: Any
) -> None:
    import torch

    path = export_tiny("coreml", "fp32")
    engine = MILEngine(path)
    first = next(s for s in read_package(path).program.operations if s.operator == "conv")
    features = engine.run_until(first.outputs[0].name, engine.image.encode(sample.images[0], None))
    normalised = (sample.images[:1] - np.array(NORMALISATION.mean)) / np.array(NORMALISATION.std)
    expected = tiny_network.stem[0](torch.from_numpy(normalised).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)


def test_unknown_operator_in_package_is_named_before_anything_runs(
    coremltools: Any, tmp_path: Path
) -> None:
    path = save(coremltools, lambda mb, x: mb.erf(x=mb.atan(x=x)), tmp_path / "odd.mlpackage")
    with pytest.raises(UnsupportedOperatorError, match="atan, erf"):
        open_here(path)


def test_package_with_tensor_input_gets_normalised_pixels(coremltools: Any, tmp_path: Path) -> None:
    from edge_deeplab.description import Normalisation

    path = save(coremltools, lambda mb, x: mb.mul(x=x, y=2.0, name="y"), tmp_path / "t.mlpackage")
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)
    with pytest.raises(ArtifactError, match="pass normalisation"):
        open_here(path).predict(images)
    half = Normalisation((0.0, 0.0, 0.0), (2.0, 2.0, 2.0))
    logits = open_here(path, normalisation=half).logits(images)
    np.testing.assert_allclose(logits, images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_picture_input_hands_over_the_colour_order_scale_and_bias_that_the_file_states(
    coremltools: Any, tmp_path: Path, order: str
) -> None:
    picture = coremltools.ImageType(
        "x",
        shape=(1, 3, 4, 6),
        color_layout=getattr(coremltools.colorlayout, order),
        scale=0.5,
        bias=[1.0, 2.0, 3.0],
    )
    path = save(
        coremltools,
        lambda mb, x: mb.identity(x=x, name="y"),
        tmp_path / "p.mlpackage",
        inputs=[picture],
    )
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)
    planes = images.transpose(0, 3, 1, 2)[:, :: 1 if order == "RGB" else -1]
    expected = 0.5 * planes + np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(open_here(path).logits(images), expected, rtol=1e-5)


def test_grayscale_picture_is_refused(coremltools: Any, tmp_path: Path) -> None:
    from coremltools.converters.mil.mil import Builder

    with quietly():
        program = Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 1, 4, 6))])(
            lambda x: Builder.relu(x=x)
        )
        model = coremltools.convert(
            program,
            convert_to="mlprogram",
            inputs=[
                coremltools.ImageType(
                    "x", shape=(1, 1, 4, 6), color_layout=coremltools.colorlayout.GRAYSCALE
                )
            ],
            skip_model_load=True,
        )
        model.save(str(tmp_path / "grey.mlpackage"))
    with pytest.raises(ArtifactError, match="GRAYSCALE picture; RGB or BGR"):
        open_here(tmp_path / "grey.mlpackage")


def test_quantized_activations_and_weights_give_the_integers_meaning(
    coremltools: Any, tmp_path: Path
) -> None:
    """x -> int8 at scale 0.5, zero point -3 -> back -> 1x1 convolution with int8 weights -> + 1."""

    def build(mb: Any, x: Any) -> Any:
        stored = mb.quantize(input=x, scale=0.5, zero_point=np.int8(-3), output_dtype="int8")
        activation = mb.dequantize(input=stored, scale=0.5, zero_point=np.int8(-3))
        weight = mb.constexpr_affine_dequantize(
            quantized_data=np.array([[4, 0, 0], [0, -2, 1]], np.int8).reshape(2, 3, 1, 1),
            scale=np.array([0.25, 0.5], np.float32),
            zero_point=np.int8(0),
            axis=np.int32(0),
        )
        return mb.add(x=mb.conv(x=activation, weight=weight), y=1.0, name="y")

    path = save(coremltools, build, tmp_path / "int8.mlpackage")
    engine = MILEngine(path)
    pixels = np.zeros((1, 3, 4, 6), np.float32)
    pixels[0, :, 0, 0] = (1.3, -0.8, 100.0)
    result = engine.run(pixels)
    # 1.3 -> 1.5, -0.8 -> -1.0, 100 -> (127 + 3) * 0.5 = 65
    assert result.shape == (1, 2, 4, 6)
    np.testing.assert_allclose(result[0, :, 0, 0], [1.0 * 1.5 + 1, -1.0 * -1.0 + 0.5 * 65 + 1])
    np.testing.assert_allclose(result[0, :, 1:], 1.0)


def test_palettized_package_runs_like_its_decompressed_copy(
    coremltools: Any, export_tiny: Callable[..., Path], tmp_path: Path, sample: Sample
) -> None:
    import coremltools.optimize.coreml as compression

    with quietly():
        model = coremltools.models.MLModel(
            str(export_tiny("coreml", "fp32", "logits")), skip_model_load=True
        )
        config = compression.OptimizationConfig(
            compression.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=1)
        )
        palettized = compression.palettize_weights(model, config)
        palettized.save(str(tmp_path / "p.mlpackage"))
        compression.decompress_weights(palettized).save(str(tmp_path / "d.mlpackage"))
    steps = read_package(tmp_path / "p.mlpackage").program.operations
    assert "constexpr_lut_to_dense" in operators_of(steps)
    logits = open_here(tmp_path / "p.mlpackage").logits(sample.images)
    np.testing.assert_allclose(
        logits, open_here(tmp_path / "d.mlpackage").logits(sample.images), atol=1e-5
    )
    assert np.abs(logits - sample.logits).max() > 1e-3, "sixteen values a tensor must show"
