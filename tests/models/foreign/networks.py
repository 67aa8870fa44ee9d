"""Networks as their own projects build them, with random weights and statistics, and what each computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.foreign.reading import SOURCES, tell_of
from edge_deeplab.models.torchvision_without_operators import import_torchvision

CLASSES = 5


@dataclass(frozen=True)
class Theirs:
    """Somebody else's network.

    Args:
        source: a key of `SOURCES`.
        says: which network it is: a name, or its project's own configuration.
        network: the network, ready to use.
        scores: gives the scores of pictures.
    """

    source: str
    says: str | Mapping[str, Any]
    network: nn.Module
    scores: Callable[[torch.Tensor], torch.Tensor]


def torchvision_network(name: str) -> Theirs:
    """One of torchvision's, with its auxiliary head."""
    import_torchvision()
    build = getattr(import_module("torchvision.models.segmentation"), name)
    network = build(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)
    return Theirs("torchvision", name, with_statistics(network), lambda x: network(x)["out"])


def smp_network(model: str, encoder: str, **arguments: Any) -> Theirs:
    """One of segmentation_models.pytorch, and what `save_pretrained` says of it."""
    smp = import_or_skip("segmentation_models_pytorch")
    network = getattr(smp, model)(
        encoder_name=encoder, encoder_weights=None, classes=CLASSES, **arguments
    )
    says = {**network.config, "_model_class": model}
    return Theirs("smp", says, with_statistics(network), network)


def hugging_face_network(**arguments: Any) -> Theirs:
    """Transformers' MobileNetV2ForSemanticSegmentation, its logits enlarged as its own processor does."""
    transformers = import_or_skip("transformers")
    config = transformers.MobileNetV2Config(num_labels=CLASSES, **arguments)
    network = transformers.MobileNetV2ForSemanticSegmentation(config)
    says = {**config.to_diff_dict(), "architectures": [type(network).__name__]}
    says["id2label"] = {str(number): name for number, name in config.id2label.items()}
    return Theirs("hf", says, with_statistics(network), lambda x: _enlarged(network(x).logits, x))


class VainfHead(nn.Module):
    """VainF's DeepLabHeadV3Plus, whose ASPP is torchvision's."""

    def __init__(self, rates: list[int]) -> None:
        super().__init__()
        segmentation = import_module("torchvision.models.segmentation.deeplabv3")
        self.project = nn.Sequential(*_conv_bn_relu(256, 48, 1))
        self.aspp = segmentation.ASPP(2048, rates)
        self.classifier = nn.Sequential(*_conv_bn_relu(304, 256, 3), nn.Conv2d(256, CLASSES, 1))

    def forward(self, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        low = self.project(features["low_level"])
        high = functional.interpolate(
            self.aspp(features["out"]), size=low.shape[2:], mode="bilinear"
        )
        scores: torch.Tensor = self.classifier(torch.cat([low, high], dim=1))
        return scores


class VainfNetwork(nn.Module):
    """VainF's DeepLabV3+ on a ResNet, whose backbone is torchvision's."""

    def __init__(self, output_stride: int) -> None:
        super().__init__()
        import_torchvision()
        models = import_module("torchvision.models")
        resnet = models.resnet50(replace_stride_with_dilation=[False, output_stride == 8, True])
        getter = import_module("torchvision.models._utils").IntermediateLayerGetter
        self.backbone = getter(resnet, {"layer1": "low_level", "layer4": "out"})
        self.classifier = VainfHead([rate * 16 // output_stride for rate in (6, 12, 18)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return _enlarged(self.classifier(self.backbone(images)), images)


def vainf_network(output_stride: int) -> Theirs:
    network = with_statistics(VainfNetwork(output_stride))
    return Theirs("vainf", f"deeplabv3plus_resnet50_os{output_stride}", network, network)


def their_tensors(source: str, said: Any, num_classes: int = 3) -> dict[str, torch.Tensor]:
    """Random tensors under a source's names: its table, read backwards."""
    told = tell_of(SOURCES[source], said)
    with torch.device("meta"):
        state = build_model(told.spec, num_classes).state_dict()
    assert told.spec.aspp is not None
    renames = SOURCES[source].renames(told.spec, told.spec.aspp)
    theirs = {ours: name for name, ours in renames.items()}
    tensors = {}
    for name, tensor in state.items():
        path = max((ours for ours in theirs if name.startswith(f"{ours}.")), key=len)
        tensors[f"{theirs[path]}{name[len(path) :]}"] = torch.rand(tensor.shape).to(tensor.dtype)
    return tensors


def with_statistics(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode whose batch norms are random too, around what random pictures give."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 64, 64))
        for norm in norms:
            mean, var = norm.running_mean, norm.running_var
            assert mean is not None
            assert var is not None
            mean += 0.1 * var.sqrt() * torch.randn_like(mean)
            var *= 0.75 + 0.5 * torch.rand_like(var)
    return network.eval()


def _enlarged(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(scores, size=images.shape[2:], mode="bilinear")


def import_or_skip(package: str) -> Any:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; the extra dev has what tests need")
    import_torchvision()
    return import_module(package)


def _conv_bn_relu(before: int, after: int, side: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
