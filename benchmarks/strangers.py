"""Writes other people's networks, with random weights, as files: each as float and int8, as ONNX and TFLite.

    pip install segmentation-models-pytorch
    python benchmarks/strangers.py FOLDER [NETWORK...]
    python benchmarks/lab_cells.py FOLDER/*

The roads are those that their own documents name, and none is this project's: torch.onnx.export, ONNX Runtime's static
quantization, litert-torch and ai-edge-quantizer. What is there already is kept.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_deeplab.models.torchvision_without_operators import import_torchvision

SIZE_HW = (128, 128)
CLASSES = 11
CALIBRATION_PICTURES = 8


class Scores(torch.nn.Module):
    """torchvision's segmentation networks give a dictionary; this gives its scores.

    Args:
        network: one of them.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, classes, H, W) scores of (N, 3, H, W) images."""
        return self.network(images)["out"]


def from_torchvision(name: str) -> torch.nn.Module:
    """Return a segmentation network of torchvision's."""
    import_torchvision()
    from torchvision.models import segmentation

    build = getattr(segmentation, name)
    return Scores(build(weights=None, weights_backbone=None, num_classes=CLASSES))


def from_smp(name: str, encoder: str) -> torch.nn.Module:
    """Return a network of segmentation-models-pytorch."""
    import_torchvision()
    import segmentation_models_pytorch as smp

    return getattr(smp, name)(encoder, encoder_weights=None, classes=CLASSES)


NETWORKS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "tv-deeplabv3-mobilenetv3": lambda: from_torchvision("deeplabv3_mobilenet_v3_large"),
    "tv-lraspp-mobilenetv3": lambda: from_torchvision("lraspp_mobilenet_v3_large"),
    "smp-deeplabv3plus-mobilenetv2": lambda: from_smp("DeepLabV3Plus", "tu-mobilenetv2_100"),
    "smp-deeplabv3plus-resnet18": lambda: from_smp("DeepLabV3Plus", "resnet18"),
    "smp-unet-resnet34": lambda: from_smp("Unet", "resnet34"),
    "smp-fpn-resnet18": lambda: from_smp("FPN", "resnet18"),
}


def main() -> None:
    """Write what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.networks:
        torch.manual_seed(0)
        network = NETWORKS[name]().eval()
        for write, ending in (
            (write_onnx, "-fp32.onnx"),
            (write_opset_18, "-opset18.onnx"),
            (write_int8_onnx, "-int8.onnx"),
            (write_tflite, "-fp32.tflite"),
            (write_int8_tflite, "-int8.tflite"),
        ):
            path = arguments.folder / f"{name}{ending}"
            if not path.exists():
                write(network, path)
                sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n")


def pictures() -> Iterator[np.ndarray]:
    """Yield seeded noise, (1, 3, H, W) float32, to calibrate with."""
    generator = np.random.default_rng(0)
    for _ in range(CALIBRATION_PICTURES):
        yield generator.standard_normal((1, 3, *SIZE_HW), dtype=np.float32)


def write_onnx(network: torch.nn.Module, path: Path, opset: int | None = None) -> None:
    """Write a network with torch.onnx.export, at the opset that it takes by itself unless one is given."""
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, *SIZE_HW),),
        path,
        opset_version=opset,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def write_opset_18(network: torch.nn.Module, path: Path) -> None:
    """Write a network at an opset that every tool reads."""
    write_onnx(network, path, 18)


def write_int8_onnx(network: torch.nn.Module, path: Path) -> None:
    """Write a network as QDQ with ONNX Runtime's static quantization, as its documents say."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self._left = ({name: picture} for picture in pictures())

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._left, None)

    import onnx

    floats = path.with_name(path.name.replace("-int8", "-opset18"))
    prepared = path.with_suffix(".prepared")
    quant_pre_process(floats, prepared)
    try:
        first = onnx.load(prepared, load_external_data=False).graph.input[0].name
        quantize_static(prepared, path, Reader(first), per_channel=True)
    finally:
        prepared.unlink()


def write_tflite(network: torch.nn.Module, path: Path) -> None:
    """Write a network with litert-torch."""
    import litert_torch

    litert_torch.convert(network, (torch.zeros(1, 3, *SIZE_HW),)).export(str(path))


def write_int8_tflite(network: torch.nn.Module, path: Path) -> None:
    """Write a network with 8-bit weights and activations with ai-edge-quantizer."""
    from ai_edge_quantizer import quantizer, recipe

    floats = path.with_name(path.name.replace("-int8", "-fp32"))
    made = quantizer.Quantizer(str(floats), recipe.static_wi8_ai8())
    given: dict[str, list[Any]] = {"serving_default": [{"args_0": one} for one in pictures()]}
    made.quantize(made.calibrate(given)).export_model(str(path))


if __name__ == "__main__":
    main()
