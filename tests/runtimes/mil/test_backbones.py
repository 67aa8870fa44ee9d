"""Core ML exports of every backbone, in an eighth of its widths, run in the evaluator and give torch's numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY
from tests.narrow import pruned_to_an_eighth
from tests.opening import open_here
from tests.runtimes.conftest import CLASSES, NORMALISATION, SIZE_HW, describe
from tests.slow import or_slow

DEEPER = (
    "resnet50",
    "resnet101",
    "xception65",
    "xception71",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenetv4_conv_medium",
    "mobilenetv2_100",
    "efficientnet_lite0",
)
"""Of operators that others here or `tests/models/test_contract.py` have, or shipped: in `make slow`."""


@pytest.mark.parametrize(
    "backbone",
    [
        or_slow(name, name not in DEEPER)
        for name in (member.spec.backbone for member in FAMILY.values() if member.spec.decoder)
    ],
)
def test_export_of_backbone_gives_the_numbers_of_torch(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = pruned_to_an_eighth(build_model(backbone, len(CLASSES)))
    model = model.eval().requires_grad_(False)
    images = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
    normalised = (images - np.array(NORMALISATION.mean)) / np.array(NORMALISATION.std)
    features = torch.from_numpy(normalised).permute(0, 3, 1, 2).float()
    model.classifier.weight /= model(features).std()  # untrained logits can be tiny
    expected = model(features).numpy()

    path = tmp_path / "backbone.mlpackage"
    graph = capture(model, NORMALISATION, SIZE_HW, "classes")
    write_target(graph, describe("coreml", "fp32", "classes"), path)
    runtime = open_here(path, threads=1)
    np.testing.assert_allclose(runtime.logits(images), expected, atol=1e-4)
    assert (runtime.predict(images) == expected.argmax(axis=1)).mean() > 0.999
