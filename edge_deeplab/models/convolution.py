"""The convolution blocks of DeepLab: dense, and atrous separable with or without batch norm between the two halves."""

from collections.abc import Callable, Mapping

from torch import nn

from edge_deeplab.models.spec import Convolution


def conv_bn_relu(
    in_channels: int, out_channels: int, *, kernel_size: int, rate: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return convolution, batch norm, ReLU that keeps height and width.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: 1 or 3.
        rate: atrous rate.
        groups: `in_channels` makes it depthwise.
    """
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=rate * (kernel_size // 2),
            dilation=rate,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_conv_bn_relu(
    in_channels: int, out_channels: int, *, kernel_size: int, rate: int = 1
) -> nn.Sequential:
    """Return an atrous separable convolution: depthwise (atrous) then pointwise.

    Batch norm and ReLU follow the depthwise convolution too: DeepLabV3+ section 3.2, "extra batch
    normalization and ReLU activation are added after each 3x3 depthwise convolution".
    """
    depthwise = conv_bn_relu(
        in_channels, in_channels, kernel_size=kernel_size, rate=rate, groups=in_channels
    )
    return nn.Sequential(*depthwise, *conv_bn_relu(in_channels, out_channels, kernel_size=1))


def bare_separable_conv_bn_relu(
    in_channels: int, out_channels: int, *, kernel_size: int, rate: int = 1
) -> nn.Sequential:
    """Return an atrous separable convolution with nothing between its halves, as segmentation_models.pytorch has it."""
    depthwise, *_ = conv_bn_relu(
        in_channels, in_channels, kernel_size=kernel_size, rate=rate, groups=in_channels
    )
    return nn.Sequential(depthwise, *conv_bn_relu(in_channels, out_channels, kernel_size=1))


CONVOLUTIONS: Mapping[Convolution, Callable[..., nn.Sequential]] = {
    "dense": conv_bn_relu,
    "normed": separable_conv_bn_relu,
    "bare": bare_separable_conv_bn_relu,
}
