"""What a network can say in several forms is said in one before anything else looks at the graph."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.nn import functional

from edge_deeplab.converters.adapters import pad_zeros_before_max_pool
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


class Pooled(nn.Module):
    """Poolings as functions, whose stride is that of their window unless they say."""

    def __init__(self, pool: Callable[..., torch.Tensor], settings: dict[str, Any]) -> None:
        super().__init__()
        self.pool, self.settings = pool, settings

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.pool(image.relu(), 3, **self.settings)


@pytest.mark.parametrize("pool", [functional.max_pool2d, functional.avg_pool2d])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, ([3, 3], [3, 3])),
        ({"padding": 1}, ([3, 3], [3, 3], [1, 1])),
        ({"stride": 2, "padding": 1}, ([3, 3], [2, 2], [1, 1])),
        ({"stride": None, "padding": (1, 0)}, ([3, 3], [3, 3], [1, 0])),
    ],
    ids=["window", "padded", "stride", "none"],
)
def test_unite_forms_tells_the_stride_of_a_pooling(
    pool: Callable[..., torch.Tensor],
    settings: dict[str, Any],
    told: tuple[list[int], ...],
    image: torch.Tensor,
) -> None:
    program = trace(Pooled(pool, settings), image)
    united = unite_forms(program)
    assert [call.args[1:] for call in pools(united)] == [told]
    assert torch.equal(run(united, image), run(program, image))
    padded = pad_zeros_before_max_pool(united)
    assert [call.args[2] for call in pools(padded)] == [told[1]]
    assert torch.equal(run(padded, image), run(program, image))


def pools(program: ExportedProgram) -> list[fx.Node]:
    names = ("max_pool2d", "avg_pool2d")
    calls = program.graph.find_nodes
    targets = [getattr(torch.ops.aten, name).default for name in names]
    return [node for target in targets for node in calls(op="call_function", target=target)]


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
