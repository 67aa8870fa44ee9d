"""What a lowering is expected to write of the operators that rules may mend, told before anything is lowered.

The idea to hold: lowering takes longer than all else of an export. So rewrites are chosen by expected operators, and
the file that is then written is judged like any other: what was expected wrongly costs a second lowering.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, HARD_SIGMOID, HARD_SWISH, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.atrous import AtrousConvolution, atrous_convolutions, reach_of
from edge_deeplab.description import Description
from edge_deeplab.formats.graph import (
    Convolution,
    FileGraph,
    Operator,
    TensorQuantization,
    TensorSpec,
)
from edge_deeplab.formats.operator_names import module_of

_ACTIVATIONS: Mapping[Any, tuple[str, int]] = {
    HARD_SWISH: ("HardSwish", 14),
    HARD_SIGMOID: ("HardSigmoid", 6),
}
"""Activations that ONNX has an operator for, with the opset that last changed it; other targets take them apart."""


def expect_operators(program: ExportedProgram, description: Description) -> FileGraph:
    """Return the operators that rules may mend, as the file of a graph is expected to have them, in order.

    Args:
        program: the canonical graph.
        description: of the file; its target and precision say how it is written.

    Returns:
        Atrous convolutions, and in ONNX hard activations; nothing for a target that is not known here.
    """
    target = description.target
    assert target is not None, "a file is made for a target"
    editor, operators = ProgramEditor(program), []
    write = _WRITERS.get(target)
    convolutions = {convolution.node: convolution for convolution in atrous_convolutions(editor)}
    for node in editor.graph.nodes:
        if write is not None and node in convolutions:
            operators.append(write(editor, convolutions[node], description.precision))
        elif target == "onnx" and node.target in _ACTIVATIONS:
            operators.append(_activation(node))
    return FileGraph(Path(), target, {}, tuple(operators))


def _activation(node: fx.Node) -> Operator:
    kind, version = _ACTIVATIONS[node.target]
    tensor = TensorSpec("", "float32", tuple(node.meta["val"].shape))
    return Operator(
        0, kind, node.name, version, (tensor,), (tensor,), {}, module_of(node.name) or None
    )


def _tflite(editor: ProgramEditor, convolution: AtrousConvolution, precision: str) -> Operator:
    written = _convolution(editor, convolution, "CONV_2D", "float32")
    geometry, kind, axis, version = written.convolution, "CONV_2D", 0, 1
    assert geometry is not None
    if geometry.depthwise:
        kind, axis, version = "DEPTHWISE_CONV_2D", 3, 2
    image, weight, *bias = (spec for spec in written.inputs if spec)
    (result,) = written.outputs
    if precision == "fp16":
        weight = replace(weight, dtype="float16", read_as="float32")
    if _is_quantized(convolution):
        scales, version = editor.constant(convolution.node.all_input_nodes[1].args[1]), 3
        ends = float(scales.min()), float(scales.max())
        weight = replace(
            weight, dtype="int8", quantization=TensorQuantization(ends, (0, 0), len(scales), axis)
        )
        before, after = convolution.image, _quantizer_behind(convolution.node)
        image, result = (
            replace(spec, dtype="int8", quantization=_per_tensor(node))
            for spec, node in ((image, before), (result, after))
        )
    return replace(
        written,
        type=kind,
        version=version,
        inputs=(_channels_last(image), weight, *bias),
        outputs=(_channels_last(result),),
        attributes={"padding": "SAME" if _keeps_size(convolution) else "VALID"},
        convolution=replace(geometry, padding=None),
    )


def _onnx(editor: ProgramEditor, convolution: AtrousConvolution, precision: str) -> Operator:
    dtype = "float16" if precision == "fp16" else "float32"
    written = _convolution(editor, convolution, "Conv", dtype)
    image, weight, *bias = (spec for spec in written.inputs if spec)
    if _is_quantized(convolution):
        image = replace(image, dequantized_from="uint8")
        weight = replace(weight, dtype="int8", read_as=dtype)
    return replace(
        written,
        version=11,
        inputs=(image, weight, *bias),
        attributes={"pads": convolution.padding_hw * 2},
    )


def _coreml(editor: ProgramEditor, convolution: AtrousConvolution, precision: str) -> Operator:
    dtype = "float32" if precision == "fp32" else "float16"
    written = _convolution(editor, convolution, "conv", dtype)
    return replace(
        written, version=7 if precision == "int8" else 6, attributes={"pad_type": "custom"}
    )


_WRITERS: Mapping[str, Callable[[ProgramEditor, AtrousConvolution, str], Operator]] = {
    "tflite": _tflite,
    "onnx": _onnx,
    "coreml": _coreml,
}


def _convolution(
    editor: ProgramEditor, convolution: AtrousConvolution, kind: str, dtype: str
) -> Operator:
    """Return a convolution of one element type, laid out as the canonical graph has it."""
    node: Any = convolution.node
    result, channels = tuple(node.meta["val"].shape), convolution.image_shape[1]
    weight = tuple(editor.constant(convolution.weight).shape)
    stored = [TensorSpec("", dtype, weight, constant=True)]
    if convolution.bias is not None:
        stored.append(TensorSpec("", dtype, result[1:2], constant=True))
    geometry = Convolution(
        kernel_hw=convolution.kernel_hw,
        rate_hw=convolution.rate_hw,
        stride_hw=convolution.stride_hw,
        channels=channels,
        groups=convolution.groups,
        multiplier=result[1] // convolution.groups,
        padding=convolution.padding_hw * 2,
    )
    return Operator(
        index=0,
        type=kind,
        name=node.name,
        version=None,
        inputs=(TensorSpec("", dtype, convolution.image_shape), *stored),
        outputs=(TensorSpec("", dtype, result, readers=len(node.users)),),
        attributes={},
        module=editor.module_path(convolution.weight),
        convolution=geometry,
    )


def _is_quantized(convolution: AtrousConvolution) -> bool:
    return convolution.is_quantized and convolution.image.target is DEQUANTIZE


def _keeps_size(convolution: AtrousConvolution) -> bool:
    reach = zip(reach_of(convolution), convolution.padding_hw, strict=True)
    return convolution.stride_hw == (1, 1) and all(taps // 2 == zeros for taps, zeros in reach)


def _quantizer_behind(node: fx.Node) -> fx.Node | None:
    """Return the quantize operator that a convolution's result ends in; None where another operator reads it first."""
    while len(node.users) == 1:
        (node,) = node.users
        if node.target is QUANTIZE:
            return node
    return None


def _per_tensor(node: fx.Node | None) -> TensorQuantization | None:
    if node is None:
        return None
    arguments: Any = node.args
    scale, zero_point = arguments[1:3]
    return TensorQuantization((scale, scale), (zero_point, zero_point))


def _channels_last(spec: TensorSpec) -> TensorSpec:
    assert spec.shape is not None
    batch, channels, height, width = spec.shape
    return replace(spec, shape=(batch, height, width, channels))
