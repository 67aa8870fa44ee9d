"""Canonical graph to an ExecuTorch program, through its own exporter and XNNPACK's partitioner."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.adapters import label_by_name, take_uint8_nhwc
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.quantized_adapters import dequantize_for_every_reader
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.errors import UnsupportedOperatorError, require
from edge_deeplab.formats.executorch_file import METHOD, NAMES
from edge_deeplab.targets import BACKEND_KEY

_LABEL = "nn_module_stack"
_FUSED = ("hardtanh", "relu")
"""Operations that XNNPACK makes one with the operator before them."""
_QUANTIZE = "quantize_per_tensor"
_NEEDS_KERNEL = re.compile(r"aten::(?!(view|_unsafe_view|alias|detach)(_copy)?$)")
"""Operators of torch, but for views, which take no time and no kernel."""
_NUMBER = re.compile(r"_[0-9]+$")
"""What tells operations of one module apart."""


def write_executorch(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write a `.pte` file whose operators XNNPACK or Core ML computes, as far as the partitioner takes them.

    Input "image": (1, H, W, 3) uint8 RGB, for Core ML's backend, which takes no uint8, (1, 3, H, W) float32 RGB in
    0..255. Output "classes": (1, H, W) int32, or "logits": (1, K, H, W) float32. The self-description is what the
    method `edge_deeplab` gives, and the operators' names what `edge_deeplab_names` gives.

    Args:
        graph: the canonical graph.
        description: embedded in the file; its precision is "fp32" or, of a quantized graph, "int8", which Core ML
            computes in float16 between integers, from iOS 17 and macOS 14 on. Its provenance tells the backend.
        path: file to write.

    Raises:
        MissingDependencyError: without executorch.
        ConversionError: when it fails.
    """
    require("executorch", package="executorch", extra="executorch")
    is_for_coreml = description.provenance.get(BACKEND_KEY) == "coreml"
    with calling("executorch", "ExecuTorch"):
        exir: Any = import_module("executorch.exir")
        partitioner = _coreml(graph) if is_for_coreml else _xnnpack()
        program = graph.program if is_for_coreml else _adapt(graph)
        # quantize and dequantize operators are none of the dialect that is verified
        config = exir.EdgeCompileConfig(_check_ir_validity=False)
        lowered = exir.to_edge_transform_and_lower(
            label_by_name(program),
            partitioner=[partitioner],
            compile_config=config,
        ).exported_program()
        _refuse_unknown(lowered)
        told = {METADATA_KEY: description.to_json(), NAMES: json.dumps(_names_of(lowered))}
        manager = exir.EdgeProgramManager({METHOD: lowered}, told, config)
        content: bytes = manager.to_executorch().buffer
    path.write_bytes(content)


def _refuse_unknown(program: ExportedProgram) -> None:
    """Refuse operators that neither a backend takes nor the runtime has a kernel for.

    Raises:
        UnsupportedOperatorError: for those.
    """
    registry = import_module("executorch.runtime").Runtime.get().operator_registry
    known = {name.partition(".")[0] for name in registry.operator_names}
    unknown = []
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)  # getitem and calls of backends have none
        if schema is not None and _NEEDS_KERNEL.match(schema.name) and schema.name not in known:
            unknown.append(f"{schema.name} ({_label(node)})")
    if unknown:
        raise UnsupportedOperatorError(unknown, "ExecuTorch's runtime")


def _xnnpack() -> Any:
    place = "executorch.backends.xnnpack.partition.xnnpack_partitioner"
    return import_module(place).XnnpackPartitioner()


def _coreml(graph: CanonicalGraph) -> Any:
    """Return the partitioner of Core ML's backend, for the systems and the precision that the graph needs."""
    coremltools: Any = require("coremltools", package="coremltools", extra="coreml")
    backend = import_module("executorch.backends.apple.coreml.compiler").CoreMLBackend
    system, precision = coremltools.target.iOS16, coremltools.precision.FLOAT32
    if graph.is_quantized:
        system, precision = coremltools.target.iOS17, coremltools.precision.FLOAT16
    specs = backend.generate_compile_specs(
        minimum_deployment_target=system, compute_precision=precision
    )
    place = "executorch.backends.apple.coreml.partition"
    return import_module(place).CoreMLPartitioner(compile_specs=specs)


def _adapt(graph: CanonicalGraph) -> ExportedProgram:
    program = take_uint8_nhwc(graph.program)
    return dequantize_for_every_reader(program) if graph.is_quantized else program


def _names_of(program: ExportedProgram) -> dict[int, tuple[str, str]]:
    """Return, by its number in the file, what an operator is called and what its result is."""
    named = [node for node in _operators(program) if node.meta.get(_LABEL)]
    return {node.meta["debug_handle"]: (_label(node), _label(_given_by(node))) for node in named}


def _operators(program: ExportedProgram) -> Iterator[fx.Node]:
    """Yield the operators of a program and of the parts that backends compiled."""
    for node in program.graph.nodes:
        if node.op == "call_function":
            yield node
    for part in program.graph_module.children():
        if hasattr(part, "original_module"):
            yield from _operators(part.original_module)


def _given_by(node: fx.Node) -> fx.Node:
    """Return the operator whose result one gives: what it quantizes, or the last of those that become one with it."""
    if _operation(node) == _QUANTIZE:
        source: Any = node.args[0]
        return source if source.op == "call_function" and _label(source) else node
    while len(node.users) == 1 and _operation(reader := next(iter(node.users))) in _FUSED:
        node = reader
    return node


def _operation(node: fx.Node) -> str:
    return _NUMBER.sub("", _label(node).rpartition("__")[2])


def _label(node: fx.Node) -> str:
    return next(iter(node.meta.get(_LABEL) or ("",)))
