"""A network of the user's own code: a checkpoint tells it by its structure and holds none of the code.

The idea to hold: modules that were wrapped are known to this process alone. A checkpoint of one is opened where the
same module was wrapped before, and nowhere else, so no file can name code that is run.
"""

import hashlib
from copy import deepcopy
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import nn

from edge_deeplab.description import MOST_CLASSES
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.models.spec import Parts
from edge_deeplab.recipes import first_problem
from edge_deeplab.text import first_line

_PROBES, _PROBE_TOLERANCE = 16, 1e-3
"""Scores that are kept, and the share of the largest by which machines may differ."""
_LONGEST_NAME = 100


def _file_name(name: str) -> str:
    """Check that files may be called so: exported ones are."""
    is_plain = name.isprintable() and not set(name) & set("/\\") and not name.startswith(".")
    if not (is_plain and 0 < len(name) <= _LONGEST_NAME):
        raise ValueError(
            f"it is no name of a file: up to {_LONGEST_NAME} printable characters without slashes"
        )
    return name


_Path = Annotated[str, Field(min_length=1, max_length=1024)]
_Score = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_known: dict[tuple[str, tuple[float, ...]], nn.Module] = {}
"""What was wrapped in this process, by structure and probe."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class WrappedSpec:
    """What tells such a network: the counterpart of `models.spec.ModelSpec`.

    Args:
        name: what it is called, and its files.
        structure: of its module, as `structure_of` gives it.
        probe: scores of its module, as `probe_of` gives them.
        num_classes: channels of its output.
        classifier: path of the module whose output channels are the classes.
        backbone: path of what learns at the backbone's rate; None where all learns at one.
        factory: a key of `models.deeplab.FACTORIES`.
    """

    name: Annotated[str, AfterValidator(_file_name)]
    structure: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    probe: Annotated[tuple[_Score, ...], Field(min_length=1, max_length=_PROBES)]
    num_classes: Annotated[int, Field(strict=True, ge=2, le=MOST_CLASSES)]
    classifier: _Path
    backbone: _Path | None = None
    factory: Literal["wrapped"] = "wrapped"

    @property
    def parts(self) -> Parts:
        """Which layers are backbone and classifier."""
        return Parts(self.backbone or "", self.classifier)

    def at_stride(self, output_stride: int) -> "WrappedSpec":
        """Refuse another output stride.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"output stride {output_stride} came with {self.name}, a wrapped module, which has its strides from its "
            "own code; none was expected; leave it out"
        )

    def with_num_classes(self, num_classes: int) -> "WrappedSpec":
        """Return the spec if it has so many classes.

        Raises:
            ConfigError: when it has others, which its own code alone can change.
        """
        if num_classes != self.num_classes:
            raise ConfigError(
                f"{num_classes} classes came with {self.name}, a wrapped module that gives scores of "
                f"{self.num_classes}; as many were expected; wrap a module with a classifier of {num_classes}"
            )
        return self


def read_wrapped(document: object) -> WrappedSpec:
    """Return the spec that `dataclasses.asdict` wrote as a document.

    Raises:
        ValueError: when it is none; says which field holds what.
    """
    try:
        return TypeAdapter(WrappedSpec).validate_python(document)
    except ValidationError as error:
        raise ValueError(first_problem(WrappedSpec, error)) from error


def structure_of(module: nn.Module) -> str:
    """Return the sha256 of what a module consists of: path, type and settings of every part, shapes of its state."""
    parts = [
        f"{path} {type(part).__qualname__}({part.extra_repr()})"
        for path, part in module.named_modules()
    ]
    state = [f"{name} {tuple(tensor.shape)}" for name, tensor in module.state_dict().items()]
    return hashlib.sha256("\n".join([*parts, *state]).encode()).hexdigest()


def probe_of(module: nn.Module, size_hw: tuple[int, int]) -> tuple[float, ...]:
    """Return a few scores that a module gives with weights and an image from a seed: what its forward computes.

    Args:
        module: in evaluation mode; it is left as it is.
        size_hw: height and width of the image in pixels.

    Raises:
        ConfigError: when it fails, or gives the same weights other scores each time, or none but zeros and nan.
    """
    name = type(module).__name__
    try:
        for positive in (False, True):  # a logarithm or a root gives nan of the others
            found, again = (_probe(module, size_hw, positive=positive) for _ in range(2))
            if not torch.equal(found.nan_to_num(), again.nan_to_num()):
                raise ConfigError(
                    f"{name} gives the same weights and image other scores each time; a forward without chance was "
                    "expected in evaluation mode; hand dropout self.training"
                )
            if found.isfinite().all() and found.any():
                return tuple(found.tolist())
    except ConfigError:
        raise
    except Exception as error:  # the module's own code runs
        raise ConfigError(
            f"{name} failed with weights from a seed ({type(error).__name__}: {first_line(error)}); a forward of any "
            "finite weights was expected; mend it"
        ) from error
    raise ConfigError(
        f"{name} gives no finite scores but zeros with weights from a seed; a forward of any finite weights was "
        "expected; mend it"
    )


def _probe(module: nn.Module, size_hw: tuple[int, int], *, positive: bool) -> torch.Tensor:
    seeded, generator = deepcopy(module), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in seeded.state_dict().items():  # shares the tensors
            if not tensor.is_floating_point():
                continue
            drawn = torch.randn(tensor.shape, generator=generator)  # whatever the order in memory
            if name.endswith("running_var"):
                drawn = drawn.abs() + 0.5
            elif tensor.ndim > 1:
                drawn = drawn / max(1, tensor.numel() // max(1, len(tensor))) ** 0.5
            tensor.copy_(drawn.abs() if positive else drawn)
        image = torch.randn(1, 3, *size_hw, generator=generator)
        scores: torch.Tensor = seeded(image).flatten()
    return scores[torch.linspace(0, len(scores) - 1, _PROBES).long()]


def remember(module: nn.Module, spec: WrappedSpec) -> None:
    """Keep a module for this process, as what builds the checkpoints of a spec."""
    _known[spec.structure, spec.probe] = module


def check_is_that_of(module: nn.Module, spec: WrappedSpec, size_hw: tuple[int, int]) -> None:
    """Check that a module is the one that a spec tells of.

    Args:
        module: in evaluation mode.
        spec: of a checkpoint.
        size_hw: that of the checkpoint.

    Raises:
        ConfigError: when it consists of other parts, or computes something else from them.
    """
    what = ""
    if structure_of(module) != spec.structure:
        what = "its parts, their settings or shapes differ"
    elif not torch.allclose(
        torch.tensor(probe_of(module, size_hw)),
        torch.tensor(spec.probe),
        rtol=0,
        atol=_PROBE_TOLERANCE * max(map(abs, spec.probe)),
    ):
        what = "with the same weights it gives other scores"
    if what:
        raise ConfigError(
            f"{type(module).__name__} is not the module that the weights are of, {spec.name}: {what}; the module that "
            "was wrapped when the run began was expected, in its full widths; build it the same way"
        )


def check_known(spec: WrappedSpec, file: object) -> None:
    """Check that the module of a checkpoint was wrapped in this process.

    Args:
        spec: of the checkpoint.
        file: where it lies, for the sentence.

    Raises:
        CheckpointError: when it was not.
    """
    if (spec.structure, spec.probe) not in _known:
        raise CheckpointError(
            f"{file} holds weights of {spec.name}, a module of somebody's own code, which no file holds and no command "
            "can open; a program that has the module was expected; there, ed.wrap(module, weights=FILE) opens it"
        )


def build_wrapped(spec: WrappedSpec, num_classes: int) -> nn.Module:
    """Return a new copy of the module that a spec tells of.

    Raises:
        CheckpointError: when it was not wrapped in this process.
        ConfigError: for another number of classes.
    """
    check_known(spec.with_num_classes(num_classes), "the checkpoint")
    return deepcopy(_known[spec.structure, spec.probe])
