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

from edge_deeplab.converters.aten import (
    ARGMAX,
    CAST,
    CONCATENATE,
    DEQUANTIZE,
    HARD_SIGMOID,
    HARD_SWISH,
    QUANTIZE,
    RESIZE,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.quantized_adapters import is_quantized
from edge_deeplab.converters.rewrites.atrous import AtrousConvolution, atrous_convolutions, reach_of
from edge_deeplab.description import Description, Head
from edge_deeplab.formats.graph import (
    Attribute,
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
        Atrous convolutions; in ONNX the cast of the picture and hard activations, in TFLite resizes, concatenations of
        channels and class maps; nothing for a target that is not known here.
    """
    target, precision = description.target, description.precision
    assert target is not None, "a file is made for a target"
    editor, operators = ProgramEditor(program), []
    write = _WRITERS.get(target)
    convolutions = {convolution.node: convolution for convolution in atrous_convolutions(editor)}
    if target == "onnx" and not is_quantized(program):
        casts_itself = [reader.target for reader in editor.input().users] == [CAST]
        operators.append(_cast("int32" if casts_itself else _float_of(precision)))
    for node in editor.graph.nodes:
        if write is not None and node in convolutions:
            operators.append(write(editor, convolutions[node], precision))
        elif target == "onnx" and node.target in _ACTIVATIONS:
            operators.append(_activation(node))
        elif target == "tflite" and node.target in _MAPS:
            operators.append(_MAPS[node.target](node))
    return FileGraph(Path(), target, {}, tuple(operators))


def expect_beginning_and_end(target: str, precision: str, head: Head) -> tuple[Operator, ...]:
    """Return what every file of a precision has, whatever the network: how it takes pixels, and how it gives classes.

    Args:
        target: a key of `TARGETS`.
        precision: one of `PRECISIONS`.
        head: what comes out.
    """
    if target == "onnx" and precision != "int8":
        dtype = _float_of(precision)
        pixels, mean = TensorSpec("", dtype), TensorSpec("", dtype, constant=True)
        mean_taken = Operator(0, "Sub", "mean", 14, (pixels, mean), (pixels,), {})
        return _cast(dtype), mean_taken
    if target == "tflite" and head == "classes":
        scores = TensorSpec("", "int8" if precision == "int8" else "float32")
        return (Operator(0, "ARG_MAX", head, 1, (scores,), (TensorSpec("", "int32"),), {}),)
    return ()


def _float_of(precision: str) -> str:
    return "float16" if precision == "fp16" else "float32"


def _cast(dtype: str) -> Operator:
    """Return the cast of the picture's bytes that an ONNX file of floats begins with."""
    picture, pixels = TensorSpec("", "uint8"), TensorSpec("", dtype)
    return Operator(0, "Cast", "cast of the picture", 13, (picture,), (pixels,), {})


def _activation(node: fx.Node) -> Operator:
    kind, version = _ACTIVATIONS[node.target]
    tensor = TensorSpec("", "float32", tuple(node.meta["val"].shape))
    return Operator(
        0, kind, node.name, version, (tensor,), (tensor,), {}, module_of(node.name) or None
    )


def _resize(node: fx.Node) -> Operator:
    arguments: Any = node.args
    aligned = bool(arguments[2])
    settings = {"align_corners": aligned, "half_pixel_centers": not aligned}
    result = _stored_map(node, _quantizer_behind(node))
    written = _map_operator(
        "RESIZE_BILINEAR", 1, node, (_read_map(arguments[0]),), result, settings
    )
    return written if aligned else replace(written, version=3)  # half-pixel centres came last


def _concatenation(node: fx.Node) -> Operator:
    arguments: Any = node.args
    parts, result = map(_read_map, arguments[0]), _stored_map(node, _quantizer_behind(node))
    return _map_operator("CONCATENATION", 1, node, tuple(parts), result, {})


def _class_map(node: fx.Node) -> Operator:
    scores = _read_map(node.args[0])
    result = TensorSpec("", "int32", tuple(node.meta["val"].shape))
    return _map_operator("ARG_MAX", 1, node, (scores,), result, {})


_MAPS: Mapping[Any, Callable[[fx.Node], Operator]] = {
    RESIZE: _resize,
    CONCATENATE: _concatenation,
    ARGMAX: _class_map,
}
"""What TFLite writes of operators on maps that rules about its delegates may mend."""


def _map_operator(
    kind: str,
    version: int,
    node: fx.Node,
    inputs: tuple[TensorSpec, ...],
    result: TensorSpec,
    settings: Mapping[str, Attribute],
) -> Operator:
    if inputs[0].dtype == "int8":
        version += 1
    return Operator(
        0, kind, node.name, version, inputs, (result,), settings, module_of(node.name) or None
    )


def _read_map(node: Any) -> TensorSpec:
    """Return a map as an operator reads it: the integers that a dequantize operator makes floats of, or floats."""
    return _stored_map(node, node if node.target is DEQUANTIZE else None)


def _stored_map(node: fx.Node, quantizer: fx.Node | None) -> TensorSpec:
    dtype, shape = "float32" if quantizer is None else "int8", tuple(node.meta["val"].shape)
    spec = TensorSpec("", dtype, shape, quantization=_per_tensor(quantizer))
    return _channels_last(spec) if len(shape) == 4 else spec


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
    dtype = _float_of(precision)
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
