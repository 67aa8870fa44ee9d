"""The chain from the float model to a file: what is tapped, what is compared, what is named."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.child.bounded import BoundedChild
from edge_deeplab.cli.score_tables import chain_table
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation import taps
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift, plot
from edge_deeplab.evaluation.explain import explain, explain_images
from edge_deeplab.evaluation.taps import tap
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.targets import STABLE
from tests.by_target import ByTarget
from tests.converters.conftest import describe
from tests.hostile_files import write_crash_when_opened

from .conftest import NORMALISATION, SIZE_HW


@pytest.fixture(scope="session")
def checkpoint(model: nn.Module, quantization: Quantization) -> Any:
    """What `explain` asks of a checkpoint, around the small model."""
    return SimpleNamespace(
        name="small",
        info=SimpleNamespace(normalisation=NORMALISATION),
        quantization=quantization,
        build=lambda: model,
    )


@pytest.fixture(scope="session")
def explanations(
    checkpoint: Any, int8_files: ByTarget[Path], pictures: torch.Tensor
) -> dict[str, DriftChain]:
    found = explain(checkpoint, list(int8_files.values()), pictures[0].numpy())
    return dict(zip(int8_files, found, strict=True))


@pytest.mark.parametrize("target", ["coreml", "onnx", "tflite"])
def test_chain_reaches_every_layer_and_blames_the_right_step(
    target: str, explanations: dict[str, DriftChain]
) -> None:
    explanation = explanations[target]
    assert explanation.steps == ("fake-quantized", "canonical", "file")
    modules = [layer.module for layer in explanation.layers]
    assert {"stem.2", "add", "aspp.cat", "decoder.refine.1.5", "classifier"} <= set(modules)
    first = explanation.layers[0]
    assert 25 < first.snr_db["fake-quantized"] < 60, "one rounding to 8 bits"
    assert first.snr_db["canonical"] > 60
    assert first.snr_db["file"] > 40


def test_float_chain_passes_over_what_a_rewrite_has_made_another_tensor(
    model: nn.Module, pictures: torch.Tensor, tmp_path: Path
) -> None:
    graph = capture(model, NORMALISATION, SIZE_HW, "classes")
    path = tmp_path / "small-fp32.onnx"
    write_target(graph, describe("onnx", "fp32", "classes"), path)
    checkpoint = SimpleNamespace(
        name="small",
        info=SimpleNamespace(normalisation=NORMALISATION),
        quantization=None,
        build=lambda: model,
    )
    (chain,) = explain(checkpoint, [path], pictures[0].numpy())
    assert (chain.error, chain.steps) == (None, ("canonical", "file"))
    modules = {layer.module for layer in chain.layers}
    assert {"stem.2", "add", "classifier"} <= modules
    assert "aspp.cat" not in modules, "the pooled branch is no longer in it"
    assert min(min(layer.snr_db.values()) for layer in chain.layers) > 60, (
        "and none before batch norm"
    )


def test_a_tap_gives_what_the_file_stores(
    int8_files: ByTarget[Path], pictures: torch.Tensor, quantization: Quantization
) -> None:
    (scale,) = {q.scale for q in quantization.activations if "stem.2" in q.tensors}
    for target in (*STABLE, "coreai"):
        steps = tap(int8_files[target], pictures[0].numpy())["stem__2__relu"] / scale
        assert np.abs(steps - steps.round()).max() < 0.07, "whole steps, up to half precision"
        assert steps.max() > 100


def test_first_drift_is_the_first_below_the_threshold() -> None:
    layers = tuple(
        LayerDrift(n, n, {"file": db}) for n, db in (("a", 60.0), ("b", 15.0), ("c", 3.0))
    )
    explanation = DriftChain(Path("x.onnx"), ("file",), layers)
    drift = explanation.first_drift("file")
    assert drift is not None
    assert drift.module == "b"
    assert explanation.worst("file").module == "c"
    assert explanation.to_json()["first_drift"] == {"file": "b"}
    assert chain_table(explanation).row_count == 5


def test_several_pictures_open_each_file_once(
    checkpoint: Any,
    int8_files: ByTarget[Path],
    pictures: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def open_child(module: str, **how: Any) -> BoundedChild:
        opened.append(how["subject"])
        return BoundedChild(module, **how)

    monkeypatch.setattr(taps, "BoundedChild", open_child)
    images = [picture.numpy() for picture in pictures[:2]]
    paths = [int8_files[target] for target in STABLE]
    found = explain_images(checkpoint, paths, images)
    assert opened == [str(path) for path in paths]
    for place, image in enumerate(images):
        assert [chains[place] for chains in found] == explain(checkpoint, paths, image)
    assert found[0][0] != found[0][1]


def test_explain_a_file_that_cannot_be_tapped_fails_alone(
    checkpoint: Any, int8_files: ByTarget[Path], pictures: torch.Tensor, tmp_path: Path
) -> None:
    crash = write_crash_when_opened(tmp_path / "crash.tflite")
    paths = [crash, int8_files["tflite"]]
    failed, explained = explain(checkpoint, paths, pictures[0].numpy())
    assert failed.to_json().keys() == {"path", "error"}
    assert "SIGSEGV" in failed.to_json()["error"]
    assert explained.error is None
    assert explained.layers
    plot([failed, explained], tmp_path / "chain.png")
    assert (tmp_path / "chain.png").stat().st_size > 10_000


def test_plot_is_written(explanations: dict[str, DriftChain], tmp_path: Path) -> None:
    plot(list(explanations.values()), tmp_path / "chain.png")
    assert (tmp_path / "chain.png").stat().st_size > 10_000


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="none of"):
        tap(tmp_path / "model.bin", np.zeros((8, 8, 3), np.uint8))
