"""Canonical graph to a Core AI asset, through coreai-torch."""

import json
import re
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.adapters import label_by_name
from edge_deeplab.converters.aten import NEAREST, RESIZE
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.half_precision import compute_in_float16
from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.rewrites.interpolation import resize_by_matrices, sides_of
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.errors import require
from edge_deeplab.formats.coreai_asset import METADATA

_BLOB = re.compile(r"\bresource_\d+\b")


def write_coreai(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write an `.aimodel` folder for iOS 27, macOS 27 and later.

    Input "image": (1, 3, H, W) float32 RGB in 0..255. Output "logits": (1, K, H, W) float32, or "classes": (1, H, W)
    int32, which devices were seen to compute wrongly (apple/coreai-torch#116). The self-description stands in the
    asset's own metadata.

    Args:
        graph: the canonical graph, taken as it is.
        description: embedded in the asset; its precision is "fp32", "fp16" (the network in float16; the picture's
            normalisation and the last resize in float32) or, of a quantized graph, "int8".
        path: folder to write.

    Raises:
        MissingDependencyError: without coreai-torch.
        ConversionError: when it fails.
    """
    with calling("coreai-torch", "Core AI"):
        require("coreai_torch", package="coreai-torch", extra="coreai")
        is_half = description.precision == "fp16"
        program = resize_by_matrices(graph.program, (NEAREST, RESIZE), _is_sampled_otherwise)
        program = compute_in_float16(program) if is_half else program
        _save(_without_chance(_convert(program, graph.head)), description, path)


def _is_sampled_otherwise(resize: fx.Node) -> bool:
    """Whether Core AI's resize would take other pixels than torch, or crash its runtime.

    To the nearest pixel it measures from half-pixel centres; corners that are aligned at a side of one pixel end the
    process.
    """
    sides, arguments = sides_of(resize), resize.args
    if resize.target is NEAREST:
        return any(after % before for before, after in sides)
    return bool(arguments[2]) and any(after == 1 < before for before, after in sides)


def _convert(program: ExportedProgram, head: str) -> Any:
    """Return coreai's program, its operations labelled with the names of the canonical ones."""
    coreai_torch: Any = import_module("coreai_torch")
    labelled = label_by_name(program)
    _forget_sources(labelled)
    decomposed = labelled.run_decompositions(coreai_torch.get_decomp_table())
    _forget_sources(decomposed)
    # in its other mode the converter keeps no names at all
    converter = coreai_torch.TorchConverter(mode=coreai_torch.TorchConverter.Mode.DEBUG)
    for name, lowering in _quantizer_lowerings().items():
        converter.register_torch_lowering(f"quantized_decomposed::{name}.default")(lowering)
    return converter.add_exported_program(decomposed, output_names=[head]).to_coreai()


def _forget_sources(program: ExportedProgram) -> None:
    """Remove where in which file each operation was written, which the converter would store."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


def _quantizer_lowerings() -> dict[str, Callable[..., Any]]:
    """Return what makes Core AI's quantize and dequantize of torch's, which coreai-torch does not know."""
    internals: Any = import_module("coreai_torch._custom_to_core")
    coreai, operand = internals.coreai, internals._get_operand

    def constant(value: Any, dtype: type) -> Any:
        return coreai.constant(np.asarray(value, dtype))

    def of_tensor(operation: Callable[..., Any]) -> Callable[..., Any]:
        def lower(values: Any, node: fx.Node, loc: Any) -> Any:
            arguments: Any = node.args
            source, scale, zero_point = arguments[:3]
            return operation(
                operand(values, node, 0, loc),
                constant(scale, np.float32),
                constant(zero_point, np.int8),
                constant(0, np.float32),
                constant(range(source.meta["val"].ndim), np.int32),
                loc=loc,
            )

        return lower

    def of_channels(values: Any, node: fx.Node, loc: Any) -> Any:
        arguments: Any = node.args
        channels = arguments[1].meta["val"].numel()
        return coreai.dequantize(
            operand(values, node, 0, loc),
            operand(values, node, 1, loc),
            constant(np.zeros(channels), np.int8),
            constant(np.zeros(channels), np.float32),
            constant(arguments[3], np.int32),
            loc=loc,
        )

    return {
        "quantize_per_tensor": of_tensor(coreai.quantize),
        "dequantize_per_tensor": of_tensor(coreai.dequantize),
        "dequantize_per_channel": of_channels,
    }


def _without_chance(program: Any) -> Any:
    """Return a program whose blobs are numbered in order, not named by a hash that is seeded anew in every process."""
    ir: Any = import_module("coreai._compiler.ir")
    context: Any = import_module("coreai.authoring.context").Context()._mlir_context
    module = program._module._mlir_module
    text: str = module.operation.get_asm(enable_debug_info=True, large_elements_limit=None)
    names: dict[str, str] = {}
    numbered = _BLOB.sub(lambda found: names.setdefault(found[0], f"blob_{len(names)}"), text)
    return type(program)._from_mlir_module(ir.Module.parse(numbered, context=context))


def _save(program: Any, description: Description, path: Path) -> None:
    """Write an asset that describes itself and does not say when it was made."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        asset = program.save_asset(Path(folder) / "asset.aimodel")  # it takes no other ending

        def describe(told: Any) -> None:
            told.set_custom(METADATA_KEY, description.to_json())
            told.model_description = f"{description.model}, {len(description.classes)} classes"
            told.license = description.licence
            told.creation_date = None

        asset.update_metadata(describe)
        metadata = Path(folder) / "asset.aimodel" / METADATA
        ordered = json.dumps(json.loads(metadata.read_text()), indent=2, sort_keys=True)
        metadata.write_text(ordered + "\n")
        asset.path.rename(path)
