import pytest

from edge_deeplab.formats.operator_names import find_module


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("aspp__branches__1__0__conv2d", "aspp.branches.1.0"),
        ("aspp__branches__1__0__conv2d_cast_fp16", "aspp.branches.1.0"),
        ("classifier__conv2d_weight", "classifier"),
        ("model.backbone.blocks.5.1.conv_dw.folded_weight", "backbone.blocks.5.1.conv_dw"),
        ("aspp.project.0.map_weight", "aspp.project.0"),
        ("relu_3", None),
    ],
)
def test_find_module_own_name_gives_the_checkpoints_path(name, module):
    assert find_module([name], ours=True) == module


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("encoder.layer1.0.conv1.weight", "encoder.layer1.0.conv1"),
        ("encoder.conv1.weight_quantized", "encoder.conv1"),
        ("pkg.Root/pkg.Net_model/torch.nn.modules.conv.Conv2d_conv_dw;other", "model.conv_dw"),
        ("pkg.Root/torch.nn.modules.container.Sequential_0", "0"),
        ("__main__.Root;3", None),
        ("MobilenetV2/expanded_conv_14/depthwise/Relu6", "MobilenetV2/expanded_conv_14/depthwise"),
        ("ArgMax", None),
        ("__private__thing", None),
    ],
)
def test_find_module_foreign_name_is_decoded_by_its_looks(name, module):
    assert find_module([name], ours=False) == module


def test_find_module_first_telling_name_wins():
    names = ["relu", "aspp__branches__1__2__relu", "classifier__conv2d"]
    assert find_module(names, ours=True) == "aspp.branches.1.2"


def test_find_module_endless_name_is_read_in_part():
    assert find_module(["a." * 1_000_000 + "weight"], ours=False) is None
