"""`edge-deeplab parity` where opening a file gives a runtime whose scores are known."""

import json
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.parity import parity
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.evaluation import reference
from edge_deeplab.evaluation.reference import file_sha256
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.models import checkpoint as checkpoint_module

NAMES = ("sky", "road")


@dataclass
class ReadingRuntime:
    """Read the label off the red channel; a degraded one says sky everywhere."""

    path: Path
    description: Description | None
    degraded: bool = False
    name: str = "reading 1.0"
    size_hw: tuple[int, int] = (8, 8)

    def predict(self, images):
        return images[..., 0] * np.uint8(not self.degraded)

    def logits(self, images):
        raise ArtifactError(f"{self.path} has no scores to read")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stand in an empty folder with a data set and a checkpoint, where file names say how a file behaves."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    shipped = tmp_path / "weights" / "camvid-efficientnet-lite0.safetensors"
    shipped.parent.mkdir()
    shipped.write_bytes(b"weights")
    description = describe(file_sha256(shipped))

    def open_file(path, *, size_hw=None, normalisation=None, allowance=None, runtime=None):
        if "gone" in path.name:
            raise ArtifactError(f"{path} does not exist; pass an exported file")
        own = None if "bare" in path.name else description
        name = f"{runtime or 'reading'} 1.0"
        return ReadingRuntime(path, own, degraded="bad" in path.name, name=name)

    for name in ("evaluation.agreement", "evaluation.validation", "compress.measures"):
        import_module(f"edge_deeplab.{name}")  # first, for they keep the runtime that they import

    def open_reference(path, *, size_hw):
        return ReadingRuntime(path, description, size_hw=size_hw)

    monkeypatch.setattr(reference, "shipped_checkpoints", lambda: {shipped.stem: shipped})
    monkeypatch.setattr(
        "edge_deeplab.models.shipped.shipped_checkpoints", lambda: {shipped.stem: shipped}
    )
    monkeypatch.setattr("edge_deeplab.evaluation.request.open_artifact", open_file)
    monkeypatch.setattr("edge_deeplab.runtimes.torch.TorchRuntime", open_reference)
    monkeypatch.setattr("edge_deeplab.evaluation.explain.load_checkpoint", lambda path: path)
    monkeypatch.setattr(checkpoint_module, "load_checkpoint", lambda path: path)
    return tmp_path


def write_data(root: Path) -> None:
    classes = "".join(f'[[classes]]\nname = "{name}"\ncolor = [0, 0, 0]\n' for name in NAMES)
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
    (root / "dataset.toml").write_text(f'name = "tiny"\n{classes}')
    for index in range(3):
        mask = np.zeros((8, 8), np.uint8)
        mask[4 + index :] = 1
        Image.fromarray(np.stack([mask] * 3, -1)).save(root / "test" / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / "test" / "masks" / f"{index}.png")


def describe(sha256: str) -> Description:
    return Description(
        model="deeplabv3plus_mobilenetv2_100",
        checkpoint="camvid-efficientnet-lite0",
        checkpoint_sha256=sha256,
        target="onnx",
        precision="fp32",
        head="classes",
        size_hw=(8, 8),
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in NAMES),
        ignore_index=None,
        normalisation=Normalisation((127.0,) * 3, (128.0,) * 3),
        licence="",
    )


@pytest.fixture
def invoke(folder):
    """Run the command on the tiny data set."""
    app = typer.Typer()
    app.command()(parity)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--data", "data"])


def write_manifest(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "manifest.json"
    path.write_text(json.dumps({"artifacts": [{"file": name} for name in names]}))
    return path


def test_parity_of_a_faithful_artifact_exits_0_and_holds_the_contract_keys(invoke):
    result = invoke("good.onnx", "--json", "--max-drop", "0")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert document["images"] == 3
    assert document["reference"]["miou"] == 100.0
    assert document["reference"]["path"].endswith("camvid-efficientnet-lite0.safetensors")
    (artifact,) = document["artifacts"]
    assert artifact["path"] == "good.onnx"
    assert artifact["delta_miou"] == 0.0
    assert artifact["delta_interval"] == [0.0, 0.0]
    assert artifact["pixel_agreement"] == 1.0
    assert artifact["latency_ms"] >= 0
    keys = {"target", "precision", "runtime", "miou", "boundary_miou", "passed"}
    assert keys <= set(artifact)


def test_parity_writes_junit_and_markdown_of_files_that_pass_fail_and_settle_nothing(
    invoke, masks, folder
):
    asked = ("good.onnx", "bad.tflite", "gone.onnx", "--masks", "from-phone", "--max-drop", "0")
    result = invoke(*asked, "--junit", "out/tests.xml", "--markdown", "out/parity.md", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    verdicts = [entry["verdict"] for entry in document["artifacts"]]
    assert verdicts == ["passed", "failed", "failed", "inconclusive"]
    assert (document["verdict"], document["passed"]) == ("failed", False)
    assert document["artifacts"][3]["more_images"] >= 1
    suite = ElementTree.parse(folder / "out" / "tests.xml").getroot()[0]
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "1", "1", "1"]
    told = (folder / "out" / "parity.md").read_text()
    assert told.startswith("### Parity: 1 passed, 2 failed, 1 inconclusive\n")
    invoke(*asked, "--junit", "out/tests.xml", "--fail-inconclusive")
    suite = ElementTree.parse(folder / "out" / "tests.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("2", "0")


def test_parity_tells_its_result_where_files_beside_it_cannot_be_written(
    invoke, folder, monkeypatch
):
    out = folder / "out"

    def measure(self, images):
        shutil.rmtree(out, ignore_errors=True)
        out.write_text("a file by now")
        return images[..., 0]

    monkeypatch.setattr(ReadingRuntime, "predict", measure)
    asked = ("good.onnx", "--junit", "out/a.xml", "--html", "out/a.html", "--markdown", "a.md")
    result = invoke(*asked, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["miou"] == 100
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split()[1] for line in told] == ["out/a.xml", "out/a.html"]
    assert document["error"] == "; ".join(line.removeprefix("error: ") for line in told)
    assert (folder / "a.md").read_text().startswith("### Parity: 1 passed")
    out.unlink()
    shown = invoke(*asked)
    assert shown.exit_code == 1
    assert "100.00" in shown.stdout


def test_parity_refuses_a_junit_file_that_cannot_be_written_before_it_measures(invoke, folder):
    (folder / "taken").mkdir()
    result = invoke("good.onnx", "--junit", "taken", "--json")
    assert result.exit_code == 1
    assert "taken is a folder" in json.loads(result.stdout)["error"]


def test_parity_runs_the_files_in_the_runtime_that_is_named(invoke):
    result = invoke("good.tflite", "--runtime", "compiled-model", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["runtime"] == "compiled-model 1.0"


def test_parity_collects_all_failures_and_exits_1(invoke):
    result = invoke("gone.onnx", "bad.tflite", "bare.tflite", "good.onnx", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["passed"] is False
    assert [a["passed"] for a in document["artifacts"]] == [False, False, False, True]
    sentences = result.stderr.strip().splitlines()
    assert len(sentences) == 3
    assert sentences[0] == "failed: gone.onnx does not exist; pass an exported file"
    assert "bad.tflite scores" in sentences[1]
    assert "a class map" in sentences[2]


def test_parity_for_people_shows_table_classes_and_failures(invoke):
    result = invoke("good.onnx", "bad.tflite", "--per-class")
    assert result.exit_code == 1
    assert "reference: camvid-efficientnet-lite0.safetensors" in result.stdout
    assert "FAILED" in result.stdout
    assert "IoU by class" in result.stdout
    assert "intervals of 3 images are narrower than they should be" in result.stdout
    assert "failed: bad.tflite scores" in result.stderr


def test_parity_of_another_projects_file_takes_the_class_map_and_the_shipped_reference(
    invoke, folder
):
    (folder / "map.toml").write_text('[map]\n0 = "sky"\n1 = "road"\n')
    result = invoke("bare.tflite", "--class-map", "map.toml", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["miou"] == 100.0
    assert document["reference"]["path"].endswith("camvid-efficientnet-lite0.safetensors")


def test_parity_without_artifacts_takes_those_of_the_export_folder(invoke, folder):
    write_manifest(folder / "exports", "a.onnx", "b.mlpackage")
    result = invoke("--json")
    assert result.exit_code == 0, result.stderr
    paths = [a["path"] for a in json.loads(result.stdout)["artifacts"]]
    assert paths == [str(Path("exports", "a.onnx")), str(Path("exports", "b.mlpackage"))]


def test_parity_without_artifacts_and_exports_says_to_export(invoke):
    result = invoke("--json")
    assert result.exit_code == 1
    assert "export a checkpoint first" in json.loads(result.stdout)["error"]


def test_parity_limit_keeps_the_first_images(invoke):
    assert json.loads(invoke("good.onnx", "--limit", "2", "--json").stdout)["images"] == 2


def test_parity_canonical_holds_files_against_the_graph_they_were_lowered_from(
    invoke, folder, monkeypatch
):
    """The canonical graph says sky everywhere here, so a file that does so too agrees with it in every pixel."""

    def open_canonical(path, *, size_hw):
        return ReadingRuntime(path, describe("0" * 64), degraded=True, size_hw=size_hw)

    monkeypatch.setattr("edge_deeplab.runtimes.canonical.CanonicalRuntime", open_canonical)
    result = invoke("bad.tflite", "--canonical", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["pixel_agreement"] == 1.0
    assert document["reference"]["miou"] < 100.0
    assert document["artifacts"][0]["delta_miou"] == 0.0


def test_parity_with_a_bad_normalisation_is_a_usage_error(invoke):
    assert invoke("good.onnx", "--normalisation", "0/0").exit_code == 2


def test_parity_with_a_reference_that_does_not_exist_says_so(invoke):
    result = invoke("good.onnx", "--reference", "lost.safetensors")
    assert result.exit_code == 1
    assert "'lost.safetensors' is neither a file nor a shipped name" in result.stderr


def test_parity_refuses_a_plot_that_it_could_not_draw_before_it_measures(invoke, folder):
    (folder / "drift.gif").write_bytes(b"earlier")
    result = invoke("good.onnx", "--plot", "drift.gif")
    assert result.exit_code == 2
    told = " ".join(result.stderr.replace("│", "").split())
    assert "an ending of .png, .svg, .pdf was expected" in told
    assert result.stdout == ""
    assert (folder / "drift.gif").read_bytes() == b"earlier"


def test_expand_artifacts_lists_a_folder_by_its_manifest_and_leaves_packages_alone(tmp_path):
    write_manifest(tmp_path / "out", "a.onnx", "b.tflite")
    package = tmp_path / "c.mlpackage"
    package.mkdir()
    expected = [tmp_path / "out" / "a.onnx", tmp_path / "out" / "b.tflite", package, Path("d.onnx")]
    assert expand_artifacts([tmp_path / "out", package, Path("d.onnx")]) == expected


@pytest.mark.parametrize("text", [None, "{", "{}", '{"artifacts": [{}]}', '{"artifacts": []}'])
def test_expand_artifacts_of_a_folder_without_a_usable_manifest_names_it(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        expand_artifacts([tmp_path])


def test_parity_explains_the_files_of_one_checkpoint_and_size_together(invoke, monkeypatch):
    asked = []

    def explain(checkpoint, paths, images, progress):
        shapes = [image.shape for image in images]
        asked.append((Path(checkpoint).stem, [path.name for path in paths], shapes))
        return []

    monkeypatch.setattr("edge_deeplab.evaluation.explain.explain_images", explain)
    result = invoke("good.onnx", "good.tflite", "--explain")
    assert result.exit_code == 0, result.stderr
    assert asked == [("camvid-efficientnet-lite0", ["good.onnx", "good.tflite"], [(8, 8, 3)])]


def test_parity_keeps_its_scores_when_a_file_cannot_be_explained(invoke, monkeypatch):
    from edge_deeplab.evaluation.drift import DriftChain

    def explain(checkpoint, paths, images, progress):
        return [(DriftChain(path, error=f"{path} crashed"),) for path in paths]

    monkeypatch.setattr("edge_deeplab.evaluation.explain.explain_images", explain)
    result = invoke("good.onnx", "--explain", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["passed"] is True
    assert document["explain"] == [{"path": "good.onnx", "error": "good.onnx crashed"}]
    assert result.stderr == "failed: good.onnx crashed\n"
    assert invoke("good.onnx", "--explain").exit_code == 1


@pytest.fixture
def masks(folder):
    """Class maps that a device made of the data set with good.onnx, of which one pixel is of no class."""
    place = folder / "from-phone"
    place.mkdir()
    (folder / "good.onnx").write_bytes(b"the model")
    images = []
    for index in range(3):
        ids = np.array(Image.open(folder / "data" / "test" / "masks" / f"{index}.png"))
        ids[0, 0] = 2 if index == 0 else ids[0, 0]
        path = place / f"{index}.png"
        Image.fromarray(ids).save(path)
        times = {"prepare": None, "infer": 12.5, "draw": None}
        images.append({"file": path.name, "sha256": file_sha256(path), "ms": times})
    account = {
        "device": "Phone 1",
        "os": "System 2",
        "runtime": "LiteRT",
        "version": "2.3",
        "accelerator": {"asked": "gpu", "got": "cpu"},
        "model_sha256": file_sha256(folder / "good.onnx"),
        "size_hw": [8, 8],
        "images": images,
    }
    (place / "replay.json").write_text(json.dumps(account))
    return place


def test_parity_of_a_devices_class_maps_is_a_row_beside_the_files(invoke, masks):
    result = invoke("good.onnx", "--masks", "from-phone", "--json", "--max-drop", "5")
    assert result.exit_code == 0, result.stderr
    own, row = json.loads(result.stdout)["artifacts"]
    assert "device" not in own
    assert (row["path"], row["device"], row["runtime"]) == ("from-phone", "Phone 1", "LiteRT 2.3")
    assert row["runtime_agreement"] == pytest.approx(1 - 1 / 192)
    assert row["no_class"] == {"pixels": 1, "ids": {"2": 1}, "padded_to": 4}
    assert -5 < row["delta_miou"] < 0
    assert "warning: from-phone: 1 pixels are of no class (id 2; there are 2 classes)" in (
        result.stderr
    )


def test_parity_of_a_devices_class_maps_gets_a_verdict_as_a_file_does(invoke, masks):
    """One of three images lost a pixel, so that resamples without it lost nothing."""
    asked = ("good.onnx", "--masks", "from-phone", "--max-drop", "0")
    result = invoke(*asked)
    assert result.exit_code == 0, result.stderr
    assert "inconclusive: from-phone differs from the reference by" in result.stderr
    assert "more images like these would settle it" in result.stderr
    result = invoke(*asked, "--fail-inconclusive")
    assert result.exit_code == 1
    assert "inconclusive: from-phone differs" in result.stderr
    assert "class maps of devices" in result.stdout
    assert "cpu (gpu was asked)" in " ".join(result.stdout.split())


def test_parity_of_class_maps_alone_needs_no_export_folder(invoke, masks):
    result = invoke("--masks", "from-phone", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)["artifacts"]
    assert "from-phone does not tell what its ids mean" in row["error"]


def test_parity_of_class_maps_of_another_model_runs_the_file_all_the_same(invoke, masks, folder):
    (folder / "good.onnx").write_bytes(b"another model")
    result = invoke("good.onnx", "--masks", "from-phone", "--json")
    assert result.exit_code == 1
    own, row = json.loads(result.stdout)["artifacts"]
    assert (own["passed"], row["passed"]) == (True, False)
    assert "the very file that the device ran was expected" in row["error"]
