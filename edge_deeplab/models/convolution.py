"""The two convolution blocks of DeepLabV3+: dense and atrous separable, each with batch norm and ReLU."""

from torch import nn


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
