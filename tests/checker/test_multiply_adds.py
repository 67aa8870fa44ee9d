import pytest

from edge_deeplab.checker.multiply_adds import count_multiply_adds
from edge_deeplab.formats.graph import Convolution, Operator, TensorSpec


def operator(kind, *shapes, after=(1, 8, 8, 16), convolution=None, **attributes):
    inputs = tuple(TensorSpec("x", "float32", shape) for shape in shapes)
    outputs = (TensorSpec("y", "float32", after),)
    return Operator(0, kind, "y", 1, inputs, outputs, attributes, convolution=convolution)


def test_count_dense_convolution_is_outputs_times_taps_times_channels():
    dense = Convolution((3, 3), (2, 2), (1, 1), channels=4, groups=1, multiplier=16)
    assert count_multiply_adds(operator("CONV_2D", convolution=dense)) == 8 * 8 * 16 * 9 * 4


def test_count_depthwise_convolution_is_outputs_times_taps():
    depthwise = Convolution((3, 3), (1, 1), (1, 1), channels=16, groups=16, multiplier=1)
    assert count_multiply_adds(operator("Conv", convolution=depthwise)) == 8 * 8 * 16 * 9


@pytest.mark.parametrize(
    ("built", "count"),
    [
        (operator("FULLY_CONNECTED", (2, 5), (7, 5), after=(2, 7)), 2 * 7 * 5),
        (operator("linear", (2, 5), (7, 5), after=(2, 7)), 2 * 7 * 5),
        (operator("Gemm", (2, 5), (7, 5), after=(2, 7), transB=1), 2 * 7 * 5),
        (operator("Gemm", (5, 2), (7, 5), after=(2, 7), transA=1), 2 * 7 * 5),
        (operator("BATCH_MATMUL", (3, 2, 5), (3, 5, 7), after=(3, 2, 7)), 3 * 2 * 7 * 5),
        (operator("TRANSPOSE_CONV", (4,), (6, 3, 3, 8), (1, 4, 4, 8)), 4 * 4 * 8 * 9 * 6),
        (operator("ConvTranspose", (1, 8, 4, 4), (8, 6, 3, 3)), 4 * 4 * 8 * 9 * 6),
        (operator("RELU", (1, 8, 8, 16)), 0),
    ],
)
def test_count_product_by_hand(built, count):
    assert count_multiply_adds(built) == count


def test_count_open_batch_is_one_image_and_other_open_sizes_are_unknown():
    dense = Convolution((1, 1), (1, 1), (1, 1), channels=4, groups=1, multiplier=16)
    batch = operator("Conv", after=(None, 16, 8, 8), convolution=dense)
    assert count_multiply_adds(batch) == 16 * 8 * 8 * 4
    assert count_multiply_adds(operator("Conv", after=(1, 16, None, 8), convolution=dense)) is None
    assert count_multiply_adds(operator("MatMul", None, None, after=(2, 7))) is None
