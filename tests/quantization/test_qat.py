"""Quantization-aware training on a tiny data set: learned ranges, exact resume, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from edge_deeplab.config import ModelSection, QatRecipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.errors import CheckpointError, ConfigError, DataError, OutputError
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_deeplab.models.quantization import half_scales, quantize_weight
from edge_deeplab.quantization.network import Network, gain_after
from edge_deeplab.quantization.qat import (
    QuantizeRequest,
    describe_quantized,
    quantize,
    train_quantized,
)
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.training.loop import RunOptions
from tests.progress import Heard
from tests.quantization.conftest import DATA
from tests.slow import or_slow

MakeDataset = Callable[..., Path]


def recipe(epochs: int = 3, **quantization: object) -> QatRecipe:
    return QatRecipe.model_validate(
        {
            "data": DATA,
            "optimiser": {"epochs": epochs, "batch_size": 2, "precision": "fp32"},
            "quantization": {"calibration_images": 2, **quantization},
        }
    )


def run(
    checkpoint: Checkpoint, folder: Path, output: Path, chosen: QatRecipe, **options: object
) -> Checkpoint:
    request = QuantizeRequest(checkpoint, chosen, [open_dataset(folder, "train")], output)
    trained = train_quantized(request, RunOptions(workers=0, **options))  # type: ignore[arg-type]
    return load_checkpoint(trained.checkpoint)


class StoppedError(Exception):
    pass


def same(first: Checkpoint, second: Checkpoint) -> bool:
    assert set(first.tensors) == set(second.tensors)
    return first.info.quantization == second.info.quantization and all(
        torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items()
    )


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("stop_after", [or_slow(1, False), 2, or_slow(3, False)])
def test_stopped_and_resumed_run_gives_the_checkpoint_of_one_run(
    stop_after: int, relative: bool, checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    chosen = recipe(epochs=4, statistics_epochs=0.25, ranges_epochs=0.5, equalize=0.5)
    optimiser = chosen.optimiser.model_copy(update={"relative_rates": relative})
    chosen = chosen.model_copy(update={"optimiser": optimiser})
    whole = run(checkpoint, folder, tmp_path / "whole", chosen)

    def stop(stage: str) -> None:
        if stage.startswith(f"epoch {stop_after + 1}/"):
            raise StoppedError

    with pytest.raises(StoppedError):
        run(checkpoint, folder, tmp_path / "parts", chosen, progress=Heard(stop))
    other = ModelSection(name="deeplabv3plus_mobilenetv2_100")
    not_read = chosen.model_copy(update={"model": other})
    resumed = run(checkpoint, folder, tmp_path / "parts", not_read, resume=True)
    assert same(whole, resumed)


@pytest.mark.parametrize("statistics_epochs", [0.3, 1.0])
def test_training_moves_weights_and_ranges_and_ends_on_what_files_hold(
    statistics_epochs: float, checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    start = run(checkpoint, folder, tmp_path / "calibrated", recipe(epochs=0))
    chosen = recipe(epochs=4, statistics_epochs=statistics_epochs, ranges_epochs=0.5)
    trained = run(checkpoint, folder, tmp_path / "trained", chosen)
    before, after = start.quantization, trained.quantization
    assert before is not None
    assert after is not None
    assert [q.tensors for q in before.activations] == [q.tensors for q in after.activations]
    assert [q.scale for q in before.activations] != [q.scale for q in after.activations]
    assert before.activations[0] == after.activations[0], "the picture's range is that of pixels"
    network = Network(trained.build())
    for node in network.values():
        if network.kind(node) == "conv":
            folded = after.weight_scales[network.name(node)] * gain_after(network, node).abs()
            assert torch.allclose(folded, half_scales(folded), rtol=1e-6)


def test_no_epochs_is_calibration_alone(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    quantized = run(checkpoint, folder, tmp_path, recipe(epochs=0))
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(tensor, quantized.tensors[name])
    assert quantized.info.provenance["starts_from"]["sha256"] == checkpoint.sha256
    dataset = open_dataset(folder, "train")
    assert 0 <= evaluate_runtime(TorchRuntime(quantized), dataset).miou <= 100


def test_channels_are_equalized_before_and_the_float_network_stays(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    quantized = run(checkpoint, folder, tmp_path, recipe(epochs=0, equalize=0.5))
    assert any(
        not torch.equal(tensor, quantized.tensors[name])
        for name, tensor in checkpoint.tensors.items()
    )
    image = torch.linspace(-0.9, 0.9, 3 * 32 * 48).reshape(1, 3, 32, 48)
    with torch.no_grad():
        expected, found = checkpoint.build()(image), quantized.build()(image)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_a_network_with_the_ranges_of_its_file_is_not_equalized_and_that_is_said(
    checkpoint: Checkpoint, folder: Path
) -> None:
    ranges = {"backbone.conv_stem": (-1.0, 3.0)}
    imported = replace(checkpoint, info=replace(checkpoint.info, ranges=ranges))
    heard = Heard()
    chosen = recipe(equalize=0.5)
    quantized = quantize(imported, chosen, open_dataset(folder, "train"), progress=heard)
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(tensor, quantized.tensors[name])
    assert any("channels are not equalized" in note for note in heard.notes)


def test_the_half_form_stores_integers_and_means_the_same_quantized_network(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    quantized = quantize(checkpoint, recipe(), open_dataset(folder, "train"))
    assert quantized.quantization is not None
    model, path = quantized.build(), tmp_path / "half.safetensors"
    save_checkpoint(path, model, quantized.info, quantization=quantized.quantization, half=True)
    stored, back = load_file(path), load_checkpoint(path)
    assert back.quantization is not None
    for layer, scales in quantized.quantization.weight_scales.items():
        name = f"{layer}.weight"
        assert stored[name].dtype == torch.int8
        assert back.tensors[name].dtype == torch.float32
        expected = quantize_weight(quantized.tensors[name], scales)
        assert torch.equal(stored[name], expected)
        assert torch.equal(quantize_weight(back.tensors[name], scales), expected)
    del stored[f"quantizers.{layer}.scale"]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(stored, path, metadata)
    with pytest.raises(CheckpointError, match=rf"integers in {layer}.weight, and no scale"):
        load_checkpoint(path)


def test_trained_fake_quantizers_compute_what_the_saved_quantization_computes(
    checkpoint: Checkpoint, folder: Path
) -> None:
    quantized = quantize(checkpoint, recipe(), open_dataset(folder, "train"))
    quantization = quantized.quantization
    assert quantization is not None
    trainable = TrainableNetwork(quantized.build(), quantization)
    back = trainable.quantization()
    assert back.activations == quantization.activations
    for path, scales in quantization.weight_scales.items():
        assert torch.allclose(back.weight_scales[path], scales, rtol=1e-6), path
    image = torch.linspace(-0.9, 0.9, 3 * 32 * 48).reshape(1, 3, 32, 48)
    with torch.no_grad():
        learned = trainable.module.eval()(image)
        trainable.fix_ranges()
        fixed = trainable.module.eval()(image)
    assert (learned - fixed).abs().mean() < quantization.activations[-1].scale


def test_distillation_alone_pulls_towards_the_float_model(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    """The log of a run that only listens to the teacher starts near nothing: it is the same network."""
    run(checkpoint, folder, tmp_path / "teacher", recipe(epochs=1, distill=1.0))
    run(checkpoint, folder, tmp_path / "labels", recipe(epochs=1, distill=0.0))
    losses = [
        float((tmp_path / name / "log.csv").read_text().splitlines()[1].split(",")[1])
        for name in ("teacher", "labels")
    ]
    assert losses[0] < losses[1] / 2


def test_quantized_checkpoint_is_not_quantized_again(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    quantized = run(checkpoint, folder, tmp_path, recipe(epochs=0))
    with pytest.raises(ConfigError, match="quantized already"):
        run(quantized, folder, tmp_path / "again", recipe())


def test_data_with_other_classes_is_refused(
    checkpoint: Checkpoint, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    folder = make_dataset(count=2)
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(
        text.replace(f'"{checkpoint.info.classes[0].name}"', '"lava"')
    )
    with pytest.raises(DataError, match="lava"):
        run(checkpoint, folder, tmp_path, recipe())


def test_crops_follow_the_checkpoint_where_the_recipe_does_not_say(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    section = recipe(epochs=1).data.model_copy(update={"crop_hw": None, "size_hw": (999, 999)})
    chosen = recipe(epochs=1).model_copy(update={"data": section})
    trained = run(checkpoint, folder, tmp_path / "run", chosen)
    assert trained.info.provenance["recipe"]["data"]["crop_hw"] == [32, 48]


def test_rendered_scenes_in_other_classes_are_refused_before_calibration(
    checkpoint: Checkpoint, folder: Path
) -> None:
    section = recipe().data.model_copy(update={"rendered_share": 0.2})
    chosen, heard = recipe().model_copy(update={"data": section}), Heard()
    with pytest.raises(ConfigError, match=r"rendered_share 0\.2 came with Tiny train"):
        quantize(checkpoint, chosen, open_dataset(folder, "train"), progress=heard)
    assert heard.stages == []


def test_resume_needs_a_state_of_the_same_run(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(checkpoint, folder, tmp_path / "new", recipe(), resume=True)
    run(checkpoint, folder, tmp_path / "run", recipe(epochs=1))
    with pytest.raises(CheckpointError, match="another recipe"):
        run(checkpoint, folder, tmp_path / "run", recipe(epochs=2), resume=True)


def test_run_is_never_started_over_an_earlier_one(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    run(checkpoint, folder, output, recipe(epochs=1))
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    for chosen, resume in ((recipe(epochs=2), False), (recipe(epochs=0), True)):
        with pytest.raises(OutputError, match=r"state\.safetensors.*resume it.*another output"):
            run(checkpoint, folder, output, chosen, resume=resume)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_resume_from_another_checkpoint_is_refused(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    run(checkpoint, folder, tmp_path / "run", recipe(epochs=1))
    other = replace(checkpoint, sha256="0" * 64)
    with pytest.raises(CheckpointError, match=f"started from .*{checkpoint.sha256}.*repeat it"):
        run(other, folder, tmp_path / "run", recipe(epochs=1), resume=True)


@pytest.mark.parametrize(("epochs", "told"), [(0, "0.5"), (1, None)])
def test_trained_weights_are_no_longer_called_sparse(
    epochs: int, told: str | None, checkpoint: Checkpoint, folder: Path
) -> None:
    lineage = {"parent": "dense", "removed": {}, "sparsity": "0.5"}
    sparse = replace(checkpoint, info=replace(checkpoint.info, pruning=lineage))
    sources = [open_dataset(folder, "train")]
    info = describe_quantized(sparse, recipe(epochs), sources)
    assert info.pruning == {**lineage, "sparsity": told}
    assert describe_quantized(checkpoint, recipe(epochs), sources).pruning is None


def test_batch_norm_that_is_frozen_is_that_of_the_start(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    frozen = {"freeze_batch_norm": True, "accumulate": 2, "batch_size": 2}
    optimiser = recipe(epochs=2).optimiser.model_copy(update=frozen)
    chosen = recipe(epochs=2).model_copy(update={"optimiser": optimiser})
    trained = run(checkpoint, folder, tmp_path / "run", chosen)
    norms = {n.rpartition(".")[0] for n in trained.tensors if n.endswith("running_mean")}
    assert norms
    for name, tensor in checkpoint.tensors.items():
        moved = not torch.equal(tensor, trained.tensors[name])
        assert not (moved and name.rpartition(".")[0] in norms), name
        assert moved or tensor.ndim < 4, name
