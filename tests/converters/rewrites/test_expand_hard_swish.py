"""`expand-hard-swish`: the same values from multiplications, an addition and a ReLU6."""

import pytest
import torch
from torch import nn

from edge_deeplab.converters.rewrites.hard_activations import expand_hard_swish
from edge_deeplab.converters.rewrites.pipeline import name_operators
from tests.converters.rewrites.graphs import in_order, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def test_expand_hard_swish_keeps_values() -> None:
    image = seeded(1, 4, 32, 32) * 3
    image[0, 0, 0, :5] = torch.tensor([-3.0, -0.0, 0.0, 3.0, 1e4])
    program = trace(nn.Sequential(nn.Hardswish()), image)
    rewritten = expand_hard_swish(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=1e-6, atol=1e-6)
    assert operations(rewritten) == {"mul": 2, "add": 1, "hardtanh": 1}


def test_expand_hard_swish_changes_only_the_modules_asked_for() -> None:
    image = seeded(1, 4, 8, 8)
    layers = in_order(a=nn.Hardswish(), b=nn.Hardsigmoid(), c=nn.Hardswish())
    rewritten = expand_hard_swish(name_operators(trace(layers, image)), frozenset({"c"}))
    assert operations(rewritten) == {
        "mul": 2,
        "add": 1,
        "hardtanh": 1,
        "hardswish": 1,
        "hardsigmoid": 1,
    }
