"""What a run tells while it goes on, and that one process can train in one precision after another."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.models.checkpoint import load_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.training import loop
from edge_deeplab.training.loop import RunOptions, Trained, synchronised
from edge_deeplab.training.optimiser import build_optimiser
from edge_deeplab.training.run_folder import Validator
from edge_deeplab.training.train import TrainRequest, train
from tests.progress import Heard

MakeDataset = Callable[..., Path]


def request(data: Path, output: Path, **optimiser: object) -> TrainRequest:
    recipe = Recipe.model_validate(
        {
            "model": {"name": "deeplabv3plus_mobilenetv2_100", "pretrained": False},
            "data": {"size_hw": (32, 48), "crop_hw": (32, 32)},
            "optimiser": {"epochs": 3, "batch_size": 2, "precision": "fp32", **optimiser},
        }
    )
    return TrainRequest(recipe, [open_dataset(data, "train")], output)


def without_times(note: str) -> str:
    """Return a line without its loss and the time that is left, which no two runs share."""
    number, _, rest = note.partition(": loss ")
    return ", ".join(
        part for part in (number + rest.lstrip("0123456789.")).split(", ") if "left" not in part
    )


def test_run_tells_every_stage_every_step_and_a_line_an_epoch(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    heard, scores = Heard(), iter([50.0, 70.0, 60.0])
    asked = request(make_dataset(count=4), tmp_path / "run", validate_every=1)
    options = RunOptions(workers=0, validate=Validator(lambda _: next(scores)), progress=heard)
    assert train(asked, options) == Trained(tmp_path / "run" / "best.safetensors", 70.0, 2)
    assert heard.stages == [
        ("building deeplabv3plus_mobilenetv2_100", None, ""),
        ("counting the pixels of each class", 4, "images"),
        ("reading images", 4, "images"),
        *((f"epoch {epoch}/3", 2, "steps") for epoch in (1, 2, 3)),
    ]
    assert all(heard.advanced[what] == total for what, total, _ in heard.stages if total)
    assert [without_times(note) for note in heard.notes] == [
        "epoch 1/3, validation mIoU 50.00 (best 50.00 in epoch 1)",
        "epoch 2/3, validation mIoU 70.00 (best 70.00 in epoch 2)",
        "epoch 3/3, validation mIoU 60.00 (best 70.00 in epoch 2)",
        "validation mIoU 70.00, best in epoch 2",
    ]
    assert [" left" in note for note in heard.notes] == [True, True, False, False]


def test_best_so_far_outlives_a_stop_which_says_what_is_kept(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    def stop(stage: str) -> None:
        if stage == "epoch 3/3":
            raise KeyboardInterrupt

    asked = request(make_dataset(count=2), tmp_path / "run", validate_every=1)
    heard, scores = Heard(stop), iter([70.0, 60.0])
    stopped = RunOptions(workers=0, validate=Validator(lambda _: next(scores)), progress=heard)
    with pytest.raises(KeyboardInterrupt):
        train(asked, stopped)
    assert heard.notes[-1] == "stopped; epochs that are done and kept: 2 of 3"
    resumed = RunOptions(resume=True, workers=0, validate=Validator(lambda _: 50.0))
    assert train(asked, resumed) == Trained(tmp_path / "run" / "best.safetensors", 70.0, 1)


def test_run_that_is_not_validated_tells_its_loss_alone(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    heard = Heard()
    asked = request(make_dataset(count=2), tmp_path / "run", epochs=1)
    assert train(asked, RunOptions(workers=0, progress=heard)).miou is None
    (note,) = heard.notes
    assert note.startswith("epoch 1/1: loss ")
    assert "mIoU" not in note


def test_process_trains_in_one_precision_after_another(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data = make_dataset(count=2)
    for precision in ("bf16", "fp32"):
        asked = request(data, tmp_path / precision, epochs=1, precision=precision)
        best = load_checkpoint(train(asked, RunOptions(workers=0)).checkpoint)
        assert best.info.provenance["recipe"]["optimiser"]["precision"] == precision


@pytest.mark.skipif(torch.cuda.is_available(), reason="the run would be on the GPU")
@pytest.mark.parametrize("computes", [True, False], ids=["with bf16", "without"])
def test_bf16_is_taken_where_the_processor_computes_it_and_else_said(
    computes: bool, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "computes_bfloat16", lambda: computes)
    asked = request(make_dataset(count=2), tmp_path / "run", epochs=1, precision="bf16")
    assert loop.build_accelerator(asked.recipe).mixed_precision == ("bf16" if computes else "no")
    heard = Heard()
    train(asked, RunOptions(workers=0, progress=heard))
    assert any("no bf16" in note for note in heard.notes) is not computes


def test_batch_norm_over_several_gpus_leaves_the_network_and_its_rates_as_they_are() -> None:
    """timm's batch norms carry the activations; SyncBatchNorm needs a GPU to train and none to evaluate."""
    torch.manual_seed(0)
    for name in ("efficientnet_lite0", "mobilenetv3_large_100", "resnet50"):
        spec = find_spec(name)
        model = build_model(spec, 3, pretrained=False).eval()
        image = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            before = model(image)
            converted = synchronised(model).eval()
            torch.testing.assert_close(converted(image), before)
        assert any(isinstance(m, torch.nn.SyncBatchNorm) for m in converted.modules())
        recipe = Recipe.model_validate({"optimiser": {"learning_rate": 0.3}})
        groups = build_optimiser(converted, spec.parts, recipe).param_groups
        assert {group["lr"] for group in groups} == {3e-4, 0.3}, "not relative ones"
