"""Files of a single layer: what the cost of a layer in a runtime is measured on.

A layer reads and writes tensors of any number of channels, laid out as the target's whole files lay them out.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.to_onnx import OPSET
from edge_deeplab.errors import require, unknown_choice

LAYER_TARGETS = ("tflite", "onnx")
"""Targets whose runtime executes a single layer on any machine."""


def write_layer(layer: nn.Module, channels: int, size_hw: tuple[int, int], path: Path) -> None:
    """Write a file of one layer in float32; its ending says for which target.

    Args:
        layer: maps (1, channels, H, W) to (1, K, H', W'); in evaluation mode.
        channels: that it reads.
        size_hw: height and width that it reads.
        path: .tflite (channels last) or .onnx (channels first).

    Raises:
        ConfigError: for another target.
        ConversionError: when the converter fails.
        MissingDependencyError: when it is not installed.
    """
    target = path.suffix.removeprefix(".")
    if target not in LAYER_TARGETS:
        raise unknown_choice("runtime", target, LAYER_TARGETS)
    write = _tflite_layer if target == "tflite" else _onnx_layer
    path.write_bytes(write(layer, channels, size_hw))


def _tflite_layer(layer: nn.Module, channels: int, size_hw: tuple[int, int]) -> bytes:
    litert_torch: Any = require("litert_torch", package="litert-torch", extra="tflite")
    with calling("litert-torch", "TFLite"):
        channels_last = litert_torch.to_channel_last_io(layer, args=[0], outputs=[0])
        model = litert_torch.convert(channels_last.eval(), (torch.zeros(1, *size_hw, channels),))
        content: bytes = model.model_content()
    return content


def _onnx_layer(layer: nn.Module, channels: int, size_hw: tuple[int, int]) -> bytes:
    for package in ("onnx", "onnxscript"):
        require(package, package=package, extra="onnx")
    with calling("torch.onnx", "ONNX"):
        images = torch.zeros(1, channels, *size_hw)
        exported = torch.onnx.export(
            layer, (images,), dynamo=True, opset_version=OPSET, verbose=False
        )
        assert exported is not None
        content: bytes = exported.model_proto.SerializeToString()
    return content
