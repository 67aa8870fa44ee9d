"""Capturing a model: what is refused and how the refusal reads; which sizes are good."""

import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import (
    capture,
    check_size,
    nearest_good_size,
    say_what_size_costs,
)
from edge_deeplab.errors import CaptureError, ConfigError
from tests.converters.conftest import NORMALISATION, SIZE_HW


class BranchesOnData(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if images.sum() > 0 else -images


def test_capture_of_data_dependent_branch_is_refused_in_one_line() -> None:
    with pytest.raises(CaptureError, match="could not capture BranchesOnData at 32x48") as caught:
        capture(BranchesOnData().eval(), NORMALISATION, SIZE_HW, "logits")
    assert "\n" not in str(caught.value)


def test_capture_of_model_in_training_mode_is_refused() -> None:
    with pytest.raises(CaptureError, match=r"call model\.eval\(\)"):
        capture(nn.Conv2d(3, 2, 1), NORMALISATION, SIZE_HW, "logits")


def test_capture_leaves_model_as_it_was() -> None:
    model = nn.Conv2d(3, 2, 1).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    capture(model, NORMALISATION, SIZE_HW, "logits")
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("size_hw", "good"),
    [
        ((368, 480), (368, 480)),
        ((361, 481), (368, 480)),
        ((513, 513), (512, 512)),
        ((1, 24), (16, 32)),
    ],
)
def test_nearest_good_size_is_a_multiple_of_16(
    size_hw: tuple[int, int], good: tuple[int, int]
) -> None:
    assert nearest_good_size(size_hw) == good


def test_check_size_names_the_nearest_good_one() -> None:
    with pytest.raises(ConfigError, match=r"361x481.*use 368x480"):
        check_size((361, 481))


def test_another_size_is_said_to_cost_and_a_good_one_is_not() -> None:
    told = str(say_what_size_costs((361, 481)))
    assert "half a pixel" in told
    assert "368x480" in told
    assert say_what_size_costs((368, 480)) is None
