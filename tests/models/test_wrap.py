"""A module of the user's own, through every verb that takes a checkpoint."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab import api
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError, ConfigError, EdgeDeepLabError
from edge_deeplab.models import wrapped_spec
from edge_deeplab.models.checkpoint import save_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.quantization.pruning.groups import find_groups
from edge_deeplab.targets import STABLE, TARGETS
from tests.opening import open_here
from tests.slow import or_slow

SIZE_HW = (32, 48)
TOLD: dict[str, Any] = {
    "classes": ("left", "right"),
    "normalisation": Normalisation((127.5,) * 3, (127.5,) * 3),
    "size_hw": SIZE_HW,
}
RECIPE: dict[str, Any] = {
    "data": {"size_hw": SIZE_HW, "crop_hw": (32, 32)},
    "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
}


TWO_OR_ALL = [["onnx", "coreml"], or_slow([*TARGETS], False)]
"""The targets that a module is exported to every time, and in `make slow`; its float files are of all every time."""


def normed(*arguments: int, **keywords: int) -> nn.Sequential:
    convolution = nn.Conv2d(*arguments, **keywords, bias=False)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.BatchNorm2d(arguments[1]), nn.ReLU())


class Ladder(nn.Module):
    """Two scales whose scores are summed; the first has low-level features alone."""

    def __init__(self, num_classes: int = 2, *, rate: int = 2, align_corners: bool = False) -> None:
        super().__init__()
        self.stem = normed(3, 16, 3, 2, 1)
        self.deep = normed(16, 32, 3, 2, 1)
        self.atrous = normed(32, 32, 3, 1, rate, dilation=rate, groups=32)
        self.mixed = nn.Conv2d(32, 32, 1)
        self.coarse, self.fine = nn.Conv2d(32, num_classes, 1), nn.Conv2d(16, num_classes, 1)
        self.align_corners = align_corners

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        low = self.stem(images)
        deep = self.deep(low)
        scores = self.coarse(deep + self.mixed(self.atrous(deep)))
        enlarged = functional.interpolate(
            scores, size=low.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
        return functional.interpolate(
            enlarged + self.fine(low),
            size=images.shape[-2:],
            mode="bilinear",
            align_corners=self.align_corners,
        )


class Branching(nn.Module):
    """Its part looks at values, which no tracer can follow."""

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(8, 2, 1)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.layer(features)
            return scores if scores.sum() > 0 else -scores

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.part = normed(3, 8, 3), self.Part()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.part(self.stem(images))
        return scores


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins as a new process does."""
    monkeypatch.setattr(wrapped_spec, "_known", {})


@pytest.fixture
def module() -> Ladder:
    torch.manual_seed(0)
    return Ladder()


@pytest.fixture
def data(make_dataset: Callable[..., Path]) -> Path:
    make_dataset("val", count=3)
    return make_dataset("train", count=2)


def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)


def scores_of(module: nn.Module) -> Any:
    picture = torch.from_numpy(images()).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        return module.eval()((picture - 127.5) / 127.5).numpy()


def test_files_of_a_module_give_its_scores(module: Ladder, data: Path, tmp_path: Path) -> None:
    checkpoint = api.wrap(module, **TOLD)
    made = api.export(checkpoint, head="logits", output=tmp_path)
    assert {artifact.target for artifact in made} == set(STABLE)
    for artifact in made:
        found = open_here(artifact.path).logits(images())
        assert abs(found - scores_of(module)).max() <= 1e-4
    assert api.check(made)
    report = api.parity(made, reference=checkpoint, data=data, split="val")
    assert [row.pixel_agreement for row in report.artifacts] == [1.0] * len(made)


@pytest.mark.parametrize("targets", TWO_OR_ALL)
def test_pruned_and_quantized_in_one_process(
    targets: list[str], module: Ladder, data: Path, tmp_path: Path
) -> None:
    checkpoint = api.wrap(module, **TOLD)
    pruning = {**RECIPE, "pruning": {"importance": "magnitude"}}
    pruned = api.prune(
        checkpoint, data=data, output=tmp_path / "pruned", macs=0.7, recipe=pruning, workers=0
    )
    assert pruned.pruned.multiply_adds <= 0.7 * pruned.original.multiply_adds
    calibration = {**RECIPE, "quantization": {"calibration_images": 2}}
    output = tmp_path / "int8"
    api.quantize(tmp_path / "pruned", data=data, output=output, recipe=calibration, workers=0)
    made = api.export(output, targets, precision="int8", output=tmp_path / "files")
    assert not api.compare_quantization(made).differences


class Counting(nn.Module):
    """Computes what nobody reads, and with sizes; one activation object stands at two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.act, self.head = nn.Hardswish(), nn.Conv2d(8, 2, 1)
        self.again = self.act

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        low = self.act(self.first(images))
        deep = self.again(self.second(functional.max_pool2d(low, 2)))
        _ = low + low
        height, width = images.size()[2:]
        same = (height * width) // (width * 1)
        joined = functional.interpolate(deep, size=(same, width), mode="bilinear") + low
        scores: torch.Tensor = self.head(functional.relu(joined + low))
        return scores


class Again(nn.Module):
    """torchvision's manner: one activation, called wherever one is needed."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.swish = nn.ReLU(), nn.Hardswish()
            self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
            self.relu_1, self.first_1 = nn.ReLU(), nn.Conv2d(8, 8, 1)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            inner = self.swish(self.first(self.relu(features)))
            outer: torch.Tensor = self.relu(self.second(self.swish(inner + features)) + inner)
            mixed = functional.relu(self.relu_1(outer + features) + inner)
            return functional.max_pool2d(mixed, 3, 1, 1) + functional.relu6(self.first_1(mixed))

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = (
            nn.Conv2d(3, 8, 3, padding=1),
            self.Block(),
            nn.Conv2d(8, 2, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.block(self.stem(images)))
        return scores


@pytest.mark.parametrize("targets", TWO_OR_ALL)
@pytest.mark.parametrize(
    ("kind", "tensors"),
    [
        (Again, {"block.relu@1", "block.swish@1", "block.relu_1"}),
        pytest.param(
            Counting,
            {"act", "again", "add", "relu", "upsample_bilinear2d"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_a_forward_calls_is_quantized_at_each_place(
    kind: Any, tensors: set[str], targets: list[str], data: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    checkpoint = api.wrap(kind(), **TOLD)
    recipe = {**RECIPE, "quantization": {"calibration_images": 2}}
    output = tmp_path / "int8"
    quantized = api.quantize(checkpoint, data=data, output=output, recipe=recipe, workers=0)
    named = {n for q in api.load(output).quantization.activations for n in q.tensors}
    assert tensors <= named
    made = api.export(
        quantized.checkpoint, targets, precision="int8", head="logits", output=tmp_path
    )
    assert api.compare_quantization(made).differences == ()
    expected = api.open_artifact(output / "best.safetensors").logits(images())
    for artifact in made:
        apart = abs(open_here(artifact.path).logits(images()) - expected)
        assert apart.max() <= 0.04 * np.ptp(expected)


def test_scores_keep_their_channels_when_others_go(
    module: Ladder, data: Path, tmp_path: Path
) -> None:
    """Both classifiers' outputs are summed; only one of them is told."""
    checkpoint = api.wrap(module, **TOLD)
    groups = find_groups(checkpoint.build(), checkpoint.info.spec.parts)
    written = {m.path for group in groups for m in group.members if m.side == "out"}
    assert written
    assert not written & {"coarse", "fine"}


def test_run_opens_again_with_its_module_alone(
    module: Ladder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.safetensors"
    api.wrap(module, output=path, **TOLD)
    monkeypatch.setattr(wrapped_spec, "_known", {})
    with pytest.raises(CheckpointError, match=r"Ladder, a module of somebody's own code.*ed\.wrap"):
        api.load(path)
    opened = api.wrap(Ladder(), weights=path)
    assert np.array_equal(scores_of(opened.build()), scores_of(module))
    assert api.load(path).info == opened.info


def test_pruned_run_opens_with_the_module_in_full_widths(
    module: Ladder, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {**RECIPE, "pruning": {"importance": "magnitude"}, "optimiser": {"epochs": 0}}
    checkpoint = api.wrap(module, **TOLD)
    api.prune(checkpoint, data=data, output=tmp_path / "run", macs=0.7, recipe=recipe)
    monkeypatch.setattr(wrapped_spec, "_known", {})
    opened = api.wrap(Ladder(), weights=tmp_path / "run" / "best.safetensors")
    assert sum(p.numel() for p in opened.build().parameters()) < sum(
        p.numel() for p in module.parameters()
    )


class Slope(nn.Module):
    """Differs from others of its kind in its forward alone, and has no logarithm of a negative weight."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.layer, self.scale, self.slope = nn.Conv2d(3, 2, 3), nn.Parameter(torch.ones(1)), slope

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = functional.leaky_relu(self.layer(images) * self.scale.log1p(), self.slope)
        return functional.interpolate(scores, size=images.shape[-2:], mode="bilinear")


def test_module_of_another_forward_does_not_open_it(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    api.wrap(Slope(0.01), output=path, **TOLD)
    assert api.wrap(Slope(0.01).to(memory_format=torch.channels_last), weights=path)  # type: ignore[call-overload]
    for slope in (0.0, 0.015, 0.05):
        with pytest.raises(ConfigError, match="with the same weights it gives other scores"):
            api.wrap(Slope(slope), weights=path)


class Quarter(nn.Module):
    """Gives a score for every four by four pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = normed(3, 16, 3, 4, 1), nn.Conv2d(16, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.stem(images))
        return scores


@pytest.mark.parametrize("targets", TWO_OR_ALL)
def test_smaller_scores_are_enlarged_before_the_class_is_taken(
    targets: list[str], data: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    checkpoint = api.wrap(Quarter(), **TOLD)
    made = api.export(checkpoint, targets, output=tmp_path)
    report = api.parity(made, reference=checkpoint, data=data, split="val")
    assert [row.pixel_agreement for row in report.artifacts] == [1.0] * len(made)


@pytest.mark.parametrize("other", [{"rate": 4}, {"align_corners": True}, {"num_classes": 3}])
def test_another_module_does_not_open_it(module: Ladder, other: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    api.wrap(module, output=path, **TOLD)
    with pytest.raises(ConfigError, match="Ladder is not the module that the weights are of"):
        api.wrap(Ladder(**other), weights=path)


def test_modules_of_one_structure_are_told_apart(module: Ladder) -> None:
    other = Ladder(align_corners=True)
    other.load_state_dict(module.state_dict())
    first, second = api.wrap(module, **TOLD), api.wrap(other, **TOLD)
    assert np.array_equal(scores_of(first.build()), scores_of(module))
    assert np.array_equal(scores_of(second.build()), scores_of(other))


def test_command_line_says_how_to_open_it(module: Ladder, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    api.wrap(module, output=path, **TOLD)
    command = [sys.executable, "-m", "edge_deeplab", "export", str(path), "--output", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "ed.wrap(module, weights=FILE)" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_training_starts_from_a_module(module: Ladder, data: Path, tmp_path: Path) -> None:
    checkpoint = api.wrap(module, **TOLD)
    trained = api.train(data, tmp_path / "run", recipe=RECIPE, init=checkpoint, workers=0)
    assert isinstance(api.load(trained.checkpoint).build(), Ladder)
    turned = api.wrap(module, **{**TOLD, "classes": ("right", "left")})
    with pytest.raises(ConfigError, match="the same in the same order were expected"):
        api.train(data, tmp_path / "other", recipe=RECIPE, init=turned, workers=0)


def test_part_that_cannot_be_traced_is_named(data: Path, tmp_path: Path) -> None:
    checkpoint = api.wrap(Branching(), **TOLD)
    with pytest.raises(ConfigError, match="Branching cannot be traced module by module at part"):
        api.quantize(checkpoint, data=data, output=tmp_path / "int8", recipe=RECIPE)


class Twice(nn.Module):
    """One layer called at two places, whose weights have two names as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second, self.last = self.first, nn.Conv2d(3, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.last(self.second(self.first(images).relu()))
        return scores


def test_convolution_called_at_two_places_has_no_integers(data: Path, tmp_path: Path) -> None:
    checkpoint = api.wrap(Twice(), **TOLD)
    with pytest.raises(ConfigError, match=r"first \(Conv2d\) is called at 2 places"):
        api.quantize(checkpoint, data=data, output=tmp_path / "int8", recipe=RECIPE)


class Placed(Ladder):
    """Takes pictures of one size, and says so by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, 3, *SIZE_HW))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-2:] != SIZE_HW:
            raise ValueError("another size")
        return super().forward(images + self.position)


def test_module_that_takes_one_size_is_pruned_at_it(data: Path, tmp_path: Path) -> None:
    recipe = {**RECIPE, "pruning": {"importance": "magnitude"}, "optimiser": {"epochs": 0}}
    recipe["data"] = {"size_hw": SIZE_HW, "validation_split": ""}
    checkpoint = api.wrap(Placed(), **TOLD)
    pruned = api.prune(checkpoint, data=data, output=tmp_path / "run", macs=0.8, recipe=recipe)
    assert pruned.pruned.multiply_adds <= 0.8 * pruned.original.multiply_adds


def test_layer_at_two_places_is_not_pruned(data: Path, tmp_path: Path) -> None:
    checkpoint = api.wrap(Twice(), **TOLD)
    with pytest.raises(ConfigError, match="first and second are one layer"):
        api.prune(checkpoint, data=data, output=tmp_path / "run", macs=0.8, recipe=RECIPE)


def test_shared_weights_are_kept(tmp_path: Path) -> None:
    module = Twice()
    api.wrap(module, output=tmp_path / "own.safetensors", **TOLD)
    built = api.load(tmp_path / "own.safetensors").build()
    assert np.array_equal(scores_of(built), scores_of(module))


def test_weights_that_are_computed_are_refused_and_stay(module: Ladder) -> None:
    module.mixed = torch.nn.utils.parametrizations.weight_norm(module.mixed)
    expected = scores_of(module)
    with pytest.raises(ConfigError, match="mixed has weights that a parametrization computes"):
        api.wrap(module, **TOLD)
    assert np.array_equal(scores_of(module), expected)


class Noisy(Ladder):
    """Never gives the same."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return functional.dropout(super().forward(images))


class Tuple(Ladder):
    """Gives more than scores."""

    def forward(self, images: torch.Tensor) -> Any:
        return super().forward(images), 0


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"module": "net"}, "a torch.nn.Module was expected"),
        ({"classes": None}, "Ladder came without classes"),
        ({"size_hw": None}, "Ladder came without size_hw"),
        ({"normalisation": None}, "Ladder came without normalisation"),
        ({"normalisation": (0, 1)}, "a Normalisation"),
        ({"classes": ("a", "a")}, "2 classes have the name 'a'"),
        ({"classes": (1, 2)}, "classes came as"),
        ({"classes": 7}, "classes came as 7"),
        ({"classes": ("a", "b", "c")}, r"gave \(1, 2, 32, 48\).*\(1, 3, h, w\)"),
        ({"module": Tuple()}, "Tuple gave tuple"),
        (
            {"module": nn.Conv2d(3, 2, 1)},
            "Conv2d calls no convolution of 2 channels among its parts",
        ),
        ({"module": nn.Linear(3, 3)}, "Linear failed on an image of"),
        (
            {"module": nn.Conv2d(3, 3, 1), "classes": ("a", "b", "c"), "classifier": "head"},
            "'head'",
        ),
        ({"size_hw": (0, 48)}, "size_hw came as"),
        ({"backbone": ""}, "'' is of no module of Ladder"),
        ({"backbone": "body"}, "'body' is of no module of Ladder"),
        ({"weights": "absent.safetensors"}, "classes came with weights"),
        ({"output": 3}, "output came as 3"),
        ({"ignore_index": -1}, "ignore_index came as -1"),
        ({"ignore_index": 256}, "ignore_index came as 256"),
        ({"name": "a/b"}, "name came as 'a/b'; it is no name of a file"),
        ({"name": "..", "output": "x"}, "it is no name of a file"),
        ({"classifier": "stem"}, "calls no convolution of 2 channels among stem"),
        ({"classes": ("a",), "module": Ladder(1)}, "num_classes came as 1"),
        ({"module": nn.Sequential(nn.LazyConv2d(2, 1))}, "weights without a shape"),
        ({"module": Noisy()}, "other scores each time"),
    ],
)
def test_what_does_not_fit_is_one_sentence(module: Ladder, asked: Any, sentence: str) -> None:
    told = {"module": module, **TOLD, **asked}
    with pytest.raises(EdgeDeepLabError, match=sentence):
        api.wrap(told.pop("module"), **told)


def test_checkpoint_of_the_family_is_not_wrapped(module: Ladder, tmp_path: Path) -> None:
    spec = find_spec("deeplabv3plus_mobilenetv2_100")
    told = api.wrap(module, **TOLD).info
    path = tmp_path / "named.safetensors"
    save_checkpoint(path, build_model(spec, 2), replace(told, spec=spec))
    with pytest.raises(ConfigError, match=r"no module of your own.*ed\.load"):
        api.wrap(module, weights=path)


def test_values_that_are_no_numbers_are_refused(module: Ladder) -> None:
    with torch.no_grad():
        module.fine.weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"nan or infinite in tensor fine\.weight"):
        api.wrap(module, **TOLD)


@pytest.mark.parametrize("compute", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
def test_wrap_of_weights_that_a_hook_computes_says_how_to_make_them_plain(
    compute: Callable[[nn.Module], nn.Module],
) -> None:
    module = nn.Sequential(compute(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 2, 1))
    module(torch.zeros(1, 3, 8, 8))
    with pytest.raises(
        ConfigError, match=r"^0 has weights that a hook computes.*remove_weight_norm"
    ):
        api.wrap(module, **TOLD)
