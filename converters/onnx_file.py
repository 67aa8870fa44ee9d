"""Edits of a finished ONNX model: simplification with proof, names and metadata."""

import ast
import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import require

logger = logging.getLogger(__name__)

_LABEL_NOTE = "pkg.torch.onnx.class_hierarchy"
"""Key of the exporter's note of where in the model a node stands."""

MAX_DIFFERENCE = 1e-4
"""Largest difference of logits, as a share of their largest value (of 1 where that is smaller), that is accepted."""
MIN_AGREEMENT = 0.999
"""Smallest share of pixels whose class a simplified model must keep (ties in the logits may fall either way)."""


def simplify_if_equal(model: Any) -> Any:
    """Return the model as onnxsim simplifies it, or as it came, with a warning, when that changes what it computes.

    Both are run in ONNX Runtime on one random picture. Nodes keep the names they had.

    Args:
        model: onnx ModelProto with one uint8 input; it is left as it is.
    """
    onnxsim = require("onnxsim", package="onnxsim", extra="onnx")
    try:
        simplified, _ = onnxsim.simplify(model)
        _restore_node_names(simplified, model)
        difference = _difference(simplified, model)
    except Exception as error:  # onnxsim raises what its C++ raises; the model works without it
        difference = f"it failed ({type(error).__name__}: {error})"
    if difference is None:
        return simplified
    logger.warning("the ONNX file is written without onnxsim's simplification: %s", difference)
    return model


def strip_exporter_notes(model: Any) -> None:
    """Drop, in place, the exporter's notes on nodes and values: they hold source lines and paths of this machine."""
    graph = model.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.metadata_props[:]


def name_after_operators(model: Any) -> None:
    """Name nodes and computed values, in place, after the canonical operators (`formats.operator_names`).

    The exporter numbers operators anew and leaves the label that `adapters.label_by_name` gave each in a note.
    Where it made several nodes of one operator, the last, which computes its result, has the bare name; where a node
    gives several values, all but the first are numbered.

    Args:
        model: onnx ModelProto as exported, notes included.
    """
    graph = model.graph
    fixed = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    taken, new_names = set(fixed), {}
    for node in reversed(graph.node):
        node.name = _free_name(_label(node) or node.name, taken)
        taken.add(node.name)
        for index, output in enumerate(node.output):
            if output and output not in fixed:
                new_names[output] = (
                    _free_name(f"{node.name}_{index}", taken) if index else node.name
                )
                taken.add(new_names[output])
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [new_names.get(value, value) for value in values]
    for value in graph.value_info:
        value.name = new_names.get(value.name, value.name)


def unshare_weights(model: Any) -> None:
    """Give each reader of a stored int8 weight a weight and a zero point of its own, in place.

    ONNX Runtime (1.31), asked for exact products (`session.x64quantprecision`) on an x86 processor without VNNI, cannot
    open a file in which two convolutions share one.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    taken = {*stored, *(value for node in graph.node for value in (node.name, *node.output))}
    dequantizers = {
        node.output[0]: node
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in stored
    }
    used: set[str] = set()

    def own(tensor: str) -> str:
        if tensor in used:
            copied = graph.initializer.add()
            copied.CopyFrom(stored[tensor])
            copied.name = tensor = _free_name(tensor, taken)
            stored[tensor] = copied
            taken.add(tensor)
        used.add(tensor)
        return tensor

    for reader in list(graph.node):
        for index, value in enumerate(reader.input):
            if value not in dequantizers:
                continue
            node = dequantizers[value]
            if value in used:
                node = _copied_before(reader, node, graph, taken)
                reader.input[index] = node.output[0]
            used.add(value)
            node.input[0], node.input[2] = own(node.input[0]), own(node.input[2])


def _copied_before(reader: Any, node: Any, graph: Any, taken: set[str]) -> Any:
    """Return a copy of a node of one result, under a name of its own, that stands before a reader."""
    graph.node.insert(list(graph.node).index(reader), node)
    copied = graph.node[list(graph.node).index(reader) - 1]
    copied.name = copied.output[0] = _free_name(node.output[0], taken)
    taken.add(copied.name)
    return copied


def add_metadata(model: Any, key: str, text: str) -> None:
    """Add an entry to the model's metadata, in place."""
    entry = model.metadata_props.add()
    entry.key, entry.value = key, text


def _label(node: Any) -> str | None:
    """Return the label that stands in the exporter's note "['aspp__cat', 'aten.cat.default']"."""
    notes = [entry.value for entry in node.metadata_props if entry.key == _LABEL_NOTE]
    labels = ast.literal_eval(notes[0])[:-1] if notes else []
    return str(labels[-1]) if labels else None


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _restore_node_names(simplified: Any, original: Any) -> None:
    """onnxsim renames nodes but keeps the names of values; find each node by the value it computes."""
    names = {node.output[0]: node.name for node in original.graph.node}
    for node in simplified.graph.node:
        node.name = names.get(node.output[0], node.output[0])


def _difference(simplified: Any, original: Any) -> str | None:
    """Return what differs between two models on one random picture; None when nothing does."""
    shape = [d.dim_value for d in original.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    was, now = _run(original, image), _run(simplified, image)
    if was.shape != now.shape or was.dtype != now.dtype:
        return f"its output is {now.shape} {now.dtype}, not {was.shape} {was.dtype}"
    if was.dtype.kind == "f":
        error = float(np.abs(was - now).max() / max(1.0, np.abs(was).max()))
        return None if error <= MAX_DIFFERENCE else f"its logits differ by {error:.2g}"
    agreement = float((was == now).mean())
    return None if agreement >= MIN_AGREEMENT else f"only {agreement:.4f} of its pixels agree"


def _run(model: Any, image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    onnxruntime = require("onnxruntime", package="onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    output: npt.NDArray[Any] = session.run(None, {session.get_inputs()[0].name: image})[0]
    return output
