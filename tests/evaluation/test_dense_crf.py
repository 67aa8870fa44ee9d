"""Dense CRF against exact mean-field inference, and as `evaluate --crf` has it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from edge_deeplab import api
from edge_deeplab.cli.app import app
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import ConfigError, MissingDependencyError
from edge_deeplab.evaluation.dense_crf import DenseCrf
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.views import Views
from edge_deeplab.runtimes.torch import TorchRuntime

Floats = npt.NDArray[np.float64]


@pytest.fixture
def float_checkpoint(tmp_path: Path) -> Checkpoint:
    info = CheckpointInfo(
        spec=find_spec("deeplabv3plus_mobilenetv2_100"),
        classes=(ClassInfo("left", (255, 0, 0)), ClassInfo("right", (0, 255, 0))),
        ignore_index=9,
        normalisation=Normalisation((127.0,) * 3, (128.0,) * 3),
        size_hw=(32, 48),
        licence="CC0",
    )
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, build_model(info.spec, 2, pretrained=False), info)
    return load_checkpoint(path)


@pytest.fixture
def library() -> None:
    pytest.importorskip(
        "pydensecrf.densecrf", reason="a C compiler is absent: pydensecrf2 is built from its source"
    )


def speckled(size_hw: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A picture, left dark and right light, and probabilities that are right at four pixels of five."""
    height, width = size_hw
    truth = (np.arange(width) >= width // 2)[None].repeat(height, axis=0)
    image = np.where(truth, 200, 40).astype(np.uint8)[..., None].repeat(3, axis=2)
    wrong = np.random.default_rng(0).random(size_hw) < 0.2
    right = np.where(truth ^ wrong, 0.7, 0.3)
    return image, np.stack([1 - right, right]).astype(np.float32)


def mean_field(
    crf: DenseCrf, probabilities: npt.NDArray[np.float32], image: npt.NDArray[np.uint8]
) -> Floats:
    """Every pair of pixels by itself (arXiv 1210.5644, algorithm 1), kernels normalised symmetrically."""
    count, height, width = probabilities.shape
    rows, columns = np.mgrid[:height, :width]
    places = np.stack([rows.ravel(), columns.ravel()], 1).astype(float)
    colours = image.reshape(-1, 3).astype(float)

    def kernel(*features: tuple[Floats, float]) -> Floats:
        exponent = sum(
            ((values[:, None] - values[None]) ** 2).sum(2) / (2 * sigma**2)
            for values, sigma in features
        )
        weights = np.exp(-exponent)
        root = 1 / np.sqrt(weights.sum(1))
        normalised: Floats = weights * root[:, None] * root[None]
        return normalised

    near = kernel((places, crf.smoothness_px))
    alike = kernel((places, crf.appearance_px), (colours, crf.appearance_rgb))
    energies = -np.log(probabilities.reshape(count, -1).astype(float))
    beliefs: Floats = np.exp(-energies)
    for _ in range(crf.iterations):
        pulled = crf.smoothness * beliefs @ near + crf.appearance * beliefs @ alike
        beliefs = np.exp(pulled - energies)
        beliefs /= beliefs.sum(0)
    return beliefs.reshape(count, height, width)


@pytest.mark.parametrize("crf", [DenseCrf(), DenseCrf(2, 5, 20, 1, 2, 3)])
def test_refined_class_map_is_that_of_exact_inference(library: None, crf: DenseCrf) -> None:
    image, probabilities = speckled((12, 16))
    exact = mean_field(crf, probabilities, image).argmax(0)
    agreement = (crf.refine(probabilities, image) == exact).mean()
    assert agreement > 0.97, agreement


def test_speckles_go_and_the_edge_stays(library: None) -> None:
    image, probabilities = speckled((40, 48))
    image.flags.writeable = False
    truth = (image[..., 0] > 100).astype(np.uint8)
    assert (probabilities.argmax(0) == truth).mean() < 0.85
    assert (DenseCrf().refine(probabilities, image) == truth).mean() > 0.99
    faint = DenseCrf(appearance=1e-3, smoothness=1e-3)
    np.testing.assert_array_equal(faint.refine(probabilities, image), probabilities.argmax(0))


@pytest.mark.parametrize(
    "values",
    [
        *({name: value} for name in ("appearance", "smoothness") for value in (0, -1, 1e300)),
        *({name: 1e-8} for name in ("appearance_px", "appearance_rgb", "smoothness_px")),
        *({"appearance": value} for value in (float("nan"), True, "4", None)),
        *({"iterations": value} for value in (0, 101, 2.5)),
    ],
)
def test_value_that_cannot_be_meant_is_refused(values: dict[str, Any]) -> None:
    """Some of them would end the program inside of the package."""
    with pytest.raises(ConfigError, match=r"came as .* a number from .* was expected"):
        DenseCrf(**values)


@pytest.mark.parametrize("name", ["appearance_px", "appearance_rgb", "smoothness_px"])
@pytest.mark.parametrize("value", [0.1, 1e4])
def test_outermost_distances_are_inferred_with(library: None, name: str, value: float) -> None:
    image, probabilities = speckled((40, 48))
    assert DenseCrf(**{name: value}).refine(probabilities, image).max() <= 1


def test_crf_that_is_none_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="crf came as True; a DenseCrf was expected"):
        api.evaluate(crf=True)  # type: ignore[arg-type]


def test_evaluate_refines_what_the_network_believes(
    library: None,
    make_dataset: Callable[..., Path],
    float_checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The picture is red to the left and green to the right, and so is the network nearly sure."""
    _, probabilities = speckled((32, 48))
    monkeypatch.setattr(TorchRuntime, "probabilities", lambda *_: probabilities[None])
    data = make_dataset("test", count=1)
    plain, refined, faint = (
        api.evaluate(float_checkpoint, data=data, crf=crf)
        for crf in (None, DenseCrf(), DenseCrf(appearance=1e-3, smoothness=1e-3))
    )
    assert refined.runtime == f"{plain.runtime}, dense CRF"
    assert faint.pixel_accuracy < 0.85
    assert refined.pixel_accuracy > 0.98


def test_file_is_not_refined(library: None) -> None:
    with pytest.raises(ConfigError, match="whose graph is fixed"):
        api.evaluate("a.onnx", crf=DenseCrf())


def test_probabilities_sum_to_one_whatever_is_seen(float_checkpoint: Checkpoint) -> None:
    image = speckled((32, 48))[0][None]
    for views in (Views(), Views((1.0, 2.0)), Views((1.0, 2.0), fuse="maximum")):
        probabilities = TorchRuntime(float_checkpoint, views=views).probabilities(image)
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_command_line_takes_the_appearance_term(
    library: None, make_dataset: Callable[..., Path], float_checkpoint: Checkpoint
) -> None:
    data = make_dataset("test", count=1)
    command = ["evaluate", str(float_checkpoint.path), "--data", str(data), "--crf", "--json"]
    result = CliRunner().invoke(app, [*command, "--crf-appearance", "3,50,5"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["runtime"].endswith("dense CRF")
    for text in ("3,50", "a,b,c", "3,50,0", "3,50,nan", "3,1e-8,5"):
        assert CliRunner().invoke(app, [*command, "--crf-appearance", text]).exit_code == 2, text


def test_without_the_package_it_says_which_extra_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent() -> None:
        raise MissingDependencyError("pydensecrf2", "crf")

    monkeypatch.setattr("edge_deeplab.evaluation.evaluate.load_library", absent)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[crf\]"):
        api.evaluate(crf=DenseCrf())
