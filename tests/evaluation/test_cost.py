"""Parameters and multiply-adds against arithmetic and the paper's table."""

import pytest
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.cost import count_cost
from edge_deeplab.models import deeplab


def test_cost_of_two_convolutions_is_counted_by_hand(monkeypatch):
    def build(model, num_classes, **arguments):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.Conv2d(8, num_classes, 1),
        )

    monkeypatch.setattr(deeplab, "build_model", build)
    counted = count_cost("any", 5, (8, 16))
    assert counted.parameters == 8 * 3 * 9 + 8 * 9 + 8 * 5 + 5
    assert counted.multiply_adds == 4 * 8 * (8 * 3 * 9 + 8 * 9 + 8 * 5)


@pytest.mark.parametrize(("output_stride", "billions"), [(16, 54.17), (8, 177.10)])
def test_cost_of_separable_xception_agrees_with_the_paper(output_stride, billions):
    """arXiv 1802.02611, table 5: Xception, decoder and separable ASPP, at 513x513."""
    counted = count_cost("xception65", 21, (513, 513), output_stride=output_stride)
    assert counted.multiply_adds / 1e9 == pytest.approx(billions, rel=0.005)


DENSE_XCEPTION = (
    (16, "none", 68.00),
    (8, "none", 240.85),
    (16, None, 89.76),
    (8, None, 262.59),
)


@pytest.mark.parametrize(("output_stride", "decoder", "billions"), DENSE_XCEPTION)
def test_padded_cost_of_dense_xception_agrees_with_the_paper(output_stride, decoder, billions):
    """arXiv 1802.02611, table 5: without separable ASPP; its tool counted what TensorFlow padded."""
    options = {} if decoder is None else {"decoder": decoder}
    counted = count_cost(
        "xception65", 21, (513, 513), output_stride=output_stride, separable=False, **options
    )
    assert counted.multiply_adds_padded / 1e9 == pytest.approx(billions, rel=0.005)
    assert counted.multiply_adds / 1e9 < billions * 0.97


def test_padding_counts_for_dense_atrous_convolutions_alone(monkeypatch):
    def build(model, num_classes, **arguments):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, dilation=6, padding=6, bias=False),
            nn.Conv2d(8, 8, 3, dilation=6, padding=6, groups=8, bias=False),
        )

    monkeypatch.setattr(deeplab, "build_model", build)
    counted = count_cost("any", 8, (8, 16))
    assert counted.multiply_adds_padded - counted.multiply_adds == (12 * 18 - 8 * 16) * 8 * 3 * 9


def test_cost_grows_with_the_area_and_not_the_parameters():
    small = count_cost("efficientnet_lite0", 11, (128, 128))
    large = count_cost("efficientnet_lite0", 11, (256, 256))
    assert large.parameters == small.parameters
    assert large.multiply_adds / small.multiply_adds == pytest.approx(4, rel=0.001)


def test_cost_of_an_unknown_model_lists_the_choices():
    with pytest.raises(ConfigError, match=r"unknown model 'resnet34'.*deeplabv3plus_resnet50"):
        count_cost("resnet34", 21, (128, 128))
