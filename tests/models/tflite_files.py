"""A small segmentation network as TensorFlow writes it, float or uint8: written through the schema, no converter.

Its integers have zero points and one scale a tensor, its padding is "same" on a stride of two, its pooled pixel is
tiled or resized, its scores are resized twice with aligned corners, once to the size that they have.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_deeplab.description import METADATA_KEY, Description
from tests.tiny_files import TFLiteBuilder

CLASSES = 3
WIDTH = 8
PIXEL = (1 / 128, 128)
POSITIVE, SIGNED = (0.03, 0), (0.05, 128)
"""Scale and zero point of what follows a ReLU, and of what does not."""


class Writer:
    """A network under construction.

    Args:
        quantized: whether it is stored as uint8; else its float weights are those that the integers stand for.
    """

    def __init__(self, *, quantized: bool) -> None:
        self.builder = TFLiteBuilder()
        self.quantized = quantized
        self._rng = np.random.default_rng(0)
        self._scales: dict[int, float] = {}

    def value(self, name: str, shape: tuple[int, ...], scale: tuple[float, int] = SIGNED) -> int:
        index = self.builder.tensor(name, shape, "UINT8" if self.quantized else "FLOAT32")
        return self._with_scale(index, *scale) if self.quantized else index

    def setting(self, name: str, values: Any) -> int:
        data = np.array(values, np.int32)
        return self.builder.tensor(name, data.shape, "INT32", data=data)

    def convolution(
        self, name: str, source: int, result: int, shape: tuple[int, ...], **settings: Any
    ) -> None:
        """Add a convolution, a depthwise one for weights of shape (1, h, w, channels)."""
        depthwise = shape[0] == 1 and settings.pop("depthwise", False)
        taps = np.prod(shape[1:3]) if depthwise else np.prod(shape[1:])
        scale, zero_point = float(3 / np.sqrt(taps) / 127), 121
        integers = np.clip(self._rng.normal(0, 127 / 3, shape).round() + zero_point, 0, 255)
        outputs = shape[3] if depthwise else shape[0]
        bias = self._rng.normal(0, 0.2, outputs)
        if self.quantized:
            weight = self.builder.tensor(
                f"{name}_w", shape, "UINT8", data=integers.astype(np.uint8)
            )
            self._with_scale(weight, scale, zero_point)
            step = self._scales[source] * scale
            stored = self.builder.tensor(
                f"{name}_b", (outputs,), "INT32", data=(bias / step).round().astype(np.int32)
            )
            self._with_scale(stored, step, 0)
        else:
            values = ((integers - zero_point) * scale).astype(np.float32)
            weight = self.builder.tensor(f"{name}_w", shape, data=values)
            stored = self.builder.tensor(f"{name}_b", (outputs,), data=bias.astype(np.float32))
        options = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        named = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        if depthwise:
            options["depthMultiplier"] = 1
        self.builder.add(
            kind,
            [source, weight, stored],
            [result],
            version=2 if depthwise else 1,
            options=named,
            **{**options, **settings},
        )

    def resize(self, source: int, result: int, size_hw: tuple[int, int], **how: bool) -> None:
        size = self.setting(f"size {result}", size_hw)
        self.builder.add(
            "RESIZE_BILINEAR", [source, size], [result], options="ResizeBilinearOptions", **how
        )

    def _with_scale(self, index: int, scale: float, zero_point: int) -> int:
        told = schema.QuantizationParametersT()
        told.scale, told.zeroPoint = np.array([scale], np.float32), np.array([zero_point], np.int64)
        self.builder.graph.tensors[index].quantization = told
        self._scales[index] = scale
        return index


RELU, RELU6 = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6
NONE = schema.ActivationFunctionType.NONE


def write_segmenter(
    path: Path,
    size_hw: tuple[int, int] = (17, 25),
    *,
    quantized: bool = True,
    tile: bool = True,
    last: str = "ARG_MAX",
    description: Description | None = None,
) -> Path:
    """Write the network.

    Args:
        path: the file.
        size_hw: odd height and width of its picture.
        quantized: store it as uint8.
        tile: repeat the pooled pixel with TILE; else with RESIZE_BILINEAR.
        last: the operator that ends it.
        description: what it says of itself.
    """
    to, half_hw = Writer(quantized=quantized), tuple((side + 1) // 2 for side in size_hw)
    builder = to.builder
    if description is not None:
        builder.describe(METADATA_KEY, description.to_json())
    image = to.value("image", (1, *size_hw, 3), PIXEL)
    maps = (1, *half_hw, WIDTH)
    stem, deep = to.value("stem", maps, POSITIVE), to.value("deep", maps, POSITIVE)
    # without its ReLU: integers that begin at zero cut off what is below
    to.convolution(
        "stem",
        image,
        stem,
        (WIDTH, 3, 3, 3),
        strideW=2,
        strideH=2,
        fusedActivationFunction=NONE if quantized else RELU,
    )
    to.convolution(
        "deep",
        stem,
        deep,
        (1, 3, 3, WIDTH),
        depthwise=True,
        dilationWFactor=2,
        dilationHFactor=2,
        fusedActivationFunction=RELU6,
    )
    added = to.value("added", maps, POSITIVE)
    builder.add("ADD", [stem, deep], [added], options="AddOptions")
    pooled = to.value("pooled", (1, 1, 1, WIDTH), POSITIVE)
    builder.add(
        "AVERAGE_POOL_2D",
        [added],
        [pooled],
        options="Pool2DOptions",
        padding=schema.Padding.VALID,
        filterHeight=half_hw[0],
        filterWidth=half_hw[1],
        strideH=1,
        strideW=1,
    )
    projected = to.value("projected", (1, 1, 1, WIDTH), POSITIVE)
    to.convolution("project", pooled, projected, (WIDTH, 1, 1, WIDTH), fusedActivationFunction=RELU)
    spread = to.value("spread", maps, POSITIVE)
    if tile:
        times = to.setting("times", [1, *half_hw, 1])
        builder.add("TILE", [projected, times], [spread], options="TileOptions")
    else:
        to.resize(projected, spread, half_hw, alignCorners=True)
    joined = to.value("joined", (1, *half_hw, 2 * WIDTH), POSITIVE)
    builder.add("CONCATENATION", [added, spread], [joined], options="ConcatenationOptions", axis=3)
    scores = to.value("scores", (1, *half_hw, CLASSES))
    to.convolution("scores", joined, scores, (CLASSES, 1, 1, 2 * WIDTH))
    same, large = (
        to.value("same", (1, *half_hw, CLASSES)),
        to.value("large", (1, *size_hw, CLASSES)),
    )
    to.resize(scores, same, half_hw, alignCorners=True)
    to.resize(same, large, size_hw, alignCorners=True)
    if last == "ARG_MAX":
        ids = builder.tensor("ids", (1, *size_hw), "INT64")
        argmax = {"options": "ArgMaxOptions", "outputType": schema.TensorType.INT64}
        builder.add("ARG_MAX", [large, to.setting("axis", 3)], [ids], **argmax)
        return builder.save(path, [image], [ids])
    result = to.value("result", (1, *size_hw, CLASSES))
    builder.add(last, [large], [result])
    return builder.save(path, [image], [result])
