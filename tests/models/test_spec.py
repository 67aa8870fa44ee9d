"""What a network consists of, said in values: what is refused, what goes together, and what each field changes."""

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY, find_spec
from edge_deeplab.models.spec import ASPPSpec, ModelSpec, read_spec
from edge_deeplab.training.cpu import keep_depthwise_in_float32

PLUS = find_spec("deeplabv3plus_mobilenetv2_100")
SCORES = find_spec("deeplabv2_aspp_l_vgg16")
MEANT: dict[str, tuple[str, ...]] = {
    "aspp": ("{}",),
    "summed": ("None",),
    "decoder": ("{}", "None"),
    "multi_grid": ("[]",),
    "batch_norm_eps": ("None",),
    "first_dilated": ("True",),
    "same_padding": ("True",),
    "align_corners": ("True",),
    "upsample_logits": ("True",),
}
"""Which of the hostile values mean something after all: all defaults, or none."""
HOSTILE = (None, [], {}, "", "x\n", -1, 0, 10**9, True, float("nan"), [[]], "a" * 300)


def document_of(spec: ModelSpec) -> dict[str, Any]:
    """What a checkpoint holds of a spec."""
    return json.loads(json.dumps(dataclasses.asdict(spec)))  # type: ignore[no-any-return]


def rates_of(network: nn.Module) -> list[int]:
    """Rates of a backbone's convolutions that are larger than one."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return [layer.dilation[0] for layer in layers if layer.dilation[0] > 1]


@pytest.mark.parametrize("name", FAMILY)
def test_a_document_of_a_named_network_is_read_as_it(name: str) -> None:
    assert read_spec(document_of(find_spec(name))) == find_spec(name)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(ModelSpec)])
def test_a_field_of_no_meaning_is_said_in_one_line(field: str, value: object) -> None:
    document = document_of(PLUS) | {field: value}
    if repr(value) in MEANT.get(field, ()):
        read_spec(document)
        return
    with pytest.raises(ValueError, match=r"\A.{10,500}\Z"):
        read_spec(document)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aspp": None}, "exactly one of aspp and summed"),
        ({"summed": {"rates": [12]}}, "exactly one of aspp and summed"),
        ({"aspp": "dense"}, "aspp came as 'dense'; a table was expected"),
        ({"aspp": {"rates": [6, "x"]}}, "aspp.rates.1 came as 'x'"),
        ({"aspp": {"rates": [0]}}, "aspp.rates.0 came as 0"),
        ({"aspp": {"rates": [6] * 7}}, "aspp.rates came as"),
        ({"aspp": {"rate": [6]}}, "unknown key 'aspp.rate'; did you mean 'rates'?"),
        ({"aspp": {"channels": 10**6}}, "aspp.channels came as 1000000"),
        ({"aspp": {"dropout": "0.5"}}, "aspp.dropout came as '0.5'"),
        ({"decoder": {"blocks": 4}}, "decoder.blocks came as 4"),
        ({"multi_grid": [1, 2, 4]}, "multi_grid is three factors"),
        ({"backbone": "xception65", "same_padding": True}, "cannot be padded"),
        ({"factory": "os.system"}, "factory came as 'os.system'"),
        ({"code": "x"}, "unknown key 'code'"),
    ],
    ids=str,
)
def test_a_spec_that_does_not_go_together_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        read_spec(document_of(PLUS) | changes)


def test_a_decoder_after_summed_branches_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"deeplabv2_aspp_l_vgg16 .*a decoder follows aspp"):
        SCORES.with_options({"decoder": {}})


@pytest.mark.parametrize("document", [None, [], "spec", 3])
def test_what_is_no_table_is_no_spec(document: object) -> None:
    with pytest.raises(ValueError, match=r"ModelSpec came as .*; a table was expected"):
        read_spec(document)


class TestOptions:
    def test_options_change_what_they_name_and_nothing_else(self) -> None:
        spec = PLUS.with_options({"decoder": {"reduced_channels": 16}, "align_corners": True})
        assert spec.decoder is not None
        assert PLUS.decoder is not None
        decoder = dataclasses.replace(PLUS.decoder, reduced_channels=16)
        assert spec == dataclasses.replace(PLUS, decoder=decoder, align_corners=True)

    def test_a_stride_moves_the_rates_and_rates_that_are_said_stay(self) -> None:
        moved = PLUS.with_options({"output_stride": 8})
        said = PLUS.with_options({"output_stride": 8, "aspp": {"rates": [1, 2]}})
        assert moved.aspp is not None
        assert said.aspp is not None
        assert moved.aspp.rates == (12, 24, 36)
        assert said.aspp.rates == (1, 2)

    def test_no_decoder_can_be_said_where_there_is_no_null(self) -> None:
        assert PLUS.with_options({"decoder": "none"}).decoder is None

    def test_separable_sets_branches_and_decoder(self) -> None:
        dense = PLUS.with_options({"separable": False})
        assert not dense.is_separable
        assert dense.decoder is not None
        assert dense.decoder.convolution == "dense"

    def test_an_unknown_field_names_the_closest(self) -> None:
        with pytest.raises(ConfigError, match=r"'decoder.block'; did you mean 'blocks'"):
            PLUS.with_options({"decoder": {"block": 1}})

    @pytest.mark.parametrize("name", ["name", "backbone", "factory"])
    def test_what_makes_a_named_network_itself_is_no_option(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"model option '{name}' is not known"):
            PLUS.with_options({name: "resnet50"})


class TestBackbone:
    def test_first_dilated_dilates_what_lost_its_stride(self) -> None:
        plain = find_spec("deeplabv3plus_resnet50").at_stride(8)
        first = dataclasses.replace(plain, first_dilated=True)
        assert rates_of(build_model(plain, 2).backbone) == [2] * 6 + [4] * 2
        assert rates_of(build_model(first, 2).backbone) == [2] * 6 + [4] * 3

    def test_multi_grid_multiplies_the_last_stage(self) -> None:
        assert rates_of(build_model("deeplabv3_resnet50", 2).backbone) == [2, 4, 8]

    def test_vgg_keeps_the_size_of_its_last_pools(self) -> None:
        model = build_model("deeplabv1_largefov_vgg16", 2)
        assert rates_of(model.backbone) == [2, 2, 2]
        (features,) = model.backbone(torch.zeros(1, 3, 64, 96))
        assert features.shape[-2:] == (8, 12)
        assert sum(p.numel() for p in build_model(model.spec, 21).parameters()) == 20_505_429

    def test_batch_norm_eps_is_the_backbones_alone(self) -> None:
        model = build_model(dataclasses.replace(PLUS, batch_norm_eps=1e-3), 2)
        norms = {p: m.eps for p, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
        assert {eps for path, eps in norms.items() if path.startswith("backbone.")} == {1e-3}
        assert {eps for path, eps in norms.items() if not path.startswith("backbone.")} == {1e-5}

    def test_same_padding_stays_where_float32_is_put_around_convolutions(self) -> None:
        padded = build_model(dataclasses.replace(PLUS, same_padding=True), 2).eval()
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            expected = padded(images)
            keep_depthwise_in_float32(padded)
            assert torch.equal(padded(images), expected)

    def test_same_padding_moves_what_a_strided_convolution_sees(self) -> None:
        torch.manual_seed(0)
        model = build_model(PLUS, 2).eval()
        padded = build_model(dataclasses.replace(PLUS, same_padding=True), 2).eval()
        padded.load_state_dict(model.state_dict())
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            last, other = model.backbone(images)[-1], padded.backbone(images)[-1]
        assert last.shape == other.shape
        assert not torch.allclose(last, other)


class TestHead:
    """What each field of head and decoder changes in the network."""

    def test_pooling_first_is_the_first_branch(self) -> None:
        spec = dataclasses.replace(PLUS, aspp=ASPPSpec(rates=(), pooling="first"))
        model = build_model(spec, 2)
        assert [type(branch).__name__ for branch in model.aspp.branches] == [  # type: ignore[union-attr]
            "ImagePooling",
            "Sequential",
        ]

    def test_neck_and_projection_have_the_kernels_that_are_said(self) -> None:
        spec = PLUS.with_options({"aspp": {"neck": "bare", "project_kernel": 3}})
        tensors = build_model(spec, 2).state_dict()
        assert tensors["aspp.project.0.weight"].shape[-2:] == (3, 3)
        assert tensors["aspp.neck.0.weight"].shape == (256, 1, 3, 3)
        assert tensors["aspp.neck.1.weight"].shape == (256, 256, 1, 1)

    @pytest.mark.parametrize("blocks", [1, 2, 3])
    def test_decoder_has_its_blocks(self, blocks: int) -> None:
        spec = PLUS.with_options({"decoder": {"blocks": blocks, "reduced_channels": 8}})
        decoder = build_model(spec, 2).decoder
        assert decoder is not None
        assert len(decoder.refine) == blocks
        assert decoder.reduce[0].out_channels == 8

    def test_conv3_is_joined_before_conv2(self) -> None:
        model = build_model(PLUS.with_options({"decoder": {"conv3": True}}), 2).eval()
        sizes: list[torch.Size] = []
        assert model.decoder is not None
        assert model.decoder.coarser is not None
        for decoder in (model.decoder.coarser, model.decoder):
            decoder.register_forward_hook(lambda _, __, joined: sizes.append(joined.shape[-2:]))
        with torch.no_grad():
            model(torch.zeros(1, 3, 64, 64))
        assert sizes == [(8, 8), (16, 16)]

    def test_low_first_turns_the_concatenation_round(self) -> None:
        torch.manual_seed(0)
        model = build_model(PLUS, 2).eval()
        turned = build_model(PLUS.with_options({"decoder": {"low_first": True}}), 2).eval()
        tensors = model.state_dict()
        depthwise = ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var")
        for name in (f"decoder.refine.0.{end}" for end in depthwise):
            tensors[name] = torch.cat([tensors[name][256:], tensors[name][:256]])
        pointwise = tensors["decoder.refine.0.3.weight"]
        tensors["decoder.refine.0.3.weight"] = torch.cat(
            [pointwise[:, 256:], pointwise[:, :256]], dim=1
        )
        turned.load_state_dict(tensors)
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(turned(images), model(images))

    def test_logits_stay_small_where_they_are_not_enlarged(self) -> None:
        spec = PLUS.with_options({"decoder": "none", "upsample_logits": False})
        with torch.no_grad():
            assert build_model(spec, 2).eval()(torch.zeros(1, 3, 64, 96)).shape[-2:] == (4, 6)

    def test_scores_of_summed_branches_are_summed(self) -> None:
        torch.manual_seed(0)
        model = build_model(SCORES, 2).eval()
        features = torch.rand(1, 512, 4, 4)
        with torch.no_grad():
            branches = model.aspp(features)
            scores = [c(b) for c, b in zip(model.classifier, branches, strict=True)]  # type: ignore[call-overload]
            torch.testing.assert_close(model.classifier(branches), sum(scores))
        assert len({score.sum().item() for score in scores}) == 4
