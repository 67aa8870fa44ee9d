"""What each MIL operator computes, by the definitions in coremltools' operator sets (iOS 15 to iOS 18).

The idea to hold: a function takes MIL's own parameters by MIL's own names, vectors and up as tensors, scalars as plain
Python values. Arithmetic and accumulation are float32; the evaluator rounds every result to the type that the program
declares for it. No function changes its arguments.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edge_deeplab.runtimes.mil.elementwise import (
    add,
    cast,
    clip,
    identity,
    leaky_relu,
    maximum,
    minimum,
    mul,
    prelu,
    real_div,
    relu,
    relu6,
    sigmoid,
    sigmoid_hard,
    silu,
    sub,
    tanh,
    thresholded_relu,
)
from edge_deeplab.runtimes.mil.quantization import (
    constexpr_affine_dequantize,
    constexpr_blockwise_shift_scale,
    constexpr_lut_to_dense,
    constexpr_sparse_to_dense,
    dequantize,
    quantize,
)
from edge_deeplab.runtimes.mil.resampling import (
    resize_bilinear,
    upsample_bilinear,
    upsample_nearest_neighbor,
)
from edge_deeplab.runtimes.mil.shapes import (
    concat,
    expand_dims,
    pad,
    reshape,
    slice_by_index,
    slice_by_size,
    squeeze,
    tile,
    transpose,
)
from edge_deeplab.runtimes.mil.sums import (
    batch_norm,
    linear,
    matmul,
    reduce_argmax,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_sum,
    softmax,
)
from edge_deeplab.runtimes.mil.windows import avg_pool, conv, max_pool

OPERATORS: Mapping[str, Callable[..., Any]] = {
    "add": add,
    "avg_pool": avg_pool,
    "batch_norm": batch_norm,
    "cast": cast,
    "clip": clip,
    "concat": concat,
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "constexpr_blockwise_shift_scale": constexpr_blockwise_shift_scale,
    "constexpr_lut_to_dense": constexpr_lut_to_dense,
    "constexpr_sparse_to_dense": constexpr_sparse_to_dense,
    "conv": conv,
    "dequantize": dequantize,
    "expand_dims": expand_dims,
    "identity": identity,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "matmul": matmul,
    "max_pool": max_pool,
    "maximum": maximum,
    "minimum": minimum,
    "mul": mul,
    "pad": pad,
    "prelu": prelu,
    "quantize": quantize,
    "real_div": real_div,
    "reduce_argmax": reduce_argmax,
    "reduce_max": reduce_max,
    "reduce_mean": reduce_mean,
    "reduce_min": reduce_min,
    "reduce_sum": reduce_sum,
    "relu": relu,
    "relu6": relu6,
    "reshape": reshape,
    "resize_bilinear": resize_bilinear,
    "sigmoid": sigmoid,
    "sigmoid_hard": sigmoid_hard,
    "silu": silu,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "softmax": softmax,
    "squeeze": squeeze,
    "sub": sub,
    "tanh": tanh,
    "thresholded_relu": thresholded_relu,
    "tile": tile,
    "transpose": transpose,
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
"""MIL's operators by name."""
