"""For each rule about TFLite's other delegates: operators that it speaks about, and some that it does not."""

from tests.checker.operator_builders import (
    computed,
    dense,
    depthwise,
    geometry,
    giving,
    operator,
    reading,
    settings,
    stored,
)
from tests.checker.tflite_operators import (
    INT8,
    MAP,
    RELU6,
    SAME_VERDICT,
    SIGN_BIT,
    SIZE_COMPUTED,
    TANH,
    UNPACKED,
    UNPACKED_INT8,
    WITHOUT_BIAS,
    conv,
    dequantize,
    dw,
    joined,
    mean,
    padded,
    pool,
    resize,
    slices,
)

TFLITE_EXAMPLES = {
    "tflite-gpu.argmax": ([operator("ARG_MAX"), operator("ARG_MIN")], [SAME_VERDICT]),
    "tflite-gpu.space-to-batch": (
        [operator("SPACE_TO_BATCH_ND"), operator("BATCH_TO_SPACE_ND")],
        [operator("SPACE_TO_DEPTH")],
    ),
    "tflite-gpu.dilated-depthwise": (
        [dw(rate=2)],
        [dw(), conv(rate=2), dw(rate=2, kernel=(5, 5))],
    ),
    "tflite-gpu.depthwise-off-the-fast-kernel": (
        [
            dw(kernel=(5, 3)),
            dw(kernel=(3, 5), rate=2),
            dw(stride=2),
            dw(multiplier=2),
            settings(dw(), padding="VALID"),
        ],
        [dw(), dw(rate=2, stride=2), conv(kernel=(5, 5)), settings(dw(), padding="SAME")],
    ),
    "tflite-gpu.resize-flags": (
        [resize(corners=True, centres=True)],
        [resize(corners=True), resize(centres=True)],
    ),
    "tflite-gpu.resize-align-corners-opengl": (
        [resize(corners=True)],
        [resize(), resize(corners=True, centres=True)],
    ),
    "tflite-gpu.convolution-inputs": (
        [reading(dense("CONV_2D"), computed(), computed())],
        [conv(), reading(dense("CONV_2D"), computed(), stored())],
    ),
    "tflite-gpu.fused-activation": (
        [settings(conv(), **SIGN_BIT)],
        [settings(conv(), **RELU6), settings(operator("ADD"), **SIGN_BIT)],
    ),
    "tflite-gpu.computed-settings": (
        [mean(axes=SIZE_COMPUTED), resize(size=SIZE_COMPUTED)],
        [mean(), resize(), reading(operator("ADD"), computed())],
    ),
    "tflite-gpu.softmax-beta": (
        [operator("SOFTMAX", attributes={"beta": 0.5})],
        [operator("SOFTMAX", attributes={"beta": 1.0}), operator("SOFTMAX")],
    ),
    "tflite-gpu.slice": (
        [
            operator("SLICE", before=(4, 4)),
            slices(ellipsis_mask=1),
            slices(new_axis_mask=1),
            slices(shrink_axis_mask=1),
        ],
        [operator("SLICE"), slices()],
    ),
    "tflite-gpu.dequantize-int16": (
        [operator("DEQUANTIZE", dtype="int16")],
        [operator("DEQUANTIZE", **INT8)],
    ),
    "tflite-gpu.cast": (
        [giving(operator("CAST", dtype="uint8"), dtype="float32")],
        [giving(operator("CAST", dtype="int32"), dtype="float32"), operator("CAST")],
    ),
    "tflite-gpu.unlisted-operator": (
        [operator("SVDF"), operator("Fancy", domain="custom")],
        [operator("ADD"), operator("Resampler", domain="custom")],
    ),
    "tflite-hexagon.dilated-convolution": (
        [conv(rate=2, **INT8)],
        [conv(**INT8), dw(rate=2, **INT8)],
    ),
    "tflite-hexagon.dilated-strided-depthwise": (
        [dw(rate=2, stride=2, **INT8)],
        [
            dw(rate=2, **INT8),
            dw(stride=2, **INT8),
            geometry(dw(rate=2, stride=2, **INT8), form="space-to-batch"),
        ],
    ),
    "tflite-hexagon.depth-multiplier": (
        [
            dw(multiplier=2, **INT8),
            geometry(dw(multiplier=2, rate=2, **INT8), channels=1),
        ],
        [dw(**INT8), geometry(dw(multiplier=8, **INT8), channels=1)],
    ),
    "tflite-hexagon.flat-filter": (
        [dw(kernel=(1, 3), **INT8)],
        [dw(kernel=(3, 1), **INT8), conv(kernel=(1, 3), **INT8)],
    ),
    "tflite-hexagon.convolution-without-bias": ([WITHOUT_BIAS], [conv(**INT8), dw(**INT8)]),
    "tflite-hexagon.int8-only": (
        [operator("SQUARED_DIFFERENCE", dtype="uint8", version=2)],
        [operator("SQUARED_DIFFERENCE", version=2, **INT8), operator("ADD", dtype="uint8")],
    ),
    "tflite-hexagon.fully-connected": (
        [settings(operator("FULLY_CONNECTED", **INT8), keep_num_dims=True)],
        [settings(operator("FULLY_CONNECTED", **INT8), keep_num_dims=False)],
    ),
    "tflite-hexagon.stride": ([conv(stride=4, **INT8)], [conv(stride=3, **INT8)]),
    "tflite-hexagon.not-8-bit": ([conv(), operator("RELU")], [conv(dtype="uint8")]),
    "tflite-hexagon.fused-activation": (
        [settings(conv(**INT8), **TANH)],
        [settings(conv(**INT8), **RELU6)],
    ),
    "tflite-hexagon.pooling": (
        [
            pool(activation=3, **INT8),
            pool("MAX_POOL_2D", (13, 3), "SAME", **INT8),
            pool("MAX_POOL_2D", (3, 13), "SAME", **INT8),
        ],
        [pool(**INT8), pool("MAX_POOL_2D", (13, 13), **INT8), pool(window=(33, 33), **INT8)],
    ),
    "tflite-hexagon.computed-settings": (
        [mean(axes=SIZE_COMPUTED, **INT8)],
        [mean(**INT8), reading(operator("ADD", **INT8), computed("int8"))],
    ),
    "tflite-hexagon.resize-size": (
        [resize(after=(1, 66, 64, 64), **INT8), resize(after=(1, 64, 66, 64), **INT8)],
        [resize(after=(1, 65, 65, 64), **INT8)],
    ),
    "tflite-hexagon.operator-version": (
        [
            dw(version=4, **INT8),
            operator("FULLY_CONNECTED", version=5, **INT8),
            operator("ADD", version=3, **INT8),
            operator("RELU", version=1, **INT8),
            operator("RESHAPE", version=2, **INT8),
        ],
        [dw(version=3, **INT8), operator("ADD", version=2, **INT8), operator("RELU", version=2)],
    ),
    "tflite-hexagon.five-axes": (
        [operator("ADD", before=(1, 2, 3, 4, 5), **INT8)],
        [operator("ADD", **INT8)],
    ),
    "tflite-hexagon.slice-masks": (
        [
            settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=1),
            settings(operator("STRIDED_SLICE", **INT8), new_axis_mask=1),
        ],
        [settings(operator("STRIDED_SLICE", **INT8), shrink_axis_mask=1)],
    ),
    "tflite-hexagon.unlisted-operator": (
        [operator("DEQUANTIZE", **INT8), operator("SUM", **INT8)],
        [operator("MEAN", **INT8)],
    ),
    "tflite-edgetpu.not-8-bit": ([operator("ADD")], [operator("ADD", dtype="uint8")]),
    "tflite-edgetpu.unequal-rates": (
        [geometry(dw(**INT8), rate_hw=(2, 1))],
        [dw(rate=2, **INT8), conv(rate=12, **INT8)],
    ),
    "tflite-edgetpu.fused-activation": (
        [pool(activation=3, **INT8)],
        [pool(**INT8), settings(conv(**INT8), **RELU6)],
    ),
    "tflite-edgetpu.batch": (
        [operator("ADD", before=(2, 4, 4, 4), **INT8)],
        [operator("ADD", before=(2, 4), **INT8), operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.open-size": (
        [operator("ADD", before=(1, None, 32, 64), **INT8)],
        [operator("ADD", before=None, **INT8), operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.mean-over-channels": (
        [operator("MEAN", before=(1, 4, 4, 6), after=(1, 4, 4, 1), **INT8)],
        [
            operator("MEAN", before=(1, 4, 4, 8), after=(1, 4, 4, 1), **INT8),
            operator("MEAN", before=(1, 4, 4, 6), after=(1, 1, 1, 6), **INT8),
        ],
    ),
    "tflite-edgetpu.resize-version": (
        [resize(version=3, centres=True, **INT8)],
        [resize(version=2, **INT8)],
    ),
    "tflite-edgetpu.strided-slice": (
        [
            settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=1),
            settings(operator("STRIDED_SLICE", **INT8), new_axis_mask=1),
        ],
        [settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=0, new_axis_mask=0)],
    ),
    "tflite-edgetpu.unlisted-operator": (
        [operator("ARG_MAX", **INT8), operator("HARD_SWISH", **INT8)],
        [operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.resize-by-size": ([resize(version=2, **INT8)], [operator("ADD", **INT8)]),
    "tflite-coreml.not-float32": (
        [operator("ADD", **INT8), UNPACKED_INT8],
        [operator("ADD"), UNPACKED],
    ),
    "tflite-coreml.reshape": ([operator("RESHAPE")], [operator("ADD")]),
    "tflite-coreml.mean": (
        [
            settings(mean(), keep_dims=False),
            mean(before=(1, 64, 64)),
            mean(before=(1, 8, 8, 64), after=(1, 8, 8, 1)),
        ],
        [settings(mean(before=(1, 8, 8, 64), after=(1, 1, 1, 64)), keep_dims=True)],
    ),
    "tflite-coreml.concatenation": (
        [
            settings(joined(), **RELU6),
            joined(before=(1, 64), after=(1, 128)),
            joined(after=(1, 16, 32, 64)),
            operator("CONCATENATION", before=MAP, after=(1, 16, 16, 128)),
        ],
        [joined(), settings(joined(), fused_activation_function=0)],
    ),
    "tflite-coreml.five-axes": ([operator("MUL", before=(1, 2, 3, 4, 5))], [operator("MUL")]),
    "tflite-coreml.padding": (
        [
            reading(operator("PAD"), computed("int32", (4, 2))),
            padded(before=(16, 16, 64), after=(18, 18, 64)),
            padded(after=(1, 16, 16, 72)),
        ],
        [padded()],
    ),
    "tflite-coreml.fully-connected": (
        [
            reading(operator("FULLY_CONNECTED"), computed()),
            reading(operator("FULLY_CONNECTED"), stored(), computed()),
        ],
        [reading(operator("FULLY_CONNECTED"), stored(), stored())],
    ),
    "tflite-coreml.resize-version": (
        [resize(version=3, centres=True)],
        [resize(version=1), operator("ADD", version=2)],
    ),
    "tflite-coreml.operator-version": (
        [
            dw(version=3),
            operator("FULLY_CONNECTED", version=7),
            operator("ADD", version=2),
        ],
        [dw(rate=2, version=2), operator("FULLY_CONNECTED", version=6), resize(version=3)],
    ),
    "tflite-coreml.convolution-constants": (
        [
            reading(dense("CONV_2D"), computed(), stored(shape=(64,))),
            reading(dense("CONV_2D"), stored(), computed(shape=(64,))),
            reading(operator("TRANSPOSE_CONV"), stored(), computed()),
        ],
        [conv(), dw()],
    ),
    "tflite-coreml.kernel-size": (
        [conv(kernel=(16385, 1)), conv(kernel=(1, 16385))],
        [conv(kernel=(16384, 1))],
    ),
    "tflite-coreml.pooling-activation": ([pool(activation=1)], [pool()]),
    "tflite-coreml.softmax-beta": (
        [operator("SOFTMAX", attributes={"beta": 2.0})],
        [operator("SOFTMAX", attributes={"beta": 1.0})],
    ),
    "tflite-coreml.resize-size": ([resize(size=SIZE_COMPUTED)], [resize()]),
    "tflite-coreml.unlisted-operator": ([operator("TRANSPOSE")], [operator("RESHAPE")]),
    "tflite-coreml.stored-float16": ([UNPACKED], [dequantize(), UNPACKED_INT8]),
    "tflite-coreml.legacy-resize": ([resize()], [resize(corners=True)]),
    "tflite-qnn.depth-multiplier": ([dw(multiplier=2)], [dw()]),
    "tflite-qnn.topk-count": (
        [reading(operator("TOPK_V2"), computed("int32", ()))],
        [reading(operator("TOPK_V2"), stored("int32", ()))],
    ),
    "tflite-qnn.argmax-of-64-bits": (
        [giving(operator("ARG_MAX"), dtype="int64")],
        [giving(operator("ARG_MAX"), dtype="int32"), giving(operator("CAST"), dtype="int64")],
    ),
    "tflite-qnn.unlisted-operator": ([operator("SVDF")], [operator("ARG_MAX")]),
    "tflite-qnn.dilated-depthwise": ([dw(rate=12)], [dw()]),
    "tflite-qnn.bias-scale": (
        [reading(depthwise("DEPTHWISE_CONV_2D", **INT8), stored("int8"), stored("int32", (64,)))],
        [dw()],
    ),
    "tflite-qnn.resize-sampling": ([resize(corners=True), resize(centres=True)], [resize()]),
    "tflite-xnnpack-sparse.not-float32": (
        [operator("ADD", **INT8)],
        [operator("ADD"), operator("ADD", dtype="float16")],
    ),
    "tflite-xnnpack-sparse.dilated": ([dw(rate=2), conv(kernel=(1, 1), rate=2)], [dw()]),
    "tflite-xnnpack-sparse.depthwise-kernel": (
        [
            dw(kernel=(7, 3)),
            dw(kernel=(3, 7)),
            dw(stride=3),
            dw(multiplier=2),
            settings(dw(), padding="VALID"),
        ],
        [dw(kernel=(5, 5), stride=2), settings(dw(), padding="SAME")],
    ),
    "tflite-xnnpack-sparse.convolution-kernel": (
        [
            conv(kernel=(3, 1)),
            conv(kernel=(1, 3)),
            geometry(conv(), channels=3),
            conv(kernel=(1, 1), stride=2),
            geometry(conv(kernel=(1, 1)), groups=4),
        ],
        [conv(kernel=(1, 1)), geometry(conv(stride=2), channels=3)],
    ),
    "tflite-xnnpack-sparse.resize-of-one": (
        [
            resize(after=(1, 1, 32, 64)),
            resize(after=(1, 32, 1, 64)),
            resize(before=(1, 1, 16, 64)),
            resize(before=(1, 16, 1, 64)),
        ],
        [resize()],
    ),
    "tflite-xnnpack-sparse.unlisted-operator": (
        [operator("CONCATENATION"), operator("ARG_MAX")],
        [operator("ADD")],
    ),
}
