"""The values inside an exported file, by the names of the canonical operators, for pictures.

Of an int8 file the stored integers are read and dequantized, so that tapping changes no kernel that makes them; those
of TFLite come from the interpreter's own kernels, because the inside of an XNNPACK partition cannot be read. The file
is run in a bounded child.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.child.bounded import BoundedChild
from edge_deeplab.child.limits import Limits
from edge_deeplab.data.images import ImageHWC
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.coreai_program import read_program
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.tflite_sizes import size_alone
from edge_deeplab.runtimes.onnx_session import open_session
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.targets import TARGETS, TargetName, target_of

LayerValues = Mapping[str, npt.NDArray[np.float32]]
"""By operator name, (C, H, W) float32."""
_Run = Callable[[ImageHWC], LayerValues]
"""Runs a file that is open on a picture of the size at which it was opened."""

_RUNS = 4
"""A run that keeps every value, without the fastest kernels, takes as long as several."""
_BYTES_A_PIXEL = 300
"""What the values inside a DeepLab add to its file's size, for each pixel of the picture."""
_HALF = "_cast_fp16"


def tap(path: Path, image_hwc: ImageHWC) -> LayerValues:
    """Return the four-dimensional values inside a file of this project for one picture; as `tap_images`."""
    (values,) = tap_images(path, [image_hwc])
    return values


def tap_images(path: Path, images: Sequence[ImageHWC]) -> Iterator[LayerValues]:
    """Yield the four-dimensional values inside a file of this project, picture by picture; it is opened once.

    Args:
        path: .onnx, .tflite, .mlpackage or .aimodel.
        images: (H, W, 3) uint8, all at one of the file's sizes; at least one.

    Raises:
        ArtifactError: for another format, and ChildError when the file harms its process.
        MissingDependencyError: without the package that runs it.
    """
    target = target_of(path)
    if target is None or target not in _OPENERS:
        known = ", ".join(TARGETS[name].ending for name in _OPENERS)
        raise ArtifactError(f"{path} is none of {known}; an exported file was expected")
    height, width, _ = images[0].shape
    size = content_bytes(path) + height * width * _BYTES_A_PIXEL
    runs, patience = _RUNS * len(images), TARGETS[target].patience
    limits = Limits.for_file(size, threads=available_cpus(), runs=runs, patience=patience)
    child = BoundedChild(__name__, subject=str(path), limits=limits, path=str(path))
    try:
        for image_hwc in images:
            names = child.ask("tap", image_hwc=image_hwc)["names"]
            yield {name: child.ask("value", name=name)["value"] for name in names}
    finally:
        child.close()


def service(path: str) -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers: the names of a picture's values first, then value by value."""
    values: dict[str, npt.NDArray[np.float32]] = {}
    opened: list[_Run] = []

    def tap_file(image_hwc: ImageHWC) -> Mapping[str, Any]:
        target = target_of(Path(path))
        assert target is not None, "the parent looked"
        values.clear()
        if not opened:
            opened.append(_OPENERS[target](Path(path), (image_hwc.shape[0], image_hwc.shape[1])))
        values.update(opened[0](image_hwc))
        return {"names": list(values)}

    return {"tap": tap_file, "value": lambda name: {"value": values[name]}}


def _open_onnx(path: Path, size_hw: Size) -> _Run:
    onnx: Any = require("onnx", package="onnx", extra="onnx")
    model = onnx.load(str(path))
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    if quantizers:
        shown = {node.output[0]: node.input[0] for node in quantizers}
    else:
        shown = {output: output for node in model.graph.node for output in node.output}
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in shown if n not in known)
    session = open_session(model.SerializeToString(), available_cpus())
    scales = {
        node.output[0]: tuple(constants[name] for name in node.input[1:3]) for node in quantizers
    }

    def run(image_hwc: ImageHWC) -> LayerValues:
        outputs = session.run(list(shown), {session.get_inputs()[0].name: image_hwc[None]})
        return {
            shown[name]: _dequantized(value, *scales.get(name, (1.0, 0)))[0]
            for name, value in zip(shown, outputs, strict=True)
            if value.ndim == 4
        }

    return run


def _open_tflite(path: Path, size_hw: Size) -> _Run:
    module: Any = require("ai_edge_litert.interpreter", package="ai-edge-litert", extra="tflite")
    interpreter = module.Interpreter(
        model_content=size_alone(path.read_bytes(), size_hw),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    computed = {int(i) for o in interpreter._get_ops_details() for i in o["outputs"]}

    def run(image_hwc: ImageHWC) -> LayerValues:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image_hwc[None])
        interpreter.invoke()
        values = {}
        for details in interpreter.get_tensor_details():
            if details["index"] in computed and len(details["shape"]) == 4:
                quantization = details["quantization_parameters"]
                stored = interpreter.get_tensor(details["index"])
                scale, zero_point = quantization["scales"], quantization["zero_points"]
                value = _dequantized(stored, *(scale, zero_point) if len(scale) else (1.0, 0))
                values[details["name"]] = value[0].transpose(2, 0, 1)
        return values

    return run


def _open_coreml(path: Path, size_hw: Size) -> _Run:
    from edge_deeplab.formats.importing_coremltools import import_coremltools

    import_coremltools(converting=False)
    from edge_deeplab.models.picture import to_batch
    from edge_deeplab.runtimes.mil.evaluator import Evaluator
    from edge_deeplab.runtimes.mil.program import Reference
    from edge_deeplab.runtimes.mil.reader import read_package
    from edge_deeplab.runtimes.threads import running_torch

    program = read_package(path).program
    named = {
        output.name: output.name
        for step in program.operations
        for output in step.outputs
        if len(output.shape) == 4
    }
    quantized = {
        step.outputs[0].name: step.arguments["input"].name
        for step in program.operations
        if step.operator == "quantize" and isinstance(step.arguments["input"], Reference)
    }
    dequantized = {
        step.outputs[0].name: quantized[step.arguments["input"].name]
        for step in program.operations
        if step.operator == "dequantize"
        and isinstance(step.arguments["input"], Reference)
        and step.arguments["input"].name in quantized
    }
    shown = dequantized or named

    def run(image_hwc: ImageHWC) -> LayerValues:
        pixels = {program.inputs[0].name: to_batch(image_hwc)}
        with running_torch(None):
            values = Evaluator(program).evaluate(pixels, list(shown))
        return {
            shown[name].removesuffix(_HALF): value[0].float().numpy()
            for name, value in values.items()
        }

    return run


def _open_coreai(path: Path, size_hw: Size) -> _Run:
    from edge_deeplab.models.picture import to_batch
    from edge_deeplab.runtimes.coreai import run_giving

    program = read_program(path)
    quantized = {
        operation.writes[0]: dict(operation.reads)["input"]
        for operation in program.operations
        if operation.type == "quantize"
    }
    dequantized = {
        operation.writes[0]: quantized[source]
        for operation in program.operations
        if operation.type == "dequantize"
        and (source := dict(operation.reads)["input"]) in quantized
    }
    named = {o.writes[0]: o.writes[0] for o in program.operations if o.gives}
    shown = {
        name: called
        for name, called in (dequantized or named).items()
        if len(program.values[name].shape or ()) == 4
    }

    def run(image_hwc: ImageHWC) -> LayerValues:
        values = run_giving(path, list(shown), to_batch(image_hwc).numpy())
        return {shown[name]: np.asarray(value[0], np.float32) for name, value in values.items()}

    return run


_OPENERS: Mapping[TargetName, Callable[[Path, Size], _Run]] = {
    "onnx": _open_onnx,
    "tflite": _open_tflite,
    "coreml": _open_coreml,
    "coreai": _open_coreai,
}


def _dequantized(stored: Any, scale: Any, zero_point: Any) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = stored.astype(np.float32)
    return (values - np.float32(zero_point)) * np.float32(scale)
