"""Small pruning recipes for the tiny checkpoint of `tests.quantization`."""

from collections.abc import Callable

import pytest

from edge_deeplab.config import PruneRecipe
from tests.quantization.conftest import DATA


@pytest.fixture
def prune_recipe() -> Callable[..., PruneRecipe]:
    """Return a function that makes a small recipe; keywords are of its pruning section."""

    def make(epochs: int = 0, **pruning: object) -> PruneRecipe:
        return PruneRecipe.model_validate(
            {
                "data": DATA,
                "optimiser": {"epochs": epochs, "batch_size": 2, "precision": "fp32"},
                "pruning": {"images": 2, **pruning},
            }
        )

    return make
