"""What cannot end well is refused before the first step, in one sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_deeplab import versions
from edge_deeplab.compress.chain import compress
from edge_deeplab.compress.job import Job
from edge_deeplab.config import CompressRecipe
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.quantization import placement
from tests.compress.conftest import save_tiny_checkpoint

ONLY_FILES = {"export": {"targets": ["onnx"], "precisions": ["fp32"]}}
IN_ROUNDS = {"sparsity": "0.5", "rounds": 2}

SENTENCES: list[tuple[Callable[[dict], object], str]] = [
    (lambda r: r.clear(), "the recipe has no step"),
    (lambda r: r["prune"].pop("pruning"), "came without a budget"),
    (lambda r: r["prune"].update(pruning=IN_ROUNDS), "sparsity, 2 rounds and no budget"),
    (lambda r: r.pop("export"), r"\[parity\] came without \[export\]"),
    (lambda r: r.pop("qat"), r"export\.precisions has int8 and there is no \[qat\]"),
    (lambda r: r["export"].update(precisions=[]), r"export\.precisions came as \[\]"),
    (lambda r: r["export"].update(precisions=["int8"]), r"export\.precisions lacks fp32"),
    (lambda r: r["export"].update(precisions=["fp32"]), r"export\.precisions lacks int8"),
    (lambda r: r["export"].update(head="best"), "unknown head 'best'"),
    (lambda r: r["export"].update(profiles=["nokia"]), "unknown profile 'nokia'"),
    (lambda r: r["parity"].update(split="tset"), "has no split 'tset'"),
    (lambda r: r["qat"].update(data={"splits": ["trian"]}), "has no split 'trian'"),
    (lambda r: r["qat"]["optimiser"].update(batch_size=6), "4 crops, fewer than the batch of 6"),
    (
        lambda r: (
            r["prune"]["optimiser"].update(batch_size=6, epochs=0),
            r["prune"]["pruning"].update(rounds=2),
        ),
        "4 crops, fewer than the batch of 6",
    ),
]


@pytest.fixture
def refused(data: Path, tmp_path: Path) -> Callable[[Checkpoint, dict], str]:
    """Return a function that gives the sentence with which a chain is refused."""

    def start(checkpoint: Checkpoint, document: dict) -> str:
        recipe = CompressRecipe.model_validate(document)
        with pytest.raises(EdgeDeepLabError) as raised:
            compress(checkpoint, recipe, Job(DataFolder(data), tmp_path / "run", 0))
        assert not (tmp_path / "run").exists()
        return str(raised.value)

    return start


@pytest.mark.parametrize(("spoil", "sentence"), SENTENCES)
def test_recipe_that_cannot_end_well_is_refused_before_the_first_step(
    spoil: Callable[[dict], object],
    sentence: str,
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    refused: Callable[[Checkpoint, dict], str],
) -> None:
    document = recipe.model_dump()
    spoil(document)
    assert re.search(sentence, refused(checkpoint, document))


def test_network_that_cannot_be_quantized_is_refused_with_qat(
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    refused: Callable[[Checkpoint, dict], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placement, "QUANTIZABLE", ("conv", "norm"))
    assert "have no int8 form" in refused(checkpoint, recipe.model_dump())


def test_size_that_cannot_be_exported_is_refused_with_the_nearest_that_can(
    refused: Callable[[Checkpoint, dict], str], tmp_path: Path
) -> None:
    checkpoint = save_tiny_checkpoint(tmp_path / "odd.safetensors", size_hw=(33, 48))
    sentence = refused(checkpoint, ONLY_FILES)
    assert "odd is of size 33x48" in sentence
    assert "train it at 32x48" in sentence


def test_files_are_not_scored_on_data_of_other_classes(
    checkpoint: Checkpoint, refused: Callable[[Checkpoint, dict], str], data: Path
) -> None:
    description = data / "dataset.toml"
    description.write_text(description.read_text().replace('"left"', '"port"'))
    assert "Tiny test has the classes port, right" in refused(
        checkpoint, {**ONLY_FILES, "parity": {}}
    )


def test_latency_budget_needs_the_packages_of_its_runtime(
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    refused: Callable[[Checkpoint, dict], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = versions.installed_version
    monkeypatch.setattr(
        versions, "installed_version", lambda name: None if name == "onnx" else installed(name)
    )
    prune = {**recipe.model_dump()["prune"], "pruning": {"latency": 0.5, "runtime": "onnx"}}
    assert refused(checkpoint, {"prune": prune}).startswith("onnx is not installed")
