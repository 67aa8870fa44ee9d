"""Channels taken out of tensors, on one group whose channels lie behind two others in their reader."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.spec import DEEPLAB
from edge_deeplab.quantization.pruning.groups import ChannelGroup, Member, find_groups
from edge_deeplab.quantization.pruning.remove import (
    check_removable,
    most_important,
    removable_groups,
    remove_channels,
)


def test_channels_leave_every_member_at_their_own_positions() -> None:
    whole = (0, 1, 2, 3)
    members = (
        Member("writer", "out", whole),
        Member("norm", "out", whole),
        Member("reader", "in", (2, 3, 4, 5)),
    )
    tensors = {
        "writer.weight": torch.arange(4.0).reshape(4, 1, 1, 1),
        "norm.running_mean": torch.arange(4.0),
        "norm.num_batches_tracked": torch.tensor(3),
        "reader.weight": torch.arange(6.0).reshape(1, 6, 1, 1),
        "reader.bias": torch.arange(1.0),
    }
    cut = remove_channels(tensors, [ChannelGroup("writer", members)], [[0, 3]])
    assert {name: tensor.flatten().tolist() for name, tensor in cut.items()} == {
        "writer.weight": [0, 3],
        "norm.running_mean": [0, 3],
        "norm.num_batches_tracked": [3],
        "reader.weight": [0, 1, 2, 5],
        "reader.bias": [0],
    }


def test_most_important_channels_stay_in_their_order() -> None:
    group = ChannelGroup("writer", (Member("writer", "out", (0, 1, 2, 3)),))
    importance = [torch.tensor([0.3, 0.1, 0.2, 0.9])]
    assert most_important([group], importance, [3]) == [[0, 2, 3]]


class Mixing(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, mix: Callable[[torch.Tensor], torch.Tensor], channels: int = 16) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3), nn.Conv2d(channels, 8, 1)
        self.classifier, self.mix = nn.Conv2d(8, 2, 1), mix

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.classifier(self.second(self.mix(self.first(images))))
        return scores


def shuffle(features: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = features.shape
    grouped = features.view(count, 2, channels // 2, height, width).transpose(1, 2)
    return grouped.reshape(count, channels, height, width)


def test_channels_that_are_shuffled_are_not_removed() -> None:
    torch.manual_seed(0)
    check_removable(model := Mixing(torch.relu).eval(), find_groups(model))
    model = Mixing(shuffle).eval()
    with pytest.raises(ConfigError, match="channels of first cannot be removed"):
        check_removable(model, find_groups(model))


def swap_halves(features: torch.Tensor) -> torch.Tensor:
    return torch.cat([features[:, 8:], features[:, :8]], 1)


def add_parts(features: torch.Tensor) -> torch.Tensor:
    first, second = features.chunk(2, 1)
    return torch.cat([first + second, second], 1)


@pytest.mark.parametrize("mix", [swap_halves, add_parts])
def test_channels_of_which_a_slice_is_read_are_not_removed(
    mix: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    torch.manual_seed(0)
    with pytest.raises(ConfigError, match=r"channels of .* cannot be (removed|followed)"):
        removable_groups(Mixing(mix).eval(), DEEPLAB)


def test_channels_behind_slices_of_the_picture_are_removed() -> None:
    torch.manual_seed(0)
    model = Mixing(lambda features: features[:, :, ::2, 2:]).eval()
    assert [group.name for group in removable_groups(model, DEEPLAB)] == [
        "first",
        "second",
    ]


def test_channels_that_change_their_number_cannot_be_followed() -> None:
    model = Mixing(lambda features: functional.pixel_shuffle(features, 2), 4).eval()
    with pytest.raises(ConfigError, match="second has 4 channels, which cannot be followed"):
        find_groups(model)
