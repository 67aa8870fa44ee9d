"""What does not depend on the picture is stored, except what chance gives."""

import pytest
import torch
from torch import nn

from edge_deeplab.converters.rewrites.fold_constants import fold_constants
from tests.converters.rewrites.graphs import seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Shifted(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        ramp = torch.linspace(0, 1, image.shape[-1]) / 2
        return image + ramp + torch.rand(image.shape[-1])


def test_what_the_weights_alone_give_is_stored_and_what_chance_gives_is_not() -> None:
    image = seeded(1, 3, 4, 6)
    program = trace(Shifted(), image)
    folded = fold_constants(program)
    found = operations(folded)
    assert (found["rand"], found["linspace"], found["div"]) == (1, 0, 0)
    torch.manual_seed(1)
    wanted = run(program, image)
    torch.manual_seed(1)
    assert torch.equal(run(folded, image), wanted)
