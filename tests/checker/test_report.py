import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge_deeplab.checker.judging import count_worst
from edge_deeplab.checker.onnx_fusion import integer_operators
from edge_deeplab.checker.report import check_artifact
from edge_deeplab.errors import ArtifactError, ConfigError
from tests.tiny_files import check_observed


def test_check_artifact_tflite_tells_what_xnnpack_took(tflite_report):
    (profile,) = tflite_report.profiles
    assert profile.profile == "tflite-xnnpack"
    assert profile.partitions == 1
    assert [v.verdict for v in profile.verdicts] == ["ok", "fallback"]
    assert profile.verdicts[1].rule == "tflite-xnnpack.operator"
    assert [left.operator for left in profile.left_out] == ["ARG_MAX"]
    assert profile.accelerator_share == 1.0
    assert tflite_report.warnings == ()
    assert not tflite_report.rejected


def test_check_artifact_refused_file_is_rejected_by_a_rule(custom_path):
    report = check_observed(custom_path)
    (verdict,) = report.profiles[0].verdicts
    assert report.rejected
    assert verdict.verdict == "rejected"
    assert verdict.operator == "FancyUpsample"
    assert "FancyUpsample" in verdict.reason
    assert report.profiles[0].partitions == 0
    assert report.warnings == ()


def test_check_artifact_onnx_tells_the_slow_depthwise_with_evidence(onnx_path):
    (profile,) = check_artifact(onnx_path).profiles
    slow = [v for v in profile.verdicts if v.verdict != "ok"]
    assert [v.rule for v in slow] == ["onnx-cpu.dilated-depthwise"]
    assert slow[0].module == "aspp.branches.1.0"
    assert "at rate 6" in slow[0].reason
    assert slow[0].confidence == "source"
    assert "6 x 6 phases" in slow[0].rewrite


def test_check_artifact_onnx_unknown_operator_is_rejected(tmp_path, tiny):
    node = helper.make_node("NoSuchThing", ["image"], ["out"])
    report = check_artifact(tiny.save_onnx(tmp_path / "bad.onnx", [node], {}))
    assert report.rejected
    assert "no operator NoSuchThing" in report.profiles[0].verdicts[0].reason


def of_newer_format(model):
    model.ir_version = 999


def in_float64(model):
    for tensor in (*model.graph.initializer, *model.graph.value_info, *model.graph.input):
        if isinstance(tensor, onnx.TensorProto):
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
        else:
            tensor.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("change", "told"), [(of_newer_format, "IR version"), (in_float64, "Conv")]
)
def test_check_artifact_onnx_that_no_session_takes_is_rejected(tmp_path, tiny, change, told):
    weight = {"weight": tiny.weights(8, 1, 3, 3)}
    path = tiny.save_onnx(tmp_path / "bad.onnx", [tiny.conv_node(weight="weight")], weight)
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    report = check_observed(path)
    assert report.rejected
    (verdict,) = report.profiles[0].verdicts
    assert verdict.rule == "onnx-cpu.refused"
    assert told in verdict.reason
    assert "onnxruntime::" not in verdict.reason
    assert verdict.source.startswith("measured while checking: onnxruntime")


def test_check_artifact_onnx_with_weights_beside_it_is_loaded(tmp_path, tiny):
    weight = {"weight": tiny.weights(8, 1, 3, 3)}
    path = tiny.save_onnx(tmp_path / "ext.onnx", [tiny.conv_node(weight="weight")], weight)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    report = check_observed(path)
    assert (tmp_path / "weights").exists()
    observed = report.seen_by("onnxruntime").observation
    assert observed.refusal is None
    assert integer_operators(observed.formed) == {"Conv": 1}
    assert report.warnings == ()


def test_check_artifact_coreml_tells_the_reported_limits(mlpackage_path):
    (profile,) = check_artifact(mlpackage_path).profiles
    assert profile.profile == "coreml-ane-a14"
    assert profile.partitions == 1
    assert profile.accelerator_share == 1.0
    assert {v.operator: v.verdict for v in profile.verdicts} == {
        "conv": "ok",
        "upsample_bilinear": "ok",
        "reduce_argmax": "ok",
    }
    assert profile.verdicts[1].confidence == "reported"


def test_check_artifact_named_profiles_of_other_formats_are_passed_over(onnx_path):
    report = check_artifact(onnx_path, ["tflite-xnnpack", "onnx-cpu"])
    assert [profile.profile for profile in report.profiles] == ["onnx-cpu"]


def test_check_artifact_unknown_profile_is_told_before_the_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match="unknown profile 'nokia'"):
        check_artifact(tmp_path / "absent.onnx", ["nokia"])


def test_check_artifact_other_ending_lists_the_known_ones(tmp_path):
    with pytest.raises(ArtifactError, match=r"ends in \.pth; one of \.mlpackage, \.tflite, \.onnx"):
        check_artifact(tmp_path / "model.pth")


def count_verdicts(path, profiles=()):
    reports = check_artifact(path, profiles).profiles
    return count_worst([[verdict.verdict for verdict in report.verdicts] for report in reports])


def test_count_worst_counts_by_the_default_profile(tflite_report, onnx_path, mlpackage_path):
    measured = tflite_report.profiles[0].count()
    assert measured == {"ok": 1, "slow": 0, "fallback": 1, "rejected": 0}
    assert count_verdicts(onnx_path) == {"ok": 2, "slow": 1, "fallback": 0, "rejected": 0}
    assert count_verdicts(mlpackage_path) == {"ok": 3, "slow": 0, "fallback": 0, "rejected": 0}


def test_count_worst_by_several_profiles_takes_the_worst_for_each_operator(onnx_path):
    alone = [count_verdicts(onnx_path, [name]) for name in ("onnx-nnapi", "onnx-cpu")]
    both = count_verdicts(onnx_path, ["onnx-nnapi", "onnx-cpu"])
    assert both["ok"] <= min(counts["ok"] for counts in alone)
    assert sum(both.values()) == sum(alone[0].values())
    assert both["slow"] + both["fallback"] >= 1


def test_to_json_tflite_has_the_keys_scripts_rely_on(tflite_report):
    document = tflite_report.to_json()
    assert document["path"].endswith("tiny.tflite")
    assert document["format"] == "tflite"
    assert document["operators"][1] == {
        "operator": "DEPTHWISE_CONV_2D",
        "version": 2,
        "count": 1,
    }
    assert document["dilated_depthwise"] == [
        {
            "name": "aspp__branches__1__2__relu",
            "module": "aspp.branches.1.0",
            "rate": [6, 6],
            "kernel": [3, 3],
            "channels": 8,
            "form": "native",
        }
    ]
    (profile,) = document["profiles"]
    assert {"profile", "verdicts", "partitions"} <= set(profile)
    keys = {"operator", "name", "module", "verdict", "reason", "rule", "source", "rewrite"}
    assert keys <= set(profile["verdicts"][0])
    measured = document["xnnpack"]
    assert (measured["delegated"], measured["total"], measured["partitions"]) == (1, 2, 1)
    assert measured["left_out"] == [{"operator": "ARG_MAX", "name": "classes", "module": None}]


def test_to_json_onnx_has_no_xnnpack_entry(onnx_path):
    document = check_observed(onnx_path).to_json()
    assert "xnnpack" not in document
    assert document["onnxruntime"]["agrees"]
