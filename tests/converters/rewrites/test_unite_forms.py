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
from edge_deeplab.errors import CaptureError
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


class Resized(nn.Module):
    """A map, resized in a module of its own."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.up = Interpolated(settings)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.up(image)


class Interpolated(nn.Module):
    """A resize."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(image, **self.settings)


MODES = ("bilinear", "nearest", "bicubic", "nearest-exact")
CORNERS = {"scale_factor": 1.5, "mode": "bilinear", "align_corners": True}
RECOMPUTED = {"scale_factor": 1.5, "mode": "bilinear", "recompute_scale_factor": True}


@pytest.mark.parametrize(
    ("settings", "size_hw"),
    [
        *(({"scale_factor": 1.5, "mode": mode}, (24, 10)) for mode in MODES),
        *(({"scale_factor": (2.0, 0.5), "mode": mode}, (23, 10)) for mode in MODES),
        ({"scale_factor": 34 / 23, "mode": "bilinear"}, (23, 23)),
        ({"scale_factor": 1.1, "mode": "bilinear"}, (10, 20)),
        ({"scale_factor": 2, "mode": "bilinear", "antialias": True}, (7, 9)),
        (CORNERS, (23, 15)),
        (RECOMPUTED, (23, 15)),
        ({"scale_factor": 0.5, "mode": "nearest"}, (23, 21)),
    ],
    ids=str,
)
def test_unite_forms_lets_a_resize_go_by_the_size_of_its_result(
    settings: dict[str, Any], size_hw: tuple[int, int]
) -> None:
    image = seeded(1, 3, *size_hw)
    program = trace(Resized(settings), image)
    expected = run(program, image)
    united = unite_forms(program)
    (resize,) = (n for n in united.graph.nodes if n.op == "call_function")
    assert (resize.args[1], resize.args[-1]) == (list(expected.shape[2:]), None)
    torch.testing.assert_close(run(united, image), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "size_hw", "after"),
    [
        *(({"scale_factor": 1.75, "mode": mode}, (5, 24), "8x42") for mode in MODES),
        ({"scale_factor": 1.5, "mode": "bilinear"}, (23, 24), "34x36"),
        ({"scale_factor": 0.5, "mode": "bilinear"}, (23, 24), "11x12"),
        ({"scale_factor": (1, 1.1), "mode": "bilinear"}, (20, 19), "20x20"),
        ({"scale_factor": 1.48, "mode": "bilinear"}, (23, 23), "34x34"),
    ],
    ids=str,
)
def test_unite_forms_refuses_a_resize_that_samples_by_its_factor(
    settings: dict[str, Any], size_hw: tuple[int, int], after: str
) -> None:
    program = trace(Resized(settings), seeded(1, 3, *size_hw))
    before = "{}x{}".format(*size_hw)
    with pytest.raises(CaptureError, match=rf"^up__\w+2d resizes {before} by .* to {after}, less"):
        unite_forms(program)
