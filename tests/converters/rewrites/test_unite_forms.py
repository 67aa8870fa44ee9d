"""What a network can say in several forms is said in one before anything else looks at the graph."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.rewrites.pipeline import apply_rewrites
from edge_deeplab.converters.rewrites.unite_forms import unite_forms
from tests.converters.conftest import randomise_batch_norm
from tests.converters.rewrites.graphs import seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.* is deprecated:FutureWarning",
    "ignore:Using padding='same' with even kernel lengths:UserWarning",
)


@pytest.fixture
def image() -> torch.Tensor:
    return seeded(1, 4, 12, 10)


def test_unite_forms_writes_functions_as_modules(image: torch.Tensor) -> None:
    class Net(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return functional.max_pool2d(functional.relu6(image * 5) + nn.ReLU6()(image), 2)

    program = trace(Net(), image)
    united = unite_forms(program)
    assert (operations(united)["hardtanh"], operations(united)["relu6"]) == (2, 0)
    (pool,) = united.graph.find_nodes(op="call_function", target=torch.ops.aten.max_pool2d.default)
    assert pool.args[1:] == ([2, 2], [2, 2])
    assert torch.equal(run(united, image), run(program, image))


@pytest.mark.parametrize(
    ("layer", "padding", "pads"),
    [
        (nn.Conv2d(4, 6, 3, padding="same"), [1, 1], []),
        (nn.Conv2d(4, 6, (1, 5), padding="same", dilation=2, bias=False), [0, 4], []),
        (nn.Conv2d(4, 6, (2, 3), padding="same"), [0, 1], [[0, 0, 0, 1]]),
        (nn.Conv2d(4, 8, (3, 4), padding="same", dilation=3, groups=4), [3, 4], [[0, 1, 0, 0]]),
        (nn.Conv2d(4, 6, 3, padding="valid", stride=2), [0, 0], []),
        (nn.Conv2d(4, 6, 1, padding="same"), [0, 0], []),
    ],
    ids=["odd", "rate", "even height", "even width, depthwise", "valid", "1x1"],
)
def test_unite_forms_tells_padding_by_numbers_and_batch_norm_folds(
    layer: nn.Conv2d, padding: list[int], pads: list[list[int]], image: torch.Tensor
) -> None:
    module = nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))
    randomise_batch_norm(module)
    program = trace(module, image)
    united = unite_forms(program)
    assert torch.equal(run(united, image), run(program, image))
    calls = united.graph.find_nodes(op="call_function", target=torch.ops.aten.conv2d.default)
    assert [(call.args[4:5] or ([0, 0],))[0] for call in calls] == [padding]
    found = united.graph.find_nodes(
        op="call_function", target=torch.ops.aten.constant_pad_nd.default
    )
    assert [pad.args[1] for pad in found] == pads
    folded = apply_rewrites(program)
    assert operations(folded) == {"conv2d": 1, **({"constant_pad_nd": 1} if pads else {})}
    torch.testing.assert_close(run(folded, image), run(program, image), rtol=1e-5, atol=1e-5)
