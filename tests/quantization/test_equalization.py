"""Cross-layer equalization: what the network computes stays, what int8 loses shrinks, what may not move does not."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.errors import ConfigError
from edge_deeplab.quantization.equalization import equalize
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.sensitivity import signal_to_noise_db

from .conftest import calibrated


class Net(nn.Module):
    """A stem, a residual block with a depthwise convolution, two branches that are concatenated, and a classifier."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = activation()
        self.project = nn.Conv2d(8, 6, 1)
        self.expand = nn.Conv2d(6, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.back = nn.Conv2d(12, 6, 1)
        self.grouped = nn.Conv2d(6, 4, 1, groups=2)
        self.pooled = nn.Conv2d(6, 4, 1)
        self.classifier = nn.Conv2d(8, 5, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.project(self.act(self.norm(self.stem(image))))
        x = x + self.back(self.act(self.depthwise(self.act(self.expand(x)))))
        pooled = functional.interpolate(
            self.act(self.pooled(x.mean((2, 3), keepdim=True))), x.shape[2:], mode="bilinear"
        )
        return self.classifier(torch.cat([self.act(self.grouped(x)), pooled], 1))


def uneven(activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    """Return a network of random weights whose convolutions give channels of very different ranges."""
    torch.manual_seed(3)
    net = Net(activation)
    for layer in (net.norm, net.project, net.expand, net.depthwise, net.back):
        spread = 10 ** torch.linspace(-1.5, 0.5, len(layer.weight))
        layer.weight.data *= spread.reshape(-1, *[1] * (layer.weight.ndim - 1))
        layer.bias.data *= spread
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    return net.eval()


IMAGES = [torch.rand(1, 3, 16, 24, generator=torch.manual_seed(i)) * 2 - 1 for i in range(4)]


def run(net: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([net(image) for image in IMAGES])


def int8_snr_db(net: nn.Module, expected: torch.Tensor) -> float:
    quantized = fake_quantized(net, calibrated(net, IMAGES))
    return signal_to_noise_db(expected.numpy(), run(quantized).numpy())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_network_computes_the_same(activation: type[nn.Module], share: float) -> None:
    net = uneven(activation)
    before, weights = run(net), net.expand.weight.clone()
    equalize(net, IMAGES, share)
    assert torch.allclose(run(net), before, rtol=1e-4, atol=1e-6 * float(before.abs().max()))
    assert not torch.equal(net.expand.weight, weights)


def test_int8_of_an_uneven_form_of_a_network_loses_no_more_than_of_the_even_one() -> None:
    torch.manual_seed(3)
    net = Net().eval()
    expected = run(net)
    even = int8_snr_db(net, expected)
    spread = 10 ** torch.linspace(-1.0, 1.0, 6)
    for maker in (net.project, net.back):
        maker.weight.data *= spread.reshape(-1, 1, 1, 1)
        maker.bias.data *= spread
    net.expand.weight.data /= spread.reshape(1, -1, 1, 1)
    net.pooled.weight.data /= spread.reshape(1, -1, 1, 1)
    net.grouped.weight.data /= spread.reshape(2, 1, 3, 1, 1).expand(2, 2, 3, 1, 1).flatten(0, 1)
    assert int8_snr_db(net, expected) < even - 6
    equalize(net, IMAGES, 0.5)
    assert int8_snr_db(net, expected) > even - 1


def test_what_a_clipping_activation_or_the_logits_look_at_keeps_its_scale() -> None:
    net = uneven(nn.ReLU6)
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    equalize(net, IMAGES, 0.5)
    changed = {
        name for name, value in net.state_dict().items() if not torch.equal(value, kept[name])
    }
    # Only the residual sum, which no ReLU6 looks at, is scaled: by its two makers, and back by its three readers.
    assert changed == {
        *("project.weight", "project.bias", "back.weight", "back.bias"),
        *("expand.weight", "grouped.weight", "pooled.weight"),
    }


def test_a_channel_that_was_empty_on_the_images_is_not_blown_up() -> None:
    net = uneven()
    net.depthwise.weight.data[0], net.depthwise.bias.data[0] = 0.0, -1.0
    before = net.depthwise.bias.clone()
    equalize(net, IMAGES, 1.0)
    assert (net.depthwise.bias[0] / before[0]).abs() <= 51
    assert all(value.isfinite().all() for value in net.state_dict().values())


def test_weights_at_two_places_stay() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            self.last = nn.Conv2d(4, 2, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.last(self.again(self.again(self.first(image)).relu()))

    torch.manual_seed(1)
    net = Twice().eval()
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    equalize(net, IMAGES, 0.5)
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())


def test_a_network_that_would_compute_something_else_is_refused_and_left() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            deviation = self.weight.std((1, 2, 3), keepdim=True)
            return self._conv_forward(x, self.weight / deviation, self.bias)

    torch.manual_seed(1)
    first = nn.Conv2d(3, 8, 1)
    first.weight.data *= 10 ** torch.linspace(-1, 1, 8).reshape(-1, 1, 1, 1)
    net = nn.Sequential(first, nn.ReLU(), Standardised(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    kept = {name: value.clone() for name, value in net.eval().state_dict().items()}
    with pytest.raises(ConfigError, match=r"channels of Sequential moves its logits by \S+ of the"):
        equalize(net, IMAGES, 0.5)
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())
