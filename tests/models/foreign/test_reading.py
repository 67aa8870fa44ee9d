"""Files of other projects: what is said of their networks, and every way in which it does not fit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.models.foreign.reading import SOURCES, find_source, fit, read_weights, tell_of
from tests.models.foreign.networks import their_tensors

IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
HF: dict[str, Any] = {"architectures": ["MobileNetV2ForSemanticSegmentation"], "output_stride": 16}
SMP: dict[str, Any] = {"_model_class": "DeepLabV3Plus", "encoder_name": "resnet50", "classes": 3}
MMSEG: dict[str, Any] = {
    "type": "EncoderDecoder",
    "backbone": {
        "type": "ResNetV1c",
        "depth": 50,
        "dilations": [1, 1, 2, 4],
        "strides": [1, 2, 1, 1],
        "norm_cfg": {"type": "SyncBN", "requires_grad": True},
        "style": "pytorch",
        "contract_dilation": True,
    },
    "decode_head": {
        "type": "DepthwiseSeparableASPPHead",
        "channels": 512,
        "dilations": [1, 12, 24, 36],
        "c1_channels": 48,
        "align_corners": False,
    },
}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(their_tensors("hf", HF), path)
    return path


def test_configuration_beside_the_weights_is_read(weights: Path) -> None:
    (weights.parent / "config.json").write_text(json.dumps({**HF, "layer_norm_eps": 0.002}))
    found = read_weights(weights, find_source("hf"), None)
    assert found.told.spec.batch_norm_eps == 0.002
    assert found.told.spec.output_stride == 16
    assert found.tensors["classifier.weight"].shape == (3, 256, 1, 1)


def test_without_configuration_the_network_is_asked_for(weights: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nothing says which network of transformers.*as the spec"
    ):
        read_weights(weights, find_source("hf"), None)
    with pytest.raises(ConfigError, match=r"nothing says which network of torchvision"):
        read_weights(weights, find_source("torchvision"), None)


def test_whole_spec_and_name_with_options_are_documents(tmp_path: Path) -> None:
    source = find_source("vainf")
    document = {
        "model": "deeplabv3plus_resnet50_os8",
        "options": {"decoder": {"convolution": "bare"}},
    }
    spec = tell_of(source, document).spec
    assert spec.aspp is not None
    assert spec.aspp.rates == (12, 24, 36)
    assert spec.decoder is not None
    assert spec.decoder.convolution == "bare"
    whole = {"name": "mine", "backbone": "resnet50", "aspp": {"rates": [1, 2]}}
    assert tell_of(source, whole).spec.name == "mine"
    path = tmp_path / "spec.toml"
    path.write_text('model = "deeplabv3plus_resnet50_os8"\noptions = {colour = 1}\n')
    with pytest.raises(ConfigError, match=r"spec\.toml does not say.*'colour' is not known"):
        read_weights(tmp_path / "absent.safetensors", source, path)


def test_smp_arguments_have_their_defaults() -> None:
    told = tell_of(SOURCES["smp"], {**SMP, "aux_params": None, "activation": None})
    assert (told.spec.output_stride, told.spec.align_corners, told.spec.first_dilated) == (
        16,
        True,
        True,
    )
    assert told.normalisation == IMAGENET
    plain = tell_of(SOURCES["smp"], {**SMP, "_model_class": "DeepLabV3"}).spec
    assert (plain.output_stride, plain.decoder) == (8, None)


def test_normalisation_of_timm_encoders_is_timms() -> None:
    told = tell_of(SOURCES["smp"], {**SMP, "encoder_name": "tu-mobilenetv2_100.ra_in1k"})
    assert told.normalisation.mean == pytest.approx(IMAGENET.mean)
    assert told.normalisation.std == pytest.approx(IMAGENET.std)


def test_names_of_classes_are_those_that_somebody_gave() -> None:
    labels = {"0": "background", "1": "cat"}
    assert tell_of(SOURCES["hf"], {**HF, "id2label": labels}).names == ("background", "cat")
    made_up = {"0": "LABEL_0", "1": "LABEL_1"}
    assert tell_of(SOURCES["hf"], {**HF, "id2label": made_up}).names is None


def test_mmseg_configuration_says_what_its_name_says() -> None:
    source = SOURCES["mmseg"]
    assert tell_of(source, {"model": MMSEG}).spec == tell_of(source, "deeplabv3plus_r50-d8").spec


def change(document: dict[str, Any], table: str, **fields: Any) -> dict[str, Any]:
    return {"model": {**document, table: {**document[table], **fields}}}


@pytest.mark.parametrize(
    ("source", "said", "reason"),
    [
        ("smp", {**SMP, "_model_class": "Unet"}, "_model_class is 'Unet', not one of"),
        ("smp", {**SMP, "encoder_name": "mobilenet_v2"}, "1280 channels of a classifier's"),
        ("smp", {**SMP, "encoder_name": ["x"]}, "encoder_name is"),
        ("smp", {**SMP, "encoder_depth": 4}, "encoder_depth is 4, not 5: a DeepLab reads"),
        ("smp", {**SMP, "in_channels": 1}, "in_channels is 1, not 3"),
        ("smp", {**SMP, "upsampling": 2}, "upsampling is 2, not 4"),
        ("smp", {**SMP, "decoder_channels": "x"}, "channels came as 'x'"),
        ("smp", {**SMP, "decoder_atrous_rates": 5}, "rates came as 5"),
        ("smp", {**SMP, "dynamic_img_size": True}, "'dynamic_img_size' is not known"),
        ("smp", "deeplabv3plus", "is no network that is imported; those are: none has a name"),
        ("vainf", "deeplabv3plus_mobilenet_os16", "its blocks pad before their expansion"),
        ("vainf", "deeplabv3plus_resnet50", "those are: deeplabv3plus_resnet50_os16"),
        (
            "vainf",
            {"name": "deeplabv3_resnet50", "backbone": "resnet50", "aspp": {}},
            "which is another network; call it otherwise",
        ),
        ("vainf", {}, "neither model, the name of a network, nor backbone"),
        ("hf", {**HF, "architectures": ["MobileNetV2Model"]}, "architectures is"),
        ("hf", {**HF, "depth_multiplier": 0.5}, "depth_multiplier is 0.5, not 1"),
        ("hf", {**HF, "output_stride": 4}, "output_stride came as 4"),
        ("hf", {**HF, "id2label": {"1": "cat"}}, "id2label.0 is missing"),
        ("mmseg", {"model": {**MMSEG, "type": "Cascade"}}, "model.type is 'Cascade'"),
        ("mmseg", change(MMSEG, "backbone", style="caffe"), "style is 'caffe', not 'pytorch'"),
        ("mmseg", change(MMSEG, "backbone", contract_dilation=None), "contract_dilation is False"),
        ("mmseg", change(MMSEG, "backbone", multi_grid=[1, 2, 4]), "multi_grid is"),
        ("mmseg", change(MMSEG, "backbone", strides=[1, 2, 2, 2]), "strides and dilations are"),
        ("mmseg", change(MMSEG, "backbone", plugins=[1]), "'plugins' is not known"),
        ("mmseg", change(MMSEG, "decode_head", dilations=[6, 12]), "dilations is"),
        ("mmseg", change(MMSEG, "decode_head", type="FCNHead"), "type is 'FCNHead'"),
        (
            "mmseg",
            change(MMSEG, "decode_head", act_cfg={"type": "GELU"}),
            "act_cfg.type is 'GELU', not one of ReLU",
        ),
        ("mmseg", change(MMSEG, "decode_head", dw_act_cfg=None), "'dw_act_cfg' is not known"),
        ("mmseg", change(MMSEG, "decode_head", in_index=2), "in_index is 2, not one of -1, 3"),
        ("mmseg", change(MMSEG, "decode_head", conv_cfg={"type": "DCN"}), "conv_cfg is"),
        (
            "mmseg",
            change(MMSEG, "decode_head", input_transform="resize_concat"),
            "input_transform is",
        ),
        (
            "mmseg",
            change(MMSEG, "decode_head", num_classes=2, out_channels=1),
            "out_channels is 1, not 2",
        ),
        (
            "mmseg",
            change(MMSEG, "decode_head", type="ASPPHead", c1_channels=48),
            "'c1_channels' is not known",
        ),
        (
            "mmseg",
            {"model": {**MMSEG, "data_preprocessor": {"mean": [0, 0, 0], "std": [1, 1, 1]}}},
            "bgr_to_rgb is False, not True",
        ),
    ],
)
def test_what_cannot_be_shown_equal_is_refused(source: str, said: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("[", r"\[")):
        tell_of(SOURCES[source], said)


def test_head_of_mmsegmentation_says_much_that_changes_no_result() -> None:
    """The head of their own `deeplabv3plus_r50-d8.py`, as mmengine writes it."""
    said = change(
        MMSEG,
        "decode_head",
        in_channels=2048,
        in_index=3,
        c1_in_channels=256,
        dropout_ratio=0.1,
        num_classes=19,
        out_channels=19,
        norm_cfg={"type": "SyncBN", "requires_grad": True},
        act_cfg={"type": "ReLU"},
        loss_decode={"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
        sampler=None,
    )
    told = tell_of(SOURCES["mmseg"], said)
    assert told.spec == tell_of(SOURCES["mmseg"], {"model": MMSEG}).spec


def test_unknown_source_lists_the_choices() -> None:
    with pytest.raises(
        ConfigError, match=r"did you mean 'smp'.*smp, torchvision, mmseg, vainf, hf"
    ):
        find_source("smpp")


def test_missing_and_left_over_tensors_are_listed() -> None:
    source, told = SOURCES["hf"], tell_of(SOURCES["hf"], HF)
    tensors = their_tensors("hf", HF)
    del tensors["mobilenet_v2.layer.3.expand_1x1.convolution.weight"]
    tensors |= {f"extra.{i}": torch.zeros(1) for i in range(5)}
    expected = (
        r"lacks 1 tensors \(backbone\.blocks\.2\.1\.conv_pw\.weight\) and has 5 that have no place "
        r"\(extra\.0, extra\.1, extra\.2, \.\.\.\)"
    )
    with pytest.raises(CheckpointError, match=expected):
        fit(tensors, source, told, Path("a.pth"))


def test_tensor_of_another_shape_is_named() -> None:
    source, told = SOURCES["hf"], tell_of(SOURCES["hf"], HF)
    tensors = their_tensors("hf", HF)
    tensors["mobilenet_v2.conv_stem.first_conv.convolution.weight"] = torch.zeros(32, 1, 3, 3)
    with pytest.raises(
        CheckpointError, match=r"first_conv\.convolution\.weight as \(32, 1, 3, 3\)"
    ):
        fit(tensors, source, told, Path("a.pth"))


def test_counters_may_be_absent_and_heads_beside_are_dropped() -> None:
    source, told = SOURCES["hf"], tell_of(SOURCES["hf"], HF)
    tensors = {
        name: tensor.half()
        for name, tensor in their_tensors("hf", HF).items()
        if not name.endswith("num_batches_tracked")
    }
    beside = {"mobilenet_v2.conv_1x1.convolution.weight": torch.zeros(1)}
    found = fit(tensors | beside, source, told, Path("a.pth"))
    assert found.dropped == {"mobilenet_v2.conv_1x1": 1}
    assert {t.dtype for t in found.tensors.values()} == {torch.float32, torch.int64}


def test_one_score_is_refused() -> None:
    source, told = SOURCES["hf"], tell_of(SOURCES["hf"], HF)
    with pytest.raises(CheckpointError, match="gives 1 scores; those of 2 to 255"):
        fit(their_tensors("hf", HF, 1), source, told, Path("a.pth"))


def test_spec_that_sums_branches_is_refused() -> None:
    whole = {"name": "v2", "backbone": "resnet50", "summed": {"rates": [6, 12]}}
    with pytest.raises(CheckpointError, match="sums the scores of branches"):
        fit({}, SOURCES["vainf"], tell_of(SOURCES["vainf"], whole), Path("a.pth"))


def test_file_of_another_project_says_which_tensor_it_lacks() -> None:
    source, told = SOURCES["hf"], tell_of(SOURCES["hf"], HF)
    with pytest.raises(CheckpointError, match=r"no tensor segmentation_head\.classifier.*\.bias"):
        fit({"a": torch.zeros(1)}, source, told, Path("a.pth"))


def test_pickle_is_read_on_request_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    tensors = their_tensors("hf", HF)
    torch.save({"state_dict": {f"module.{n}": t for n, t in tensors.items()}}, path)
    (tmp_path / "config.json").write_text(json.dumps(HF))
    with pytest.raises(CheckpointError, match="allow_pickle, or convert it"):
        read_weights(path, find_source("hf"), None)
    found = read_weights(path, find_source("hf"), None, allow_pickle=True)
    assert len(found.tensors) == len(tensors)


def test_damaged_and_infinite_weights_are_refused(weights: Path) -> None:
    (weights.parent / "config.json").write_text(json.dumps(HF))
    tensors = their_tensors("hf", HF)
    tensors["segmentation_head.classifier.convolution.bias"][0] = torch.inf
    save_file(tensors, weights)
    with pytest.raises(CheckpointError, match="nan or infinite"):
        read_weights(weights, find_source("hf"), None)
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_weights(weights, find_source("hf"), None)


def test_configuration_of_a_timm_encoder_is_read_in_a_fresh_process(tmp_path: Path) -> None:
    """timm is the first to import torchvision there, whose operators may not fit the installed torch."""
    code = (
        "from edge_deeplab.documents import Fields\n"
        "from edge_deeplab.models.foreign.smp import read_config\n"
        "told = {'_model_class': 'DeepLabV3Plus', 'encoder_name': 'tu-resnet50'}\n"
        "print(read_config(Fields(told)).normalisation.mean)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
