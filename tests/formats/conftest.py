"""Tiny files of the three formats."""

from tests.tiny_files import (
    custom_path,
    mlpackage_path,
    onnx_path,
    tflite_path,
    tflite_report,
    tiny,
)

__all__ = ["custom_path", "mlpackage_path", "onnx_path", "tflite_path", "tflite_report", "tiny"]
