"""Every MIL operator against values worked out by hand from MIL's documentation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from edge_deeplab.runtimes.mil.operators import OPERATORS


@dataclass(frozen=True)
class Case:
    """An operator, its arguments and the value that MIL's definition gives."""

    operator: str
    arguments: dict[str, Any]
    expected: Any
    note: str = ""

    def __str__(self) -> str:
        return f"{self.operator} {self.note}".strip()


ROW = [[[[1.0, 2.0, 3.0, 4.0]]]]  # (1, 1, 1, 4)
SQUARE = [[[[1.0, 2.0], [3.0, 4.0]]]]  # (1, 1, 2, 2)
NO_PAD = {"pad_type": "valid", "pad": [0, 0, 0, 0]}
ONE_STEP = {"strides": [1, 1], "dilations": [1, 1], "groups": 1}
NO_AXES = np.array([], np.int32)
POOL = {"strides": [2, 2], "ceil_mode": False}


def convolve(x: Any, weight: Any, **changes: Any) -> dict[str, Any]:
    return {"x": x, "weight": weight, **NO_PAD, **ONE_STEP, **changes}


CASES = (
    Case("abs", {"x": [-2.0, 3.0]}, [2.0, 3.0]),
    Case("exp", {"x": [0.0, np.log(2.0)]}, [1.0, 2.0]),
    Case("square", {"x": [-3.0, 2.0]}, [9.0, 4.0]),
    Case("sqrt", {"x": [9.0, 4.0]}, [3.0, 2.0]),
    Case("rsqrt", {"x": [4.0], "epsilon": 0.0}, [0.5]),
    Case("softplus", {"x": [np.log(3.0)]}, [np.log(4.0)]),
    Case("elu", {"x": [3.0, -np.log(2.0)], "alpha": 2.0}, [3.0, -1.0]),
    Case("gelu", {"x": [0.0, 1.0]}, [0.0, 0.8413447]),
    Case("crop", {"x": SQUARE, "crop_height": [1, 0], "crop_width": [0, 1]}, [[[[3.0]]]]),
    Case("split", {"x": [1.0, 2.0, 3.0], "axis": 0, "num_splits": 3}, [3.0]),
    Case(
        "pixel_shuffle",
        {"x": [[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]], "upscale_factor": 2},
        SQUARE,
    ),
    Case(
        "conv_transpose",
        {**convolve(SQUARE, [[[[1.0, 10.0]]]]), "strides": [1, 2]},
        [[[[1.0, 10.0, 2.0, 20.0], [3.0, 30.0, 4.0, 40.0]]]],
    ),
    Case(
        "conv_transpose",
        {
            **convolve(ROW, [[[[1.0, 10.0]]]]),
            "pad_type": "custom",
            "pad": [0, 0, 1, 0],
            "bias": [0.5],
        },
        [[[[12.5, 23.5, 34.5, 40.5]]]],
        "padding cuts",
    ),
    Case(
        "conv_transpose",
        {**convolve(ROW, [[[[1.0, 10.0, 100.0]]]]), "pad_type": "same"},
        [[[[12.0, 123.0, 234.0, 340.0]]]],
        "same",
    ),
    Case(
        "conv_transpose",
        {**convolve(ROW, [[[[1.0, 10.0]]]]), "pad_type": "same", "strides": [1, 3]},
        [[[[1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 30.0, 0.0, 4.0, 40.0, 0.0]]]],
        "same, with gaps",
    ),
    Case(
        "conv_transpose",
        {**convolve([[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]]), "dilations": [1, 2]},
        [[[[1.0, 2.0, 10.0, 20.0]]]],
        "rate",
    ),
    Case(
        "conv_transpose",
        {
            **convolve([[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]]),
            "pad_type": "custom",
            "pad": [0, 0, 1, 1],
            "output_shape": [1, 1, 1, 2],
        },
        [[[[12.0, 20.0]]]],
        "told shape",
    ),
    Case(
        "instance_norm",
        {
            "x": [[[[1.0, 3.0]], [[10.0, 14.0]]]],
            "gamma": [2.0, 1.0],
            "beta": [0.0, 5.0],
            "epsilon": 0.0,
        },
        [[[[-2.0, 2.0]], [[4.0, 6.0]]]],
    ),
    Case(
        "layer_norm",
        {"x": [[1.0, 3.0], [2.0, 6.0]], "axes": [1], "epsilon": 0.0, "gamma": [1.0, 2.0]},
        [[-1.0, 2.0], [-1.0, 2.0]],
    ),
    Case("add", {"x": [1.0, 2.0], "y": [10.0, 20.0]}, [11.0, 22.0]),
    Case("add", {"x": [1.0, 2.0], "y": 0.5}, [1.5, 2.5], "scalar"),
    Case("sub", {"x": [1.0, 2.0], "y": [10.0, 20.0]}, [-9.0, -18.0]),
    Case("sub", {"x": 6.0, "y": [1.0, 2.0]}, [5.0, 4.0], "scalar first"),
    Case("mul", {"x": [[1.0], [2.0]], "y": [3.0, 4.0]}, [[3.0, 4.0], [6.0, 8.0]], "broadcast"),
    Case("real_div", {"x": [1.0, 3.0], "y": 2.0}, [0.5, 1.5]),
    Case("real_div", {"x": 1.0, "y": [2.0, 4.0]}, [0.5, 0.25], "scalar first"),
    Case("maximum", {"x": [1.0, 5.0], "y": [3.0, 2.0]}, [3.0, 5.0]),
    Case("minimum", {"x": [1.0, 5.0], "y": 2.0}, [1.0, 2.0]),
    Case("relu", {"x": [-1.0, 0.0, 2.0]}, [0.0, 0.0, 2.0]),
    Case("relu6", {"x": [-1.0, 5.0, 7.0]}, [0.0, 5.0, 6.0]),
    Case("clip", {"x": [-3.0, 0.5, 9.0], "alpha": -1.0, "beta": 2.0}, [-1.0, 0.5, 2.0]),
    Case("leaky_relu", {"x": [-2.0, 4.0], "alpha": 0.25}, [-0.5, 4.0]),
    Case(
        "prelu",
        {"x": [[[-2.0, 1.0], [-2.0, 1.0]]], "alpha": [0.5, 0.1]},
        [[[-1.0, 1.0], [-0.2, 1.0]]],
    ),
    Case("thresholded_relu", {"x": [-4.0, -3.0, 1.0], "alpha": -3.0}, [0.0, -3.0, 1.0]),
    Case("sigmoid", {"x": [0.0, np.log(3.0)]}, [0.5, 0.75]),
    Case(
        "sigmoid_hard",
        {"x": [-3.0, 0.0, 1.5, 9.0], "alpha": 1 / 6, "beta": 0.5},
        [0.0, 0.5, 0.75, 1.0],
    ),
    Case("silu", {"x": [0.0, np.log(3.0)]}, [0.0, 0.75 * np.log(3.0)]),
    Case("tanh", {"x": [0.0, np.log(3.0)]}, [0.0, 0.8]),
    Case("softmax", {"x": [[0.0, np.log(3.0)]], "axis": -1}, [[0.25, 0.75]]),
    Case("cast", {"x": [-1.7, 1.7], "dtype": "int32"}, [-1, 1], "to int drops the fraction"),
    Case("cast", {"x": [0.0, 0.5], "dtype": "bool"}, [False, True], "to bool"),
    Case("cast", {"x": [1, 2], "dtype": "fp32"}, [1.0, 2.0], "from int"),
    Case("cast", {"x": [True, False], "dtype": "int32"}, [1, 0], "from bool"),
    Case("identity", {"x": [1.0, 2.0]}, [1.0, 2.0]),
    Case(
        "batch_norm",
        {
            "x": [[[[5.0]], [[7.0]]]],
            "mean": [1.0, 7.0],
            "variance": [3.0, 8.0],
            "gamma": [10.0, 10.0],
            "beta": [1.0, 2.0],
            "epsilon": 1.0,
        },
        [[[[21.0]], [[2.0]]]],
    ),
    Case(
        "linear",
        {"x": [[1.0, 2.0]], "weight": [[3.0, 4.0], [5.0, 6.0]], "bias": [0.5, 0.0]},
        [[11.5, 17.0]],
    ),
    Case("matmul", {"x": [[1.0, 2.0]], "y": [[3.0], [4.0]]}, [[11.0]]),
    Case(
        "matmul",
        {"x": [[1.0], [2.0]], "y": [[3.0, 4.0]], "transpose_x": True, "transpose_y": True},
        [[11.0]],
        "both transposed",
    ),
    # windows
    Case("conv", convolve(ROW, [[[[1.0, 10.0]]]], bias=[0.5]), [[[[21.5, 32.5, 43.5]]]], "valid"),
    Case(
        "conv",
        convolve(ROW, [[[[1.0, 10.0]]]], pad_type="custom", pad=[0, 0, 1, 0]),
        [[[[10.0, 21.0, 32.0, 43.0]]]],
        "custom, one side",
    ),
    Case(
        "conv",
        convolve(ROW, [[[[1.0, 10.0, 100.0]]]], pad_type="custom", pad=[0, 0, 1, 1]),
        [[[[210.0, 321.0, 432.0, 43.0]]]],
        "custom, both sides",
    ),
    Case(
        "conv",
        convolve(ROW, [[[[1.0, 10.0, 100.0]]]], pad_type="same", strides=[1, 2]),
        [[[[321.0, 43.0]]]],
        "same: odd padding goes after",
    ),
    Case(
        "conv",
        convolve(ROW, [[[[1.0, 10.0, 100.0]]]], pad_type="same_lower", strides=[1, 2]),
        [[[[210.0, 432.0]]]],
        "same_lower: odd padding goes before",
    ),
    Case("conv", convolve(ROW, [[[[1.0, 10.0]]]], dilations=[1, 3]), [[[[41.0]]]], "atrous"),
    Case(
        "conv",
        convolve([[[[1.0]], [[2.0]]]], [[[[10.0]]], [[[100.0]]]], groups=2),
        [[[[10.0]], [[200.0]]]],
        "depthwise",
    ),
    Case(
        "conv",
        {
            "x": [[[1.0, 2.0, 3.0]]],
            "weight": [[[1.0, 10.0]]],
            "strides": [1],
            "dilations": [1],
            "groups": 1,
            "pad_type": "valid",
            "pad": [0, 0],
        },
        [[[21.0, 32.0]]],
        "one dimension",
    ),
    Case("max_pool", {"x": SQUARE, "kernel_sizes": [2, 2], **POOL, **NO_PAD}, [[[[4.0]]]]),
    Case(
        "max_pool",
        {
            "x": [[[[-1.0, -2.0], [-3.0, -4.0]]]],
            "kernel_sizes": [2, 2],
            **POOL,
            "pad_type": "custom",
            "pad": [1, 1, 1, 1],
        },
        [[[[-1.0, -2.0], [-3.0, -4.0]]]],
        "padding never wins",
    ),
    Case(
        "max_pool",
        {
            "x": [[[[1.0, 5.0, 3.0]]]],
            "kernel_sizes": [1, 2],
            "strides": [1, 2],
            **NO_PAD,
            "ceil_mode": True,
        },
        [[[[5.0, 3.0]]]],
        "ceil mode keeps the rest",
    ),
    Case("avg_pool", {"x": SQUARE, "kernel_sizes": [2, 2], **POOL, **NO_PAD}, [[[[2.5]]]]),
    Case(
        "avg_pool",
        {
            "x": SQUARE,
            "kernel_sizes": [2, 2],
            **POOL,
            "pad_type": "custom",
            "pad": [1, 1, 1, 1],
        },
        [[[[0.25, 0.5], [0.75, 1.0]]]],
        "padding counts as zeros",
    ),
    Case(
        "avg_pool",
        {
            "x": SQUARE,
            "kernel_sizes": [2, 2],
            **POOL,
            "pad_type": "custom",
            "pad": [1, 1, 1, 1],
            "exclude_padding_from_average": True,
        },
        SQUARE,
        "padding does not count",
    ),
    Case(
        "avg_pool",
        {
            "x": [[[[2.0, 4.0, 6.0]]]],
            "kernel_sizes": [1, 2],
            "strides": [1, 2],
            **NO_PAD,
            "ceil_mode": True,
        },
        [[[[3.0, 6.0]]]],
        "ceil mode: what lies outside does not count",
    ),
    *(
        Case(
            operator,
            {
                "x": [[[0.0, 1.0, 2.0, 3.0, 4.0]]],
                "kernel_sizes": [1],
                "strides": [3],
                "pad_type": "custom",
                "pad": [padding, padding],
                "ceil_mode": True,
                **options,
            },
            [[values]],
            f"ceil mode, padding {padding}: a last window beyond the edge",
        )
        for operator, options, padding, values in (
            ("max_pool", {}, 0, [0.0, 3.0, -np.inf]),
            ("avg_pool", {"exclude_padding_from_average": True}, 0, [0.0, 3.0, np.nan]),
            ("max_pool", {}, 1, [-np.inf, 2.0]),
        )
    ),
    # reductions
    Case("reduce_mean", {"x": SQUARE, "axes": [2, 3], "keep_dims": True}, [[[[2.5]]]]),
    Case("reduce_mean", {"x": SQUARE, "keep_dims": False}, 2.5, "over everything"),
    Case(
        "reduce_mean",
        {"x": [[1, 2], [-3, -6]], "axes": [1], "keep_dims": False},
        [1.5, -4.5],
        "of integers",
    ),
    *(
        Case(
            f"reduce_{kind}",
            {"x": [[1.0, 2.0]], "axes": NO_AXES, "keep_dims": False},
            [[1.0, 2.0]],
            "over no axis",
        )
        for kind in ("max", "mean", "min", "sum")
    ),
    Case("reduce_sum", {"x": SQUARE, "axes": [-1], "keep_dims": False}, [[[3.0, 7.0]]]),
    Case("reduce_max", {"x": SQUARE, "axes": [2], "keep_dims": False}, [[[3.0, 4.0]]]),
    Case("reduce_min", {"x": SQUARE, "axes": [2], "keep_dims": True}, [[[[1.0, 2.0]]]]),
    Case(
        "reduce_argmax",
        {"x": [[3.0, 9.0], [4.0, 1.0]], "axis": 0, "keep_dims": False},
        [1, 0],
    ),
    Case(
        "reduce_argmax",
        {"x": [[3.0, 9.0], [4.0, 4.0]], "axis": 1, "keep_dims": True, "output_dtype": "uint16"},
        [[1], [0]],
        "kept axis; of equal ones the first",
    ),
    # shapes
    Case("concat", {"values": ([[1.0, 2.0]], [[3.0]]), "axis": 1}, [[1.0, 2.0, 3.0]]),
    Case(
        "concat",
        {"values": ([[1.0, 2.0]], [[3.0, 4.0]]), "axis": -1, "interleave": True},
        [[1.0, 3.0, 2.0, 4.0]],
        "interleaved",
    ),
    Case("tile", {"x": [[1.0], [2.0]], "reps": [1, 2]}, [[1.0, 1.0], [2.0, 2.0]]),
    Case("transpose", {"x": [[1.0, 2.0, 3.0]], "perm": [1, 0]}, [[1.0], [2.0], [3.0]]),
    Case("reshape", {"x": [[1.0, 2.0], [3.0, 4.0]], "shape": [4]}, [1.0, 2.0, 3.0, 4.0]),
    Case("reshape", {"x": [[1.0], [2.0]], "shape": [0, -1]}, [[1.0], [2.0]], "kept and left over"),
    Case(
        "reshape",
        {"x": [[1.0, 2.0]], "shape": [1, 0, -1, 0]},
        [[[[1.0, 2.0]]]],
        "longer: kept from the right",
    ),
    Case(
        "reshape",
        {"x": [[[1.0, 2.0]], [[3.0, 4.0]]], "shape": [-1, 0]},
        [[1.0, 2.0], [3.0, 4.0]],
        "shorter: kept from the right",
    ),
    Case("expand_dims", {"x": [1.0, 2.0], "axes": [0, -1]}, [[[1.0], [2.0]]]),
    Case("squeeze", {"x": [[[1.0, 2.0]]], "axes": [0]}, [[1.0, 2.0]]),
    Case("squeeze", {"x": [[[1.0, 2.0]]]}, [1.0, 2.0], "all"),
    Case("squeeze", {"x": [[1.0, 2.0]], "axes": [1]}, [[1.0, 2.0]], "longer axes stay"),
    Case(
        "slice_by_index",
        {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "begin": [1], "end": [-1], "stride": [2]},
        [1.0, 3.0],
    ),
    Case(
        "slice_by_index",
        {"x": [0.0, 1.0, 2.0], "begin": [-1], "end": [0], "stride": [-1], "end_mask": [True]},
        [2.0, 1.0, 0.0],
        "backwards",
    ),
    Case(
        "slice_by_index",
        {
            "x": [[0.0, 1.0], [2.0, 3.0]],
            "begin": [-1, 1],
            "end": [0, 1],
            "begin_mask": [False, True],
            "squeeze_mask": [True, False],
        },
        [2.0],
        "masks",
    ),
    Case(
        "slice_by_index",
        {
            "x": [[0.0, 1.0], [2.0, 3.0]],
            "begin": [1, -1],
            "end": [0, 0],
            "begin_mask": [True, False],
            "squeeze_mask": [True, True],
        },
        1.0,
        "begin and squeeze masks together: the first",
    ),
    Case("slice_by_size", {"x": [[0.0, 1.0, 2.0]], "begin": [0, 1], "size": [1, -1]}, [[1.0, 2.0]]),
    Case(
        "slice_by_size",
        {"x": [0.0, 1.0, 2.0], "begin": [-2], "size": [-1]},
        [1.0, 2.0],
        "begin counted from the end",
    ),
    Case(
        "pad",
        {"x": [[1.0]], "pad": [0, 1, 2, 0], "mode": "constant", "constant_val": 7.0},
        [[7.0, 7.0, 1.0], [7.0, 7.0, 7.0]],
    ),
    Case(
        "pad",
        {"x": [[1.0, 2.0, 3.0]], "pad": [2, 1], "mode": "reflect"},
        [[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]],
        "reflect",
    ),
    Case(
        "pad",
        {"x": [[1.0, 2.0]], "pad": [1, 2], "mode": "replicate"},
        [[1.0, 1.0, 2.0, 2.0, 2.0]],
        "replicate",
    ),
    # resampling: MIL's own examples have the grid points of [0, 1]
    Case(
        "upsample_bilinear",
        {
            "x": [[[0.0, 1.0]]],
            "scale_factor_height": 1.0,
            "scale_factor_width": 2.5,
            "align_corners": False,
        },
        [[[0.0, 0.1, 0.5, 0.9, 1.0]]],
        "half-pixel",
    ),
    Case(
        "upsample_bilinear",
        {
            "x": [[[[0.0, 1.0]]]],
            "scale_factor_height": 2,
            "scale_factor_width": 2.5,
            "align_corners": True,
        },
        [[[[0.0, 0.25, 0.5, 0.75, 1.0]] * 2]],
        "align corners",
    ),
    Case(
        "upsample_bilinear",
        {
            "x": [[[[0.0, 1.0]]]],
            "scale_factor_height": 1.0,
            "scale_factor_width": 2.9,
            "align_corners": False,
        },
        [[[[0.0, 0.1, 0.5, 0.9, 1.0]]]],
        "size rounded down, spacing from the sizes",
    ),
    Case(
        "upsample_nearest_neighbor",
        # 20 times 2.6 is 52 in float32, in which MIL declares sizes, and 51.999998 in float64
        {
            "x": [[[1.0] * 20]],
            "scale_factor_height": 1,
            "scale_factor_width": float(np.float32(2.6)),
        },
        [[[1.0] * 52]],
        "size rounded down in float32",
    ),
    Case(
        "upsample_nearest_neighbor",
        {"x": [[[1.0, 2.0]]], "scale_factor_height": 2, "scale_factor_width": 2},
        [[[1.0, 1.0, 2.0, 2.0]] * 2],
    ),
    *(
        Case(
            "resize_bilinear",
            {
                "x": [[[0.0, 1.0]]],
                "target_size_height": 1,
                "target_size_width": len(points),
                "sampling_mode": mode,
            },
            [[points]],
            f"{mode} {len(points)}",
        )
        for mode, points in (
            ("UNALIGN_CORNERS", [0.0, 0.1, 0.5, 0.9, 1.0]),
            ("STRICT_ALIGN_CORNERS", [0.0, 0.25, 0.5, 0.75, 1.0]),
            ("ALIGN_CORNERS", [0.0, 0.25, 0.5, 0.75, 1.0]),
            ("DEFAULT", [0.0, 0.4, 0.8, 1.0, 1.0]),
            ("OFFSET_CORNERS", [0.1, 0.3, 0.5, 0.7, 0.9]),
            ("STRICT_ALIGN_CORNERS", [0.0]),
            ("ALIGN_CORNERS", [0.5]),
        )
    ),
    # quantization
    Case(
        "quantize",
        {
            "input": [-9.0, 0.25, 0.75, 1.25, 9.0],
            "scale": 0.5,
            "zero_point": np.int8(-126),
            "output_dtype": "int8",
        },
        [-128, -126, -124, -124, -108],
        "halves to even, saturated",
    ),
    Case(
        "quantize",
        {
            "input": [[3.0, 3.0], [300.0, 3.0]],
            "scale": [1.0, 1.5],
            "zero_point": np.array([0, 10], np.uint8),
            "axis": 1,
            "output_dtype": "uint8",
        },
        [[3, 12], [255, 12]],
        "by channel",
    ),
    Case("quantize", {"input": [1.0], "scale": 0.5, "output_dtype": "int8"}, [2], "symmetric"),
    Case(
        "dequantize",
        {"input": np.array([[0, 10], [255, 3]], np.uint8), "scale": 0.5, "zero_point": 10},
        [[-5.0, 0.0], [122.5, -3.5]],
    ),
    Case(
        "dequantize",
        {"input": np.array([[2, 2]], np.int8), "scale": [0.5, 2.0], "axis": 1},
        [[1.0, 4.0]],
        "by channel",
    ),
    Case(
        "constexpr_affine_dequantize",
        {
            "quantized_data": np.array([[127, -127], [1, 0]], np.int8),
            "scale": [1.0, 0.5],
            "zero_point": np.array([0, 1], np.int8),
            "axis": 0,
        },
        [[127.0, -127.0], [0.0, -0.5]],
    ),
    Case(
        "constexpr_blockwise_shift_scale",
        {
            "data": np.array([[1, 2, 3, 4]], np.int8),
            "scale": [[1.0, 10.0]],
            "offset": np.array([[0, 1]], np.int8),
        },
        [[1.0, 2.0, 20.0, 30.0]],
    ),
    Case(
        "constexpr_blockwise_shift_scale",
        {"data": np.array([[1, 2]], np.int8), "scale": [[0.5, 0.25]]},
        [[0.5, 0.5]],
        "no offset",
    ),
    Case(
        "constexpr_lut_to_dense",
        {
            # i0..i4 = 0, 3, 2, 1, 3, two bits each, lowest first: MIL's own example of packing
            "indices": np.array([0b01101100, 0b00000011], np.uint8),
            "lut": [10.0, 11.0, 12.0, 13.0],
            "shape": np.array([5], np.uint32),
        },
        [10.0, 13.0, 12.0, 11.0, 13.0],
        "iOS 16: packed",
    ),
    Case(
        "constexpr_lut_to_dense",
        {
            "indices": np.array([[0, 1], [1, 0]], np.uint8),
            "lut": [[[[1.0], [2.0]]], [[[3.0], [4.0]]]],  # (2, 1, 2, 1): a palette a row
        },
        [[1.0, 2.0], [4.0, 3.0]],
        "iOS 18: a palette a block",
    ),
    Case(
        "constexpr_lut_to_dense",
        {
            "indices": np.array([[0, 1]], np.uint8),
            "lut": [[[[1.0, 2.0], [3.0, 4.0]]]],  # (1, 1, 2, 2): vectors of two
            "vector_axis": 0,
        },
        [[1.0, 3.0], [2.0, 4.0]],
        "iOS 18: vectors",
    ),
    Case(
        "constexpr_sparse_to_dense",
        {
            "nonzero_data": [5.0, 6.0],
            "mask": np.array([0b00001100], np.uint8),  # elements 2 and 3, as in MIL's own example
            "shape": np.array([5], np.uint32),
        },
        [0.0, 0.0, 5.0, 6.0, 0.0],
        "five weights",
    ),
    Case(
        "constexpr_sparse_to_dense",
        {
            "nonzero_data": [1.0, 2.0, 3.0],
            "mask": np.array([0b10000001, 0b00000010], np.uint8),
            "shape": np.array([2, 5], np.uint32),
        },
        [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0, 3.0]],
        "two bytes of mask",
    ),
    Case(
        "constexpr_sparse_to_dense",
        {"nonzero_data": [1.0, 2.0], "mask": np.array([[0, 1], [1, 0]], np.uint8)},
        [[0.0, 1.0], [2.0, 0.0]],
        "iOS 18: a mask of the weights' shape",
    ),
)


def as_argument(value: Any) -> Any:
    """Return a literal as the evaluator would hand it over: lists and arrays as tensors, numbers as they are."""
    if isinstance(value, tuple):
        return tuple(map(as_argument, value))
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.astype(np.int64) if value.dtype == np.uint32 else value)
    if isinstance(value, np.generic):
        return value.item()
    return torch.tensor(value) if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operator_gives_the_value_of_its_definition(case: Case) -> None:
    arguments = {name: as_argument(value) for name, value in case.arguments.items()}
    copies = {n: v.clone() for n, v in arguments.items() if isinstance(v, torch.Tensor)}
    results = OPERATORS[case.operator](**arguments)
    result = results[-1] if isinstance(results, tuple) else results
    expected = np.asarray(case.expected)
    assert tuple(result.shape) == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6, atol=1e-6)
    for name, copy in copies.items():
        assert torch.equal(arguments[name], copy), f"{case.operator} changed its argument {name}"


@pytest.mark.parametrize("operator", ["max_pool", "avg_pool", "avg_pool excluding"])
def test_pool_in_ceil_mode_with_padding_gives_the_values_of_torch(operator: str) -> None:
    """torch leaves windows out as MIL does where there is padding, of at most half the kernel."""
    random = np.random.Generator(np.random.PCG64(5))
    for _ in range(60):
        kernel = torch.tensor(random.integers(2, 6, 2))
        stride, padding = torch.tensor(random.integers(1, 6, 2)), kernel // 2
        x = torch.tensor(
            random.normal(size=(1, 2, *random.integers(6, 12, 2))), dtype=torch.float32
        )
        asked = (kernel.tolist(), stride.tolist(), padding.tolist())
        arguments = {
            "kernel_sizes": kernel,
            "strides": stride,
            "pad_type": "custom",
            "pad": padding.repeat_interleave(2),
            "ceil_mode": True,
        }
        if operator == "max_pool":
            expected = functional.max_pool2d(x, *asked, ceil_mode=True)
        else:
            excluding = operator != "avg_pool"
            arguments["exclude_padding_from_average"] = excluding
            expected = functional.avg_pool2d(x, *asked, True, not excluding)
        result = OPERATORS[operator.split()[0]](x=x, **arguments)
        torch.testing.assert_close(result, expected)


def test_every_operator_has_a_case() -> None:
    assert {case.operator for case in CASES} == set(OPERATORS)
