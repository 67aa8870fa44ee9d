"""DeepLabV3+: the paper's structure, the same for every backbone."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from huggingface_hub import constants

from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.models import features
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY, find_spec


def atrous_rates(model: torch.nn.Module) -> list[int]:
    """Atrous rates of ASPP's 3x3 convolutions, in order."""
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    return [c.dilation[0] for c in convolutions if c.kernel_size == (3, 3)]


@pytest.mark.parametrize("backbone", [m.spec.backbone for m in FAMILY.values() if m.spec.decoder])
class TestEveryBackbone:
    """What every backbone must give."""

    def test_logits_have_the_image_size(self, backbone: str) -> None:
        model = build_model(backbone, 5).eval()
        with torch.no_grad():
            assert model(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 64, 96)

    def test_output_stride_changes_features_but_no_weight(self, backbone: str) -> None:
        models = {s: build_model(backbone, 5, output_stride=s).eval() for s in (8, 16, 32)}
        for stride, model in models.items():
            model.load_state_dict(models[16].state_dict())
            with torch.no_grad():
                low, last = model.backbone(torch.zeros(1, 3, 64, 128))
            assert low.shape[-2:] == (16, 32)
            assert last.shape[-2:] == (64 // stride, 128 // stride)


@pytest.mark.parametrize(
    ("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18)), (32, (3, 6, 9))]
)
def test_rates_follow_the_output_stride(stride: int, rates: tuple[int, int, int]) -> None:
    assert find_spec("mobilenetv2_100").at_stride(stride).aspp.rates == rates
    assert atrous_rates(build_model("mobilenetv2_100", 5, output_stride=stride).aspp) == list(rates)


def test_separable_off_gives_dense_convolutions() -> None:
    dense = build_model("mobilenetv2_100", 5, separable=False)
    convolutions = [m for m in dense.decoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(c.groups == 1 for c in convolutions)
    assert [c.out_channels for c in convolutions] == [48, 256, 256]


def test_image_pooling_gives_every_pixel_the_same_value() -> None:
    pooling = build_model("mobilenetv2_100", 5).eval().aspp.branches[-1]
    with torch.no_grad():
        pooled = pooling(torch.randn(1, 320, 6, 8))
    torch.testing.assert_close(pooled, pooled[..., :1, :1].expand_as(pooled))
    assert pooled.std() > 0


def test_imagenet_weights_from_the_package_change_the_backbone() -> None:
    torch.manual_seed(0)
    fresh = build_model("efficientnet_lite0", 5)
    trained = build_model("efficientnet_lite0", 5, pretrained=True)
    stem = "backbone.conv_stem.weight"
    assert trained.state_dict()[stem].abs().sum() != fresh.state_dict()[stem].abs().sum()
    assert trained.state_dict()["backbone.bn1.running_var"].std() > 0


def test_imagenet_weights_without_a_network_are_not_asked_for_again_and_starts_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route")

    asked = []
    monkeypatch.setattr(features, "urlopen", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *address, **_: asked.append(address) or unreachable()
    )
    named = r"shipped camvid-efficientnet-lite0, .*\(efficientnet_lite0"
    with pytest.raises(CheckpointError, match=named) as told:
        build_model("mobilenetv2_100", 5, pretrained=True)
    assert "-int8" not in str(told.value)
    assert asked == []
    assert constants.HF_HUB_OFFLINE is False


def test_build_model_unknown_name_lists_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'deeplabv3plus_resnet50'.*xception65"):
        build_model("deeplabv3plus_resnet5", 5)


def test_build_model_unknown_stride_is_refused() -> None:
    with pytest.raises(ConfigError, match="output stride 4 is not one of 8, 16, 32"):
        build_model("mobilenetv2_100", 5, output_stride=4)


def test_build_model_unknown_argument_is_refused() -> None:
    with pytest.raises(ConfigError, match="'rates' is not known"):
        build_model("mobilenetv2_100", 5, rates=(1, 2, 3))
