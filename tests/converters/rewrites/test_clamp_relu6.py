"""`clamp-relu6`: the same bits from a clamp, and the same file from every converter."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.rewrites.hard_activations import clamp_relu6
from edge_deeplab.converters.rewrites.pipeline import name_operators
from edge_deeplab.formats.read import read_graph
from edge_deeplab.targets import STABLE, TARGETS
from tests.converters.conftest import NORMALISATION, describe
from tests.converters.rewrites.graphs import in_order, quantized, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


@pytest.mark.parametrize("layer", [nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(-0.5, 2.5)])
def test_clamp_relu6_is_bit_equal(layer: nn.Module) -> None:
    image = seeded(1, 4, 32, 32) * 4
    program = trace(nn.Sequential(layer), image)
    rewritten = clamp_relu6(program)
    assert torch.equal(run(rewritten, image), run(program, image))
    assert operations(rewritten) == {"clamp": 1}


def test_clamp_relu6_leaves_relu_alone() -> None:
    image = seeded(1, 4, 8, 8)
    program = quantized(nn.Conv2d(4, 4, 3), image)
    assert operations(clamp_relu6(program)) == operations(program)


def test_clamp_relu6_changes_only_the_modules_asked_for() -> None:
    image = seeded(1, 4, 8, 8)
    program = name_operators(trace(in_order(a=nn.ReLU6(), b=nn.Hardtanh()), image))
    assert operations(clamp_relu6(program, frozenset({"b"}))) == {"hardtanh": 1, "clamp": 1}


@pytest.mark.parametrize("target", STABLE)  # XNNPACK's partitioner fuses a hardtanh alone
def test_clamp_relu6_is_lowered_as_relu6_is(target: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU6()).eval()
    asked = (AskedRewrite("clamp-relu6"),)
    graphs = [capture(model, NORMALISATION, (16, 16), "logits", None, a) for a in ((), asked)]
    plain, clamped = (lowered(graph, target, tmp_path / str(i)) for i, graph in enumerate(graphs))
    assert operations(graphs[1].program)["clamp"] == 1
    assert clamped == plain


def lowered(graph: CanonicalGraph, target: str, folder: Path) -> list[tuple[str, object]]:
    """Return type and fused activation of each operator of the file."""
    folder.mkdir()
    path = folder / f"relu6{TARGETS[target].ending}"
    write_target(graph, describe(target, "fp32", "logits"), path)
    return [
        (operator.type, operator.attributes.get("fused_activation_function"))
        for operator in read_graph(path).operators
    ]
