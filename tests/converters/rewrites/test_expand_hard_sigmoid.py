"""`expand-hard-sigmoid`: the same values from an addition, a ReLU6 and a multiplication."""

import pytest
import torch
from torch import nn

from edge_deeplab.converters.rewrites.hard_activations import expand_hard_sigmoid
from edge_deeplab.converters.rewrites.pipeline import name_operators
from tests.converters.rewrites.graphs import in_order, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def test_expand_hard_sigmoid_keeps_values() -> None:
    image = seeded(1, 4, 32, 32) * 3
    image[0, 0, 0, :5] = torch.tensor([-3.0, -0.0, 0.0, 3.0, 1e4])
    program = trace(nn.Sequential(nn.Hardsigmoid()), image)
    rewritten = expand_hard_sigmoid(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-6)
    assert operations(rewritten) == {"add": 1, "hardtanh": 1, "mul": 1}


def test_expand_hard_sigmoid_changes_only_the_modules_asked_for() -> None:
    image = seeded(1, 4, 8, 8)
    layers = in_order(a=nn.Hardsigmoid(), b=nn.Hardswish(), c=nn.Hardsigmoid())
    rewritten = expand_hard_sigmoid(name_operators(trace(layers, image)), frozenset({"a"}))
    assert operations(rewritten) == {
        "add": 1,
        "hardtanh": 1,
        "mul": 1,
        "hardswish": 1,
        "hardsigmoid": 1,
    }
