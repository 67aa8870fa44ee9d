"""For each rule about Core ML: operators that it speaks about, and some beside them that it does not.

An example of the Neural Engine's family may name a chip by its suffix: (operator, "m1"). Without one it is A14.
"""

from tests.checker.operator_builders import depthwise, geometry, giving, operator

HALF = {"dtype": "float16"}


def pool(kind="avg_pool", window=(3, 3), stride=1):
    """Return a pool in float16."""
    attributes = {"kernel_sizes": window, "strides": (stride, stride)}
    return operator(kind, attributes=attributes, **HALF)


def enlarged(kind="upsample_bilinear", size=64):
    """Return a resize of 32x32 in float16."""
    return operator(kind, after=(1, 64, size, size), **HALF)


WIDE = geometry(depthwise("conv", **HALF), channels=1600, groups=1600)

COREML_EXAMPLES = {
    "coreml-ane.dilated-before-a13": (
        [(depthwise("conv", rate=2, **HALF), "a12"), (depthwise("conv", rate=12, **HALF), "a12")],
        [(depthwise("conv", rate=2, **HALF), "a13"), (depthwise("conv", **HALF), "a12")],
    ),
    "coreml-ane.kernel-size": (
        [
            (depthwise("conv", kernel=(3, 14), **HALF), "m1"),
            depthwise("conv", kernel=(3, 17), **HALF),
            (depthwise("conv", kernel=(30, 3), **HALF), "m1"),
            depthwise("conv", kernel=(33, 3), **HALF),
        ],
        [
            (depthwise("conv", kernel=(29, 13), **HALF), "a13"),
            depthwise("conv", kernel=(32, 16), **HALF),
        ],
    ),
    "coreml-ane.resize-before-a14": (
        [(enlarged(), "m1"), (enlarged("resize"), "a13")],
        [(enlarged(), "m2"), enlarged()],
    ),
    "coreml-ane.pooling-window": (
        [
            (pool(window=(30, 3)), "m1"),
            (pool(window=(3, 30)), "m1"),
            pool(window=(33, 3)),
            pool("max_pool", (3, 33)),
        ],
        [pool(window=(31, 31)), (pool(window=(29, 29)), "m1")],
    ),
    "coreml-ane.pooling-stride": ([pool(stride=3)], [pool(stride=2)]),
    "coreml-ane.cast-to-int32": (
        [(giving(operator("cast", **HALF), dtype="int32"), "m1")],
        [
            giving(operator("cast", **HALF), dtype="int32"),
            (giving(operator("cast", **HALF), dtype="float32"), "m1"),
        ],
    ),
    "coreml-ane.since-a14": (
        [(operator("topk", **HALF), "m1")],
        [operator("topk", **HALF), (operator("relu", **HALF), "m1")],
    ),
    "coreml-ane.since-a15": (
        [operator("sin", **HALF), (operator("cos", **HALF), "m2")],
        [
            (operator("sin", **HALF), "a15"),
            (operator("sin", **HALF), "m3"),
            (operator("reduce_argmin", **HALF), "m1"),
        ],
    ),
    "coreml-ane.no-path": ([operator("scatter_nd", **HALF)], [operator("gather", **HALF)]),
    "coreml-ane.integers-in-float16": (
        [operator("quantize", **HALF), (operator("dequantize", dtype="int8"), "m3")],
        [(operator("quantize", **HALF), "a17"), (operator("quantize", **HALF), "m4")],
    ),
    "coreml-ane.wide-depthwise-values": (
        [(WIDE, "a15"), (WIDE, "a16")],
        [WIDE, (depthwise("conv", **HALF), "a15")],
    ),
    "coreml-ane.dilated": (
        [depthwise("conv", rate=2, **HALF)],
        [depthwise("conv", **HALF)],
    ),
    "coreml-cpu.integers-in-float": (
        [operator("quantize"), operator("dequantize", dtype="int8")],
        [operator("relu", **HALF), operator("constexpr_affine_dequantize")],
    ),
    "coreml-gpu.integers-in-float16": (
        [operator("quantize"), operator("dequantize", dtype="int8")],
        [operator("relu", **HALF)],
    ),
}
