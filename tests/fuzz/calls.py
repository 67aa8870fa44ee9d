"""What commands call, for steps whose whole command would take long or train: reading, never another way of reading."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edge_deeplab.checker.rules import load_profile, profile_names
from edge_deeplab.compress.gathering import outputs_of
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.preflight import check_chain
from edge_deeplab.compress.report import ChainReport, StageReport
from edge_deeplab.compress.steps import run_step
from edge_deeplab.config import CompressRecipe, DataSection, Recipe
from edge_deeplab.converters.several_sizes import UNITED
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.demo.pipeline import DemoView, run_demo
from edge_deeplab.demo.record import record
from edge_deeplab.demo.sources import open_source
from edge_deeplab.description import Description
from edge_deeplab.evaluation.class_map import read_class_map
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.evaluation.taps import tap
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.manifest import write_manifest
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.outputs import write_all
from edge_deeplab.progress import SILENT
from edge_deeplab.quantization.pruning.latency import read_table
from edge_deeplab.recipes import load_recipe_as
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.train import describe_run
from tests.fuzz.bases import CLASSES, EXPORTED, SEVERAL, SIZE_HW, describe, finished_step


@dataclass(frozen=True)
class Case:
    """A mutant on its way through a step.

    Args:
        path: the mutant.
        bases: folder of the valid files.
        out: folder that the step may write to.
    """

    path: Path
    bases: Path
    out: Path


class Still:
    """A runtime that sees class 0 everywhere, for steps that are about images."""

    name = "still"
    path = Path("still")
    size_hw = SIZE_HW

    def __init__(self, description: Description | None) -> None:
        self.description = description

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return zeros."""
        return np.zeros(images.shape[:3], np.uint8)

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return zeros."""
        return np.zeros((len(images), len(CLASSES), *SIZE_HW), np.float32)


def profiles_of(file_format: str) -> tuple[str, ...]:
    """Return the names of the profiles that read a format."""
    return tuple(name for name in profile_names() if load_profile(name).format == file_format)


def exported_names(file_format: str) -> tuple[str, ...]:
    """Return the names of the valid files of a format."""
    ending = {"coreml": "mlpackage", "executorch": "pte", "coreai": "aimodel"}.get(
        file_format, file_format
    )
    several = (SEVERAL,) if file_format in UNITED else ()
    return tuple(f"{name}.{ending}" for name in (*EXPORTED, *several))


@cache
def reference(bases: Path) -> Checkpoint:
    """Return the valid checkpoint."""
    return load_checkpoint(bases / "reference.safetensors")


def tap_values(case: Case) -> None:
    """Read the values inside a file that runs, as `parity --explain` does."""
    runtime = open_artifact(case.path, threads=1)
    images = np.zeros((1, *runtime.size_hw, 3), np.uint8)
    runtime.predict(images)
    tap(case.path, images[0])


def read_data(case: Case) -> None:
    """Read a data folder as `evaluate` and `parity` do."""
    dataset = resolve_dataset(DataFolder(case.path), "test")
    names = {number: each.name for number, each in enumerate(dataset.classes)}
    evaluate_runtime(Still(None), dataset, class_map=names)  # type: ignore[arg-type]


def draw_crops(case: Case) -> None:
    """Read a data folder as `train` does."""
    dataset = open_dataset(case.path, "test")
    dataset.content_sha256()
    recipe = Recipe(data=DataSection(size_hw=SIZE_HW, crop_hw=(32, 32)))
    crops = build_crops([dataset], recipe, describe_run(recipe, [dataset]))
    for index in range(len(crops)):
        crops[index]


def show_images(case: Case) -> None:
    """Read a folder of images as `demo` does."""
    view = DemoView(Still(describe("onnx", "int8", "0" * 64)))  # type: ignore[arg-type]
    with record(case.out / "shown") as sink:
        run_demo(view, open_source(str(case.path / "test" / "images")), [sink])


def check_recipe(case: Case) -> None:
    """Read a recipe and check what can be checked before the chain starts, as `compress` does."""
    recipe = load_recipe_as(CompressRecipe, case.path)
    check_chain(
        reference(case.bases), recipe, Job(DataFolder(case.bases / "data"), case.out / "run")
    )


def read_map(case: Case) -> None:
    """Read a class map."""
    read_class_map(case.path)


def read_relabelled(case: Case) -> None:
    """Read a label map, and data in its words."""
    dataset = DataFolder.named(case.bases / "data", label_map=case.path).open("test")
    dataset.content_sha256()
    dataset[0]


def expand(case: Case) -> None:
    """Read a manifest as the verbs do that take a folder of exports, and open nothing but its first file."""
    paths = expand_artifacts([case.path])
    if paths[0].exists():
        paths[0].stat()


def write_beside(case: Case) -> None:
    """Bring a manifest up to date, as `export` does."""
    write_manifest(case.path, [{"file": "new.onnx"}])


def gather_anew(case: Case) -> None:
    """Read the report of an earlier run and remove what it lists, as `compress` does."""
    reference = StageReport("reference", "reference", "0" * 64, 1, 1, (64, 64), None)
    report = ChainReport([reference], None, 0, [], [], [])
    write_all(report, outputs_of(case.path.parent, [], [], report))


def run_again(case: Case) -> None:
    """Find a step done, or do it again."""
    run_step(finished_step(), case.path, SILENT)


def read_times(case: Case) -> None:
    """Read a table of layers' times, as `prune` does."""
    read_table(case.path)
