"""The tiny files on which an installed tool is tried: an int8 convolution and a resize (`tests/lab/trial_files.py`)."""

from collections.abc import Mapping
from pathlib import Path

from edge_deeplab.targets import TargetName

TRIAL_FILES: Mapping[TargetName, Path] = {
    "tflite": Path(__file__).with_name("tiny.tflite"),
    "onnx": Path(__file__).with_name("tiny.onnx"),
}
"""By the format that a device reads."""
