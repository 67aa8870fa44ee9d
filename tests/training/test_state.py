"""The state of a run: what cannot be gone on from is refused in one sentence."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edge_deeplab.errors import CheckpointError
from edge_deeplab.training.state import TrainingState, epochs_done


def state_of(width: int) -> TrainingState:
    model = torch.nn.Linear(width, 1)
    return TrainingState(model, None, torch.optim.AdamW(model.parameters()))


def test_state_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state_of(2).save(path, "a run")
    with pytest.raises(
        CheckpointError, match="other tensors than the network of this run"
    ) as raised:
        state_of(3).restore(path, "a run")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("document", ["{}", "[]", "no JSON"])
def test_state_that_does_not_say_whose_it_is_is_refused(document: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"model.weight": torch.zeros(1)}, path, metadata={"training": document})
    with pytest.raises(CheckpointError, match="not a readable training state"):
        epochs_done(path, "a run")
