"""Canonical graph to a Core ML package, through coremltools."""

import importlib
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.converters.aten import BICUBIC, NEAREST_EXACT
from edge_deeplab.converters.capture import INPUT_NAME, CanonicalGraph
from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.rewrites.interpolation import resize_by_matrices
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.formats.importing_coremltools import import_coremltools
from edge_deeplab.quantization.sparsity import SMALLEST

_CHANGES_SCALES = "common::distributive_quantized_binary_op_scale_normalization"
"""Pass that multiplies the scales around a quantized addition until the output's is 1; no other target has those."""

_WORTH_A_MASK = 0.2
"""Share of zeros from which a mask, one bit a weight, saves more than it costs."""

_UNKNOWN_RESIZES = (BICUBIC, NEAREST_EXACT)
"""Modes that coremltools has no operator for."""

_WEIGHT_BITS = {"w8": 8, "w6": 6, "w4": 4}


def write_coreml(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write an `.mlpackage` folder: an ML program for iOS 16, macOS 13 and later (int8: iOS 17, macOS 14).

    Input "image": an RGB image of H by W. Output "classes": (1, H, W) int32, or "logits": (1, K, H,
    W) float32.

    Args:
        graph: the canonical graph, taken as it is.
        description: embedded in the file; its precision is "fp32", "fp16" (computed in float16) or, of a quantized
            graph, "int8" (iOS 17: weights and activations in int8, what lies between them in float16). "w8", "w6"
            and "w4" store weights in so many bits and compute in float16. In fp32 and fp16 the file leaves the zeros
            of sparse weights out.
        path: folder to write.

    Raises:
        MissingDependencyError: without coremltools.
        ConversionError: when it fails.
    """
    with calling("coremltools", "Core ML"):
        coremltools = import_coremltools(converting=True)
        model = _convert(coremltools, graph, description.precision)
        if description.precision in _WEIGHT_BITS:
            model = _store_weights_in(coremltools, model, _WEIGHT_BITS[description.precision])
        elif description.precision != "int8" and graph.sparse:
            model = _leave_zeros_out(coremltools, model)
        model.user_defined_metadata[METADATA_KEY] = description.to_json()
        model.short_description = f"{description.model}, {len(description.classes)} classes"
        model.license = description.licence
        model.save(str(path))
        remove_chance(path)


def _convert(coremltools: Any, graph: CanonicalGraph, precision: str) -> Any:
    image = coremltools.ImageType(
        INPUT_NAME, shape=(1, 3, *graph.size_hw), color_layout=coremltools.colorlayout.RGB
    )
    output_type = np.float32 if graph.head == "logits" else np.int32
    computed = (
        coremltools.precision.FLOAT32 if precision == "fp32" else coremltools.precision.FLOAT16
    )
    passes = coremltools.PassPipeline.DEFAULT
    passes.remove_passes({_CHANGES_SCALES})
    system = coremltools.target.iOS17 if graph.is_quantized else coremltools.target.iOS16
    return coremltools.convert(
        resize_by_matrices(graph.program, _UNKNOWN_RESIZES),
        convert_to="mlprogram",
        inputs=[image],
        outputs=[coremltools.TensorType(graph.head, dtype=output_type)],
        minimum_deployment_target=system,
        compute_precision=computed,
        pass_pipeline=passes,
        skip_model_load=True,
    )


def _leave_zeros_out(coremltools: Any, model: Any) -> Any:
    """Return the model with weights that are largely zero stored as a mask and the values that stay."""
    compress = importlib.import_module("coremltools.optimize.coreml")
    sparse = compress.OpThresholdPrunerConfig(
        threshold=0.0, minimum_sparsity_percentile=_WORTH_A_MASK, weight_threshold=SMALLEST - 1
    )
    return compress.prune_weights(model, compress.OptimizationConfig(global_config=sparse))


def _store_weights_in(coremltools: Any, model: Any, bits: int) -> Any:
    """Return the model with weights in 8 bits (linear, per channel) or in palettes of 2 ** bits values."""
    compress = importlib.import_module("coremltools.optimize.coreml")
    if bits == 8:
        linear = compress.OpLinearQuantizerConfig(mode="linear_symmetric")
        settings = compress.OptimizationConfig(global_config=linear)
        return compress.linear_quantize_weights(model, settings)
    palettes = compress.OpPalettizerConfig(mode="kmeans", nbits=bits)
    return compress.palettize_weights(model, compress.OptimizationConfig(global_config=palettes))


_DATE = "com.github.apple.coremltools.conversion_date"


def remove_chance(package: Path) -> None:
    """Rewrite a package, in place, without what changes from run to run: dates, random identifiers, order of maps.

    Args:
        package: `.mlpackage` folder that coremltools has written.
    """
    manifest = json.loads((package / "Manifest.json").read_text())
    root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    _rewrite_program(package / "Data" / root["path"])
    stable = {
        old: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"]))
        for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {
        stable[old]: entry for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = stable[manifest["rootModelIdentifier"]]
    text = json.dumps(manifest, indent=4, sort_keys=True)
    (package / "Manifest.json").write_text(text + "\n")


def _rewrite_program(path: Path) -> None:
    proto: Any = importlib.import_module("coremltools.proto.Model_pb2")
    model = proto.Model()
    model.ParseFromString(path.read_bytes())
    model.description.metadata.userDefined.pop(_DATE, None)
    path.write_bytes(model.SerializeToString(deterministic=True))
