"""The state of a run: what cannot be gone on from is refused in one sentence."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from edge_deeplab.errors import CheckpointError
from edge_deeplab.training.state import TrainingState


def state_of(width: int, *, relative: bool = False) -> TrainingState:
    model = torch.nn.Linear(width, 1)
    groups = [{"params": model.parameters(), "base_lr": 1e-3, "relative": relative}]
    return TrainingState(model, None, torch.optim.AdamW(groups))


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
        state_of(1).restore(path, "a run")


def test_state_tells_the_epochs_that_are_done_before_it_is_read_back(tmp_path: Path) -> None:
    path, told = tmp_path / "state.safetensors", []
    saved = state_of(2)
    saved.epoch, saved.best_miou, saved.best_epoch = 3, 50.0, 2
    saved.save(path, "a run")

    def grow(epoch: int) -> bool:
        told.append(epoch)
        return False

    restored = state_of(2)
    restored.restore(path, "a run", grow)
    assert told == [0, 1, 2]
    assert (restored.epoch, restored.best_miou, restored.best_epoch) == (3, 50.0, 2)


@pytest.mark.parametrize("relative", [False, True])
def test_state_of_before_rates_were_kept_is_refused_where_they_were_relative(
    relative: bool, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    state_of(2).save(path, "a run")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    del tensors["rates"]
    save_file(tensors, path, metadata)
    restored = state_of(2, relative=relative)
    if relative:
        with pytest.raises(CheckpointError, match="lacks the learning rates of its run"):
            restored.restore(path, "a run")
    else:
        restored.restore(path, "a run")


def test_state_of_before_data_was_kept_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    for before in ("a run", "a run\na start"):
        state_of(2).save(path, before)
        start = before.removeprefix("a run").strip()
        state_of(2).restore(path, f'a run\n{start}\n{{"ignore index": [9]}}')


def test_state_that_tells_its_data_in_another_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state_of(2).save(path, "a run\n\n[]")
    with pytest.raises(CheckpointError, match="not a readable training state"):
        state_of(2).restore(path, 'a run\n\n{"ignore index": [9]}')
