"""One setting, three formats: the same fact whatever the format calls it."""

import pytest

from edge_deeplab.checker.facts import FACTS, facts_of
from edge_deeplab.checker.setting_facts import SETTING_FACTS
from tests.checker.operator_builders import (
    computed,
    dense,
    dequantized,
    giving,
    operator,
    reading,
    stored,
)

NHWC = {"before": (1, 16, 8, 64), "after": (1, 32, 24, 64)}
NCHW = {"before": (1, 64, 16, 8), "after": (1, 64, 32, 24)}
POOLS = [
    ("AVERAGE_POOL_2D", {"filter_height": 5, "filter_width": 3, "stride_h": 2, "stride_w": 1}),
    ("AveragePool", {"kernel_shape": (5, 3), "strides": (2, 1)}),
    ("avg_pool", {"kernel_sizes": (5, 3), "strides": (2, 1)}),
]
RESIZES = [
    ("RESIZE_BILINEAR", {"align_corners": False, "half_pixel_centers": True}, NHWC),
    ("Resize", {"mode": "linear"}, NCHW),
    ("upsample_bilinear", {"align_corners": False, "half_pixel_centers": True}, NCHW),
]
BORDERS = [
    ({"padding": "SAME"}, "same"),
    ({"padding": "VALID"}, "valid"),
    ({"auto_pad": "SAME_UPPER"}, "same"),
    ({"pads": (1, 1, 1, 1)}, "explicit"),
    ({"pad_type": "valid"}, "valid"),
    ({"pad_type": "custom"}, "explicit"),
]


@pytest.mark.parametrize(("kind", "attributes"), POOLS)
def test_facts_of_a_pool_are_the_same_in_every_format(kind, attributes):
    facts = facts_of(operator(kind, attributes=attributes))
    assert (facts["window_h"], facts["window_w"], facts["window"]) == (5, 3, 15)
    assert (facts["stride"], facts["rate"], facts["ceil_mode"]) == (2, 1, False)


@pytest.mark.parametrize(("kind", "attributes", "shapes"), RESIZES)
def test_facts_of_a_resize_are_the_same_in_every_format(kind, attributes, shapes):
    facts = facts_of(operator(kind, attributes=attributes, **shapes))
    assert facts["interpolation"] == "linear"
    assert facts["half_pixel"] is True
    assert facts["align_corners"] is False
    assert (facts["height_out"], facts["width_out"]) == (32, 24)
    assert facts["whole_ratio"] is True
    assert facts["square"] is False


def test_facts_of_a_resize_by_a_broken_ratio_say_so():
    facts = facts_of(operator("Resize", before=(1, 64, 16, 8), after=(1, 64, 33, 24)))
    assert facts["whole_ratio"] is False


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ((None, None, stored()), "sizes"),
        ((None, stored()), "scales"),
        ((stored(), None, stored()), "sizes"),
        ((), None),
    ],
)
def test_facts_of_a_resize_tell_what_gives_its_size(inputs, expected):
    assert facts_of(reading(operator("Resize"), *inputs)).get("sized_by") == expected


@pytest.mark.parametrize(("attributes", "expected"), BORDERS)
def test_facts_of_a_border_are_the_same_in_every_format(attributes, expected):
    assert facts_of(operator("any", attributes=attributes))["border"] == expected


@pytest.mark.parametrize(("number", "name"), [(0, "NONE"), (3, "RELU6"), (9, None), (-1, None)])
def test_facts_of_a_fused_activation_are_its_name(number, name):
    like = operator("ADD", attributes={"fused_activation_function": number})
    assert facts_of(like).get("activation") == name


def test_facts_of_inputs_count_what_is_computed():
    facts = facts_of(reading(dense("Conv"), computed(), stored(shape=(64,))))
    assert facts["computed_inputs"] == 2
    assert facts["others_constant"] is False
    assert facts["weight_constant"] is False
    assert facts["has_bias"] is True


def test_facts_of_an_operator_without_inputs_are_few():
    from dataclasses import replace

    facts = facts_of(replace(operator("FILL"), inputs=(), outputs=()))
    assert "rank" not in facts
    assert "computed_as" not in facts


def test_facts_of_a_dequantized_input_tell_both_element_types():
    facts = facts_of(dequantized(dense("Conv"), "uint8"))
    assert (facts["dtype"], facts["computed_as"]) == ("float32", "uint8")


def test_facts_of_open_sizes_are_absent_or_say_so():
    facts = facts_of(giving(operator("Resize", before=(1, 64, None, 8)), shape=(1, 64, None, 8)))
    assert facts["static_shape"] is False
    assert "height_out" not in facts


def test_setting_facts_are_declared():
    assert {fact.name for fact in SETTING_FACTS} <= set(FACTS)
