"""The pruning run: budgets, lineage, fine-tuning that resumes exactly, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_deeplab.config import ModelSection, PruneRecipe, QatRecipe, Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.errors import ConfigError, DataError, OutputError
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.quantization.pruning.prune import prune
from edge_deeplab.quantization.pruning.run import PruneRequest, train_pruned
from edge_deeplab.quantization.qat import QuantizeRequest, train_quantized
from edge_deeplab.quantization.sparsity import sparse_weights
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.train import TrainRequest, train
from tests.progress import Heard
from tests.quantization.conftest import DATA
from tests.slow import or_slow

SIZE_HW = (32, 48)
MakeRecipe = Callable[..., PruneRecipe]


class StoppedError(Exception):
    pass


def stop_in_second_epoch() -> Heard:
    """Stop in the second epoch of the first round that begins; one that is resumed in it goes on to its end."""
    seen: set[str] = set()

    def stop(stage: str) -> None:
        seen.add(stage)
        if stage == "epoch 2/2" and "epoch 1/2" in seen:
            raise StoppedError

    return Heard(stop)


def run(
    checkpoint: Checkpoint, folder: Path, output: Path, chosen: PruneRecipe, **options: object
) -> Path:
    request = PruneRequest(checkpoint, chosen, [open_dataset(folder, "train")], output)
    return train_pruned(request, RunOptions(workers=0, **options)).checkpoint  # type: ignore[arg-type]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def epochs_in_log(output: Path) -> list[str]:
    return [line.split(",")[0] for line in (output / "log.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize(
    ("importance", "allot"),
    [
        ("taylor", "importance"),
        ("magnitude", "importance"),
        ("batch-norm", "importance"),
        ("random", "uniform"),
        ("magnitude", "sensitivity"),
    ],
)
def test_every_budget_is_met_and_told_in_the_lineage(
    importance: str, allot: str, checkpoint: Checkpoint, folder: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(macs=0.6, params=0.5, importance=importance, allot=allot)
    small = prune(checkpoint, chosen, [open_dataset(folder, "train")])
    before, after = (count_network(c.build(), SIZE_HW) for c in (checkpoint, small))
    lineage = small.info.pruning
    assert lineage is not None
    assert after.multiply_adds <= 0.6 * before.multiply_adds
    assert after.parameters <= 0.5 * before.parameters
    assert lineage["budgets"]["params"]["asked"] == 0.5
    assert lineage["budgets"]["params"]["met"] == after.parameters / before.parameters
    assert lineage["remaining"]["macs"] == after.multiply_adds / before.multiply_adds
    assert (lineage["parent"], lineage["parent_sha256"]) == (checkpoint.name, checkpoint.sha256)
    for path, widths in lineage["removed"].items():
        name = f"{path}.weight"
        assert widths == [len(checkpoint.tensors[name]), len(small.tensors[name])]
        assert widths[1] % 8 == 0
    assert small.info.results == {}


def test_budgets_leave_little_unused(
    checkpoint: Checkpoint, folder: Path, prune_recipe: MakeRecipe
) -> None:
    source = open_dataset(folder, "train")
    small = prune(checkpoint, prune_recipe(macs=0.5, importance="magnitude"), [source])
    assert small.info.pruning is not None
    assert 0.45 < small.info.pruning["budgets"]["macs"]["met"] <= 0.5


@pytest.mark.parametrize("rounds", [or_slow(1, False), 2])
def test_stopped_and_resumed_run_gives_the_files_of_one_run(
    rounds: int, checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(epochs=2, macs=0.6, rounds=rounds, round_epochs=2)
    whole = run(checkpoint, folder, tmp_path / "whole", chosen)

    parts = tmp_path / "parts"
    for number in range(rounds):
        stop = stop_in_second_epoch()
        with pytest.raises(StoppedError):
            run(checkpoint, folder, parts, chosen, progress=stop, resume=number > 0)
    assert epochs_in_log(parts) == ["1"], "every round was stopped, the last one too"
    resumed = run(checkpoint, folder, parts, chosen, resume=True)
    assert whole.read_bytes() == resumed.read_bytes()
    assert epochs_in_log(parts) == ["1", "2"]
    other = ModelSection(name="deeplabv3plus_mobilenetv2_100")
    not_read = chosen.model_copy(update={"model": other})
    again = run(checkpoint, folder, parts, not_read, resume=True)
    assert again.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("rounds", [1, or_slow(2, False)])
def test_run_is_never_started_over_an_earlier_one(
    rounds: int, checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(epochs=2, macs=0.6, rounds=rounds, round_epochs=2, importance="magnitude")
    parts = tmp_path / "parts"
    with pytest.raises(StoppedError):
        run(checkpoint, folder, parts, chosen, progress=stop_in_second_epoch())
    before = contents(parts)
    other = prune_recipe(epochs=2, macs=0.5, importance="magnitude")
    with pytest.raises(OutputError, match=r"state\.safetensors.*resume it.*another output"):
        run(checkpoint, folder, parts, other)
    assert contents(parts) == before
    run(checkpoint, folder, parts, chosen, resume=True)
    before = contents(parts)
    untrained = prune_recipe(macs=0.6, importance="magnitude")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"state\.safetensors.*another output"):
            run(checkpoint, folder, parts, untrained, resume=resume)
    assert contents(parts) == before


def test_rounds_go_a_part_of_the_way_each(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(epochs=1, macs=0.49, rounds=2, round_epochs=1)
    last = load_checkpoint(run(checkpoint, folder, tmp_path, chosen))
    first = load_checkpoint(tmp_path / "round-1" / "best.safetensors")
    original, half, end = (
        count_network(c.build(), SIZE_HW).multiply_adds for c in (checkpoint, first, last)
    )
    assert 0.6 < half / original <= 0.7
    assert 0.44 < end / original <= 0.49
    assert last.info.pruning is not None
    assert last.info.pruning["parent_sha256"] == checkpoint.sha256, "not the round before"


def test_fine_tuning_moves_the_weights_of_the_pruned_network(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    best = load_checkpoint(run(checkpoint, folder, tmp_path, prune_recipe(epochs=1, macs=0.6)))
    start = load_checkpoint(tmp_path / "pruned.safetensors")
    assert best.info == start.info
    assert {n: t.shape for n, t in best.tensors.items()} == {
        n: t.shape for n, t in start.tensors.items()
    }
    assert any(not t.equal(start.tensors[n]) for n, t in best.tensors.items())


def test_batch_norm_that_is_frozen_stays_as_pruning_left_it(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(epochs=2, macs=0.6)
    frozen = chosen.optimiser.model_copy(update={"freeze_batch_norm": True})
    best = run(
        checkpoint, folder, tmp_path / "run", chosen.model_copy(update={"optimiser": frozen})
    )
    before, after = (
        load_checkpoint(p).tensors for p in (best.with_name("pruned.safetensors"), best)
    )
    norms = {name.rpartition(".")[0] for name in before if name.endswith("running_mean")}
    assert norms
    for name, tensor in before.items():
        if name.rpartition(".")[0] in norms:
            assert tensor.equal(after[name]), name
    assert any(not tensor.equal(after[name]) for name, tensor in before.items())


def test_quantized_checkpoint_of_a_pruned_one_keeps_the_lineage(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    small = load_checkpoint(run(checkpoint, folder, tmp_path / "small", prune_recipe(macs=0.6)))
    source = open_dataset(folder, "train")
    data = {"size_hw": SIZE_HW, "crop_hw": (32, 32)}
    chosen = QatRecipe.model_validate(
        {
            "data": data,
            "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
            "quantization": {"calibration_images": 2},
        }
    )
    request = QuantizeRequest(small, chosen, [source], tmp_path / "int8")
    quantized = load_checkpoint(train_quantized(request, RunOptions(workers=0)).checkpoint)
    assert quantized.quantization is not None
    assert quantized.info.pruning == small.info.pruning
    widths = {n: t.shape for n, t in quantized.build().state_dict().items()}
    assert widths == {n: t.shape for n, t in small.build().state_dict().items()}
    with pytest.raises(ConfigError, match=r"is quantized; a float checkpoint was expected"):
        prune(quantized, prune_recipe(macs=0.5), [source])


def test_budget_out_of_reach_says_what_can_be_reached(
    checkpoint: Checkpoint, folder: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(params=0.9, macs=0.01, importance="magnitude")
    with pytest.raises(ConfigError, match=r"macs budget of 0.01 cannot be met.*0\.\d+ of the orig"):
        prune(checkpoint, chosen, [open_dataset(folder, "train")])


def test_crops_follow_the_checkpoint_where_the_recipe_does_not_say(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(macs=0.7)
    section = chosen.data.model_copy(update={"crop_hw": None, "size_hw": (999, 999)})
    chosen = chosen.model_copy(update={"data": section})
    pruned = prune(checkpoint, chosen, [open_dataset(folder, "train")])
    trained = load_checkpoint(run(checkpoint, folder, tmp_path / "run", chosen))
    for each in (pruned, trained):
        assert each.info.provenance["recipe"]["data"]["crop_hw"] == list(SIZE_HW)


def test_rendered_scenes_in_other_classes_are_refused_before_anything_is_pruned(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(macs=0.7, importance="magnitude")
    section = chosen.data.model_copy(update={"rendered_share": 0.2})
    with pytest.raises(ConfigError, match=r"rendered_share 0\.2 came with Tiny train"):
        run(checkpoint, folder, tmp_path / "run", chosen.model_copy(update={"data": section}))
    assert not (tmp_path / "run").exists()


def test_no_budget_is_an_error(
    checkpoint: Checkpoint, folder: Path, prune_recipe: MakeRecipe
) -> None:
    with pytest.raises(ConfigError, match=r"no budget came.*name macs"):
        prune(checkpoint, prune_recipe(), [open_dataset(folder, "train")])


def test_data_with_other_classes_is_an_error(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    other = replace(checkpoint, info=replace(checkpoint.info, classes=checkpoint.info.classes[:1]))
    with pytest.raises(DataError, match=r"has the classes left, right; those of"):
        run(other, folder, tmp_path / "x", prune_recipe(macs=0.5))


@pytest.mark.parametrize("pattern", ["0.75", "2:4"])
def test_zeros_among_single_weights_outlive_fine_tuning(
    pattern: str, checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    chosen = prune_recipe(epochs=1, macs=0.8, sparsity=pattern)
    best = load_checkpoint(run(checkpoint, folder, tmp_path, chosen))
    start = load_checkpoint(tmp_path / "pruned.safetensors")
    sparse = sparse_weights(start.build(), parse_sparsity(pattern))
    assert len(sparse) == 17
    for name in sparse:
        zero = start.tensors[name] == 0
        assert zero.float().mean() > 0.49
        assert zero.equal(best.tensors[name] == 0), name
        assert not best.tensors[name].equal(start.tensors[name]), "what stays is trained"
    assert best.info.sparsity == pattern
    assert best.info.pruning is not None
    assert best.info.pruning["sparsity"] == pattern


def test_sparsity_needs_no_budget_and_keeps_every_channel(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path, prune_recipe: MakeRecipe
) -> None:
    sparse = load_checkpoint(run(checkpoint, folder, tmp_path, prune_recipe(sparsity="0.5")))
    assert all(sparse.tensors[n].shape == t.shape for n, t in checkpoint.tensors.items())
    assert sparse.info.pruning is not None
    assert sparse.info.pruning["removed"] == {}


@pytest.mark.parametrize("names", [("left", "right"), ("right", "sky", "left")])
def test_training_starts_from_a_pruned_network_in_its_widths_and_resumes_in_them(
    names: tuple[str, ...],
    checkpoint: Checkpoint,
    folder: Path,
    tmp_path: Path,
    prune_recipe: MakeRecipe,
) -> None:
    chosen = prune_recipe(macs=0.5, importance="magnitude")
    small = prune(checkpoint, chosen, [open_dataset(folder, "train")])
    classes = [f'[[classes]]\nname = "{name}"\ncolor = [0, 0, 0]\n' for name in names]
    (folder / "dataset.toml").write_text('name = "Tiny"\n' + "".join(classes))
    source = open_dataset(folder, "train")
    recipe = Recipe.model_validate(
        {
            "model": {"name": checkpoint.info.model, "pretrained": False},
            "data": DATA,
            "optimiser": {"epochs": 2, "batch_size": 2, "precision": "fp32"},
        }
    )

    def run_training(output: Path, **options: object) -> Checkpoint:
        request = TrainRequest(recipe, [source], output, init=small)
        run_options = RunOptions(workers=0, **options)  # type: ignore[arg-type]
        return load_checkpoint(train(request, run_options).checkpoint)

    whole = run_training(tmp_path / "whole")
    with pytest.raises(StoppedError):
        run_training(tmp_path / "parts", progress=stop_in_second_epoch())
    resumed = run_training(tmp_path / "parts", resume=True)
    assert whole.info.pruning == small.info.pruning
    assert whole.tensors.keys() == small.tensors.keys()
    assert all(torch.equal(tensor, resumed.tensors[n]) for n, tensor in whole.tensors.items())
    kept = [n for n in whole.tensors if not checkpoint.info.spec.parts.in_classifier(n)]
    assert all(whole.tensors[n].shape == small.tensors[n].shape for n in kept)
    assert any(small.tensors[n].shape != checkpoint.tensors[n].shape for n in kept)
    assert whole.build()(torch.zeros(1, 3, *SIZE_HW)).shape[1] == len(names)
