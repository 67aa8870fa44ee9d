"""Import, and that what comes of it goes through everything else: score, train, prune, quantize, export, compare."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import edge_deeplab as ed
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.errors import ConfigError, OutputError
from edge_deeplab.evaluation.importing import ImportRequest, import_checkpoint
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.origins import Origin, carried, origins_of
from tests.models.tflite_files import write_segmenter
from tests.progress import Heard
from tests.slow import or_slow

MakeDataset = Callable[..., Path]
RECIPE: dict[str, Any] = {
    "data": {"size_hw": (32, 48), "crop_hw": (32, 32), "scale": (1.0, 1.0)},
    "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
}
TERMS = "research only"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uint8 file of three classes that names none."""
    return write_segmenter(tmp_path_factory.mktemp("foreign") / "cities.tflite")


@pytest.fixture(scope="module")
def imported(file: Path) -> Checkpoint:
    """The file with the names of its classes, two of them the data set's."""
    names, path = file.with_suffix(".txt"), file.with_suffix(".safetensors")
    names.write_text("right\nroad\nleft\n")
    import_checkpoint(ImportRequest(file=file, output=path, classes=names, licence=TERMS))
    return load_checkpoint(path)


@pytest.fixture
def data(make_dataset: MakeDataset) -> Path:
    make_dataset("val", count=2)
    return make_dataset("train", count=2)


def test_import_says_whose_weights_they_are(imported: Checkpoint, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    told = {"file": "cities.tflite", "sha256": digest, "licence": TERMS}
    assert imported.info.provenance == {"imported": told}
    assert imported.info.licence == TERMS


def test_import_without_terms_says_that_they_are_unknown(file: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc")
    request = ImportRequest(
        file=file, output=tmp_path / "a.safetensors", classes=tmp_path / "names.txt"
    )
    assert import_checkpoint(request).origin.licence == "unknown"


def test_import_of_unnamed_classes_asks_for_names(file: Path, tmp_path: Path) -> None:
    request = ImportRequest(file=file, output=tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=r"scores 3 classes and names none, and no list.*\[map\]"):
        import_checkpoint(request)
    (tmp_path / "two.txt").write_text("a\nb\n")
    request = ImportRequest(
        file=file, output=tmp_path / "a.safetensors", classes=tmp_path / "two.txt"
    )
    with pytest.raises(ConfigError, match="and 2 came; 3 names in the order of its ids"):
        import_checkpoint(request)
    assert not (tmp_path / "a.safetensors").exists()


def test_import_with_other_classes_keeps_rows_by_name(
    imported: Checkpoint, file: Path, tmp_path: Path
) -> None:
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("person\nleft\nright\nsky\n")
    result = import_checkpoint(
        ImportRequest(
            file=file,
            output=tmp_path / "a.safetensors",
            classes=wanted,
            class_map={0: "right", 1: "road", 2: "left"},
        )
    )
    assert (result.fresh, result.dropped) == (("person", "sky"), ("road",))
    new, old = (
        c.tensors["classifier.weight"] for c in (load_checkpoint(result.checkpoint), imported)
    )
    assert new.shape[0] == 4
    assert torch.equal(new[1], old[2])
    assert torch.equal(new[2], old[0])
    assert "classifier" not in (result.info.ranges or {}), "its scores are others"
    assert "backbone.relu_0" in (result.info.ranges or {})


def test_decoder_is_for_files_of_coarser_features_and_for_no_weights(
    file: Path, tmp_path: Path
) -> None:
    output, classes = tmp_path / "a.safetensors", tmp_path / "names.txt"
    classes.write_text("a\nb\nc")
    with pytest.raises(ConfigError, match="output stride 8 or more"):
        import_checkpoint(ImportRequest(file=file, output=output, classes=classes, decoder=True))
    with pytest.raises(ConfigError, match=r"a decoder came with a source.*\.tflite"):
        ImportRequest(file=tmp_path / "a.pth", output=output, source="smp", decoder=True)
    assert not output.exists()


def test_class_map_names_classes_and_joins_those_of_one_name(file: Path, tmp_path: Path) -> None:
    request = ImportRequest(
        file=file, output=tmp_path / "a.safetensors", class_map={0: "car", 1: "road", 2: "car"}
    )
    assert [c.name for c in import_checkpoint(request).info.classes] == ["car", "road"]
    request = ImportRequest(file=file, output=tmp_path / "a.safetensors", class_map={3: "car"})
    with pytest.raises(ConfigError, match=r"lists id 3.*has 3 classes"):
        import_checkpoint(request)


def test_file_of_this_project_brings_its_classes_and_its_own_origins(tmp_path: Path) -> None:
    """It scores one class more than it names, as exports that fill classes up do."""
    before = Origin("older.tflite", "ab" * 32, "non-commercial")
    description = Description(
        model="small",
        checkpoint="small",
        checkpoint_sha256="0" * 64,
        target="tflite",
        precision="int8",
        head="classes",
        size_hw=(17, 25),
        classes=(ClassInfo("sky", (1, 2, 3)), ClassInfo("road", (4, 5, 6))),
        ignore_index=9,
        normalisation=Normalisation((128.0,) * 3, (128.0,) * 3),
        licence="CC BY-NC 4.0",
        provenance=carried([before]),
    )
    file = write_segmenter(tmp_path / "own.tflite", description=description)
    result = import_checkpoint(ImportRequest(file=file, output=tmp_path / "a.safetensors"))
    info = load_checkpoint(result.checkpoint).info
    assert info.classes == description.classes
    assert info.ignore_index == 9
    assert info.licence == "CC BY-NC 4.0"
    assert [origin.file for origin in origins_of(info.provenance)] == ["own.tflite", "older.tflite"]


def test_import_is_measured_beside_its_floor(file: Path, data: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\n")
    result = import_checkpoint(
        ImportRequest(
            file=file,
            output=tmp_path / "a.safetensors",
            classes=names,
            data=data,
            split="train",
            limit=2,
        )
    )
    told = result.to_json()
    assert told["images"] == 2
    assert 0.9 < told["agreement"] <= 1
    assert 0.95 < told["quantized_agreement"] <= 1
    assert 0.95 < told["floor"] <= 1


@pytest.mark.parametrize("ending", [".onnx", ".pth", ""])
def test_import_of_another_kind_of_file_is_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.tflite was expected"):
        ImportRequest(file=tmp_path / f"a{ending}", output=tmp_path / "b.safetensors")


def test_import_to_a_folder_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        ImportRequest(file=tmp_path / "absent.tflite", output=tmp_path)


def test_training_goes_on_from_the_import_whatever_the_recipe_names(
    imported: Checkpoint, data: Path, tmp_path: Path
) -> None:
    trained = ed.train(data, tmp_path / "run", recipe=RECIPE, init=imported, workers=0)
    info = load_checkpoint(trained.checkpoint).info
    assert info.is_graph
    assert info.normalisation == imported.info.normalisation
    assert [c.name for c in info.classes] == ["left", "right"]
    assert info.ranges is None, "its weights are others"
    assert info.licence == f"CC0; weights of cities.tflite: {TERMS}"
    assert 0 <= ed.evaluate(trained.checkpoint, data=data, split="val").miou <= 100


def test_training_from_the_import_that_is_stopped_and_resumed_is_that_of_one_run(
    imported: Checkpoint, data: Path, tmp_path: Path
) -> None:
    def stop(stage: str) -> None:
        if stage.startswith("epoch 2/"):
            raise KeyboardInterrupt

    def run(output: str, **options: Any) -> dict[str, torch.Tensor]:
        trained = ed.train(data, tmp_path / output, epochs=2, workers=0, **options)
        return dict(load_checkpoint(trained.checkpoint).tensors)

    started = {"recipe": RECIPE, "init": imported}
    whole = run("whole", **started)
    with pytest.raises(KeyboardInterrupt):
        run("parts", progress=Heard(stop), **started)
    resumed = run("parts", resume=True, **started)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_training_another_model_from_an_import_is_refused(
    imported: Checkpoint, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="model mobilenetv2_100 came with cities, an imported"):
        ed.train(data, tmp_path / "run", model="mobilenetv2_100", init=imported)


def test_training_step_moves_each_tensor_by_its_own_size(imported: Checkpoint) -> None:
    from edge_deeplab.config import Recipe
    from edge_deeplab.training.optimiser import build_optimiser

    model = imported.build()
    groups = build_optimiser(model, imported.info.spec.parts, Recipe()).param_groups
    rate = {id(group["params"][0]): group["lr"] for group in groups}
    weight = model.get_parameter("backbone.conv_0.weight")
    size = float(weight.detach().square().mean().sqrt())
    assert rate[id(weight)] == pytest.approx(3e-4 * size)
    assert all(len(group["params"]) == 1 for group in groups)


@pytest.fixture(scope="module")
def named(imported: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The import with the data set's two classes."""
    folder = tmp_path_factory.mktemp("named")
    (folder / "names.txt").write_text("left\nright\n")
    file = imported.path.with_suffix(".tflite")
    request = ImportRequest(
        file=file,
        output=folder / "two.safetensors",
        classes=folder / "names.txt",
        class_map={0: "right", 1: "road", 2: "left"},
        licence=TERMS,
    )
    return import_checkpoint(request).checkpoint


def test_import_is_pruned(named: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")
    recipe = {**RECIPE, "pruning": {"round_to": 1, "images": 2}}
    pruned = ed.prune(
        named, data=data, output=tmp_path / "run", macs=0.7, epochs=0, recipe=recipe, workers=0
    )
    assert pruned.pruned.multiply_adds <= 0.7 * pruned.original.multiply_adds
    info = load_checkpoint(pruned.checkpoint).info
    assert info.ranges is None
    assert ed.evaluate(pruned.checkpoint, data=data, split="val").miou >= 0


def test_import_is_quantized_with_the_ranges_of_its_file(
    named: Path, data: Path, tmp_path: Path
) -> None:
    run = ed.quantize(named, data=data, output=tmp_path / "run", epochs=0, recipe=RECIPE, workers=0)
    checkpoint = load_checkpoint(run.checkpoint)
    assert checkpoint.quantization is not None
    scales = {q.tensors[0]: q.scale for q in checkpoint.quantization.activations}
    assert scales["backbone.relu_0"] == pytest.approx(0.03, rel=1e-3)
    assert scales["image"] == 1 / 128
    paths = ed.export(
        run.checkpoint, ["onnx", "tflite"], size_hw=(32, 48), output=tmp_path / "files"
    )
    assert ed.compare_quantization(paths).differences == (), "biases behind uneven zeros among them"
    report = ed.parity(paths, reference=run.checkpoint, data=data, split="val", max_drop=100)
    assert [a.error for a in report.artifacts] == [None, None]
    assert all(a.pixel_agreement > 0.97 for a in report.artifacts)
    description = ed.open_artifact(paths[0].path).description
    assert description is not None
    assert description.provenance["weights_of"][0]["licence"] == TERMS


@pytest.mark.parametrize("targets", [or_slow("all", False), "onnx"])
def test_import_is_exported(targets: str, named: Path, data: Path, tmp_path: Path) -> None:
    """At its own size, which is no multiple of 16, as at others."""
    files = ed.export(named, targets, output=tmp_path / "files")
    assert {a.size_hw for a in files} == {(17, 25)}
    report = ed.parity(files, reference=named, data=data, split="val", max_drop=100)
    assert [a.error for a in report.artifacts] == [None] * len(files)
    assert all(a.pixel_agreement > 0.99 for a in report.artifacts)


def test_teacher_hands_its_origin_on(named: Path, data: Path, tmp_path: Path) -> None:
    recipe = {**RECIPE, "model": {"name": "mobilenetv2_100", "pretrained": False}}
    trained = ed.train(data, tmp_path / "run", recipe=recipe, teacher=named, workers=0)
    info = load_checkpoint(trained.checkpoint).info
    assert info.provenance["taught_by"]["weights_of"][0]["file"] == "cities.tflite"
    assert info.licence == f"CC0; weights of cities.tflite: {TERMS}"


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("deeplabv3_mnv2_pascal_quant", 0.995),
        ("deeplab_mobilenet_edgetpu_slim_cityscapes_quant", None),
    ],
)
def test_peer_agrees_with_its_runtime(
    name: str, least: float | None, peers: Path, camvid: Path, tmp_path: Path
) -> None:
    """On two photographs; the Cityscapes file as often as its runtime agrees with itself, within two hundredths."""
    count = 21 if least else 19
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"c{i}" for i in range(count)))
    result = import_checkpoint(
        ImportRequest(
            file=peers / f"{name}.tflite",
            output=tmp_path / "a.safetensors",
            classes=names,
            data=camvid,
            limit=2,
        )
    )
    assert result.agreement is not None
    best = max(result.agreement.imported, result.agreement.quantized or 0)
    assert best >= (least or result.agreement.floor - 0.02)
