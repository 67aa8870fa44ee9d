"""Each rewrite computes what the graph computed before, and does what it says to the graph."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn import functional

from edge_deeplab.converters.adapters import (
    argmax_over_last,
    give_channels_last,
    pad_zeros_before_max_pool,
    take_uint8_nhwc,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.add_pooled_features import add_pooled_features
from edge_deeplab.converters.rewrites.fold_batch_norm import fold_batch_norm
from edge_deeplab.converters.rewrites.pipeline import (
    name_operators,
    remove_no_ops,
    rewrites,
)
from edge_deeplab.formats.operator_names import module_of, operator_name
from edge_deeplab.models.aspp import ASPP
from edge_deeplab.models.spec import ASPPSpec
from tests.converters.conftest import randomise_batch_norm

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def trace(module: nn.Module, *inputs: torch.Tensor) -> ExportedProgram:
    with torch.no_grad():
        return torch.export.export(module.eval(), inputs).run_decompositions({})


def run(program: ExportedProgram, *inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = program.module()(*inputs)
    return output


def operations(program: ExportedProgram) -> Counter[str]:
    """Count the operators of a program, by name."""
    calls = [n.target for n in program.graph.nodes if n.op == "call_function"]
    return Counter(getattr(t, "overloadpacket", t).__name__ for t in calls)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 4, 12, 10, generator=torch.Generator().manual_seed(0)) * 4 - 2


def normalised(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    module = nn.Sequential(*layers)
    randomise_batch_norm(module)
    return module


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 6, 3, bias=False),
        nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2),
        nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False),
    ],
    ids=["dense", "strided with bias", "depthwise"],
)
def test_fold_batch_norm_after_convolution_keeps_values(
    convolution: nn.Conv2d, image: torch.Tensor
) -> None:
    program = trace(
        normalised(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()), image
    )
    folded = fold_batch_norm(program)
    torch.testing.assert_close(run(folded, image), run(program, image), rtol=1e-5, atol=1e-5)
    assert operations(folded) == {"conv2d": 1, "relu": 1}


def test_fold_batch_norm_without_affine_keeps_values(image: torch.Tensor) -> None:
    program = trace(normalised(nn.Conv2d(4, 6, 1)), image)
    plain = nn.BatchNorm2d(6, affine=False)
    nn.init.normal_(plain.running_mean)  # type: ignore[arg-type]
    program = trace(nn.Sequential(nn.Conv2d(4, 6, 1), plain), image)
    folded = fold_batch_norm(program)
    torch.testing.assert_close(run(folded, image), run(program, image), rtol=1e-5, atol=1e-5)
    assert operations(folded) == {"conv2d": 1}


def test_fold_batch_norm_drops_the_constants_it_read(image: torch.Tensor) -> None:
    program = trace(normalised(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)), image)
    assert set(fold_batch_norm(program).state_dict) == {"0.folded_weight", "0.folded_bias"}


class SharedConvolution(nn.Module):
    """A convolution whose result is read beside its batch norm: folding would change the other reader."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6)
        randomise_batch_norm(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        convolved = self.convolution(image)
        return self.norm(convolved) + convolved


def test_fold_batch_norm_beside_another_reader_leaves_it_alone(image: torch.Tensor) -> None:
    program = trace(SharedConvolution(), image)
    folded = fold_batch_norm(program)
    assert operations(folded) == operations(program)
    assert torch.equal(run(folded, image), run(program, image))


def test_remove_no_ops_drops_dropout_and_type_checks(image: torch.Tensor) -> None:
    class Net(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return functional.dropout(image, 0.5, training=False).relu().argmax(1).to(torch.int32)

    program = trace(Net(), image)
    cleaned = remove_no_ops(program)
    assert operations(program)["_assert_tensor_metadata"] == 1
    assert operations(cleaned) == {"relu": 1, "argmax": 1, "_to_copy": 1}
    assert torch.equal(run(cleaned, image), run(program, image))


@pytest.mark.parametrize("size_hw", [(12, 10), (1, 1)])
def test_add_pooled_features_in_aspp_keeps_values(size_hw: tuple[int, int]) -> None:
    image = torch.randn(1, 4, *size_hw, generator=torch.Generator().manual_seed(0))
    program = fold_batch_norm(
        trace(
            normalised(ASPP(4, ASPPSpec(rates=(1, 2, 3), convolution="normed", channels=8))), image
        )
    )
    rewritten = add_pooled_features(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=1e-4, atol=1e-5)
    assert operations(rewritten)["upsample_bilinear2d"] == 0
    assert operations(rewritten)["conv2d"] == operations(program)["conv2d"] + 1


class ResizedMap(nn.Module):
    """A concatenation whose resized part is no single pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(8, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        small = functional.avg_pool2d(image, 2)
        resized = functional.interpolate(small, size=image.shape[-2:], mode="bilinear")
        return self.project(torch.cat([image, resized], 1))


def test_add_pooled_features_of_a_whole_map_leaves_it_alone(image: torch.Tensor) -> None:
    program = trace(ResizedMap(), image)
    assert operations(add_pooled_features(program)) == operations(program)


class PooledBesideOneMap(ResizedMap):
    """An image-level feature beside a single map."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixel = image.mean((2, 3), keepdim=True)
        resized = functional.interpolate(pixel, size=image.shape[-2:], mode="bilinear")
        return self.project(torch.cat([image, resized], 1))


def test_add_pooled_features_concatenates_no_single_map(image: torch.Tensor) -> None:
    program = trace(PooledBesideOneMap(), image)
    rewritten = add_pooled_features(program)
    assert operations(rewritten)["cat"] == 0
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=1e-4, atol=1e-5)


def test_name_operators_tells_module_and_operation(image: torch.Tensor) -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.ModuleDict(
                {"low": nn.Conv2d(4, 4, 1), "aspp": nn.Sequential(nn.Conv2d(4, 4, 1))}
            )

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.model["aspp"](self.model["low"](image)) + image + image
            return output

    program = trace(Wrapper(), image)
    named = name_operators(program)
    names = [n.name for n in named.graph.nodes if n.op == "call_function"]
    assert names[:3] == ["low__conv2d", "aspp__0__conv2d", "add"]
    assert names[3].startswith("add_")
    assert [module_of(name) for name in names] == ["low", "aspp.0", "", ""]
    assert set(named.state_dict) == {"low.weight", "low.bias", "aspp.0.weight", "aspp.0.bias"}
    assert torch.equal(run(named, image), run(program, image))


@pytest.mark.parametrize(
    "path", ["", "classifier", "aspp.branches.1.0", "backbone.blocks.2.0.conv_pw"]
)
def test_module_of_reads_back_what_operator_name_wrote(path: str) -> None:
    assert module_of(operator_name(path, "conv2d")) == path
    assert module_of(operator_name(path, "conv2d") + "_weight_to_fp16") == path


def test_rewrites_change_neither_their_input_nor_each_other(image: torch.Tensor) -> None:
    program = trace(
        normalised(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Dropout()), image
    )
    before, value = operations(program), run(program, image)
    for rewrite in rewrites(None):
        rewrite(program)
    assert operations(program) == before
    assert torch.equal(run(program, image), value)


def test_editor_numbers_a_constant_whose_path_is_taken(image: torch.Tensor) -> None:
    editor = ProgramEditor(trace(nn.Conv2d(4, 6, 1), image))
    (convolution,) = editor.calls(torch.ops.aten.conv2d.default)
    bias = convolution.args[2]
    added = editor.add_constant("weight", torch.ones(6, 4, 1, 1))
    assert added.name == "weight_1"
    convolution.args = (convolution.args[0], added, bias)
    program = editor.finish()
    assert set(program.state_dict) == {"weight_1", "bias"}
    assert run(program, image).shape == (1, 6, 12, 10)


def test_remove_no_ops_keeps_the_copy_that_a_view_needs(image: torch.Tensor) -> None:
    class Shuffle(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            mixed = image.view(1, 2, 2, 12, 10).transpose(1, 2)
            return mixed.reshape(1, 4, 12, 10)

    program = trace(Shuffle(), image)
    assert torch.equal(run(remove_no_ops(program), image), run(program, image))


def test_take_uint8_nhwc_gives_the_same_values_from_the_same_pixels() -> None:
    program = trace(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.zeros(1, 3, 8, 6))
    pixels = torch.randint(
        0, 256, (1, 8, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    adapted = take_uint8_nhwc(program)
    assert torch.equal(run(adapted, pixels), run(program, pixels.permute(0, 3, 1, 2).float()))


def test_give_channels_last_turns_the_output_only(image: torch.Tensor) -> None:
    program = trace(nn.Sequential(nn.Conv2d(4, 5, 3)), image)
    assert torch.equal(
        run(give_channels_last(program), image), run(program, image).permute(0, 2, 3, 1)
    )


def test_argmax_over_last_gives_the_same_classes(image: torch.Tensor) -> None:
    class Net(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return (image * 2).argmax(1)

    program = trace(Net(), image)
    adapted = argmax_over_last(program)
    assert operations(adapted)["permute"] == 1
    assert torch.equal(run(adapted, image), run(program, image))


@pytest.mark.parametrize(
    ("before", "rewritten"),
    [(nn.ReLU(), True), (nn.ReLU6(), True), (nn.Hardtanh(), False), (nn.Identity(), False)],
)
def test_pad_zeros_before_max_pool_of_values_that_are_never_negative(
    before: nn.Module, rewritten: bool, image: torch.Tensor
) -> None:
    program = trace(nn.Sequential(before, nn.MaxPool2d(3, stride=2, padding=1)), image)
    adapted = pad_zeros_before_max_pool(program)
    assert operations(adapted)["constant_pad_nd"] == int(rewritten)
    assert torch.equal(run(adapted, image), run(program, image))


@pytest.mark.parametrize(
    ("layer", "zero_point"), [(nn.ReLU(), -128), (nn.ReLU(), 3), (nn.Identity(), 3)]
)
def test_pad_zeros_before_max_pool_of_integers_gives_the_same_integers(
    layer: nn.Module, zero_point: int, image: torch.Tensor
) -> None:
    class Net(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            settings = (1 / 64, zero_point, -128, 127, torch.int8)
            stored = torch.ops.quantized_decomposed.quantize_per_tensor(layer(image), *settings)
            values = torch.ops.quantized_decomposed.dequantize_per_tensor(stored, *settings)
            return functional.max_pool2d(values, 3, 2, 1)

    program = trace(Net(), image)
    adapted = pad_zeros_before_max_pool(program)
    assert operations(adapted)["constant_pad_nd"] == isinstance(layer, nn.ReLU)
    assert torch.equal(run(adapted, image), run(program, image))
