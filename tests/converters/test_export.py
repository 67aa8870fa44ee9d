"""Exporting a checkpoint: names, manifest, and what a failure leaves behind."""

import errno
import json
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edge_deeplab import api, versions
from edge_deeplab.checker.judging import ProfileReport, judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.checker.verdicts import Judgement, Verdict
from edge_deeplab.converters import export, to_tflite
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.mending import Mended
from edge_deeplab.converters.export import export_checkpoint, write_target
from edge_deeplab.converters.request import ExportRequest, resolve_targets
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.several_sizes import UNITED
from edge_deeplab.description import Description
from edge_deeplab.errors import (
    ConfigError,
    ConversionError,
    MissingDependencyError,
    OutputError,
)
from edge_deeplab.formats.manifest import content_sha256, read_manifest
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.shipped import DEFAULT_QUANTIZED
from edge_deeplab.progress import Silent
from edge_deeplab.runtimes.once import run_once
from edge_deeplab.targets import TARGETS, TargetName
from tests.converters.conftest import CLASSES, NORMALISATION
from tests.opening import open_here
from tests.slow import or_slow

SIZE_HW = (64, 64)


@pytest.fixture(scope="module")
def checkpoint(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return saved(shallow, tmp_path_factory.mktemp("checkpoint"))


def saved(name: str, folder: Path) -> Checkpoint:
    """Return a network's checkpoint of random weights, saved in a folder."""
    torch.manual_seed(0)
    model = build_model(name, len(CLASSES))
    info = CheckpointInfo(
        spec=find_spec(name),
        classes=CLASSES,
        ignore_index=255,
        normalisation=NORMALISATION,
        size_hw=SIZE_HW,
        licence="CC0",
        provenance={"seed": 0},
    )
    save_checkpoint(folder / "street.safetensors", model, info)
    return load_checkpoint(folder / "street.safetensors")


@pytest.fixture
def no_lowering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every target write its description as text, and capture nothing: for tests of what stands around it."""

    def write(graph: CanonicalGraph, description: Description, path: Path) -> None:
        path.write_text(description.to_json())

    monkeypatch.setattr(export, "write_target", write)
    verdict = Judgement("Conv", "only", None, Verdict.OK, "a test")
    monkeypatch.setattr(
        export, "_judged", lambda path, judges: (ProfileReport("made", (verdict,)),)
    )
    monkeypatch.setattr(export, "_proof", lambda *arguments: None)
    monkeypatch.setattr(export, "foresee", lambda *arguments: Mended())
    monkeypatch.setattr(
        export,
        "capture",
        lambda model, normalisation, size_hw, head, quantization, asked: CanonicalGraph(
            None,
            head,
            size_hw,  # type: ignore[arg-type]
        ),
    )


@pytest.mark.slow  # in full widths; in an eighth: tests/models/test_contract.py
def test_export_of_mobilenetv2_matches_its_checkpoint(
    tmp_path: Path, image_64: torch.Tensor
) -> None:
    checkpoint = saved("deeplabv3plus_mobilenetv2_100", tmp_path)
    request = ExportRequest(head="logits", output=tmp_path / "exports")
    artifacts = export_checkpoint(checkpoint, request)
    images = image_64[None].numpy()
    expected = open_here(checkpoint.path).logits(images)
    for artifact in artifacts:
        found = open_here(artifact.path).logits(images)
        assert abs(found - expected).max() <= 1e-4 * abs(expected).max(), artifact.target
        assert sum(artifact.operators.values()) > 60
        assert artifact.operators["rejected"] == 0


@pytest.fixture
def image_64() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (*SIZE_HW, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.usefixtures("no_lowering")
class TestAroundTheLowering:
    def test_artifacts_are_named_after_checkpoint_and_precision(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        artifacts = export_checkpoint(
            checkpoint, ExportRequest(["onnx", "coreml"], "fp16", output=tmp_path)
        )
        assert [a.path.name for a in artifacts] == ["street-fp16.onnx", "street-fp16.mlpackage"]
        assert {p.name for p in tmp_path.iterdir()} == {
            "street-fp16.onnx",
            "street-fp16.mlpackage",
            "manifest.json",
        }

    def test_api_export_takes_plain_values_and_tells_every_stage(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        stages: list[str] = []

        class Told(Silent):
            def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
                stages.append(what)

        (artifact,) = api.export(
            str(checkpoint.path), "onnx", head="fast", output=str(tmp_path), progress=Told()
        )
        assert artifact.to_json()["path"] == str(tmp_path / "street-fp32.onnx")
        assert artifact.to_json()["operators"] == {"ok": 1, "slow": 0, "fallback": 0, "rejected": 0}
        assert stages == [
            "loading torch",
            "capturing street at 64x64",
            "lowering to onnx fp32",
            "checking onnx fp32",
        ]

    def test_api_export_of_no_model_to_int8_takes_the_shipped_quantized_one(
        self, tmp_path: Path
    ) -> None:
        (artifact,) = api.export(targets="onnx", precision="int8", output=tmp_path)
        assert artifact.path.name == f"{DEFAULT_QUANTIZED}.onnx"

    def test_manifest_tells_what_lies_beside_it(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        (artifact,) = export_checkpoint(checkpoint, ExportRequest(["onnx"], output=tmp_path))
        document = json.loads((tmp_path / "manifest.json").read_text())
        (entry,) = document["artifacts"]
        assert entry["file"] == "street-fp32.onnx"
        assert entry["sha256"] == content_sha256(artifact.path) == artifact.sha256
        assert entry["bytes"] == artifact.path.stat().st_size
        assert entry["size_hw"] == [64, 64]
        assert entry["operators"] == {"ok": 1, "slow": 0, "fallback": 0, "rejected": 0}
        assert entry["profiles"] == ["made"]
        assert entry["checkpoint"] == {"name": "street", "sha256": checkpoint.sha256}
        assert entry["versions"]["torch"] == torch.__version__.partition("+")[0]

    def test_manifest_tells_the_rewrites_that_were_asked_for(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        asked = (AskedRewrite("split-groups", frozenset({"b", "a"}), "a rule"),)
        request = ExportRequest(["onnx"], head="fast", output=tmp_path, asked=asked)
        export_checkpoint(checkpoint, request)
        (entry,) = json.loads((tmp_path / "manifest.json").read_text())["artifacts"]
        assert entry["head"] == "classes"
        assert entry["rewrites"] == [
            {"name": "argmax-before-upsampling", "modules": None, "reason": "--head fast"},
            {"name": "split-groups", "modules": ["a", "b"], "reason": "a rule"},
        ]

    def test_manifest_keeps_earlier_artifacts_that_still_exist(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        export_checkpoint(checkpoint, ExportRequest(["onnx", "tflite"], output=tmp_path))
        (tmp_path / "street-fp32.tflite").unlink()
        export_checkpoint(checkpoint, ExportRequest(["onnx"], "fp16", output=tmp_path))
        document = json.loads((tmp_path / "manifest.json").read_text())
        assert [e["file"] for e in document["artifacts"]] == [
            "street-fp16.onnx",
            "street-fp32.onnx",
        ]

    def test_foreign_manifest_is_not_overwritten(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
        with pytest.raises(OutputError, match="not a manifest of this project"):
            export_checkpoint(checkpoint, ExportRequest(["onnx"], output=tmp_path))
        assert (tmp_path / "manifest.json").read_text() == '{"name": "a web app"}'

    def test_size_defaults_to_the_training_size(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        (artifact,) = export_checkpoint(checkpoint, ExportRequest(["onnx"], output=tmp_path))
        assert artifact.size_hw == SIZE_HW

    def test_any_size_lets_a_bad_size_pass(self, checkpoint: Checkpoint, tmp_path: Path) -> None:
        (artifact,) = export_checkpoint(
            checkpoint,
            ExportRequest(["onnx"], sizes_hw=[(65, 97)], output=tmp_path, any_size=True),
        )
        assert artifact.size_hw == (65, 97)

    def test_disk_full_leaves_earlier_artifact_untouched(
        self, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export_checkpoint(checkpoint, ExportRequest(["onnx"], output=tmp_path))
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

        def fill_disk(graph: CanonicalGraph, description: Description, path: Path) -> None:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(export, "write_target", fill_disk)
        with pytest.raises(OutputError, match="No space left on device"):
            export_checkpoint(checkpoint, ExportRequest(["onnx"], output=tmp_path))
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before

    def test_folder_that_cannot_be_made_is_an_output_error(
        self, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(OutputError, match="choose another output"):
            export_checkpoint(
                checkpoint, ExportRequest(["onnx"], output=tmp_path / "file" / "exports")
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"targets": ["onxn"]},
            "did you mean 'onnx'.*coreml, tflite, onnx, executorch, coreai, all, every",
        ),
        ({"precision": "fp8"}, "choose one of: fp32, fp16, int8, w8, w6, w4"),
        ({"precision": "int4"}, "before it choose w8, w6 or w4"),
        ({"precision": "int8"}, "without scales.*quantize it first, or calibrate.*w8, w6 or w4"),
        ({"head": "mask"}, "choose one of: exact, fast, logits, quarter-logits, classes"),
        ({"atrous": "dilated"}, "native, zero-insert, deinterlace, auto"),
        ({"asked": [AskedRewrite("split-group")]}, "did you mean 'split-groups'"),
        ({"head": "fast", "sizes_hw": [(65, 97)], "any_size": True}, "or head exact"),
        (
            {
                "asked": [AskedRewrite("argmax-before-upsampling")],
                "sizes_hw": [(64, 96), (65, 97)],
                "any_size": True,
            },
            "argmax-before-upsampling came with size 65x97",
        ),
        ({"profiles": ["tflite-gpu"]}, "add the target tflite"),
        ({"precision": "w4"}, "choose coreml"),
        ({"sparsity": "0.5", "precision": "w8", "targets": ["coreml"]}, "leave one of the two out"),
        ({"sizes_hw": [(64, 96), (361, 481)]}, "use 368x480"),
        ({"backend": "cormel"}, "did you mean 'coreml'.*xnnpack, coreml"),
    ],
)
def test_export_refuses_what_cannot_be_meant(
    checkpoint: Checkpoint, tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    def export(**fields: Any) -> None:
        export_checkpoint(checkpoint, ExportRequest(**fields))

    with pytest.raises(ConfigError, match=message):
        export(**{"targets": ["onnx"], "output": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_resolve_targets_names_each_once() -> None:
    assert resolve_targets(["onnx", "tflite", "onnx"]) == ("onnx", "tflite")
    assert resolve_targets(["onnx", "all"]) == ("onnx", "coreml", "tflite")
    assert resolve_targets(["every"]) == tuple(TARGETS)


def test_export_without_a_converter_names_the_extra_before_writing_anything(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = versions.installed_version
    monkeypatch.setattr(
        versions,
        "installed_version",
        lambda package: None if package == "litert-torch" else installed(package),
    )
    with pytest.raises(MissingDependencyError, match=r"litert-torch.*edge-deeplab\[tflite\]"):
        export_checkpoint(checkpoint, ExportRequest(["onnx", "tflite"], output=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_export_with_atrous_auto_records_forms_and_reasons(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (artifact,) = export_checkpoint(
        checkpoint, ExportRequest(["onnx"], output=tmp_path, atrous="auto")
    )
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["artifacts"]
    forms = {choice["module"]: choice["form"] for choice in entry["atrous"]}
    assert forms["aspp.branches.1.0"] == "deinterlace"  # onnx-cpu: depthwise at a rate is slow
    rewritten = [module for module, form in forms.items() if form == "deinterlace"]
    assert entry["rewrites"] == [
        {
            "name": "deinterlace",
            "modules": sorted(rewritten),
            "reason": "--atrous auto, onnx-cpu",
        }
    ]
    assert not any(
        operator.convolution.dilated
        for operator in read_graph(artifact.path).operators
        if operator.convolution and operator.module in rewritten
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("targets", ["onxn"]),
        ("precision", "fp8"),
        ("sizes_hw", [(65, 97)]),
        ("head", "mask"),
        ("atrous", "dilated"),
        ("profiles", ["tflite-cpu"]),
        ("backend", "metal"),
        ("sparsity", "half"),
        ("asked", [AskedRewrite("nothing")]),
    ],
)
def test_request_says_which_field_cannot_be_meant(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        ExportRequest(**{field: value})
    assert caught.value.field == field


def test_export_with_head_fast_is_the_fast_head(checkpoint: Checkpoint, tmp_path: Path) -> None:
    request = ExportRequest(["onnx"], head="fast", output=tmp_path)
    (artifact,) = export_checkpoint(checkpoint, request)
    assert [asked.name for asked in artifact.rewrites] == ["argmax-before-upsampling"]
    ids = open_here(artifact.path).predict(np.zeros((1, *SIZE_HW, 3), np.uint8))
    assert (ids[:, ::2] == ids[:, 1::2]).all()


PROFILES = {"coreml": "coreml-ane-a12", "tflite": "tflite-gpu", "onnx": "onnx-cpu"}
"""Each has a rule that names a rewrite of the network's atrous convolutions."""


@pytest.mark.parametrize("targets", [("coreml", "onnx"), or_slow(tuple(PROFILES), False)])
def test_export_for_profiles_lowers_each_file_once(
    targets: tuple[str, ...],
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lowered: list[str | None] = []

    def write(graph: CanonicalGraph, description: Description, path: Path) -> None:
        lowered.append(description.target)
        write_target(graph, description, path)

    monkeypatch.setattr(export, "write_target", write)
    names = [PROFILES[target] for target in targets]
    request = ExportRequest(list(targets), profiles=names, output=tmp_path)
    artifacts = export_checkpoint(checkpoint, request)
    assert lowered == list(targets)
    rewritten = {artifact.target: artifact.rewrites for artifact in artifacts}
    assert {asked.name for asked in rewritten["onnx"]} == {"deinterlace"}
    for artifact, name in zip(artifacts, names, strict=True):
        assert artifact.profiles == (name,)
        report = judge(read_graph(artifact.path), load_profile(name))
        assert artifact.operators == report.count()


@pytest.mark.usefixtures("no_lowering")
def test_several_sizes_have_files_of_their_own_named_by_them(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    noted: list[str] = []

    class Noting(Silent):
        def note(self, sentence: str) -> None:
            noted.append(sentence)

    sizes = [SIZE_HW, (32, 48)]
    request = ExportRequest(["executorch", "coreai"], sizes_hw=sizes, output=tmp_path)
    artifacts = export_checkpoint(checkpoint, request, Noting())
    assert [(a.path.name, a.size_hw) for a in artifacts] == [
        ("street-fp32-64x64.pte", SIZE_HW),
        ("street-fp32-32x48.pte", (32, 48)),
        ("street-fp32-64x64.aimodel", SIZE_HW),
        ("street-fp32-32x48.aimodel", (32, 48)),
    ]
    entries = {entry["file"]: entry["size_hw"] for entry in read_manifest(tmp_path)}
    assert entries == {a.path.name: [*a.size_hw] for a in artifacts}
    (note,) = noted
    assert note.startswith("street was trained at 64x64; what 32x48 costs in accuracy")


@pytest.mark.parametrize("target", list(UNITED))
def test_several_sizes_are_one_file_whatever_lies_beside_it(
    checkpoint: Checkpoint, tmp_path: Path, target: TargetName
) -> None:
    sizes, ending = [SIZE_HW, (32, 48)], TARGETS[target].ending
    (tmp_path / f"street-fp32-32x48{ending}").mkdir()
    (artifact,) = export_checkpoint(
        checkpoint, ExportRequest([target], sizes_hw=sizes, output=tmp_path)
    )
    assert artifact.path == tmp_path / f"street-fp32{ending}"
    assert sizes_of(artifact.path) == artifact.sizes_hw == tuple(sizes)
    assert artifact.to_json()["sizes_hw"] == [[64, 64], [32, 48]]
    (entry,) = read_manifest(tmp_path)
    assert entry["sizes_hw"] == [[64, 64], [32, 48]]
    assert entry["sha256"] == content_sha256(artifact.path)
    for size in sizes:
        images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
        found = open_here(artifact.path, size_hw=size).predict(images)
        expected = open_here(checkpoint.path, size_hw=size).predict(images)
        assert np.mean(found == expected) > 0.999
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"street-fp32{ending}", f"street-fp32-32x48{ending}", "manifest.json"}


@pytest.mark.parametrize("target", list(UNITED))
@pytest.mark.usefixtures("no_lowering")
def test_sizes_whose_programs_differ_are_delivered_one_by_one_and_that_is_told(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: TargetName
) -> None:
    noted: list[str] = []

    class Noting(Silent):
        def note(self, sentence: str) -> None:
            noted.append(sentence)

    def refuse(parts: object, path: Path) -> None:
        raise ConversionError("the programs differ")

    monkeypatch.setitem(UNITED, target, refuse)  # type: ignore[misc]
    monkeypatch.setattr(CanonicalGraph, "rewritten", lambda self, asked: self)
    request = ExportRequest([target], sizes_hw=[SIZE_HW, (32, 48)], output=tmp_path)
    artifacts = export_checkpoint(checkpoint, request, Noting())
    assert [a.path.name for a in artifacts] == [
        f"street-fp32-64x64{TARGETS[target].ending}",
        f"street-fp32-32x48{TARGETS[target].ending}",
    ]
    assert all(a.path.parent == tmp_path and a.path.exists() for a in artifacts)
    assert noted[-1] == "warning: a file for each size: the programs differ"


def test_export_keeps_no_file_that_computes_something_else(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "street-fp32.onnx").write_text("of before")
    wrong = np.full((len(CLASSES), *SIZE_HW), np.nan, np.float32)
    request = ExportRequest(["onnx"], head="logits", output=tmp_path)
    with pytest.raises(ConversionError, match="the onnx file computes something else"):
        export_checkpoint(checkpoint, request, run=lambda path, image: wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["street-fp32.onnx"]
    assert (tmp_path / "street-fp32.onnx").read_text() == "of before"


def test_file_that_computes_something_else_goes_and_the_others_stay(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    def run(path: Path, image_hwc: npt.NDArray[np.uint8]) -> Any:
        return run_once(path, 255 - image_hwc if path.suffix == ".tflite" else image_hwc)

    request = ExportRequest(["onnx", "tflite", "coreml"], "fp32", output=tmp_path, head="logits")
    with pytest.raises(ConversionError, match="the tflite file computes something else"):
        export_checkpoint(checkpoint, request, run=run)
    assert {path.suffix for path in tmp_path.iterdir()} == {".onnx", ".mlpackage"}


def test_file_is_run_while_the_next_is_lowered_and_kept_when_that_fails(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, failed = Event(), Event()

    def run(path: Path, image_hwc: npt.NDArray[np.uint8]) -> Any:
        begun.set()
        assert failed.wait(60), "the next file was not lowered meanwhile"
        return run_once(path, image_hwc)

    def fail(*_: object) -> None:
        assert begun.wait(60), "the file before was not run"
        failed.set()
        raise ConversionError("no such lowering")

    monkeypatch.setattr(to_tflite, "write_tflite", fail)
    request = ExportRequest(["onnx", "tflite"], "fp32", output=tmp_path)
    with pytest.raises(ConversionError, match="no such lowering"):
        export_checkpoint(checkpoint, request, run=run)
    assert {path.suffix for path in tmp_path.iterdir()} == {".onnx"}


def test_interrupted_export_waits_for_no_run_and_keeps_no_unproven_file(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Event()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(to_tflite, "write_tflite", interrupt)
    request = ExportRequest(["onnx", "tflite"], "fp32", output=tmp_path)
    try:
        with pytest.raises(KeyboardInterrupt):
            export_checkpoint(checkpoint, request, run=lambda *_: str(ended.wait(600)))
    finally:
        ended.set()
    assert list(tmp_path.iterdir()) == []
