"""Ranges from images: each estimator against hand-made values, and the numbers that files can hold."""

import pytest
import torch
from torch import nn

from edge_deeplab.config import ESTIMATORS
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.models.quantization import (
    activation_quantizer,
    half_scales,
    quantize_weight,
    round_weight_scales,
    weight_scales,
)
from edge_deeplab.quantization.calibration import calibrate, image_quantizer
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import Placement, place_quantizers


def ranges(estimator: str, *images: torch.Tensor) -> tuple[float, float]:
    """Return the range that an estimator gives to the output of an identity convolution."""
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(layer.weight)
    model = nn.Sequential(layer)
    quantization = calibrate(
        Network(model),
        Placement((("0",),), (), ()),
        images,
        Normalisation((0,) * 3, (1,) * 3),
        estimator,
    )
    (quantizer,) = quantization.activations
    low = (-128 - quantizer.zero_point) * quantizer.scale
    return low, low + 255 * quantizer.scale


FLAT = torch.linspace(0, 1, 10_000).reshape(1, 1, 100, 100)


def test_extremes_are_kept() -> None:
    assert ranges("min-max", FLAT - 0.5, 3 * FLAT) == pytest.approx((-0.5, 3.0), abs=0.02)


def test_mean_of_extremes_is_over_images() -> None:
    assert ranges("mean-min-max", FLAT, 3 * FLAT) == pytest.approx((0.0, 2.0), abs=0.01)


def test_percentile_leaves_out_the_rarest() -> None:
    outlier = FLAT.clone()
    outlier[0, 0, 0, 0] = 10.0
    assert ranges("percentile", *[FLAT] * 3, outlier)[1] < 1.1
    assert ranges("min-max", *[FLAT] * 3, outlier)[1] > 9.9


def test_smallest_error_gives_up_an_outlier_but_not_a_tail() -> None:
    outlier = FLAT.clone()
    outlier[0, 0, 0, 0] = 4.0
    assert ranges("mse", *[FLAT] * 100, outlier)[1] < 3.5
    assert ranges("mse", FLAT)[1] > 0.97


def test_unknown_estimator_and_no_images_are_refused(model: nn.Module) -> None:
    network = Network(model)
    placement = place_quantizers(network)
    with pytest.raises(ConfigError, match="mse"):
        calibrate(network, placement, [FLAT], Normalisation((0,) * 3, (1,) * 3), "entropy")
    with pytest.raises(DataError, match="no images"):
        calibrate(network, placement, [], Normalisation((0,) * 3, (1,) * 3), ESTIMATORS[0])


def test_integers_of_the_picture_are_its_pixels_where_normalisation_allows() -> None:
    quantizer = image_quantizer(Normalisation((127.0,) * 3, (128.0,) * 3))
    assert (quantizer.scale, quantizer.zero_point) == (1 / 128, 127 - 128)


def test_range_of_the_picture_is_that_of_all_pixels() -> None:
    quantizer = image_quantizer(Normalisation((120.0, 110.0, 100.0), (60.0, 55.0, 50.0)))
    assert quantizer.scale * 255 == pytest.approx(3.1 + 2.0, rel=1e-3)


def test_zero_is_exact_and_scales_are_half_precision() -> None:
    for low, high in ((0.3, 2.0), (-5.0, -1.0), (-0.7, 0.9)):
        quantizer = activation_quantizer(("x",), low, high)
        assert -128 <= quantizer.zero_point <= 127
        assert float(torch.tensor(quantizer.scale).half()) == quantizer.scale


def test_folded_weight_scales_are_half_precision_for_gains_of_both_signs() -> None:
    weight, gain = torch.randn(6, 4, 3, 3), torch.tensor([1.0, -0.3, 2.7, -1.1, 1e-9, 0.0])
    scales = weight_scales(weight, gain)
    folded = (scales * gain.abs())[:5]
    assert torch.allclose(folded, half_scales(folded), rtol=1e-6)
    assert torch.equal(round_weight_scales(scales, gain)[:4], scales[:4])
    assert quantize_weight(weight, scales).abs().amax((1, 2, 3))[:4].tolist() == [127] * 4
