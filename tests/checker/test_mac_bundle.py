"""The script for a Mac against a stand-in of coremltools, and the merging of what it writes.

No Mac was at hand: `mac_result.json` is written by hand in the documented shape, and a test holds that shape against
what the script writes.
"""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from edge_deeplab import api
from edge_deeplab.checker.mac import script as mac_script
from edge_deeplab.checker.mac.bundle import write_mac_script
from edge_deeplab.checker.mac.result import read_result
from edge_deeplab.checker.report import check_artifact
from edge_deeplab.cli.check_tables import placement_line
from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.formats.manifest import content_sha256

HERE = Path(__file__).parent
ON_M2 = "observed on Apple M2 (Mac14,2, macOS 15.5)"


@pytest.fixture
def script(mlpackage_path, tmp_path):
    path = tmp_path / "ask.py"
    write_mac_script(mlpackage_path, path)
    return path


@pytest.fixture
def result_path(mlpackage_path, tmp_path):
    """The recorded result, about this package."""
    document = json.loads((HERE / "mac_result.json").read_text())
    document["package"]["sha256"] = content_sha256(mlpackage_path)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document))
    return path


def run_script(script, *arguments, platform="darwin"):
    """Run the script as it would be on a Mac, with the stand-in as coremltools."""
    stub = script.parent / "stub" / "coremltools"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text((HERE / "coremltools_stub.py").read_text())
    program = (
        f"import runpy, sys\nsys.platform, sys.argv = {platform!r}, {[str(script), *map(str, arguments)]!r}\n"
        f"sys.path.insert(0, {str(stub.parent)!r})\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def ask(script, package, *images):
    """Return the result that the script writes."""
    output = script.parent / "answer.json"
    finished = run_script(script, package, *images, "--output", output)
    assert finished.returncode == 0, finished.stderr
    return json.loads(output.read_text())


def test_write_mac_script_is_self_contained_and_knows_its_package(script, mlpackage_path):
    source = script.read_text()
    compile(source, str(script), "exec")
    assert f'PACKAGE_SHA256 = "{content_sha256(mlpackage_path)}"' in source
    assert "from edge_deeplab" not in source
    assert "import edge_deeplab" not in source


def test_write_mac_script_needs_nothing_but_what_it_says(script):
    lines = [line.split() for line in script.read_text().splitlines()]
    imported = {line[1].split(".")[0] for line in lines if line[:1] in (["import"], ["from"])}
    assert imported - set(sys.stdlib_module_names) == {"coremltools", "numpy", "PIL"}


def test_write_mac_script_other_format_is_refused(onnx_path, tmp_path):
    with pytest.raises(ConfigError, match=r"an \.mlpackage was expected"):
        write_mac_script(onnx_path, tmp_path / "ask.py")


def test_write_mac_script_damaged_package_leaves_no_script(mlpackage_path, tmp_path):
    (mlpackage_path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(b"\xff")
    with pytest.raises(ArtifactError):
        write_mac_script(mlpackage_path, tmp_path / "ask.py")
    assert not (tmp_path / "ask.py").exists()


def test_script_collects_plans_of_all_compute_units(script, mlpackage_path):
    document = ask(script, mlpackage_path)
    assert document["package"]["sha256"] == content_sha256(mlpackage_path)
    assert list(document["plans"]) == list(mac_script.COMPUTE_UNITS)
    constant, convolution, branch, inner, _ = document["plans"]["CPU_AND_NE"]["operations"]
    assert (constant["preferred"], constant["supported"], constant["cost"]) == (None, [], None)
    assert convolution == {
        "operator": "ios16.conv",
        "outputs": ["aspp__branches__1__0__conv2d"],
        "preferred": "neural_engine",
        "supported": ["cpu", "neural_engine"],
        "cost": 0.25,
    }
    assert (branch["outputs"], inner["outputs"]) == (["upsampled"], ["inner"])
    assert document["plans"]["CPU_ONLY"]["operations"][1]["preferred"] == "cpu"
    assert document["plans"]["CPU_AND_GPU"] == {"error": "RuntimeError: Error compiling model"}


def test_script_predicts_images(script, mlpackage_path, tmp_path):
    image = Image.new("RGB", (12, 8))
    image.paste((255, 255, 255), (6, 0, 12, 8))
    image.save(tmp_path / "street.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    document = ask(script, mlpackage_path, tmp_path / "street.png", tmp_path / "broken.png")
    assert len(document["predictions"]) == 6
    good, bad = document["predictions"][:2]
    assert (good["image"], good["compute_units"]) == ("street.png", "ALL")
    assert good["latency_ms"] > 0
    assert bad["error"].startswith("UnidentifiedImageError")
    result = read_result(tmp_path / "answer.json")
    (values,) = result.predictions[0].outputs.values()
    assert values.tolist() == [[[0, 0, 0, 1, 1, 1]] * 4]
    assert {a.share for a in result.agreements()} == {1.0}


def test_script_writes_the_shape_of_the_recorded_result(script, mlpackage_path, tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "street.png")
    written = ask(script, mlpackage_path, tmp_path / "street.png")
    recorded = json.loads((HERE / "mac_result.json").read_text())
    assert keys(written) == keys(recorded)
    assert keys(written["machine"]) == keys(recorded["machine"])
    assert keys(written["plans"]) == keys(recorded["plans"])
    for plan in ("ALL", "CPU_AND_GPU"):
        assert keys(written["plans"][plan]) == keys(recorded["plans"][plan])
    operations = [each["plans"]["ALL"]["operations"][1] for each in (written, recorded)]
    assert keys(operations[0]) == keys(operations[1])
    predictions = [each["predictions"][0] for each in (written, recorded)]
    assert keys(predictions[0]) == keys(predictions[1])
    assert keys(predictions[0]["outputs"]["classes"]) == keys(predictions[1]["outputs"]["classes"])


def keys(table):
    return sorted(table)


def test_script_of_another_package_is_refused_in_one_sentence(script, mlpackage_path):
    (mlpackage_path / "extra").write_text("changed since")
    finished = run_script(script, mlpackage_path)
    assert finished.returncode == 1
    assert "name the package that the script was written for" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_script_off_a_mac_is_refused_in_one_sentence(script, mlpackage_path):
    finished = run_script(script, mlpackage_path, platform="linux")
    assert finished.returncode == 1
    assert "a Mac was expected" in finished.stderr


def test_script_hash_is_the_manifests_and_passes_over_finders_files(mlpackage_path):
    expected = content_sha256(mlpackage_path)
    (mlpackage_path / "Data" / ".DS_Store").write_text("a window's place")
    assert mac_script.hash_of(mlpackage_path) == expected


def test_script_calls_only_what_coremltools_has():
    from coremltools.models import compute_plan
    from coremltools.models.model import MLModel

    called = (
        compute_plan.MLComputePlan.get_compute_device_usage_for_mlprogram_operation,
        compute_plan.MLComputePlan.get_estimated_cost_for_mlprogram_operation,
    )
    assert all("operation" in inspect.signature(function).parameters for function in called)
    loaded = inspect.signature(compute_plan.MLComputePlan.load_from_path).parameters
    assert set(loaded) == {"path", "compute_units"}
    assert "compute_units" in inspect.signature(MLModel.__init__).parameters
    assert callable(MLModel.get_compiled_model_path)
    fields = compute_plan.MLComputePlanDeviceUsage.__dataclass_fields__
    assert set(fields) == {"preferred_compute_device", "supported_compute_devices"}
    assert "weight" in compute_plan.MLComputePlanCost.__dataclass_fields__
    assert {"operator_name", "outputs", "blocks"} <= set(
        compute_plan.MLModelStructureProgramOperation.__dataclass_fields__
    )


def merged(package, result_path, profile="coreml-ane-a14"):
    (report,) = api.check([package], profiles=[profile], merge=result_path)
    return report


def test_merge_result_observed_verdicts_replace_predicted_ones(mlpackage_path, result_path):
    (profile,) = merged(mlpackage_path, result_path).profiles
    convolution, upsample, argmax = profile.verdicts
    assert [v.verdict for v in profile.verdicts] == ["fallback", "ok", "fallback"]
    assert convolution.reason == f"{ON_M2}: Core ML prefers the CPU (able: CPU, GPU)"
    assert (convolution.rule, convolution.confidence) == ("observed", "measured")
    assert convolution.source == "MLComputePlan of coremltools 9.0, CPU_AND_NE"
    assert convolution.date == "2026-11-20"
    assert convolution.module == "aspp.branches.1.0"
    assert upsample.reason == f"{ON_M2}: Core ML prefers the Neural Engine"
    assert upsample.rewrite is None
    assert argmax.operator == "reduce_argmax"


def test_merge_result_placement_follows_from_what_was_observed(mlpackage_path, result_path):
    """The convolution, which was predicted to stay, went to the CPU: with it all multiply-adds."""
    (profile,) = merged(mlpackage_path, result_path).profiles
    assert profile.partitions == 1
    assert [left.operator for left in profile.left_out] == ["conv", "reduce_argmax"]
    assert profile.accelerator_share == 0.0
    assert profile.decided
    assert placement_line(profile).startswith("observed: 1 partition on the accelerator with 0.0%")


def test_merge_result_slow_operator_is_on_the_accelerator(tiny, tmp_path, result_path):
    """The plan says nothing of it, so its predicted verdict stays."""
    builder = tiny.ProgramBuilder()
    builder.add("quantize", "integers", "INT8", (1, 8, 16, 16), input="image")
    package = builder.save(tmp_path / "slow.mlpackage")
    change(result_path, lambda d: d["package"].update(sha256=content_sha256(package)))
    (profile,) = merged(package, result_path).profiles
    assert [v.verdict for v in profile.verdicts] == ["slow"]
    assert (profile.partitions, profile.left_out) == (1, ())


def test_merge_result_of_the_processor_alone_has_no_placement(mlpackage_path, result_path):
    report = merged(mlpackage_path, result_path, "coreml-cpu")
    assert report.profiles[0].partitions is None


def test_merge_result_notes_tell_the_machine_and_how_far_predictions_agree(
    mlpackage_path, result_path
):
    notes = merged(mlpackage_path, result_path).notes
    assert notes == (
        "coreml-ane-a14: observed on Apple M2 (Mac14,2, macOS 15.5), CPU_AND_NE; that is no A14",
        "street.png: ALL agrees with CPU_ONLY in 87.5000% of values (2.5 ms a prediction)",
        "street.png: CPU_AND_NE agrees with CPU_ONLY in 100.0000% of values (3.2 ms a prediction)",
    )


def change(result_path, edit):
    document = json.loads(result_path.read_text())
    edit(document)
    result_path.write_text(json.dumps(document))


def test_merge_result_operator_without_an_answer_keeps_its_prediction(mlpackage_path, result_path):
    before = check_artifact(mlpackage_path, ["coreml-ane-a14"]).profiles[0].verdicts

    def forget(document):
        operations = document["plans"]["CPU_AND_NE"]["operations"]
        operations[1]["outputs"], operations[2]["preferred"] = ["renamed"], None

    change(result_path, forget)
    report = merged(mlpackage_path, result_path)
    assert report.profiles[0].verdicts[:2] == before[:2]
    assert report.profiles[0].verdicts[2].rule == "observed"
    assert "of 2 operators its plan says nothing" in report.notes[0]


def test_merge_result_package_that_core_ml_does_not_load_is_rejected(mlpackage_path, result_path):
    def refuse(document):
        document["plans"]["CPU_AND_NE"] = {"error": "RuntimeError: [no]"}

    change(result_path, refuse)
    report = merged(mlpackage_path, result_path)
    assert report.rejected
    reason = report.profiles[0].verdicts[0].reason
    assert reason == f"{ON_M2}: Core ML does not load it (RuntimeError: [no])"


def test_merge_result_of_another_package_is_refused(mlpackage_path, result_path):
    change(result_path, lambda document: document["package"].update(sha256="0" * 64))
    with pytest.raises(ArtifactError, match="the result of this package was expected"):
        merged(mlpackage_path, result_path)


def test_merge_result_of_another_format_is_refused(onnx_path, result_path):
    with pytest.raises(ArtifactError, match="the result of this package was expected"):
        merged(onnx_path, result_path, "onnx-cpu")


def spoil(*keys, value):
    def edit(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        spoil("format", value="other/1"),
        spoil("package", value=None),
        spoil("machine", "chip", value=7),
        spoil("machine", value={}),
        spoil("plans", value={}),
        spoil("plans", "ALL", value=[]),
        spoil("plans", "ALL", "operations", 1, "outputs", value=[3]),
        spoil("plans", "ALL", "operations", 1, "supported", value=5),
        spoil("predictions", 0, "outputs", "classes", "shape", value=[1, 9, 9]),
        spoil("predictions", 0, "outputs", "classes", "shape", value=[1 << 40]),
        spoil("predictions", 0, "outputs", "classes", "shape", value=[-1, -16]),
        spoil("predictions", 0, "outputs", "classes", "dtype", value="object"),
        spoil("predictions", 0, "outputs", "classes", "dtype", value="nothing"),
        spoil("predictions", 0, "outputs", "classes", "data", value="AAAA"),
        spoil("predictions", 0, "latency_ms", value="fast"),
    ],
)
def test_read_result_spoiled_document_is_one_sentence(result_path, edit):
    change(result_path, edit)
    with pytest.raises(ArtifactError, match=r"edge-deeplab-mac-result/1 was expected") as caught:
        read_result(result_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "7", "[" * 100_000, "\xff"])
def test_read_result_text_that_is_no_document_is_one_sentence(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_result(path)
