"""A backbone's features: timm networks cut to the maps that a DeepLab reads.

The idea to hold: `output_stride` turns the last strided convolutions into atrous ones, weights unchanged, so one set of
weights can be run at stride 8, 16 or 32. timm says where, but for VGG; what a spec asks beyond that is set afterwards.
"""

import contextlib
import functools
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import nn

from edge_deeplab.errors import CheckpointError, require
from edge_deeplab.models.backbones import BACKBONES, get_backbone
from edge_deeplab.models.padded_convolution import SAME, PaddedConv2d
from edge_deeplab.models.shipped_files import shipped_checkpoints
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.models.torchvision_without_operators import load_timm

_COARSEST = 32
_PATIENCE_S = 3.0
"""Seconds that a server has to answer."""


def build_backbone(spec: ModelSpec) -> nn.Module:
    """Return a spec's backbone, randomly initialised; it gives a list of its low-level features, then the last ones."""
    network = _create(spec, _COARSEST)
    if spec.backbone.startswith("vgg"):
        _keep_size_of_pools(network, spec.output_stride)
    else:
        _make_atrous(network, spec)
    if spec.multi_grid:
        last_stage = network.get_submodule(get_backbone(spec.backbone).last_stage or "")
        for block, factor in zip(last_stage.children(), spec.multi_grid, strict=True):
            atrous = _convolutions(block)["conv2"]
            _set_rate(atrous, factor * atrous.dilation[0])
    if spec.batch_norm_eps is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = spec.batch_norm_eps
    if spec.same_padding:
        _pad_within(network)
    return network


def feature_channels(network: nn.Module) -> list[int]:
    """Return the channel counts of the features of a built backbone, the last ones' at the end."""
    return [int(count) for count in network.feature_info.channels()]  # type: ignore[operator, union-attr]


def load_imagenet_weights(network: nn.Module, spec: ModelSpec) -> None:
    """Load ImageNet weights into a built backbone, in place.

    Taken from the installed weights package where there is one, else by timm's own download.

    Raises:
        CheckpointError: when neither source can give them.
    """
    backbone = get_backbone(spec.backbone)
    if backbone.weights_package is not None:
        _load_in_order(network, _read_packaged_weights(backbone.weights_package))
        return
    try:
        with _without_retries():
            source = _create(spec, _COARSEST, pretrained=True)
    except Exception as error:  # timm and the hub raise whatever the network stack raises
        packaged = [name for name, each in BACKBONES.items() if each.weights_package is not None]
        raise CheckpointError(
            f"ImageNet weights of {spec.backbone} could not be downloaded ({type(error).__name__}); a network "
            "connection was expected; start from a checkpoint (init), whose network is taken with its weights, as the "
            f"shipped {', '.join(_shipped_starts())}, or train a model whose ImageNet weights are installed "
            f"({', '.join(packaged)}), or set pretrained = false in the recipe"
        ) from error
    network.load_state_dict(source.state_dict())


def _shipped_starts() -> list[str]:
    return [name for name in shipped_checkpoints() if not name.endswith("-int8")]


@contextlib.contextmanager
def _without_retries() -> Iterator[None]:
    """Let the hub's client read what it has kept and ask nobody while the block lasts, where no hub answers.

    It would try again for a minute.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(address: str) -> bool:
    """Return whether a server, or the proxy before it, answers at all."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_PATIENCE_S):
            return True
    except HTTPError:
        return True  # it does, though not with the page
    except (OSError, ValueError):
        return False


def _create(spec: ModelSpec, output_stride: int, *, pretrained: bool = False) -> nn.Module:
    timm = load_timm()
    backbone = get_backbone(spec.backbone)
    low = (backbone.last_index - int(math.log2(_COARSEST // stride)) for stride in spec.low_strides)
    network: nn.Module = timm.create_model(
        backbone.timm_name,
        pretrained=pretrained,
        features_only=True,
        output_stride=output_stride,
        out_indices=(*low, backbone.last_index),
        **({"pad_type": "same"} if spec.same_padding else {}),
        **({} if backbone.feature_cls is None else {"feature_cls": backbone.feature_cls}),
    )
    return network


def _keep_size_of_pools(network: nn.Module, output_stride: int) -> None:
    """Let pools beyond the output stride keep the size, in place: 3x3, and the convolutions after them atrous.

    DeepLabV1 section 3.1, "we skip subsampling after the last two max-pooling layers".
    """
    stride = rate = 1
    for name, layer in network.named_children():
        if isinstance(layer, nn.MaxPool2d) and stride == output_stride:
            setattr(network, name, nn.MaxPool2d(3, stride=1, padding=1))
            rate *= 2
        elif isinstance(layer, nn.MaxPool2d):
            stride *= 2
        elif isinstance(layer, nn.Conv2d):
            _set_rate(layer, rate)


def _make_atrous(network: nn.Module, spec: ModelSpec) -> None:
    """Give a network of stride 32 the strides and rates that timm's has at the spec's output stride, in place.

    Its modules stay: timm leaves out the shortcut of an Xception-71 block that loses its stride, and with it weights.
    """
    strides_and_rates = _strides_and_rates(spec)
    for path, layer in _convolutions(network).items():
        stride, rate = strides_and_rates.get(path, (1, 1))
        lost = layer.stride[0] // stride
        layer.stride = (stride, stride)
        _set_rate(layer, rate * lost if spec.first_dilated else rate)


@functools.cache  # half of the time that building a network takes
def _strides_and_rates(spec: ModelSpec) -> Mapping[str, tuple[int, int]]:
    """Return what timm gives each convolution, by path, at the spec's output stride."""
    with torch.device("meta"):
        atrous = _convolutions(_create(spec, spec.output_stride))
    return {path: (layer.stride[0], layer.dilation[0]) for path, layer in atrous.items()}


def _pad_within(network: nn.Module) -> None:
    """Let convolutions pad as TensorFlow does wherever they are run, in place.

    timm's pad before they are run, which is lost where quantizers or float32 are put around the convolution itself.
    """
    for path, layer in _convolutions(network).items():
        if type(layer) is nn.Conv2d:  # pads alike on all sides at any size
            continue
        settings = {
            "channels": layer.out_channels,
            "kernel_hw": layer.kernel_size,
            "stride_hw": layer.stride,
            "rate_hw": layer.dilation,
            "groups": layer.groups,
            "edges": SAME,
        }
        padded = PaddedConv2d(layer.in_channels, settings)
        padded.weight, padded.bias = layer.weight, layer.bias
        network.set_submodule(path, padded)


def _convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    return {path: m for path, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def _set_rate(layer: nn.Conv2d, rate: int) -> None:
    if layer.kernel_size != (1, 1) and layer.dilation != (rate, rate):
        layer.dilation = (rate, rate)
        layer.padding = tuple(rate * (side // 2) for side in layer.kernel_size)


def _read_packaged_weights(module: str) -> "OrderedDict[str, torch.Tensor]":
    package: Any = require(module, package=module.replace("_", "-"), extra="train")
    folder = Path(package.__file__).parent / "models"
    (path,) = folder.glob("*.pth")
    state: OrderedDict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _load_in_order(network: nn.Module, source: "OrderedDict[str, torch.Tensor]") -> None:
    """Copy tensors by order: two implementations of one network list the same tensors under other names."""
    target = network.state_dict()
    values = iter(source.values())
    for (name, tensor), value in zip(target.items(), values, strict=False):
        if tensor.shape != value.shape:
            raise CheckpointError(
                f"packaged ImageNet weights do not fit at {name}: {tuple(value.shape)} came, "
                f"{tuple(tensor.shape)} was expected; install the tested version of the weights package"
            )
        tensor.copy_(value)
