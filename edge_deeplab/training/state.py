"""The state of a training run between two epochs, in one safetensors file, so that a resumed run is the same run."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edge_deeplab.documents import Fields, parse_json
from edge_deeplab.errors import CheckpointError
from edge_deeplab.files import write_atomically

OnEpoch = Callable[[int], bool]
"""Told an epoch, from 0, before it begins; returns whether it has changed which parameters are trained."""


@dataclass
class TrainingState:
    """What changes from epoch to epoch.

    Args:
        model: the network being trained.
        average: its moving average, which is what is evaluated and kept; None where the model itself is.
        optimiser: what moves its weights.
        epoch: epochs done.
        best_miou: best validation mIoU so far, in points; None before the first validation.
        best_epoch: the epoch, from 1, that it is of.
    """

    model: torch.nn.Module
    average: torch.optim.swa_utils.AveragedModel | None
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    best_miou: float | None = None
    best_epoch: int | None = None

    def save(self, path: Path, identity: str) -> None:
        """Write the state atomically, with the identity of the run that it belongs to (`run_folder.identity`)."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        best = {"best_miou": self.best_miou, "best_epoch": self.best_epoch}
        rates = [group["base_lr"] for group in self.optimiser.param_groups]
        tensors["rates"] = torch.tensor(rates, dtype=torch.float64)
        document = {"epoch": self.epoch, **best, "recipe": identity}
        flat = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        write_atomically(path, save(flat, metadata={"training": json.dumps(document)}))

    def restore(self, path: Path, identity: str, on_epoch: OnEpoch = lambda _: False) -> None:
        """Read the state back, in place.

        Args:
            path: its file.
            identity: of the run.
            on_epoch: told every epoch that is done, so that the network has the parts that it had when it was saved.

        Raises:
            CheckpointError: when the file is absent, damaged, of another run or of another network.
        """
        tensors, document = _read(path, identity)
        for epoch in range(document["epoch"]):
            on_epoch(epoch)
        try:
            self.model.load_state_dict(_below(tensors, "model."))
            if self.average is not None:
                self.average.load_state_dict(_below(tensors, "average."))
            optimiser = self.optimiser.state_dict()
            optimiser["state"] = _optimiser_state(_below(tensors, "optimiser."))
            self.optimiser.load_state_dict(optimiser)
            self._restore_rates(path, tensors.get("rates"))
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} holds other tensors than the network of this run; the state of the same network was expected; "
                "repeat the options that the run was started with, or choose another output"
            ) from error
        self.epoch = document["epoch"]
        self.best_miou, self.best_epoch = document["best_miou"], document["best_epoch"]

    def _restore_rates(self, path: Path, rates: torch.Tensor | None) -> None:
        """Give each group of parameters the rate that it began with: a relative one is of weights that are gone.

        Raises:
            CheckpointError: when the state is of an earlier version, which did not keep relative ones.
            ValueError: when it keeps those of other groups.
        """
        groups = self.optimiser.param_groups
        if rates is not None:
            for group, rate in zip(groups, rates.flatten().tolist(), strict=True):
                group["base_lr"] = rate
        elif any(group["relative"] for group in groups):
            raise CheckpointError(
                f"{path} lacks the learning rates of its run, which follow from the weights that it started with; a "
                "state of this version was expected; start anew in another output"
            )


def _read(path: Path, identity: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    if not path.is_file():
        raise CheckpointError(
            f"there is nothing to resume: {path} does not exist; "
            "do not resume, or name the output of an earlier run"
        )
    try:
        with safe_open(path, framework="pt") as file:
            document = _read_document(Fields(parse_json((file.metadata() or {})["training"])))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        _check_identity(path, str(document["recipe"]), identity)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a readable training state ({error}); remove it to start over, or choose another output"
        ) from error
    return tensors, document


def _read_document(document: Fields) -> dict[str, Any]:
    miou = document.number("best_miou") if document.has("best_miou") else None
    of = document.integer("best_epoch", 1, sys.maxsize) if document.has("best_epoch") else None
    return {
        "epoch": document.integer("epoch", 0, sys.maxsize),
        "best_miou": miou,
        "best_epoch": of,
        "recipe": document.prose("recipe"),
    }


def _check_identity(path: Path, found: str, wanted: str) -> None:
    """Check that a state is of the run that resumes; what an identity is, `provenance.identity` says.

    Raises:
        CheckpointError: naming what differs.
        ValueError: when the state tells its data in no such way.
    """
    (run, start, data), (wanted_run, wanted_start, wanted_data) = _lines(found), _lines(wanted)
    if run != wanted_run:
        raise CheckpointError(
            f"{path} belongs to a run with another recipe or data set; resuming needs the same; "
            "start in a new output or restore the recipe"
        )
    if start != wanted_start:
        then, now = (each or "no weights that were passed" for each in (start, wanted_start))
        raise CheckpointError(
            f"{path} belongs to a run that started from {then}, and this one starts from {now}; resuming needs the "
            "same start; repeat it, or start in a new output"
        )
    if not data:  # a state of before says nothing
        return
    told, own = Fields(parse_json(data)), parse_json(wanted_data)
    others = [what for what, value in own.items() if told.has(what) and told.get(what) != value]
    if others:
        raise CheckpointError(
            f"{path} belongs to a run whose data had other {', '.join(others)}; resuming needs the same data, wherever "
            "it lies; restore it, or start in a new output"
        )


def _lines(identity: str) -> list[str]:
    """Return the three lines of an identity, empty ones for those that are not said."""
    return [*identity.split("\n"), "", ""][:3]


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _optimiser_state(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    return state
