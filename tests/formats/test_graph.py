from dataclasses import replace
from pathlib import Path

from edge_deeplab.formats.graph import Convolution, FileGraph, Operator

DEPTHWISE = Convolution(
    kernel_hw=(3, 3), rate_hw=(2, 1), stride_hw=(1, 1), channels=8, groups=8, multiplier=1
)
OPERATOR = Operator(0, "Conv", "conv", 11, (), (), {}, convolution=DEPTHWISE)


def test_convolution_with_one_group_per_channel_is_depthwise():
    assert DEPTHWISE.depthwise
    assert not replace(DEPTHWISE, groups=4).depthwise
    assert not replace(DEPTHWISE, channels=1, groups=1).depthwise


def test_convolution_dilated_in_one_direction_is_dilated():
    assert DEPTHWISE.dilated
    assert not replace(DEPTHWISE, rate_hw=(1, 1)).dilated


def test_operator_dilated_depthwise_is_none_for_a_dense_one():
    assert OPERATOR.dilated_depthwise is DEPTHWISE
    dense = replace(DEPTHWISE, groups=1)
    assert replace(OPERATOR, convolution=dense).dilated_depthwise is None
    assert replace(OPERATOR, convolution=None).dilated_depthwise is None


def test_count_types_counts_each_version_the_most_frequent_first():
    operators = (OPERATOR, replace(OPERATOR, version=1), OPERATOR, replace(OPERATOR, type="Add"))
    graph = FileGraph(Path("m.onnx"), "onnx", {}, operators)
    assert graph.count_types() == [("Conv", 11, 2), ("Add", 11, 1), ("Conv", 1, 1)]
