"""Resizes of every mode that networks are written with: each file samples where torch does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.targets import TARGETS
from tests.converters.conftest import CLASSES, NORMALISATION, SIZE_HW, describe
from tests.opening import open_here


class Resized(nn.Module):
    """Logits of 8x12 pixels that are resized one after another, and at last to the picture's size."""

    def __init__(self, resizes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(3, len(CLASSES), 3, stride=4, padding=1)
        self.resizes = resizes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.classifier(images)
        for settings in self.resizes:
            logits = functional.interpolate(logits, **settings)
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear")


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
@pytest.mark.parametrize(
    "resizes",
    [
        [{"scale_factor": 1.5, "mode": "bilinear"}, {"scale_factor": 0.5, "mode": "bilinear"}],
        [{"scale_factor": 1.5, "mode": "nearest"}, {"scale_factor": 0.5, "mode": "nearest"}],
        [{"size": (13, 19), "mode": "nearest"}, {"scale_factor": 2, "mode": "nearest"}],
    ],
    ids=["bilinear", "nearest", "nearest to a size"],
)
def test_file_samples_where_torch_does(
    resizes: list[dict[str, Any]], target: str, image_hwc: torch.Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    graph = capture(Resized(resizes).eval(), NORMALISATION, SIZE_HW, "logits")
    path = tmp_path / f"resized{TARGETS[target].ending}"
    write_target(graph, describe(target, "fp32", "logits"), path)
    found = open_here(path).logits(image_hwc[None].numpy())[0]
    np.testing.assert_allclose(found, graph.run(image_hwc).numpy(), rtol=0, atol=1e-4)
