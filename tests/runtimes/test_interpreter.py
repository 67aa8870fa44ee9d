"""The TFLite runtime's own parts: metadata from the flatbuffer, quantized inputs, the fallback interpreter."""

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_deeplab.description import METADATA_KEY, parse_description
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.tflite_metadata import read_metadata
from edge_deeplab.runtimes import interpreter
from edge_deeplab.runtimes.inputs import AffineQuantization, ImageTensor
from tests.runtimes.conftest import CLASSES


def test_read_metadata_gives_the_embedded_description(export_tiny: Callable[..., Path]) -> None:
    text = read_metadata(export_tiny("tflite").read_bytes(), METADATA_KEY)
    assert text is not None
    assert parse_description(text, path="tiny").classes == CLASSES


def test_description_with_two_classes_of_one_name_is_refused(
    export_tiny: Callable[..., Path],
) -> None:
    text = read_metadata(export_tiny("tflite").read_bytes(), METADATA_KEY)
    assert text is not None
    document = json.loads(text)
    document["classes"][1]["name"] = document["classes"][0]["name"]
    with pytest.raises(ArtifactError, match="2 classes have the name"):
        parse_description(json.dumps(document), path="tiny")


def test_read_metadata_of_other_name_is_none(export_tiny: Callable[..., Path]) -> None:
    assert read_metadata(export_tiny("tflite").read_bytes(), "edge_deepla") is None


def test_read_metadata_of_file_without_any_is_none() -> None:
    # root offset, then a vtable (4 bytes: size 4, no fields) and a table that points back to it
    assert read_metadata(struct.pack("<IHHi", 8, 4, 4, 4), METADATA_KEY) is None


def test_read_metadata_of_offsets_outside_the_file_raises() -> None:
    with pytest.raises(ValueError, match="outside itself"):
        read_metadata(struct.pack("<II", 4000, 0), METADATA_KEY)


@pytest.mark.parametrize(
    ("dtype", "quantization", "expected"),
    [
        ("uint8", AffineQuantization(1.0, 0), [0, 128, 255]),
        ("int8", AffineQuantization(1.0, -128), [-128, 0, 127]),
        ("float32", None, [0.0, 128.0, 255.0]),
        ("int8", AffineQuantization(2.0, 0), [0, 64, 127]),  # 255 / 2 is 127.5, saturated
    ],
)
def test_encode_of_described_input_is_the_pixel_value_in_the_tensors_type(
    dtype: str, quantization: AffineQuantization | None, expected: list[float]
) -> None:
    image = ImageTensor("image", (1, 1, 1, 3), np.dtype(dtype), quantization)
    tensor = image.encode(np.array([[[0, 128, 255]]], np.uint8), None)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor[0, 0, 0], expected)


def test_dequantize_inverts_quantize() -> None:
    quantization = AffineQuantization(0.5, 3)
    values = np.array([-2.0, 0.0, 1.5], np.float32)
    stored = quantization.quantize(values, np.dtype(np.int8))
    np.testing.assert_array_equal(stored, [-1, 3, 6])
    np.testing.assert_array_equal(quantization.dequantize(stored), values)


def test_load_interpreter_module_falls_back_to_tflite_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = ModuleType("tflite_runtime.interpreter")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", old)
    assert interpreter.load_interpreter_module() == ("tflite-runtime", old)
