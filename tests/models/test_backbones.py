"""Xception by timm's getter: its features, and checkpoints from when its features were taken by hooks."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from edge_deeplab.models.backbones import current_name
from edge_deeplab.models.checkpoint import FORMAT, METADATA_KEY, load_checkpoint
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.features import build_backbone
from edge_deeplab.models.torchvision_without_operators import import_torchvision

from .test_checkpoint import INFO


def test_xception_gives_the_features_that_hooks_gave() -> None:
    import_torchvision()
    import timm

    hooked = timm.create_model(
        "xception65", features_only=True, output_stride=16, out_indices=(1, 4), feature_cls="hook"
    ).eval()
    network = build_backbone(find_spec("xception65")).eval()
    state = {current_name(f"backbone.{name}"): t for name, t in hooked.state_dict().items()}
    network.load_state_dict({name.removeprefix("backbone."): t for name, t in state.items()})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for found, expected in zip(network(image), hooked(image), strict=True):
            assert torch.equal(found, expected)


def test_checkpoint_of_hooked_xception_has_the_names_of_today(tmp_path: Path) -> None:
    tensors = {"backbone.stem_0.conv.weight": torch.ones(1), "classifier.bias": torch.ones(2)}
    document = json.dumps({"format": FORMAT, **asdict(INFO)})
    path = tmp_path / "old.safetensors"
    save_file(tensors, path, metadata={METADATA_KEY: document})
    assert set(load_checkpoint(path).tensors) == {
        "backbone.model.stem.0.conv.weight",
        "classifier.bias",
    }
