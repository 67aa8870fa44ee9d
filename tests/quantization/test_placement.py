"""Where quantizers go: what runtimes fuse carries one, what they tie shares one, what they cannot run is refused."""

import pytest
import torch
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.torchvision_without_operators import import_torchvision
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers


def test_fused_operators_carry_one_quantizer_behind_the_last(model: nn.Module) -> None:
    names = [n for group in place_quantizers(Network(model)).activations for n in group]
    assert "stem.2" in names
    assert not {"stem.0", "stem.1", "residual.0"} & set(names)
    assert "residual.1" in names, "no activation follows this batch norm: it is the last itself"
    assert "add" in names


def test_tensors_that_are_passed_on_share_one_quantizer(model: nn.Module) -> None:
    groups = {name: g for g in place_quantizers(Network(model)).activations for name in g}
    assert groups["classifier"] == ("classifier", "upsample_bilinear2d")
    assert groups["stem.2"] == ("stem.2", "pool")
    assert groups["aspp.cat"][-1] == "aspp.cat"
    assert set(groups["aspp.cat"]) >= {"aspp.branches.0.2", "aspp.branches.4.upsample_bilinear2d"}
    assert groups["decoder.upsample_bilinear2d"] == groups["decoder.reduce.2"]


def test_input_and_every_weight_are_quantized(model: nn.Module) -> None:
    placement = place_quantizers(Network(model))
    convolutions = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    assert placement.activations[0] == ("image",)
    assert set(placement.weights) == set(convolutions)


class HiddenActivation(nn.Module):
    """A convolution and a batch norm with an activation inside, as timm's are."""

    def __init__(self, activation: type[nn.Module]) -> None:
        super().__init__()
        import_torchvision()
        from timm.layers import BatchNormAct2d

        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = BatchNormAct2d(4, act_layer=activation)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bn(self.conv(images))
        return found


def test_activation_inside_of_batch_norm_that_runtimes_fuse_is_part_of_it() -> None:
    placement = place_quantizers(Network(HiddenActivation(nn.ReLU6)))
    assert placement.activations == (("image",), ("bn",))


def test_activation_inside_of_batch_norm_that_no_runtime_fuses_stands_behind_it() -> None:
    model = HiddenActivation(nn.Hardswish).eval()
    network = Network(model)
    assert place_quantizers(network).activations == (
        ("image",),
        ("bn.batch_norm",),
        ("bn.act.hardswish_gate",),
        ("bn.act",),
    )
    images = torch.randn(2, 3, 4, 4)
    assert torch.allclose(network.module(images), model(images), atol=1e-6)
    assert network.module.state_dict().keys() == model.state_dict().keys()
    network.module.train()(images)
    assert model.bn.num_batches_tracked == 1, "statistics are shared, not copied"


def test_what_a_target_cannot_run_is_refused_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"bn\.act \(GELU\).*keep_float"):
        place_quantizers(Network(HiddenActivation(nn.GELU)))


def test_modules_kept_in_float_have_no_quantizers_but_at_their_border() -> None:
    network = Network(build_model("mobilenetv3_large_100", 5))
    placement = place_quantizers(network, ["backbone"])
    names = [n for group in placement.activations for n in group]
    assert [n for n in names if n.startswith("backbone")] == [
        "backbone.blocks.1.1.add",
        "backbone.blocks.6.0.bn1.act",
    ]
    assert not [w for w in placement.weights if w.startswith("backbone")]


class Sharpened(nn.Module):
    """An activation of functions alone, one of which has no int8 form."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x * 1.7)


def test_module_without_layers_is_kept_in_float() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Sharpened(), nn.Conv2d(4, 2, 1))
    with pytest.raises(ConfigError, match=r"1\.mul \(mul\) has no int8 form"):
        place_quantizers(Network(model))
    placement = place_quantizers(Network(model), ("1",))
    assert placement.activations == (("image",), ("0",), ("1.mul_1",), ("2",))


def test_unknown_module_to_keep_in_float_is_refused(model: nn.Module) -> None:
    with pytest.raises(ConfigError, match="'neck', which is of no module"):
        place_quantizers(Network(model), ["neck"])


class Branching(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if images.mean() > 0 else -images


def test_networks_that_cannot_be_traced_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be traced module by module"):
        Network(Branching())
