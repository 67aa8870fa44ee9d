"""Channels taken out of tensors, on one group whose channels lie behind two others in their reader."""

import torch

from edge_deeplab.quantization.pruning.groups import ChannelGroup, Member
from edge_deeplab.quantization.pruning.remove import most_important, remove_channels


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
